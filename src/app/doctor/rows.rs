//! Collects the checks of one area and measures them.

use std::time::Duration;

use tokio::time::Instant;

use super::report::{Area, Check, Status};

/// For one check.
const CHECK_PATIENCE: Duration = Duration::from_secs(10);

/// The outcome of a check. What is not well comes with the way to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) status: Status,
    pub(super) seen: String,
    pub(super) mend: Option<String>,
}

impl Finding {
    pub(super) fn ok(seen: impl Into<String>) -> Self {
        Self { status: Status::Ok, seen: seen.into(), mend: None }
    }

    pub(super) fn warning(seen: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { status: Status::Warning, seen: seen.into(), mend: Some(mend.into()) }
    }

    pub(super) fn failed(seen: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { status: Status::Failed, seen: seen.into(), mend: Some(mend.into()) }
    }

    pub(super) fn skipped(seen: impl Into<String>) -> Self {
        Self { status: Status::Skipped, seen: seen.into(), mend: None }
    }

    /// The same, at most as a warning.
    pub(super) fn softened(self) -> Self {
        Self { status: self.status.max(Status::Warning), ..self }
    }
}

/// The checks of one area.
#[derive(Debug)]
pub(super) struct Rows {
    area: Area,
    until: Instant,
    checks: Vec<Check>,
}

impl Rows {
    pub(super) fn of(area: Area, until: Instant) -> Self {
        Self { area, until, checks: Vec::new() }
    }

    /// Something that is known without asking.
    pub(super) fn note(&mut self, name: impl Into<String>, finding: Finding) {
        self.push(name.into(), finding, Duration::ZERO);
    }

    /// Waits for an answer, at most as long as there is time; `late` is how to mend that none came.
    pub(super) async fn ask<T>(
        &mut self,
        name: impl Into<String>,
        late: &str,
        question: impl Future<Output = T>,
        judge: impl FnOnce(&T) -> Finding,
    ) -> Option<T> {
        let began = Instant::now();
        let until = self.until.min(began + CHECK_PATIENCE);
        let answer = tokio::time::timeout_at(until, question).await.ok();
        let finding = match &answer {
            Some(answer) => judge(answer),
            None => {
                let seconds = until.saturating_duration_since(began).as_secs_f32();
                Finding::failed(format!("no answer within {seconds:.1} s"), late)
            }
        };
        self.push(name.into(), finding, began.elapsed());
        answer
    }

    fn push(&mut self, name: String, Finding { status, seen, mend }: Finding, took: Duration) {
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.checks.push(Check { area: self.area, name, status, seen, mend, duration_ms });
    }

    /// Whether nothing failed so far.
    pub(super) fn are_well(&self) -> bool {
        self.checks.iter().all(|check| check.status != Status::Failed)
    }

    pub(super) fn into_checks(self) -> Vec<Check> {
        self.checks
    }
}

/// Longest text of a chain of errors, in characters.
const CHAIN_CHARS_MAX: usize = 300;

/// An error and what caused it at the bottom; what stands between repeats one or the other.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut deepest = error.source();
    while let Some(deeper) = deepest.and_then(std::error::Error::source) {
        deepest = Some(deeper);
    }
    if let Some(cause) = deepest.map(ToString::to_string).filter(|cause| !text.contains(cause)) {
        text = format!("{text}: {cause}");
    }
    text.chars().take(CHAIN_CHARS_MAX).collect()
}
