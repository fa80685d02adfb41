//! Every span of the service: what log records inside it carry, and what a trace shows of it (OpenTelemetry semantic
//! conventions for HTTP and for generative AI; no prompt, no answer, no arguments).
//!
//! Fields without a dot are repeated on log records, fields with one are attributes of the trace. Spans that carry fields of
//! records have level error, so that no level of the log takes the ids away.

use tracing::field::Empty;
use tracing::{Span, error_span, info_span};

use super::trace::{self, TARGET};

/// What is known of a request when it arrives.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'a> {
    pub request_id: &'a str,
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Template, never the raw path.
    pub route: &'a str,
    pub path: &'a str,
    pub client: &'a str,
    pub user_agent: Option<&'a str>,
    /// As the caller sent it.
    pub traceparent: Option<&'a str>,
    /// As the caller sent it; means nothing without the other.
    pub tracestate: Option<&'a str>,
}

/// A request being answered. `user` is recorded once it is known.
pub fn request(facts: RequestFacts<'_>) -> Span {
    error_span!(
        "request",
        request_id = facts.request_id,
        user = Empty,
        otel.name = format_args!("{} {}", facts.method, facts.route),
        otel.kind = "server",
        otel.parent = facts.traceparent,
        otel.state = facts.tracestate,
        http.request.method = facts.method,
        http.route = facts.route,
        url.path = facts.path,
        url.scheme = facts.scheme,
        client.address = facts.client,
        user_agent.original = facts.user_agent,
        http.response.status_code = Empty,
        "error.type" = Empty,
    )
}

/// The answer to a request, or to one of ours. Server errors are failures of a server span, all errors of a client span.
pub fn answered(span: &Span, status: u16, fails_from: u16) {
    span.record("http.response.status_code", status);
    if status >= fails_from {
        failed(span, &status.to_string());
    }
}

/// The span ends with an error; `kind` is a word of a closed list.
pub fn failed(span: &Span, kind: &str) {
    span.record("error.type", kind);
}

/// Whose investigation it is.
#[derive(Debug, Clone, Copy)]
pub struct SessionFacts<'a> {
    pub session_id: &'a str,
    pub incident_id: &'a str,
    pub remediation_id: &'a str,
    pub signal_name: &'a str,
    /// Of the request that brought it, which it outlives.
    pub traceparent: Option<&'a str>,
    pub tracestate: Option<&'a str>,
}

/// A session from admission to its end: not inside the request, but in its trace.
pub fn session(facts: SessionFacts<'_>) -> Span {
    error_span!(
        parent: None,
        "session",
        session_id = facts.session_id,
        incident_id = facts.incident_id,
        remediation_id = facts.remediation_id,
        correlation_id = facts.remediation_id,
        otel.name = "investigation",
        otel.parent = facts.traceparent,
        otel.state = facts.tracestate,
        gen_ai.operation.name = "invoke_agent",
        gen_ai.agent.name = "holmesgpt-api",
        gen_ai.conversation.id = facts.session_id,
        kubernaut.incident.id = facts.incident_id,
        kubernaut.remediation.id = facts.remediation_id,
        kubernaut.signal.name = facts.signal_name,
        "error.type" = Empty,
    )
}

/// A phase of an investigation.
pub fn phase(name: &'static str) -> Span {
    error_span!("phase", phase = name, otel.name = format_args!("phase {name}"), "error.type" = Empty)
}

/// One turn: a call of the model with its retries. See [`chat_answered`].
pub fn chat(provider: &str, model: &str, turn: u32) -> Span {
    error_span!(
        "chat",
        turn,
        otel.name = format_args!("chat {model}"),
        otel.kind = "client",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = provider,
        gen_ai.request.model = model,
        gen_ai.response.model = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.response.finish_reasons = Empty,
        "error.type" = Empty,
    )
}

/// What a model answered, without its words.
#[derive(Debug, Clone, Copy)]
pub struct ChatFacts<'a> {
    /// As the provider calls who answered.
    pub model: Option<&'a str>,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub finish_reason: &'a str,
}

/// The model answered.
pub fn chat_answered(span: &Span, facts: ChatFacts<'_>) {
    if let Some(model) = facts.model {
        span.record("gen_ai.response.model", model);
    }
    span.record("gen_ai.usage.input_tokens", facts.input_tokens);
    span.record("gen_ai.usage.output_tokens", facts.output_tokens);
    span.record("gen_ai.response.finish_reasons", facts.finish_reason);
}

/// A tool the model asked for. `call_id` is the model's own.
pub fn tool(tool: &str, call_id: &str) -> Span {
    error_span!(
        "tool",
        tool,
        otel.name = format_args!("execute_tool {tool}"),
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = tool,
        gen_ai.tool.type = "function",
        gen_ai.tool.call.id = call_id,
        "error.type" = Empty,
    )
}

/// A request of ours, to `DataStorage` or Kubernetes. `operation` is from a closed list; `path` has no query.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingFacts<'a> {
    pub peer: &'static str,
    pub operation: &'a str,
    pub method: &'a str,
    pub host: &'a str,
    pub path: &'a str,
}

/// A request of ours as part of a trace: only a trace shows it, probes and the like begin none.
pub fn outgoing(facts: OutgoingFacts<'_>) -> Span {
    if trace::current().is_none() {
        return Span::none();
    }
    info_span!(
        target: TARGET,
        "outgoing",
        otel.name = format_args!("{} {} {}", facts.method, facts.peer, facts.operation),
        otel.kind = "client",
        peer.service = facts.peer,
        http.request.method = facts.method,
        server.address = facts.host,
        url.path = facts.path,
        http.response.status_code = Empty,
        "error.type" = Empty,
    )
}
