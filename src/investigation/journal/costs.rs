//! What an answer of the model cost, wherever that is told.

use super::{Journal, Turn};
use crate::domain::Money;
use crate::llm::ChatReply;
use crate::metering::Entry;
use crate::telemetry::metrics::LlmCost;

impl Journal {
    /// Prices an answer by who gave it: into the account of its phase, the metrics, the log, and what watchers see. The entry
    /// counts already and is to be made durable.
    pub(super) fn price(&self, call: &Turn<'_>, reply: &ChatReply) -> Entry {
        let usage = &reply.usage;
        let (cost, entry) = self.meter.answered(call.provider, call.model, usage);
        let cost = self.outside.cost(cost);
        self.account(call.phase, |spent| {
            let mut sum = spent.cost.unwrap_or_default();
            sum += cost;
            spent.cost = Some(sum);
        });
        self.progress.spent(cost);
        let dollars = cost.known().map(Money::dollars);
        self.metrics.llm_cost(LlmCost {
            provider: call.provider,
            model: call.model,
            endpoint: call.endpoint,
            dollars,
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
        });
        tracing::info!(
            event = "llm_call",
            provider = call.provider,
            model = call.model,
            phase = call.phase.as_str(),
            prompt_tokens = usage.prompt_tokens,
            cached_tokens = usage.cached_tokens,
            cache_write_tokens = usage.cache_write_tokens,
            completion_tokens = usage.completion_tokens,
            reasoning_tokens = usage.reasoning_tokens,
            cost_usd = dollars,
            finish_reason = reply.finish.as_str(),
            retries = reply.retries,
            duration_ms = u64::try_from(call.took.as_millis()).unwrap_or(u64::MAX),
            "the model answered"
        );
        entry
    }
}
