//! What metrics are labelled with.

use prometheus_client::encoding::EncodeLabelSet;

/// The plan of a delivery that no plan is for.
pub(crate) const NO_PLAN: &str = "none";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PlanLabels {
    pub(crate) plan: String,
}
