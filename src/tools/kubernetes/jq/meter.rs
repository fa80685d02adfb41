//! What a program may use. Counted per run, by the filters behind every part of it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use jaq_json::{Num, Val};

/// Bounds of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct JqLimits {
    /// Values that pass any part of the program, long texts and lists counting more.
    pub(super) steps_max: u64,
    /// Values inside one value.
    pub(super) nodes_max: u64,
    /// Bytes of the texts inside one value.
    pub(super) bytes_max: u64,
    /// Values inside values.
    pub(super) depth_max: u32,
    pub(super) time_max: Duration,
}

impl Default for JqLimits {
    fn default() -> Self {
        Self {
            steps_max: 20_000_000,
            nodes_max: 4_000_000,
            bytes_max: 64 * 1024 * 1024,
            depth_max: 160,
            time_max: Duration::from_secs(10),
        }
    }
}

/// Bytes of a text that count as one step.
const TEXT_STEP_BYTES: u64 = 16;
/// Bits of the largest whole number.
const NUMBER_BITS_MAX: u64 = 16_384;
/// The clock is read once in so many looks.
const CLOCK_STRIDE: u64 = 4_096;

#[derive(Debug)]
pub(super) struct Meter {
    limits: JqLimits,
    started: Instant,
    steps: Cell<u64>,
    looks: Cell<u64>,
    stopped: Cell<Option<&'static str>>,
}

impl Meter {
    pub(super) fn new(limits: JqLimits) -> Self {
        Self { limits, started: Instant::now(), steps: Cell::new(0), looks: Cell::new(0), stopped: Cell::new(None) }
    }

    /// Why the program was stopped, if it was. Once stopped, nothing passes any more.
    pub(super) fn stopped(&self) -> Option<&'static str> {
        self.stopped.get()
    }

    fn stop(&self, why: &'static str) -> bool {
        self.stopped.set(self.stopped.get().or(Some(why)));
        false
    }

    fn look_at_clock(&self) -> bool {
        let looks = self.looks.get() + 1;
        self.looks.set(looks);
        if looks.is_multiple_of(CLOCK_STRIDE) && self.started.elapsed() > self.limits.time_max {
            return self.stop("it took too long");
        }
        true
    }

    /// Lets one value pass, or stops.
    pub(super) fn count(&self, value: &Val) -> bool {
        if self.stopped.get().is_some() {
            return false;
        }
        let size = match value {
            Val::TStr(text) | Val::BStr(text) => text.len() as u64 / TEXT_STEP_BYTES,
            Val::Num(Num::BigInt(number)) if number.bits() > NUMBER_BITS_MAX => {
                return self.stop("a number grew too large");
            }
            _ => 0,
        };
        let steps = self.steps.get().saturating_add(1 + size);
        self.steps.set(steps);
        if steps > self.limits.steps_max {
            return self.stop("it did too much work");
        }
        self.look_at_clock()
    }

    /// Lets a value pass whose whole content is within bounds, or stops. What is shared inside of it counts as often as it
    /// would be written.
    pub(super) fn weigh(&self, value: &Val) -> bool {
        if !self.count(value) {
            return false;
        }
        let (mut nodes, mut bytes) = (0_u64, 0_u64);
        let mut open: Vec<(&Val, u32)> = vec![(value, 0)];
        while let Some((value, depth)) = open.pop() {
            nodes += 1;
            match value {
                Val::TStr(text) | Val::BStr(text) => bytes += text.len() as u64,
                Val::Arr(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
                Val::Obj(members) => {
                    open.extend(members.iter().flat_map(|(key, value)| [(key, depth + 1), (value, depth + 1)]));
                }
                Val::Null | Val::Bool(_) | Val::Num(_) => {}
            }
            if depth > self.limits.depth_max {
                return self.stop("a value was nested too deep");
            }
            if nodes > self.limits.nodes_max || bytes > self.limits.bytes_max {
                return self.stop("a value grew too large");
            }
            if !self.look_at_clock() {
                return false;
            }
        }
        true
    }
}
