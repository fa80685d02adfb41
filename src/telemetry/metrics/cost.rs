//! What calls to the model cost.

use super::labels::TokenType;
use super::{Metrics, cut};

/// A successful call, for [`Metrics::llm_cost`].
#[derive(Debug, Clone, Copy)]
pub struct LlmCost<'a> {
    /// As configured: `openai`, `anthropic`, ….
    pub provider: &'a str,
    /// Without a routing prefix.
    pub model: &'a str,
    /// Address of the provider, without user name and query.
    pub endpoint: &'a str,
    /// `None` when it is not known.
    pub dollars: Option<f64>,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
}

impl Metrics {
    /// A call was priced, or could not be.
    pub fn llm_cost(&self, call: LlmCost<'_>) {
        let families = &self.0.families.cost;
        let (provider, model) = (cut(call.provider), self.0.models.value(call.model));
        if let Some(dollars) = call.dollars {
            let labels = &[provider, &model, cut(call.endpoint)];
            families.investigation_dollars.with_label_values(labels).inc_by(dollars);
            families.model_dollars.with_label_values(&[&*model]).inc_by(dollars);
            return;
        }
        let tokens = [(TokenType::Prompt, call.prompt_tokens), (TokenType::Completion, call.completion_tokens)];
        for (kind, count) in tokens.into_iter().filter(|(_, count)| *count > 0) {
            families.unpriced_tokens.with_label_values(&[provider, &model, kind.as_str()]).inc_by(count);
        }
    }
}
