//! How much the outbox may hold (audit §3.8): running investigations have room set aside, so that they can finish their
//! trail; incidents are refused before it is used up.

use std::sync::{Arc, Mutex, PoisonError};

use super::config::SpoolConfig;

/// Bytes of the outbox, as the process knows them. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Spool {
    bytes: Arc<Mutex<Bytes>>,
    limits: Limits,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    bytes_max: u64,
    /// Nothing is accepted above.
    high_water_bytes: u64,
    reservation_bytes: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Bytes {
    stored: u64,
    reserved: u64,
}

/// Room for the events of one investigation, given back when dropped.
#[derive(Debug)]
pub struct Reservation(Option<Spool>);

impl Reservation {
    /// Where nothing is bounded.
    pub(super) fn unlimited() -> Self {
        Self(None)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(spool) = &self.0 {
            spool.with(|bytes| bytes.reserved = bytes.reserved.saturating_sub(spool.limits.reservation_bytes));
        }
    }
}

/// No incident can be accepted: too many events wait for delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many audit events wait for delivery")]
pub struct SpoolFull;

impl Spool {
    pub(super) fn new(config: &SpoolConfig, stored: u64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a share of a size; exactness does not matter"
        )]
        let high_water_bytes = (config.bytes_max as f64 * config.high_water) as u64;
        let limits =
            Limits { bytes_max: config.bytes_max, high_water_bytes, reservation_bytes: config.reservation_bytes };
        Self { bytes: Arc::new(Mutex::new(Bytes { stored, reserved: 0 })), limits }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Bytes) -> T) -> T {
        change(&mut self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the room of one investigation. Never fails: whoever was accepted may run.
    pub(super) fn reserve(&self) -> Reservation {
        self.with(|bytes| bytes.reserved = bytes.reserved.saturating_add(self.limits.reservation_bytes));
        Reservation(Some(self.clone()))
    }

    /// Whether another incident may be accepted.
    pub(super) fn admits(&self) -> Result<(), SpoolFull> {
        let Bytes { stored, reserved } = self.with(|bytes| *bytes);
        let claimed = stored.saturating_add(reserved).saturating_add(self.limits.reservation_bytes);
        let admits = stored <= self.limits.high_water_bytes && claimed <= self.limits.bytes_max;
        if admits { Ok(()) } else { Err(SpoolFull) }
    }

    /// Whether what waits is above the mark.
    pub(super) fn is_above_high_water(&self) -> bool {
        self.with(|bytes| bytes.stored) > self.limits.high_water_bytes
    }

    /// Events were recorded.
    pub(super) fn grew(&self, bytes: u64) {
        self.with(|known| known.stored = known.stored.saturating_add(bytes));
    }

    /// What was measured wins over what was counted: deliveries, and events put back by others.
    pub(super) fn measured(&self, stored: u64) {
        self.with(|known| known.stored = stored);
    }

    pub(super) fn bytes_max(&self) -> u64 {
        self.limits.bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool(stored: u64) -> Spool {
        let config =
            SpoolConfig { bytes_max: 1_000, high_water: 0.8, reservation_bytes: 100, ..SpoolConfig::default() };
        Spool::new(&config, stored)
    }

    #[test]
    fn nothing_is_accepted_above_the_high_water_mark_or_without_room() {
        for (stored, running, admits) in [
            (0, 0, true),
            (800, 0, true),
            (801, 0, false),
            (0, 9, true),
            (0, 10, false),
            (500, 4, true),
            (501, 4, false),
        ] {
            let spool = spool(stored);
            let running: Vec<Reservation> = (0..running).map(|_| spool.reserve()).collect();
            assert_eq!(spool.admits().is_ok(), admits, "{stored} bytes, {} running", running.len());
        }
    }

    #[test]
    fn room_comes_back_with_the_end_of_an_investigation_and_with_delivery() {
        let spool = spool(500);
        let running: Vec<Reservation> = (0..5).map(|_| spool.reserve()).collect();
        assert_eq!(spool.admits(), Err(SpoolFull));
        drop(running);
        assert_eq!(spool.admits(), Ok(()));
        spool.grew(400);
        assert_eq!(spool.admits(), Err(SpoolFull));
        spool.measured(100);
        assert_eq!(spool.admits(), Ok(()));
    }
}
