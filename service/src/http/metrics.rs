//! How many connections there are, and which of them we ended.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Why we ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Cut {
    /// A head took too long.
    Header,
    /// A body took too long.
    Body,
    /// It was idle for too long.
    Idle,
    /// It made room for others.
    Shed,
}

impl Cut {
    const ALL: [Self; 4] = [Self::Header, Self::Body, Self::Idle, Self::Shed];
}

impl EncodeLabelValue for Cut {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        match self {
            Self::Header => "header",
            Self::Body => "body",
            Self::Idle => "idle",
            Self::Shed => "shed",
        }
        .encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Listener {
    listener: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CutLabels {
    listener: &'static str,
    reason: Cut,
}

/// The connections of all listeners of a process.
#[derive(Debug, Clone, Default)]
pub struct ConnectionMetrics {
    open: Family<Listener, Gauge>,
    cut: Family<CutLabels, Counter>,
}

impl ConnectionMetrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "overflow_http_connections",
            "Connections of clients, by listener",
            metrics.open.clone(),
        );
        registry.register(
            "overflow_http_connections_cut",
            "Connections that we ended: the client was late with a header or a body or idle for \
             too long, or it made room for others",
            metrics.cut.clone(),
        );
        metrics
    }

    /// Those of one listener. Every reason starts at 0.
    pub fn of(&self, listener: &'static str) -> ListenerMetrics {
        let cut = Cut::ALL.map(|reason| {
            let labels = CutLabels { listener, reason };
            self.cut.get_or_create(&labels).clone()
        });
        ListenerMetrics {
            listener,
            open: self.open.get_or_create(&Listener { listener }).clone(),
            cut,
        }
    }
}

/// The connections of one listener.
#[derive(Debug, Clone)]
pub struct ListenerMetrics {
    listener: &'static str,
    open: Gauge,
    cut: [Counter; Cut::ALL.len()],
}

impl ListenerMetrics {
    pub(super) fn listener(&self) -> &'static str {
        self.listener
    }

    pub(super) fn opened(&self) {
        self.open.inc();
    }

    pub(super) fn closed(&self) {
        self.open.dec();
    }

    pub(super) fn cut(&self, reason: Cut) {
        self.cut[reason as usize].inc();
    }
}
