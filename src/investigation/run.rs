//! What surrounds one run: deadline, cancellation, who watches it, and how it may fail.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::outside::Outside;
use super::progress::ProgressSender;
use crate::metering::RunMeter;

/// Limits and signals of one run.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// The investigation's wall-clock budget ends here, queue time included.
    pub deadline: Instant,
    pub cancel: CancellationToken,
    pub progress: ProgressSender,
    /// Counts what the run spends.
    pub meter: RunMeter,
    /// Of the session this run belongs to.
    pub session: String,
    /// Where it takes time, chance, replies and answers from.
    pub outside: Arc<dyn Outside>,
}

/// A run that ended without a result. Displays as one line `<code>: <sentence>` (http-api §4.4); the sentence holds no
/// secret and no upstream body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {sentence}")]
pub struct InvestigationError {
    pub code: FailureCode,
    pub sentence: String,
    /// Phase name of the audit event `response.failed`: `validation`, `rca`, `enrichment`, `workflow_selection`,
    /// `finalise`, `shutdown`, `cancelled`.
    pub phase: &'static str,
}

impl InvestigationError {
    pub fn new(code: FailureCode, phase: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), phase }
    }

    pub fn internal(phase: &'static str, sentence: impl Into<String>) -> Self {
        Self::new(FailureCode::Internal, phase, sentence)
    }
}

/// Closed list of failure codes (http-api §4.4, without `datastorage_unavailable`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureCode {
    LlmUnavailable,
    LlmTimeout,
    LlmAuth,
    LlmQuota,
    LlmNotConfigured,
    KubernetesUnavailable,
    DeadlineExceeded,
    ShuttingDown,
    Cancelled,
    Internal,
}

impl FailureCode {
    pub const ALL: [Self; 10] = [
        Self::LlmUnavailable,
        Self::LlmTimeout,
        Self::LlmAuth,
        Self::LlmQuota,
        Self::LlmNotConfigured,
        Self::KubernetesUnavailable,
        Self::DeadlineExceeded,
        Self::ShuttingDown,
        Self::Cancelled,
        Self::Internal,
    ];

    /// The code at the beginning of an error's one line; an unknown one is a fault of ours.
    pub fn of_line(line: &str) -> Self {
        let code = line.split(':').next().unwrap_or_default();
        Self::ALL.into_iter().find(|known| known.as_str() == code).unwrap_or(Self::Internal)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::LlmUnavailable => "llm_unavailable",
            Self::LlmTimeout => "llm_timeout",
            Self::LlmAuth => "llm_auth",
            Self::LlmQuota => "llm_quota",
            Self::LlmNotConfigured => "llm_not_configured",
            Self::KubernetesUnavailable => "kubernetes_unavailable",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::ShuttingDown => "shutting_down",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_its_code() {
        for code in FailureCode::ALL {
            let line = InvestigationError::new(code, "rca", "a sentence: with a colon").to_string();
            assert_eq!(FailureCode::of_line(&line), code, "{line}");
        }
        for foreign in ["", "llm", "500: LLM model not configured"] {
            assert_eq!(FailureCode::of_line(foreign), FailureCode::Internal, "{foreign}");
        }
    }
}
