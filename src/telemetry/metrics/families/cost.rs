//! Families of what models cost (operations §4.4, §4.6).

use prometheus::{CounterVec, IntCounterVec};

use super::{MetricsError, Registrar};

#[derive(Debug)]
pub(in crate::telemetry::metrics) struct CostFamilies {
    pub(in crate::telemetry::metrics) investigation_dollars: CounterVec,
    pub(in crate::telemetry::metrics) model_dollars: CounterVec,
    pub(in crate::telemetry::metrics) unpriced_tokens: IntCounterVec,
}

impl CostFamilies {
    pub(super) fn register(r: &Registrar) -> Result<Self, MetricsError> {
        Ok(Self {
            investigation_dollars: r.amounts(
                "aiagent_api_investigation_cost_dollars_total",
                "Dollars for calls to the model, where its price is known",
                &["provider", "model", "endpoint"],
            )?,
            model_dollars: r.amounts(
                "aiagent_llm_cost_dollars_total",
                "Dollars for calls to the model, without provider and endpoint",
                &["model"],
            )?,
            unpriced_tokens: r.counters(
                "aiagent_api_llm_unpriced_tokens_total",
                "Tokens of models without a price",
                &["provider", "model", "type"],
            )?,
        })
    }
}
