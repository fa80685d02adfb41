//! The table: what was measured beside what is aimed at.

use std::time::Duration;

/// Rows of all chapters, printed as they come and once more at the end.
pub(crate) struct Report {
    judged: Vec<String>,
}

/// Which side of a target is the good one.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

impl Report {
    pub(crate) fn begin() -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        println!("cores {cores}, load before {}", load.split(' ').next().unwrap_or_default());
        Self { judged: Vec::new() }
    }

    pub(crate) fn chapter(&mut self, name: &str, what: &str) {
        println!("\n{name}: {what}");
    }

    /// A figure without a target.
    #[expect(clippy::unused_self, reason = "reads as the other kind of row")]
    pub(crate) fn figure(&mut self, what: &str, value: impl std::fmt::Display) {
        println!("  {what:<58} {value}");
    }

    /// A figure with a target: the ratio is above 1 where it is missed.
    pub(crate) fn against(&mut self, what: &str, value: f64, unit: &str, aim: Aim) {
        let (word, bound, ratio) = match aim {
            Aim::AtMost(bound) => ("≤", bound, value / bound),
            Aim::AtLeast(bound) => ("≥", bound, bound / value),
        };
        let mark = if ratio > 1.0 { "  MISSED" } else { "" };
        let row = format!("{what:<58} {value:>10.2} {unit:<4} {word} {bound:<8} ratio {ratio:.2}{mark}");
        println!("  {row}");
        self.judged.push(row);
    }

    pub(crate) fn summary(&self) {
        println!("\nagainst the targets");
        for row in &self.judged {
            println!("  {row}");
        }
    }
}

/// Percentiles of times.
pub(crate) struct Spread(Vec<Duration>);

impl Spread {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time below which this share lies, 0 to 1.
    pub(crate) fn at(&self, share: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
    }

    pub(crate) fn ms(&self, share: f64) -> f64 {
        self.at(share).as_secs_f64() * 1e3
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p95, p99, most] = [0.5, 0.95, 0.99, 1.0].map(|share| self.ms(share));
        write!(f, "p50 {p50:.2} ms, p95 {p95:.2} ms, p99 {p99:.2} ms, most {most:.2} ms of {}", self.count())
    }
}
