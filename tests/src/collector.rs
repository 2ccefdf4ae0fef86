//! A receiver of traces: OTLP over HTTP (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use prost::Message;
use tokio::net::TcpListener;

pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

/// A receiver of traces, for as long as the test's runtime.
pub struct Collector {
    url: String,
    exported: Arc<Mutex<Vec<Bytes>>>,
}

/// A span, as far as tests look at it.
#[derive(Debug)]
pub struct Span {
    /// `service.name` of the process that made it.
    pub service: String,
    /// What it is called.
    pub name: String,
    /// Which part it plays.
    pub kind: SpanKind,
    /// Its trace, in hexadecimal digits as logs have it.
    pub trace_id: String,
    /// Itself.
    pub id: Vec<u8>,
    /// The span that it is a part of; empty where there is none.
    pub parent: Vec<u8>,
    /// What was logged in it.
    pub events: Vec<String>,
    attributes: Vec<KeyValue>,
}

impl Collector {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(crate::free_address()).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let exported = Arc::default();
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&exported));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, exported }
    }

    /// The value of `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Everything exported so far, as it came.
    pub fn bytes(&self) -> Vec<Bytes> {
        self.exported.lock().unwrap().clone()
    }

    /// Every span exported so far.
    pub fn spans(&self) -> Vec<Span> {
        let requests = self.bytes();
        let requests = requests
            .into_iter()
            .map(|bytes| ExportTraceServiceRequest::decode(bytes).unwrap());
        let mut spans = Vec::new();
        for resource_spans in requests.flat_map(|request| request.resource_spans) {
            let resource = resource_spans.resource.unwrap();
            let service = text(&resource.attributes, "service.name").unwrap();
            for span in resource_spans
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans)
            {
                spans.push(Span {
                    service: service.clone(),
                    kind: span.kind(),
                    name: span.name,
                    trace_id: span
                        .trace_id
                        .iter()
                        .map(|byte| format!("{byte:02x}"))
                        .collect(),
                    id: span.span_id,
                    parent: span.parent_span_id,
                    events: span.events.into_iter().map(|event| event.name).collect(),
                    attributes: span.attributes,
                });
            }
        }
        spans
    }
}

impl Span {
    /// The value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<String> {
        text(&self.attributes, key)
    }
}

async fn take(State(exported): State<Arc<Mutex<Vec<Bytes>>>>, body: Bytes) {
    exported.lock().unwrap().push(body);
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(yes) => Some(yes.to_string()),
        other => panic!("{key} is {other:?}"),
    }
}
