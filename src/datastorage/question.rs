//! Questions about workflows and history: idempotent, so each is tried again here, and nowhere else (datastorage §1.5).

use std::time::Duration;

use reqwest::Method;
use tokio::time::{Instant, sleep};

use super::DataStorage;
use super::transport::{Answer, Call, CallError, Lane};
use crate::retry::jitter;

/// Share of a wait that jitter adds or takes.
const JITTER: f64 = 0.25;

/// One question.
pub(super) struct Question<'a> {
    /// Label of the metric.
    pub(super) operation: &'static str,
    /// Appended to the base address, each as one segment.
    pub(super) path: &'a [&'a str],
    pub(super) query: Vec<(&'static str, String)>,
    /// Before each retry, a quarter more or less; absent: the client's own two.
    pub(super) waits: Option<&'a [Duration]>,
}

impl DataStorage {
    /// The answer, tried again while that may help, all within one deadline.
    ///
    /// # Errors
    /// No answer at all, or nobody is asked now. An answer that says no is one.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Answer, CallError> {
        let terms = self.0.terms.get();
        let deadline = Instant::now() + terms.timeout;
        let mut waits = question.waits.unwrap_or(&terms.retry_waits).iter();
        loop {
            let call = Call {
                operation: question.operation,
                lane: Lane::Questions,
                method: Method::GET,
                path: question.path,
                query: &question.query,
                body: None,
                timeout: deadline.saturating_duration_since(Instant::now()),
            };
            let admission = self.0.guard.admit()?;
            let answer = self.0.transport.call(&call).await;
            admission.settle(&answer);
            let Some(server_wait) = worth_another(&answer) else { return answer };
            let Some(wait) = waits.next() else { return answer };
            let wait = server_wait.unwrap_or_else(|| wait.mul_f64(1.0 + JITTER * (2.0 * jitter() - 1.0)));
            if Instant::now() + wait >= deadline {
                return answer;
            }
            sleep(wait).await;
        }
    }
}

/// Whether to try again, and the wait the server asks for.
fn worth_another(answer: &Result<Answer, CallError>) -> Option<Option<Duration>> {
    match answer {
        Ok(answer) => match answer.status.as_u16() {
            408 | 425 | 429 | 500 | 502 | 503 | 504 => Some(answer.retry_after),
            _ => None,
        },
        Err(CallError::NotSent(_) | CallError::Lost(_)) => Some(None),
        Err(CallError::Status { .. } | CallError::Malformed) => None,
    }
}
