//! All configured models, and who of them answers one phase of one investigation.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::chat::{ChatReply, ChatRequest};
use super::config::{LlmConfig, ProfileConfig, StructuredOutput};
use super::credentials::Environment;
use super::exchange::{Listener, LlmBuildError, Profile};
use super::failure::{ErrorKind, LlmError};
use super::pace::Pace;
use super::roster::{Chair, Roster};
use super::route::Route;
use crate::telemetry::Metrics;

/// Phases that may have a model of their own (`llm.phase_models`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelPhase {
    Rca,
    WorkflowDiscovery,
}

/// The configured models. Cheap to share behind an `Arc`; one connection pool for each.
#[derive(Debug)]
pub struct Llm {
    base: Chair,
    rca: Chair,
    workflow_discovery: Chair,
    fallbacks: Vec<Chair>,
    /// Sums up long results of tools.
    summary: Option<Chair>,
}

/// Most entries of `llm.fallbacks`.
const FALLBACKS_MAX: usize = 8;

impl Llm {
    /// Builds all profiles: reads credentials, asks nobody anything.
    ///
    /// # Errors
    /// Whatever in the section cannot work, in words for the operator.
    pub fn build(config: &LlmConfig) -> Result<Self, LlmBuildError> {
        Self::build_in(config, &Environment::of_process(&config.credentials_dir))
    }

    /// The same with variables and files from elsewhere.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_in(config: &LlmConfig, environment: &Environment) -> Result<Self, LlmBuildError> {
        if config.fallbacks.len() > FALLBACKS_MAX {
            return Err(LlmBuildError::OutOfRange("fallbacks", "0..=8 entries"));
        }
        let mut paces = Paces::new(config);
        let base = Arc::new(Profile::build(config, environment, |route| paces.of(route))?);
        if config.api_key.is_some() {
            tracing::warn!(event = "llm_key_in_configuration", "llm.api_key is not secret there; use llm.api_key_file");
        }
        let mut other = |name: String, profile: &ProfileConfig| {
            if profile.is_empty() {
                return Err(LlmBuildError::EmptyProfile(name));
            }
            let built = Profile::build(&profile.over(config), environment, |route| paces.of(route));
            built.map(Arc::new).map_err(|problem| LlmBuildError::Profile { profile: name, problem: Box::new(problem) })
        };
        let mut phases = Vec::new();
        for (name, profile) in config.phase_models.named() {
            let built = profile.map(|profile| other(format!("phase_models.{name}"), profile)).transpose()?;
            phases.push(built.unwrap_or_else(|| Arc::clone(&base)));
        }
        let mut fallbacks = Vec::new();
        for (index, profile) in config.fallbacks.iter().enumerate() {
            fallbacks.push(other(format!("fallbacks[{index}]"), profile)?);
        }
        let summary = config.summary_model.as_ref().map(|model| {
            let profile = ProfileConfig { model: Some(model.clone()), ..ProfileConfig::default() };
            other("summarizer_model".to_owned(), &profile).map(Chair::Taken)
        });
        let summary = summary.transpose()?;
        let mut phases = phases.into_iter();
        let mut phase = || phases.next().unwrap_or_else(|| Arc::clone(&base));
        let (rca, workflow_discovery) = (phase(), phase());
        let fallbacks = fallbacks.into_iter().map(Chair::Taken).collect();
        let [base, rca, workflow_discovery] = [base, rca, workflow_discovery].map(Chair::Taken);
        Ok(Self { base, rca, workflow_discovery, fallbacks, summary })
    }

    /// Models of which only the facts are known: nobody answers.
    pub fn of_roster(roster: Roster) -> Self {
        Self {
            base: Chair::Empty(roster.rca.clone()),
            rca: Chair::Empty(roster.rca),
            workflow_discovery: Chair::Empty(roster.workflow_discovery),
            fallbacks: roster.fallbacks.into_iter().map(Chair::Empty).collect(),
            summary: roster.summary.map(Chair::Empty),
        }
    }

    /// Who may answer, as far as an investigation sees it.
    pub fn roster(&self) -> Roster {
        Roster {
            rca: self.rca.facts(),
            workflow_discovery: self.workflow_discovery.facts(),
            fallbacks: self.fallbacks.iter().map(Chair::facts).collect(),
            summary: self.summary.as_ref().map(Chair::facts),
        }
    }

    /// Says from now on how the breakers stand.
    #[must_use]
    pub fn reporting_to(self, metrics: &Metrics) -> Self {
        for profile in self.chairs() {
            if let Some(profile) = profile.profile() {
                profile.report_to(metrics);
            }
        }
        self
    }

    /// Every model that may answer, each once, under the place of the section that names it.
    pub fn profiles(&self) -> Vec<(String, Arc<Profile>)> {
        let base = [("llm".to_owned(), &self.base)];
        let phases = [("rca", &self.rca), ("workflow_discovery", &self.workflow_discovery)];
        let is_own = |chair: &Chair| match (chair.profile(), self.base.profile()) {
            (Some(own), Some(base)) => !Arc::ptr_eq(own, base),
            _ => false,
        };
        let phases = phases.into_iter().filter(|(_, chair)| is_own(chair));
        let phases = phases.map(|(name, profile)| (format!("llm.phase_models.{name}"), profile));
        let fallbacks = self.fallbacks.iter().enumerate();
        let fallbacks = fallbacks.map(|(index, profile)| (format!("llm.fallbacks[{index}]"), profile));
        let summary = self.summary.iter().map(|chair| ("investigation.summarizer_model".to_owned(), chair));
        let all = base.into_iter().chain(phases).chain(fallbacks).chain(summary);
        all.filter_map(|(name, chair)| Some((name, Arc::clone(chair.profile()?)))).collect()
    }

    /// Who answers a phase of one investigation.
    pub fn seat(&self, phase: ModelPhase) -> Seat {
        let first = match phase {
            ModelPhase::Rca => &self.rca,
            ModelPhase::WorkflowDiscovery => &self.workflow_discovery,
        };
        let chain = std::iter::once(first).chain(&self.fallbacks).cloned().collect();
        Seat { chain, at: AtomicUsize::new(0) }
    }

    /// Who sums up long results of tools; nobody takes over.
    pub fn summary_seat(&self) -> Option<Seat> {
        Some(Seat { chain: vec![self.summary.clone()?], at: AtomicUsize::new(0) })
    }

    /// The built-in responder answers first: nothing it says is a conclusion.
    pub fn is_mock(&self) -> bool {
        self.base.profile().is_some_and(|profile| profile.is_built_in())
    }

    /// Provider and model of everybody who may have to answer, as they are priced.
    pub fn models(&self) -> impl Iterator<Item = (&str, &str)> {
        self.chairs().map(|chair| (chair.provider(), chair.model()))
    }

    fn chairs(&self) -> impl Iterator<Item = &Chair> {
        [&self.base, &self.rca, &self.workflow_discovery].into_iter().chain(&self.fallbacks).chain(&self.summary)
    }

    /// Whether the first provider can be reached: any answer to a request without content counts. Costs nothing.
    ///
    /// # Errors
    /// No connection, or no answer in time.
    pub async fn probe(&self, patience: Duration) -> Result<(), ErrorKind> {
        match &self.base {
            Chair::Taken(profile) => profile.probe(patience).await,
            Chair::Empty(_) => Err(ErrorKind::NotFound),
        }
    }
}

/// One limit for each provider and address.
struct Paces {
    calls_max: usize,
    tokens_per_minute: Option<u64>,
    known: HashMap<String, Arc<Pace>>,
}

impl Paces {
    fn new(config: &LlmConfig) -> Self {
        let (calls_max, tokens_per_minute) = (config.max_concurrent_requests, config.tokens_per_minute);
        Self { calls_max, tokens_per_minute, known: HashMap::new() }
    }

    fn of(&mut self, route: &Route) -> Arc<Pace> {
        let key = format!("{} {}", route.provider.as_str(), route.base);
        let new = || Arc::new(Pace::new(self.calls_max, self.tokens_per_minute));
        Arc::clone(self.known.entry(key).or_insert_with(new))
    }
}

/// The models that may answer, in order, and the one that does now. Whoever took over stays.
#[derive(Debug)]
pub struct Seat {
    /// Never empty.
    chain: Vec<Chair>,
    at: AtomicUsize,
}

impl Seat {
    fn chair(&self) -> Option<&Chair> {
        self.chain.get(self.at.load(Ordering::Relaxed))
    }

    fn profile(&self) -> Option<&Profile> {
        match self.chair()? {
            Chair::Taken(profile) => Some(profile),
            Chair::Empty(_) => None,
        }
    }

    /// Who answers now, as the provider knows it.
    pub fn model(&self) -> &str {
        self.chair().map_or("", Chair::model)
    }

    pub fn provider(&self) -> &'static str {
        self.chair().map_or("", Chair::provider)
    }

    /// Address of who answers now, without user name and query.
    pub fn endpoint(&self) -> &str {
        self.profile().map_or("", Profile::endpoint)
    }

    /// How a final answer is handed over.
    pub fn structured_output(&self) -> StructuredOutput {
        self.chair().map(Chair::structured_output).unwrap_or_default()
    }

    /// Tokens that everybody who may have to answer can take in at once.
    pub fn context_window_tokens(&self) -> usize {
        self.chain.iter().map(Chair::context_window_tokens).min().unwrap_or_default()
    }

    /// Ceiling of an answer unless the request names another.
    pub fn output_tokens_max(&self) -> u32 {
        self.chair().map_or(0, Chair::output_tokens_max)
    }

    /// The model writes its calls out instead of making them: its text is held to no form any more (investigation §2.1).
    pub fn let_text_be_free(&self) {
        if let Some(profile) = self.profile() {
            profile.let_text_be_free();
        }
    }

    /// One call with retries. Cancel by dropping the future: the connection closes.
    ///
    /// # Errors
    /// The last failure, classified.
    pub async fn chat(&self, request: &ChatRequest<'_>) -> Result<ChatReply, LlmError> {
        self.chat_heard(request, None).await
    }

    /// The same; the listener hears the text of a streamed reply as it comes.
    ///
    /// # Errors
    /// The last failure, classified. Once something was heard the first failure is the last.
    pub async fn chat_heard(
        &self,
        request: &ChatRequest<'_>,
        listener: Option<Listener<'_>>,
    ) -> Result<ChatReply, LlmError> {
        let nobody =
            || LlmError { kind: ErrorKind::NotFound, sentence: "no model is configured".to_owned(), retries: 0 };
        self.profile().ok_or_else(nobody)?.chat(request, listener).await
    }

    /// Lets the next model take over from one that failed this way (architecture §7). False when there is none, or another
    /// one would fail as well.
    pub fn fail_over(&self, error: &LlmError) -> bool {
        let next = self.at.load(Ordering::Relaxed) + 1;
        if error.kind == ErrorKind::ContextLength || next >= self.chain.len() {
            return false;
        }
        let (from_provider, from_model) = (self.provider(), self.model());
        self.at.store(next, Ordering::Relaxed);
        tracing::warn!(
            event = "llm_failover",
            from_provider,
            from_model,
            provider = self.provider(),
            model = self.model(),
            error_kind = error.kind.as_str(),
            "another model takes over"
        );
        true
    }
}
