//! What one investigation writes down on its way: audit events, metrics, and what its watchers see. None of it ever changes
//! its outcome.

mod costs;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::outside::Outside;
use super::progress::ProgressSender;
use super::run::RunContext;
use super::submit::SubmitTool;
use crate::audit::{AuditEvent, AuditSubject, AuditTrail, Excerpt, Payload, RcaFinding};
use crate::domain::{Incident, PhaseUsage, RootCause, Usage};
use crate::llm::{AssistantMessage, ChatReply, ErrorKind, LlmError};
use crate::metering::RunMeter;
use crate::redaction::Redactor;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{InjectionSign, LlmCall, LlmStatus, Phase, RedactedIn, RetryOutcome, ToolStatus};
use crate::tools::mcp;

/// Beginning of every placeholder of a secret.
const REDACTED: &str = "[REDACTED";

/// The pen of one investigation.
#[derive(Debug)]
pub(super) struct Journal {
    audit: AuditTrail,
    metrics: Metrics,
    subject: AuditSubject,
    /// What each phase cost so far, in the order they began.
    accounts: Mutex<Vec<Account>>,
    suspicious: AtomicU32,
    /// For what the model writes itself and what tools answer; everything else comes here redacted.
    redactor: Redactor,
    /// For what the prompts hold.
    prompt_redactor: Redactor,
    progress: ProgressSender,
    meter: RunMeter,
    outside: Arc<dyn Outside>,
}

/// However the investigation ends.
impl Drop for Journal {
    fn drop(&mut self) {
        self.metrics.redacted(RedactedIn::Tool, self.redactor.replaced());
        self.metrics.redacted(RedactedIn::Prompt, self.prompt_redactor.replaced());
    }
}

/// The running account of one phase.
#[derive(Debug)]
struct Account {
    phase: Phase,
    began: Instant,
    spent: PhaseUsage,
}

/// One finished tool call as the journal needs it. Texts are redacted.
pub(super) struct ToolCallRecord<'a> {
    pub(super) index: u64,
    pub(super) toolset: &'a str,
    pub(super) tool: &'a str,
    pub(super) arguments: Map<String, Value>,
    pub(super) result: &'a str,
    pub(super) status: ToolStatus,
    /// The model was shown less than the result.
    pub(super) is_truncated: bool,
    pub(super) took: Duration,
}

/// What the model cost so far, over all phases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) turns: u32,
    pub(super) tool_calls: u32,
    pub(super) usage: Usage,
}

impl Journal {
    pub(super) fn new(
        audit: AuditTrail,
        metrics: Metrics,
        incident: &Incident,
        redactor: Redactor,
        run: &RunContext,
    ) -> Self {
        Self {
            audit,
            metrics,
            subject: AuditSubject::of(incident),
            accounts: Mutex::default(),
            suspicious: AtomicU32::new(0),
            prompt_redactor: redactor.counted_apart(),
            redactor,
            progress: run.progress.clone(),
            meter: run.meter.clone(),
            outside: Arc::clone(&run.outside),
        }
    }

    /// The same placeholders as the tools' results have.
    pub(super) fn prompt_redactor(&self) -> &Redactor {
        &self.prompt_redactor
    }

    pub(super) fn spent(&self) -> Spent {
        let phases = self.phases();
        Spent {
            turns: phases.iter().map(|phase| phase.turns).sum(),
            tool_calls: phases.iter().map(|phase| phase.tool_calls).sum(),
            usage: phases.iter().map(|phase| phase.usage).sum(),
        }
    }

    /// The same by phase, in the order they began.
    pub(super) fn phases(&self) -> Vec<PhaseUsage> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().map(|account| account.spent.clone()).collect()
    }

    /// Enters something in the account of a phase; its time runs up to the newest entry.
    fn account(&self, phase: Phase, enter: impl FnOnce(&mut PhaseUsage)) {
        let now = self.outside.instant("account");
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let at = accounts.iter().position(|account| account.phase == phase).unwrap_or_else(|| {
            let spent = PhaseUsage { phase: phase.as_str().to_owned(), ..PhaseUsage::default() };
            accounts.push(Account { phase, began: now, spent });
            accounts.len() - 1
        });
        if let Some(Account { began, spent, .. }) = accounts.get_mut(at) {
            enter(spent);
            spent.wall_ms = u64::try_from(now.saturating_duration_since(*began).as_millis()).unwrap_or(u64::MAX);
        }
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Number of the next tool call in this investigation, from 0.
    pub(super) fn next_tool_call(&self, phase: Phase) -> u64 {
        let before = self.spent().tool_calls;
        self.account(phase, |spent| spent.tool_calls += 1);
        before.into()
    }

    /// A tool result holds text that looks like instructions to a model.
    pub(super) fn suspicious_result(&self, tool: &str, result_id: &str, kinds: &[&str]) {
        self.suspicious.fetch_add(1, Ordering::Relaxed);
        self.metrics.injection_found(InjectionSign::MarkedResult);
        tracing::warn!(
            event = "injection_marked",
            tool,
            result_id,
            kinds = kinds.join(","),
            incident_id = self.subject.incident_id,
            "a tool result looks like instructions to a model; it was marked as data"
        );
    }

    /// The model chose what only tool data names. The validation event says so too.
    pub(super) fn planted_choice(&self, tool: &str, result_id: &str) {
        self.metrics.injection_found(InjectionSign::PlantedWorkflow);
        tracing::warn!(
            event = "injection_obeyed",
            tool,
            result_id,
            incident_id = self.subject.incident_id,
            "the model chose a workflow that only a tool result names; it is not in the catalogue and was refused"
        );
    }

    /// How many such results there were.
    pub(super) fn suspicious_results(&self) -> u32 {
        self.suspicious.load(Ordering::Relaxed)
    }

    /// Records an event; a store that fails is logged and nothing else.
    pub(super) async fn record(&self, payload: Payload, took: Option<Duration>) {
        let event = AuditEvent { subject: self.subject.clone(), payload, duration: took };
        if let Err(error) = self.audit.record(event).await {
            tracing::error!(event = "audit_write_failed", error = %error, "audit event not recorded");
        }
    }

    pub(super) async fn model_asked(&self, asked: Asked<'_>) {
        self.account(asked.phase, |_| {});
        let (served, toolsets): (Vec<_>, Vec<_>) =
            asked.toolsets.into_iter().partition(|toolset| mcp::is_served(toolset));
        let payload = Payload::LlmRequest {
            model: asked.model.to_owned(),
            prompt: Excerpt { chars: asked.chars, ..Excerpt::of(asked.newest) },
            toolsets,
            mcp_servers: served.iter().map(|group| group.trim_start_matches(mcp::GROUP).to_owned()).collect(),
            tokens_max: None,
        };
        self.record(payload, None).await;
    }

    pub(super) async fn model_answered(&self, call: &Turn<'_>, reply: &ChatReply) {
        self.account(call.phase, |spent| {
            spent.turns += 1;
            spent.usage += reply.usage;
        });
        self.metrics.llm_call(LlmCall {
            provider: call.provider,
            model: call.model,
            status: LlmStatus::Success,
            duration: call.took,
            prompt_tokens: reply.usage.prompt_tokens,
            completion_tokens: reply.usage.completion_tokens,
        });
        let entry = self.price(call, reply);
        if reply.retries > 0 {
            self.metrics.llm_retried(call.phase, RetryOutcome::Succeeded);
        }
        let said = if reply.message.text.is_empty() {
            reply.message.tool_calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>().join(", ")
        } else {
            reply.message.text.clone()
        };
        let said = self.redactor.text(&said).text;
        self.progress.model_answered(&said, reply.message.tool_calls.len(), reply.usage);
        let payload = Payload::LlmResponse {
            analysis: self.redactor.text(&answer_of(&reply.message)).text,
            tokens_used: Some(reply.usage.total()),
            tool_call_count: reply.message.tool_calls.len() as u64,
        };
        // Together, so that both are in one commit.
        tokio::join!(self.meter.keep(entry), self.record(payload, Some(call.took)));
    }

    pub(super) async fn model_failed(&self, call: &Turn<'_>, error: &LlmError) {
        let status = if error.kind == ErrorKind::Timeout { LlmStatus::Timeout } else { LlmStatus::Error };
        self.metrics.llm_call(LlmCall {
            provider: call.provider,
            model: call.model,
            status,
            duration: call.took,
            prompt_tokens: 0,
            completion_tokens: 0,
        });
        tracing::warn!(
            event = "llm_call",
            provider = call.provider,
            model = call.model,
            error_kind = error.kind.as_str(),
            error = error.sentence,
            retries = error.retries,
            duration_ms = millis(call.took),
            "model did not answer"
        );
        if error.retries > 0 {
            let outcome = if error.kind.is_retryable() { RetryOutcome::Exhausted } else { RetryOutcome::NonRetryable };
            self.metrics.llm_retried(call.phase, outcome);
        }
        let payload = Payload::LlmResponse { analysis: String::new(), tokens_used: None, tool_call_count: 0 };
        self.record(payload, Some(call.took)).await;
    }

    /// The investigation's time was over before the model answered: no attempt of the exchange failed, but this one did.
    pub(super) async fn model_too_late(&self, call: &Turn<'_>) {
        let sentence = "the model did not answer before the investigation's time was up".to_owned();
        self.metrics.llm_error(call.provider, call.model, ErrorKind::Timeout.label());
        self.model_failed(call, &LlmError { kind: ErrorKind::Timeout, sentence, retries: 0 }).await;
    }

    /// A tool exists and was not run: its budget is used up.
    pub(super) fn tool_denied(&self, toolset: &str, tool: &str) {
        self.metrics.tool_denied(toolset, tool);
        tracing::info!(event = "tool_call", toolset, tool, outcome = ToolStatus::Denied.as_str(), "tool not run");
    }

    pub(super) fn tool_started(&self, tool: &str, index: u64) {
        self.progress.tool_started(tool, index);
    }

    /// The root cause is known.
    pub(super) async fn cause_found(&self, cause: Cause) {
        let Cause { mut root_cause, analysis, confidence } = cause;
        let clean = |text: &mut String| *text = self.redactor.text(text).text;
        clean(&mut root_cause.summary);
        root_cause.contributing_factors.iter_mut().for_each(clean);
        root_cause.causal_chain.iter_mut().for_each(clean);
        root_cause.due_diligence.values_mut().for_each(clean);
        self.progress.cause(&root_cause.summary);
        let usage = self.spent().usage;
        let finding = RcaFinding {
            root_cause,
            analysis: self.redactor.text(&analysis).text,
            confidence,
            found_at: self.outside.now("found"),
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
        };
        self.record(Payload::RcaComplete(Box::new(finding)), None).await;
    }

    /// The run was cancelled: what it had cost until then.
    pub(super) async fn cancelled(&self) {
        let phases = self.phases();
        let selecting = phases.iter().any(|spent| spent.phase == Phase::WorkflowSelection.as_str());
        let Spent { turns, usage, .. } = self.spent();
        let payload = Payload::InvestigationCancelled {
            phase: if selecting { "workflow_discovery" } else { "rca" },
            turn: turns,
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
        };
        self.record(payload, None).await;
    }

    pub(super) async fn tool_called(&self, call: ToolCallRecord<'_>) {
        self.progress.tool_answered(call.tool, call.index, call.result);
        let status = match call.status {
            ToolStatus::Success if call.is_truncated => ToolStatus::Truncated,
            status => status,
        };
        self.metrics.tool_call(call.toolset, call.tool, status, call.took);
        tell(&call, status);
        let payload = Payload::ToolCall {
            index: call.index,
            tool: call.tool.to_owned(),
            arguments: call.arguments,
            result: Value::String(call.result.to_owned()),
            failed: call.status != ToolStatus::Success,
        };
        self.record(payload, Some(call.took)).await;
    }
}

/// A root cause as the model gave it.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) root_cause: RootCause,
    pub(super) analysis: String,
    pub(super) confidence: f64,
}

/// A question about to be put to the model.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) phase: Phase,
    pub(super) model: &'a str,
    /// The newest part of the conversation.
    pub(super) newest: &'a str,
    /// Size of the whole, in characters.
    pub(super) chars: usize,
    pub(super) toolsets: Vec<String>,
}

/// Who was asked, in which phase, and how long it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) provider: &'a str,
    pub(super) model: &'a str,
    pub(super) endpoint: &'a str,
    pub(super) phase: Phase,
    pub(super) took: Duration,
}

fn tell(call: &ToolCallRecord<'_>, status: ToolStatus) {
    let sanitized = call.result.contains(REDACTED);
    let (toolset, tool, outcome) = (call.toolset, call.tool, status.as_str());
    tracing::info!(
        event = "tool_call",
        toolset,
        tool,
        outcome,
        result_bytes = call.result.len(),
        sanitized,
        truncated = call.is_truncated,
        duration_ms = millis(call.took),
        "tool answered"
    );
    let arguments = serde_json::to_string(&call.arguments).unwrap_or_default();
    tracing::debug!(event = "tool_call_data", tool, arguments, result = call.result, "what a tool was asked and said");
    match status {
        _ if !sanitized => {}
        ToolStatus::Error | ToolStatus::Timeout => {
            tracing::debug!(event = "tool_error_sanitized", tool, "secrets taken out of an error");
        }
        ToolStatus::Success | ToolStatus::Denied | ToolStatus::Truncated => {
            tracing::debug!(event = "tool_result_sanitized", tool, "secrets taken out of a result");
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What the model answered: its text, else what it submitted; nothing when it only asked for tools.
fn answer_of(said: &AssistantMessage) -> String {
    if !said.text.trim().is_empty() {
        return said.text.clone();
    }
    let submitted = said.tool_calls.iter().filter(|call| SubmitTool::parse(call.name.trim()).is_some());
    submitted.map(|call| call.arguments.as_str()).collect::<Vec<_>>().join("\n")
}
