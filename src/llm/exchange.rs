//! The exchange with one model: bounded replies, classified errors, one retry policy, a breaker (investigation §2.4,
//! operations §7.4, §7.5).

mod attempt;
mod build;
mod trial;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

pub use build::LlmBuildError;
pub use trial::{Obedience, Reached, Unreached};

use super::chat::{ChatReply, ChatRequest, Message};
use super::client::HttpClient;
use super::codec::{Parameters, Unsupported};
use super::config::{Provider, StructuredOutput};
use super::credentials::{Credentials, CustomHeaders};
use super::failure::{ErrorKind, Failure, LlmError, network_failure};
use super::mock;
use super::pace::Pace;
use super::route::Route;
use crate::retry::breaker::{Breaker, Pass, State, Verdict};
use crate::retry::{Backoff, jitter};
use crate::telemetry::Metrics;

/// Parameters dropped within one call before giving up.
const DROPS_MAX: usize = 4;

/// One configured model: where it is, how one proves oneself, and what it was found not to accept.
pub struct Profile {
    http: HttpClient,
    route: Route,
    identity: String,
    credentials: Credentials,
    headers: CustomHeaders,
    patience: Patience,
    max_retries: u32,
    backoff: Backoff,
    output_tokens_max: u32,
    context_window_tokens: usize,
    structured_output: StructuredOutput,
    pace: Arc<Pace>,
    breaker: Mutex<Breaker>,
    metrics: OnceLock<Metrics>,
    /// What this model was found not to accept stays out for the life of the process.
    parameters: Mutex<Parameters>,
}

/// How long one attempt may take.
#[derive(Debug, Clone, Copy)]
struct Patience {
    total: Duration,
    first_byte: Duration,
    idle: Duration,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Hears text as it comes. What it was told cannot be taken back: no retry follows.
pub type Listener<'a> = &'a mut (dyn FnMut(&str) + Send);

impl Profile {
    /// As the provider knows it.
    pub fn model(&self) -> &str {
        &self.route.model
    }

    pub fn provider(&self) -> &'static str {
        self.route.provider.as_str()
    }

    pub(super) fn whose(&self) -> Provider {
        self.route.provider
    }

    /// Endpoint without user name and query.
    pub fn endpoint(&self) -> &str {
        &self.route.base
    }

    /// How it hands over a final answer.
    pub fn structured_output(&self) -> StructuredOutput {
        self.structured_output
    }

    /// Tokens the model can take in at once.
    pub fn context_window_tokens(&self) -> usize {
        self.context_window_tokens
    }

    /// Ceiling of an answer unless the request names another.
    pub fn output_tokens_max(&self) -> u32 {
        self.output_tokens_max
    }

    /// It is played by this program itself (operations §7.1, `mock`).
    pub(super) fn is_built_in(&self) -> bool {
        self.route.is_built_in
    }

    pub(super) fn report_to(&self, metrics: &Metrics) {
        let metrics = self.metrics.get_or_init(|| metrics.clone());
        let state = self.breaker.lock().unwrap_or_else(PoisonError::into_inner).state();
        metrics.circuit_breaker(&self.breaker_name(), state.number());
    }

    fn breaker_name(&self) -> String {
        format!("llm/{}", self.identity)
    }

    /// This model writes its calls out instead of making them: its text is held to no form any more (investigation §2.1).
    pub(super) fn let_text_be_free(&self) {
        if matches!(self.structured_output, StructuredOutput::JsonSchema | StructuredOutput::JsonObject) {
            self.drop_parameter(Unsupported::ResponseFormat);
        }
    }

    /// Whether the provider can be reached: any answer to a request without content counts. Costs nothing.
    ///
    /// # Errors
    /// No connection, or no answer in time.
    pub async fn probe(&self, patience: Duration) -> Result<(), ErrorKind> {
        if self.is_built_in() {
            return Ok(());
        }
        let answer = self.http.get().head(self.endpoint()).timeout(patience).send().await;
        answer.map(drop).map_err(|error| network_failure(&error).kind)
    }

    /// One call with retries. Cancel by dropping the future: the connection closes.
    ///
    /// # Errors
    /// The last failure, classified.
    pub async fn chat(
        &self,
        request: &ChatRequest<'_>,
        mut listener: Option<Listener<'_>>,
    ) -> Result<ChatReply, LlmError> {
        if self.is_built_in() {
            return Ok(mock::reply(request));
        }
        let own = self.own_messages(request.messages);
        let request = &ChatRequest {
            messages: own.as_deref().unwrap_or(request.messages),
            output_tokens_max: request.output_tokens_max.max(Some(self.output_tokens_max)),
            ..request.clone()
        };
        let (mut retries, mut drops, mut renewed) = (0, 0, false);
        loop {
            let failure = match self.guarded(request, &mut listener).await {
                Ok(reply) => return Ok(self.signed(ChatReply { retries, ..reply })),
                Err(failure) => failure,
            };
            if let Some(metrics) = self.metrics.get() {
                metrics.llm_error(self.provider(), self.model(), failure.kind.label());
            }
            if let Some(parameter) = failure.unsupported
                && drops < DROPS_MAX
                && self.drop_parameter(parameter)
            {
                drops += 1;
                continue;
            }
            if failure.kind == ErrorKind::Auth && !renewed && self.credentials.renew().await {
                renewed = true;
                continue;
            }
            if failure.was_heard || retries >= failure.kind.retries_max(self.max_retries) {
                return Err(LlmError { kind: failure.kind, sentence: failure.sentence, retries });
            }
            self.wait(retries, &failure).await;
            retries += 1;
        }
    }

    async fn wait(&self, retries: u32, failure: &Failure) {
        let wait = self.backoff.delay(retries, jitter(), failure.server_delay);
        tracing::warn!(
            event = "llm_retry",
            provider = self.provider(),
            model = self.model(),
            error_kind = failure.kind.as_str(),
            retries = retries + 1,
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "model call failed, trying again"
        );
        tokio::time::sleep(wait).await;
    }

    /// The messages without what another model issued for itself; nothing when there is none of that.
    fn own_messages(&self, messages: &[Message]) -> Option<Vec<Message>> {
        let is_foreign = |message: &Message| match message {
            Message::Assistant(said) => said.opaque.is_some() && said.issuer != self.identity,
            _ => false,
        };
        messages.iter().any(is_foreign).then(|| {
            let mut messages = messages.to_vec();
            for message in messages.iter_mut().filter(|message| is_foreign(message)) {
                if let Message::Assistant(said) = message {
                    said.opaque = None;
                }
            }
            messages
        })
    }

    fn signed(&self, mut reply: ChatReply) -> ChatReply {
        if reply.message.opaque.is_some() {
            self.identity.clone_into(&mut reply.message.issuer);
        }
        reply
    }

    /// One attempt, if the breaker lets it through.
    async fn guarded(
        &self,
        request: &ChatRequest<'_>,
        listener: &mut Option<Listener<'_>>,
    ) -> Result<ChatReply, Failure> {
        let mut admission = self.admission()?;
        let answered = self.attempt(request, listener).await;
        admission.verdict = match &answered {
            Err(failure) if failure.is_outage => Verdict::Failed,
            _ => Verdict::Answered,
        };
        answered
    }

    fn admission(&self) -> Result<Admission<'_>, Failure> {
        let admitted = self.with_breaker(|breaker| breaker.admit(Instant::now()));
        match admitted {
            Ok(pass) => Ok(Admission { profile: self, pass, verdict: Verdict::Unknown }),
            Err(_) => {
                let sentence = "the model provider failed too often just now; it is left alone for a while";
                Err(Failure::new(ErrorKind::BreakerOpen, sentence))
            }
        }
    }

    /// Does something with the breaker, and tells when that changed its state.
    fn with_breaker<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let (done, before, after) = {
            let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
            let before = breaker.state();
            (act(&mut breaker), before, breaker.state())
        };
        if before != after {
            self.tell(after);
        }
        done
    }

    fn tell(&self, state: State) {
        if let Some(metrics) = self.metrics.get() {
            metrics.circuit_breaker(&self.breaker_name(), state.number());
        }
        let (provider, model) = (self.provider(), self.model());
        match state {
            State::Open => tracing::warn!(event = "circuit_breaker_opened", provider, model, "model calls suspended"),
            State::HalfOpen => {
                tracing::info!(event = "circuit_breaker_half_open", provider, model, "model calls tried");
            }
            State::Closed => tracing::info!(event = "circuit_breaker_closed", provider, model, "model calls resumed"),
        }
    }

    /// False when it is out already, so that the complaint was about something else.
    fn drop_parameter(&self, parameter: Unsupported) -> bool {
        let changed = self.parameters.lock().unwrap_or_else(PoisonError::into_inner).leave_out(parameter);
        if changed {
            tracing::warn!(
                event = "llm_parameter_dropped",
                model = self.model(),
                parameter = parameter.as_str(),
                "parameter not supported by the model"
            );
        }
        changed
    }
}

/// A call the breaker let through; without a verdict it counts as never made.
struct Admission<'a> {
    profile: &'a Profile,
    pass: Pass,
    verdict: Verdict,
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.profile.with_breaker(|breaker| breaker.record(&self.pass, self.verdict, Instant::now()));
    }
}
