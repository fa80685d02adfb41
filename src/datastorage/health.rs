//! Whether the server is there (datastorage §8). Off the way of requests; no token, no retry.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use reqwest::Url;

use super::DataStorage;
use super::transport::CallError;

/// For one probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Which generation answers, as far as its health endpoints tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Knows `/health/ready`.
    April,
    /// Knows `/readyz`.
    August,
}

/// What was learnt from knocking.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// 0 unknown, 1 April, 2 August.
    generation: AtomicU8,
}

impl Health {
    fn learn(&self, generation: Generation) {
        let code = match generation {
            Generation::April => 1,
            Generation::August => 2,
        };
        self.generation.store(code, Ordering::Relaxed);
    }

    fn known(&self) -> Option<Generation> {
        match self.generation.load(Ordering::Relaxed) {
            1 => Some(Generation::April),
            2 => Some(Generation::August),
            _ => None,
        }
    }
}

impl DataStorage {
    /// Asks for readiness: at the named address, else `/readyz`, and `/health/ready` where the first is unknown; what worked
    /// is asked first from then on.
    ///
    /// # Errors
    /// Nothing answers, or something says that it is not ready.
    pub async fn probe(&self) -> Result<(), CallError> {
        let (health, terms) = (&self.0.health, self.0.terms.get());
        if let Some(url) = &terms.health {
            return self.knock(url.clone()).await;
        }
        if health.known() != Some(Generation::April) {
            match self.knock(self.at(&["readyz"])).await {
                // Unknown, or taken for a call that needs a token: no health endpoint says that.
                Err(CallError::Status { status: 401 | 403 | 404 | 405, .. }) => {}
                answer => {
                    if answer.is_ok() {
                        health.learn(Generation::August);
                    }
                    return answer;
                }
            }
        }
        let answer = self.knock(self.at(&["health", "ready"])).await;
        match &answer {
            Ok(()) => health.learn(Generation::April),
            // Another server answers there now: ask for both the next time.
            Err(CallError::Status { status: 404, .. }) => health.generation.store(0, Ordering::Relaxed),
            Err(_) => {}
        }
        answer
    }

    /// Which generation answered the last probe that succeeded.
    pub fn generation(&self) -> Option<Generation> {
        self.0.health.known()
    }

    async fn knock(&self, url: Url) -> Result<(), CallError> {
        let status = self.0.transport.knock(url, PROBE_TIMEOUT).await?;
        match status.is_success() {
            true => Ok(()),
            false => Err(CallError::Status { status: status.as_u16(), retry_after: None }),
        }
    }

    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.0.transport.base().clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}
