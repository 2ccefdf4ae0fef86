//! Traces, by OpenTelemetry: one from a callback through the queue to Twilio's answer.
//!
//! They are exported over OTLP where an endpoint is set. Spans meant for them have the target
//! [`TARGET`] and the level trace, which no log is at, so that they cost nothing where it isn't.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use queue::{RedirectRequest, TraceParent};
use tracing::{Level, Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

/// The target of spans that are parts of a trace.
pub const TARGET: &str = "otel::tracing";

/// Where the W3C's trace context has a trace's name
/// (<https://www.w3.org/TR/trace-context/#traceparent-header>).
const TRACEPARENT: &str = "traceparent";

/// How long the last spans of a process that ends may take.
const LAST_EXPORT: Duration = Duration::from_secs(2);

/// Where spans go: the base URL of an OTLP receiver.
#[derive(Clone, PartialEq, Eq)]
pub struct OtlpEndpoint(Url);

crate::values!(OtlpEndpoint = "http://collector:4318");

impl FromStr for OtlpEndpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Url::parse(text) {
            // The exporter would not send them, and show them where it tells of failures.
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                Err("holds credentials: put them into OTEL_EXPORTER_OTLP_HEADERS")
            }
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Self(url)),
            _ => Err("is not an http:// or https:// URL"),
        }
    }
}

impl fmt::Debug for OtlpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OtlpEndpoint({})", self.0.host_str().unwrap_or_default())
    }
}

/// Exports spans until it is dropped, and then those that are left.
#[derive(Debug)]
pub(super) struct Exporter(SdkTracerProvider);

impl Exporter {
    /// An exporter of the spans of `service`. The variables of OpenTelemetry's specification for
    /// headers, the sampler, the resource and batches hold as they stand.
    ///
    /// # Errors
    /// One of those variables is wrong, or the system's certificates can't be read.
    pub(super) fn new(endpoint: &OtlpEndpoint, service: &str) -> anyhow::Result<Self> {
        // Another part of the process may have installed a provider before: then that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = endpoint.0.as_str().trim_end_matches('/');
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{base}/v1/traces"))
            .build()
            .context("OTEL_EXPORTER_OTLP_…: traces cannot be exported")?;
        let name = std::env::var("OTEL_SERVICE_NAME").ok();
        let name = name.filter(|name| !name.is_empty());
        let resource = Resource::builder()
            .with_service_name(name.unwrap_or_else(|| service.to_owned()))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self(provider))
    }

    /// Takes the spans made for traces, and the events that the logs tell inside them.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("flex-overflow"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_of_a_trace))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_EXPORT) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

fn is_of_a_trace(metadata: &Metadata<'_>) -> bool {
    if metadata.is_span() {
        metadata.target() == TARGET
    } else {
        // What an exporter logs must not become a span's.
        *metadata.level() <= Level::INFO && !metadata.target().starts_with("opentelemetry")
    }
}

/// The span in which a request is put on the queue, and what the queue carries of it, so that the
/// trace goes on behind it. The logs of both services name a trace, exported or not.
pub fn publishing(request: &RedirectRequest) -> (Span, TraceParent) {
    let span = tracing::trace_span!(
        target: TARGET,
        "publish redirect request",
        otel.kind = "producer",
        messaging.operation.r#type = "send",
        messaging.message.id = %request.event_sid,
        call_sid = %request.call_sid,
        task_sid = %request.task_sid,
    );
    let traceparent = exported(&span)
        .unwrap_or_else(|| TraceParent::new(fastrand::u128(1..), fastrand::u64(1..), true));
    (span, traceparent)
}

fn exported(span: &Span) -> Option<TraceParent> {
    if span.is_disabled() {
        return None;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.get(TRACEPARENT)?.parse().ok()
}

/// Makes `span` go on with the trace that the queue carried. It must not have been entered before.
pub fn resume(span: &Span, traceparent: Option<&TraceParent>) {
    if let Some(traceparent) = traceparent
        && !span.is_disabled()
    {
        let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.as_str().to_owned())]);
        // Only a subscriber of somebody else's has no place for it.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
    }
}
