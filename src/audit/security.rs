//! Refused callers in the audit trail (auth §2.4): only under the schema profile `h`, and never so many that whoever knocks
//! on the door fills the store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::event::{AccessRefusal, AuditEvent, AuditSubject, Payload};
use super::{AuditError, AuditTrail};

/// Refusals recorded in one second; the others are counted.
const RECORDED_A_SECOND_MAX: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// Records refused callers. Clones share the count.
#[derive(Debug, Clone)]
pub struct SecurityAudit {
    trail: AuditTrail,
    throttle: Arc<Mutex<Throttle>>,
}

impl SecurityAudit {
    pub fn new(trail: AuditTrail) -> Self {
        Self { trail, throttle: Arc::default() }
    }

    /// Records a refusal, or counts it for the next one that is recorded.
    ///
    /// # Errors
    /// The event is not recorded. To be logged, never to change the answer.
    pub async fn refused(&self, mut refusal: AccessRefusal) -> Result<(), AuditError> {
        let admitted = self.throttle.lock().unwrap_or_else(PoisonError::into_inner).admit(Instant::now());
        let Some(unrecorded) = admitted else { return Ok(()) };
        if unrecorded > 0 {
            refusal.reason.push_str(&format!(" ({unrecorded} more refusals were not recorded)"));
        }
        self.trail.record(AuditEvent::about(AuditSubject::security(), Payload::AccessRefused(refusal))).await
    }
}

#[derive(Debug, Default)]
struct Throttle {
    second_began: Option<Instant>,
    recorded: u32,
    unrecorded: u64,
}

impl Throttle {
    /// How many were not recorded before this one; `None` when this one is not either.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.second_began.is_none_or(|began| now.saturating_duration_since(began) >= SECOND) {
            (self.second_began, self.recorded) = (Some(now), 0);
        }
        if self.recorded >= RECORDED_A_SECOND_MAX {
            self.unrecorded = self.unrecorded.saturating_add(1);
            return None;
        }
        self.recorded += 1;
        Some(std::mem::take(&mut self.unrecorded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_second_and_the_rest_is_counted() {
        let (mut throttle, began) = (Throttle::default(), Instant::now());
        let at = |millis| began + Duration::from_millis(millis);
        let first: Vec<_> = (0..1_000).map(|number| throttle.admit(at(number / 2))).collect();
        assert_eq!(first.iter().filter(|admitted| **admitted == Some(0)).count(), 10);
        assert_eq!(throttle.admit(at(999)), None);
        assert_eq!(throttle.admit(at(1_000)), Some(991), "told once");
        assert_eq!(throttle.admit(at(1_001)), Some(0));
    }
}
