//! What one investigation writes down on its way: audit events and metrics. Neither ever changes its outcome.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::audit::{AuditEvent, AuditSubject, AuditTrail, Excerpt, Payload};
use crate::domain::Incident;
use crate::llm::{ChatReply, ErrorKind, LlmError, Usage};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{LlmCall, LlmErrorKind, LlmStatus, Phase, RetryOutcome, ToolStatus};

/// The pen of one investigation.
#[derive(Debug)]
pub(super) struct Journal {
    audit: AuditTrail,
    metrics: Metrics,
    subject: AuditSubject,
    tool_calls: AtomicU64,
    turns: AtomicU32,
    usage: Mutex<Usage>,
    suspicious: AtomicU32,
}

/// One finished tool call as the journal needs it. Texts are redacted.
pub(super) struct ToolCallRecord<'a> {
    pub(super) index: u64,
    pub(super) toolset: &'static str,
    pub(super) tool: &'a str,
    pub(super) arguments: Map<String, Value>,
    pub(super) result: &'a str,
    pub(super) status: ToolStatus,
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
    pub(super) fn new(audit: AuditTrail, metrics: Metrics, incident: &Incident) -> Self {
        Self {
            audit,
            metrics,
            subject: AuditSubject::of(incident),
            tool_calls: AtomicU64::new(0),
            turns: AtomicU32::new(0),
            usage: Mutex::new(Usage::default()),
            suspicious: AtomicU32::new(0),
        }
    }

    pub(super) fn spent(&self) -> Spent {
        Spent {
            turns: self.turns.load(Ordering::Relaxed),
            tool_calls: u32::try_from(self.tool_calls.load(Ordering::Relaxed)).unwrap_or(u32::MAX),
            usage: *self.usage.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Number of the next tool call in this investigation, from 0.
    pub(super) fn next_tool_call(&self) -> u64 {
        self.tool_calls.fetch_add(1, Ordering::Relaxed)
    }

    /// A tool result holds text that looks like instructions to a model.
    pub(super) fn suspicious_result(&self, tool: &str, result_id: &str, kinds: &[&str]) {
        self.suspicious.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            event = "injection_marked",
            tool,
            result_id,
            kinds = kinds.join(","),
            incident_id = self.subject.incident_id,
            "a tool result looks like instructions to a model; it was marked as data"
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

    /// Before a turn: `prompt` is the newest part of the conversation, `chars` the size of the whole.
    pub(super) async fn model_asked(&self, model: &str, prompt: &str, chars: usize, toolsets: Vec<String>) {
        let prompt = Excerpt { chars, ..Excerpt::of(prompt) };
        let payload = Payload::LlmRequest {
            model: model.to_owned(),
            prompt,
            toolsets,
            mcp_servers: Vec::new(),
            tokens_max: None,
        };
        self.record(payload, None).await;
    }

    pub(super) async fn model_answered(&self, call: &Turn<'_>, reply: &ChatReply) {
        self.turns.fetch_add(1, Ordering::Relaxed);
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner) += reply.usage;
        self.metrics.llm_call(LlmCall {
            provider: call.provider,
            model: call.model,
            status: LlmStatus::Success,
            duration: call.took,
            prompt_tokens: reply.usage.prompt_tokens,
            completion_tokens: reply.usage.completion_tokens,
        });
        if reply.retries > 0 {
            self.metrics.llm_retried(call.phase, RetryOutcome::Succeeded);
        }
        let said = if reply.message.text.is_empty() {
            reply.message.tool_calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>().join(", ")
        } else {
            reply.message.text.clone()
        };
        let payload = Payload::LlmResponse {
            analysis: Excerpt::of(&said),
            tokens_used: Some(reply.usage.prompt_tokens.saturating_add(reply.usage.completion_tokens)),
            tool_call_count: reply.message.tool_calls.len() as u64,
        };
        self.record(payload, Some(call.took)).await;
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
        self.metrics.llm_error(call.provider, call.model, label(error.kind));
        if error.retries > 0 {
            self.metrics.llm_retried(call.phase, RetryOutcome::Exhausted);
        }
        let payload = Payload::LlmResponse { analysis: Excerpt::of(""), tokens_used: None, tool_call_count: 0 };
        self.record(payload, Some(call.took)).await;
    }

    pub(super) async fn tool_called(&self, call: ToolCallRecord<'_>) {
        self.metrics.tool_call(call.toolset, call.tool, call.status, call.took);
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

/// Who was asked, in which phase, and how long it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) provider: &'a str,
    pub(super) model: &'a str,
    pub(super) phase: Phase,
    pub(super) took: Duration,
}

fn label(kind: ErrorKind) -> LlmErrorKind {
    match kind {
        ErrorKind::Auth => LlmErrorKind::Auth,
        ErrorKind::RateLimit => LlmErrorKind::RateLimit,
        ErrorKind::BadRequest | ErrorKind::ContextLength => LlmErrorKind::BadRequest,
        ErrorKind::NotFound => LlmErrorKind::NotFound,
        ErrorKind::Server => LlmErrorKind::Server,
        ErrorKind::Timeout => LlmErrorKind::Timeout,
        ErrorKind::Network => LlmErrorKind::Network,
        ErrorKind::Decode => LlmErrorKind::Decode,
    }
}
