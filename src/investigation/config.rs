//! Section `investigation` of the configuration (operations §1.3.5, architecture §6).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cluster::NamespacePolicy;

/// Who answers, how long it may take, and what a model may spend on it (investigation §1.5.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InvestigationConfig {
    /// `auto` (default), `model` or `analyser`.
    pub engine: EngineChoice,
    /// Wall-clock budget of one investigation, queue time included, seconds, 10..=3600. Default 540: the calling
    /// controller gives up after ten minutes.
    pub timeout_seconds: u64,
    /// How long before the end of the budget a model is told to conclude, seconds. Default 45; never more than a quarter
    /// of the budget.
    pub wrap_up_seconds: u64,
    /// Whether the model hears of the analyser's findings, as hypotheses to be checked. Default true.
    pub analyser_hypotheses: bool,
    /// Budget of the root-cause phase. Default 40 turns, 15 calls per tool, 60 in all.
    pub rca: PhaseConfig,
    /// Budget of the workflow-selection phase. Default 20 turns, 10 calls per tool, 30 in all.
    pub selection: SelectionConfig,
    /// Turns of a phase in which one and the same call may fail before it is not run any more, 1..=100. Default 3; asked
    /// for once more, the model must conclude.
    pub max_repeated_failures: u32,
    /// Tools whose names begin so count for no budget and no guard; at most 20, whatever the case. Default `todo_`.
    pub exempt_prefixes: Vec<String>,
    /// Tool calls of one turn running at once, 1..=32. Default 8.
    pub max_parallel_tools: usize,
    /// One tool call, seconds, 1..=600. Default 60.
    pub tool_call_timeout_seconds: u64,
    /// Characters of one tool result shown to the model; 0 (default) = the engine's own rule: 15 % of the context window,
    /// at most 25 000 tokens.
    pub max_tool_output_chars: usize,
    /// A longer result of a tool, characters, is summed up by `summarizer_model`; 0 = never. Default 8000.
    pub summarizer_threshold_chars: usize,
    /// The model that sums long results up, of the same provider as `llm`; absent (default): results are shortened by rules.
    pub summarizer_model: Option<String>,
    /// Older name of `budget.investigation.tokens`: prompt and completion tokens of one investigation; 0 (default) = no
    /// limit.
    pub max_tokens_total: u64,
    /// Validations of a submitted workflow, 1..=10. Default 3: two corrections.
    pub max_validation_attempts: u32,
    /// Namespaces that tools may read, `allow` and `deny`, exact names. Default all. Metrics and alerts cannot be confined:
    /// their tools cannot be switched on together with it (investigation §8.5).
    pub namespaces: NamespacePolicy,
    /// Action types that create an object anew: only these may be chosen for a target that was deleted, exact names, at
    /// most 50. Default none: a person looks then (investigation §7.7).
    pub recreate_action_types: Vec<String>,
    /// Further tries of a look-up of owners, labels or history that failed, 0..=10. Default 3 (investigation §7.7).
    pub enrichment_max_retries: u32,
    /// Wait before the first of them, milliseconds, 0..=30000, a fifth more or less; each further one is twice as long, at
    /// most half a minute. Default 1000.
    pub enrichment_base_backoff_ms: u64,
    /// From this confidence on "resolved" is believed. Default 0.7.
    pub resolved_confidence_threshold: f64,
    /// Below this confidence a model is told to answer "inconclusive". Default 0.5.
    pub inconclusive_confidence_threshold: f64,
}

impl Default for InvestigationConfig {
    fn default() -> Self {
        Self {
            engine: EngineChoice::Auto,
            timeout_seconds: 540,
            wrap_up_seconds: 45,
            analyser_hypotheses: true,
            rca: PhaseConfig::default(),
            selection: SelectionConfig::default(),
            max_repeated_failures: 3,
            exempt_prefixes: vec!["todo_".to_owned()],
            max_parallel_tools: 8,
            tool_call_timeout_seconds: 60,
            max_tool_output_chars: 0,
            summarizer_threshold_chars: 8_000,
            summarizer_model: None,
            max_tokens_total: 0,
            max_validation_attempts: 3,
            namespaces: NamespacePolicy::default(),
            recreate_action_types: Vec::new(),
            enrichment_max_retries: 3,
            enrichment_base_backoff_ms: 1_000,
            resolved_confidence_threshold: 0.7,
            inconclusive_confidence_threshold: 0.5,
        }
    }
}

/// Section `prompt` (operations §1.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromptConfig {
    /// How often an action may have been repeated for one signal before the history warns of it, 1..=20. Default 2.
    pub repeated_remediation_escalation_threshold: usize,
    /// Below this confidence a person looks at an answer that would be acted upon or closed, above 0, at most 1. Default
    /// 0.7, which is what consumers hold chosen workflows to themselves; see [`Bands`](super::decision::Bands).
    pub confidence_threshold_human_review: f64,
}

impl Default for PromptConfig {
    fn default() -> Self {
        Self { repeated_remediation_escalation_threshold: 2, confidence_threshold_human_review: 0.7 }
    }
}

impl PromptConfig {
    /// # Errors
    /// A value outside its range, in one sentence naming the key.
    pub fn check(&self) -> Result<(), String> {
        let (repetitions, confidence) =
            (self.repeated_remediation_escalation_threshold, self.confidence_threshold_human_review);
        if !(1..=20).contains(&repetitions) {
            return Err(format!(
                "prompt.repeated_remediation_escalation_threshold is {repetitions}, it must be between 1 and 20"
            ));
        }
        if !(confidence > 0.0 && confidence <= 1.0) {
            return Err(format!(
                "prompt.confidence_threshold_human_review is {confidence}, it must be above 0 and at most 1"
            ));
        }
        Ok(())
    }
}

/// Budget of the root-cause phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhaseConfig {
    /// Model calls, 2..=200.
    pub max_turns: u32,
    /// Calls of one tool, 1..=1000.
    pub max_tool_calls_per_tool: u32,
    /// Calls of all tools, 1..=1000.
    pub max_total_tool_calls: u32,
}

impl Default for PhaseConfig {
    fn default() -> Self {
        Self { max_turns: 40, max_tool_calls_per_tool: 15, max_total_tool_calls: 60 }
    }
}

/// Budget of the workflow-selection phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelectionConfig {
    /// Model calls, 2..=200.
    pub max_turns: u32,
    /// Calls of one tool, 1..=1000.
    pub max_tool_calls_per_tool: u32,
    /// Calls of all tools, 1..=1000.
    pub max_total_tool_calls: u32,
    /// `seeded` (default) or `continue` (investigation §1.5.3).
    pub conversation: SelectionConversation,
}

/// Where the choice of a workflow begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelectionConversation {
    /// Anew, with what was found: the raw conversation neither distracts nor costs.
    #[default]
    Seeded,
    /// Where the search for the cause ended, unless another model chooses.
    Continue,
}

impl Default for SelectionConfig {
    fn default() -> Self {
        Self {
            max_turns: 20,
            max_tool_calls_per_tool: 10,
            max_total_tool_calls: 30,
            conversation: SelectionConversation::Seeded,
        }
    }
}

impl InvestigationConfig {
    /// The budget as a duration.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// How long before the deadline the model is told to conclude.
    pub fn wrap_up(&self) -> Duration {
        Duration::from_secs(self.wrap_up_seconds).min(self.timeout() / 4)
    }

    /// From more than so many characters on a result is summed up; `None`: never.
    pub fn summarizer_threshold(&self) -> Option<usize> {
        (self.summarizer_threshold_chars > 0).then_some(self.summarizer_threshold_chars)
    }

    /// The model that sums up, where one does.
    pub fn summarizer(&self) -> Option<&str> {
        self.summarizer_model.as_deref().filter(|_| self.summarizer_threshold().is_some())
    }

    /// What is wrong with the values, in one sentence naming the key.
    ///
    /// # Errors
    /// A value outside its range.
    pub fn check(&self) -> Result<(), String> {
        within("timeout_seconds", self.timeout_seconds, 10, 3600)?;
        for (phase, budget) in [("rca", self.rca), ("selection", self.selection.into())] {
            within(&format!("{phase}.max_turns"), budget.max_turns.into(), 2, 200)?;
            within(&format!("{phase}.max_tool_calls_per_tool"), budget.max_tool_calls_per_tool.into(), 1, 1000)?;
            within(&format!("{phase}.max_total_tool_calls"), budget.max_total_tool_calls.into(), 1, 1000)?;
        }
        within("max_repeated_failures", self.max_repeated_failures.into(), 1, 100)?;
        prefixes("exempt_prefixes", &self.exempt_prefixes)?;
        within("max_parallel_tools", self.max_parallel_tools as u64, 1, 32)?;
        within("tool_call_timeout_seconds", self.tool_call_timeout_seconds, 1, 600)?;
        within("enrichment_max_retries", self.enrichment_max_retries.into(), 0, 10)?;
        within("enrichment_base_backoff_ms", self.enrichment_base_backoff_ms, 0, 30_000)?;
        within("max_validation_attempts", self.max_validation_attempts.into(), 1, 10)?;
        self.namespaces.check("investigation.namespaces")?;
        action_types("recreate_action_types", &self.recreate_action_types)?;
        if !(0.0 < self.inconclusive_confidence_threshold
            && self.inconclusive_confidence_threshold < self.resolved_confidence_threshold
            && self.resolved_confidence_threshold <= 1.0)
        {
            return Err("investigation.inconclusive_confidence_threshold and .resolved_confidence_threshold must be \
                        above 0 and at most 1, the first below the second"
                .to_owned());
        }
        Ok(())
    }
}

/// Most action types in one list.
const ACTION_TYPES_MAX: usize = 50;
/// Longest name of an action type, in bytes.
const ACTION_TYPE_BYTES_MAX: usize = 100;

fn action_types(key: &str, names: &[String]) -> Result<(), String> {
    if names.len() > ACTION_TYPES_MAX {
        return Err(format!("investigation.{key} has {} names, the most is {ACTION_TYPES_MAX}", names.len()));
    }
    let is_odd = |name: &&String| {
        name.is_empty() || name.len() > ACTION_TYPE_BYTES_MAX || !name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match names.iter().find(is_odd) {
        Some(odd) => Err(format!("investigation.{key} names {odd:?}, an action type is letters and digits")),
        None => Ok(()),
    }
}

/// Most prefixes of tool names, and the longest, in bytes.
const PREFIXES_MAX: usize = 20;
const PREFIX_BYTES_MAX: usize = 64;

fn prefixes(key: &str, prefixes: &[String]) -> Result<(), String> {
    if prefixes.len() > PREFIXES_MAX {
        return Err(format!("investigation.{key} has {} entries, the most is {PREFIXES_MAX}", prefixes.len()));
    }
    // An empty one would exempt everything.
    match prefixes.iter().find(|prefix| prefix.trim().is_empty() || prefix.len() > PREFIX_BYTES_MAX) {
        Some(odd) => Err(format!("investigation.{key} has {odd:?}, a prefix is 1 to {PREFIX_BYTES_MAX} characters")),
        None => Ok(()),
    }
}

fn within(key: &str, value: u64, least: u64, most: u64) -> Result<(), String> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(format!("investigation.{key} is {value}, it must be between {least} and {most}"))
    }
}

impl From<SelectionConfig> for PhaseConfig {
    fn from(selection: SelectionConfig) -> Self {
        let SelectionConfig { max_turns, max_tool_calls_per_tool, max_total_tool_calls, conversation: _ } = selection;
        Self { max_turns, max_tool_calls_per_tool, max_total_tool_calls }
    }
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// The model when one is configured and answers, else the analyser; when it stands in, the result says so.
    #[default]
    Auto,
    /// The model only; without its answer the investigation fails.
    Model,
    /// The analyser only.
    Analyser,
}

impl EngineChoice {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Model => "model",
            Self::Analyser => "analyser",
        }
    }
}
