//! How a session ends: from what happened to the final state, its one line of text and its terminal audit event.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::Payload;
use crate::domain::{Incident, Investigation};
use crate::investigation::{FailureCode, InvestigationError};
use crate::telemetry::metrics::{InvestigationStatus, SessionOutcome};

use super::entry::Stop;
use super::record::SessionState;

/// Characters of the text shown for a failed session (http-api §1.7).
const ERROR_CHARS_MAX: usize = 512;
const NOT_INTERACTIVE: &str = "Interactive mode is not available; investigated autonomously";

/// The end of a session.
#[derive(Debug, Clone)]
pub(super) enum Conclusion {
    Completed(Arc<Investigation>),
    Failed(InvestigationError),
}

impl Conclusion {
    /// What the client asked for and does not get is told with the result (http-api §8.7).
    pub(super) fn completed(mut investigation: Investigation, incident: &Incident) -> Self {
        if incident.interactive {
            investigation.warnings.push(NOT_INTERACTIVE.to_owned());
        }
        Self::Completed(Arc::new(investigation))
    }

    pub(super) fn state(&self) -> SessionState {
        match self {
            Self::Completed(_) => SessionState::Completed,
            Self::Failed(error) if error.code == FailureCode::Cancelled => SessionState::Cancelled,
            Self::Failed(_) => SessionState::Failed,
        }
    }

    /// One line for the caller.
    pub(super) fn error(&self) -> Option<String> {
        match self {
            Self::Completed(_) => None,
            Self::Failed(error) => Some(one_line(&error.to_string())),
        }
    }

    pub(super) fn result(&self) -> Option<&Arc<Investigation>> {
        match self {
            Self::Completed(investigation) => Some(investigation),
            Self::Failed(_) => None,
        }
    }

    /// The terminal event.
    pub(super) fn payload(&self) -> Payload {
        match self {
            Self::Completed(investigation) => Payload::ResponseComplete { investigation: Arc::clone(investigation) },
            Self::Failed(error) => {
                Payload::ResponseFailed { error_message: one_line(&error.to_string()), phase: error.phase }
            }
        }
    }

    pub(super) fn outcome(&self) -> SessionOutcome {
        match self {
            Self::Completed(_) => SessionOutcome::Completed,
            Self::Failed(error) => match error.code {
                FailureCode::Cancelled => SessionOutcome::Cancelled,
                FailureCode::DeadlineExceeded => SessionOutcome::Timeout,
                FailureCode::LlmUnavailable
                | FailureCode::LlmTimeout
                | FailureCode::LlmAuth
                | FailureCode::LlmQuota
                | FailureCode::LlmNotConfigured
                | FailureCode::KubernetesUnavailable
                | FailureCode::ShuttingDown
                | FailureCode::Internal => SessionOutcome::Failed,
            },
        }
    }

    pub(super) fn status(&self) -> InvestigationStatus {
        match self {
            Self::Completed(investigation) if investigation.review.is_some() => InvestigationStatus::NeedsReview,
            Self::Completed(_) => InvestigationStatus::Success,
            Self::Failed(_) => InvestigationStatus::Error,
        }
    }

    /// No slot became free in time.
    pub(super) fn starved(timeout: Duration) -> Self {
        let sentence = format!("no investigation could be started within {} s", timeout.as_secs());
        Self::Failed(InvestigationError::new(FailureCode::DeadlineExceeded, "validation", sentence))
    }

    /// The run did not come back in time.
    pub(super) fn overrun(timeout: Duration, progress: &str) -> Self {
        let sentence = format!("the investigation did not end within {} s", timeout.as_secs());
        Self::Failed(InvestigationError::new(FailureCode::DeadlineExceeded, phase_of(progress), sentence))
    }

    /// The run was called off.
    pub(super) fn stopped(why: Stop) -> Self {
        let sentence = match why {
            Stop::TooOld => "the session reached its maximum age",
            Stop::Requested => "the investigation was cancelled on request",
            Stop::Abandoned => "nobody waited for the answer any more",
        };
        Self::Failed(InvestigationError::new(FailureCode::Cancelled, "cancelled", sentence))
    }

    /// The run panicked; what it said is in the log only.
    pub(super) fn broken(progress: &str) -> Self {
        Self::Failed(InvestigationError::internal(phase_of(progress), "the investigation ended unexpectedly"))
    }

    /// The process ended before the investigation did (decision 14).
    pub(super) fn shut_down() -> Self {
        let sentence = "the service stopped before the investigation ended";
        Self::Failed(InvestigationError::new(FailureCode::ShuttingDown, "shutdown", sentence))
    }
}

/// Audit phase name for the human words of the progress display.
fn phase_of(progress: &str) -> &'static str {
    let words = [("enrichment", "enrichment"), ("workflow", "workflow_selection"), ("validation", "validation")];
    words.into_iter().find(|(word, _)| progress.contains(word)).map_or("rca", |(_, phase)| phase)
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(ERROR_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_one_short_line() {
        let error = InvestigationError::internal("rca", format!("first\nsecond {}", "x".repeat(900)));
        let text = Conclusion::Failed(error).error().unwrap_or_default();
        assert!(text.starts_with("internal: first second x"), "{text}");
        assert_eq!(text.chars().count(), 512);
    }

    #[test]
    fn phases_of_progress() {
        for (progress, phase) in [
            ("", "rca"),
            ("root cause analysis", "rca"),
            ("enrichment", "enrichment"),
            ("workflow selection", "workflow_selection"),
            ("validation", "validation"),
        ] {
            assert_eq!(phase_of(progress), phase, "{progress}");
        }
    }
}
