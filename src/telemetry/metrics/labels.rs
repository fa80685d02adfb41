//! Closed sets of label values (operations §4.4), one type per label.

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The label value.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    )+};
}

labels! {
    /// How an analysis ended; `NeedsReview` when the result asks for a person.
    InvestigationStatus { Success = "success", NeedsReview = "needs_review", Error = "error" }
    /// Final state of a session.
    SessionOutcome {
        Completed = "completed", Failed = "failed", Cancelled = "cancelled", Timeout = "timeout", Rejected = "rejected",
    }
    /// State of a remembered session.
    StoredStatus {
        Pending = "pending", Investigating = "investigating", Completed = "completed", Failed = "failed",
        Cancelled = "cancelled",
    }
    /// Files a configuration comes from.
    ConfigSource { Main = "main", Sdk = "sdk", Credentials = "credentials", Tls = "tls" }
    /// What a look at them brought.
    ReloadResult { Applied = "applied", Unchanged = "unchanged" }
    /// Why what is on disk was rejected.
    ConfigFault {
        Parse = "parse", UnknownKey = "unknown_key", Invalid = "invalid", Build = "build", Identity = "identity",
    }
    /// Why a remembered session was forgotten.
    EvictionReason { Ttl = "ttl", MaxAge = "max_age", Capacity = "capacity" }
    /// Outcome of authenticating one non-public request.
    AuthResult {
        Allowed = "allowed", MissingToken = "missing_token", InvalidToken = "invalid_token", Forbidden = "forbidden",
        ReviewError = "review_error",
    }
    /// Which Kubernetes review was asked.
    AuthReview { Token = "token", Access = "access" }
    /// Whether a review's answer was remembered.
    CacheResult { Hit = "hit", Miss = "miss" }
    /// Why an authenticated caller was refused.
    DenialReason { Rbac = "rbac", SessionNotFound = "session_not_found" }
    /// How one call to the model ended.
    LlmStatus { Success = "success", Error = "error", Timeout = "timeout" }
    /// Error classes of the model exchange.
    LlmErrorKind {
        Auth = "auth", RateLimit = "rate_limit", BadRequest = "bad_request", NotFound = "not_found", Server = "server",
        Timeout = "timeout", Network = "network", BreakerOpen = "breaker_open", Decode = "decode",
    }
    /// How a call that needed at least one retry ended.
    RetryOutcome { Succeeded = "succeeded", Exhausted = "exhausted", NonRetryable = "non_retryable" }
    /// Which side of the exchange tokens belong to.
    TokenType { Prompt = "prompt", Completion = "completion" }
    /// Phases of an investigation.
    Phase {
        Rca = "rca", Enrichment = "enrichment", WorkflowSelection = "workflow_selection", Validation = "validation",
    }
    /// How a phase ended.
    PhaseOutcome { Success = "success", Error = "error", Skipped = "skipped" }
    /// How one tool call ended.
    ToolStatus {
        Success = "success", Error = "error", Timeout = "timeout", Denied = "denied", Truncated = "truncated",
    }
    /// Why an audit event was given up.
    DropReason {
        BufferFull = "buffer_full", RetriesExhausted = "retries_exhausted", Rejected = "rejected", Shutdown = "shutdown",
    }
    /// How audit events were sent.
    AuditEndpoint { Single = "single", Batch = "batch" }
    /// How a request with audit events ended.
    AuditWrite { Success = "success", Failure = "failure" }
    /// A sign that somebody tries to steer the model through data.
    InjectionSign { MarkedResult = "marked_result", PlantedWorkflow = "planted_workflow" }
    /// What became of a finished span of a trace.
    SpanFate { Exported = "exported", Failed = "failed", Dropped = "dropped" }
    /// Where a secret was taken out of.
    RedactedIn { Tool = "tool", Prompt = "prompt", Log = "log" }
    /// What the service depends on.
    Dependency { DataStorage = "data_storage", Kubernetes = "kubernetes", Llm = "llm" }
}
