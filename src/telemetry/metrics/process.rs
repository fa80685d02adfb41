//! `process_*` series read from `/proc/self` at each scrape. Where there is no `/proc` they stay at zero.

use std::fs;

use prometheus::{Counter, Gauge};

use super::MetricsError;
use super::families::Registrar;

/// Clock ticks per second of the numbers in `/proc/<pid>/stat`: 100 on every Linux architecture (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;
const BYTES_PER_KIB: f64 = 1024.0;

#[derive(Debug)]
pub(super) struct ProcessFamilies {
    cpu_seconds: Counter,
    start_time_seconds: Gauge,
    resident_bytes: Gauge,
    virtual_bytes: Gauge,
    threads: Gauge,
    open_fds: Gauge,
    fds_max: Gauge,
}

impl ProcessFamilies {
    pub(super) fn register(r: &Registrar) -> Result<Self, MetricsError> {
        Ok(Self {
            cpu_seconds: r.real_counter("process_cpu_seconds_total", "CPU time of this process, user and system")?,
            start_time_seconds: r.real_gauge("process_start_time_seconds", "Start of this process, Unix time")?,
            resident_bytes: r.real_gauge("process_resident_memory_bytes", "Resident memory")?,
            virtual_bytes: r.real_gauge("process_virtual_memory_bytes", "Virtual memory")?,
            threads: r.real_gauge("process_threads", "Threads")?,
            open_fds: r.real_gauge("process_open_fds", "Open file descriptors")?,
            fds_max: r.real_gauge("process_max_fds", "Limit of open file descriptors")?,
        })
    }

    /// Reads `/proc` (microseconds, no disk) and sets the series. Callers hold a lock: the counter is set in two steps.
    pub(super) fn refresh(&self) {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        if let Some(times) = Times::parse(&read("/proc/self/stat"), &read("/proc/stat")) {
            self.cpu_seconds.reset();
            self.cpu_seconds.inc_by(times.cpu_seconds);
            self.start_time_seconds.set(times.start_seconds);
        }
        let status = read("/proc/self/status");
        let field = |name: &str| number_after(&status, name);
        self.resident_bytes.set(field("VmRSS:") * BYTES_PER_KIB);
        self.virtual_bytes.set(field("VmSize:") * BYTES_PER_KIB);
        self.threads.set(field("Threads:"));
        self.fds_max.set(number_after(&read("/proc/self/limits"), "Max open files"));
        let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.open_fds.set(u32::try_from(open).map_or(f64::MAX, f64::from));
    }
}

/// First number on the line that starts with `name`, 0 when there is none.
fn number_after(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

#[derive(Debug, PartialEq)]
struct Times {
    cpu_seconds: f64,
    start_seconds: f64,
}

impl Times {
    /// From `/proc/self/stat` and the boot time in `/proc/stat`. The second member of the former is the program's name in
    /// parentheses and may itself contain spaces and parentheses, so counting starts after the last one.
    fn parse(own: &str, system: &str) -> Option<Self> {
        let (_, rest) = own.rsplit_once(')')?;
        let members: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |index: usize| members.get(index).and_then(|word| word.parse::<f64>().ok());
        let (user, kernel, start) = (ticks(11)?, ticks(12)?, ticks(19)?);
        let boot = number_after(system, "btime");
        Some(Self { cpu_seconds: (user + kernel) / TICKS_PER_SECOND, start_seconds: boot + start / TICKS_PER_SECOND })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_program_with_an_awkward_name() {
        let own = "42 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 7000 1000000 500 18446744073709551615";
        let expected = Times { cpu_seconds: 3.0, start_seconds: 1_700_000_070.0 };
        assert_eq!(Times::parse(own, "cpu 1 2\nbtime 1700000000\n"), Some(expected));
        assert_eq!(Times::parse("", ""), None);
    }

    #[test]
    fn numbers_on_named_lines() {
        assert!((number_after("VmSize:\t 10 kB\nVmRSS:\t  2048 kB\n", "VmRSS:") - 2048.0).abs() < f64::EPSILON);
        assert!(number_after("Max open files            unlimited  unlimited  files", "Max open files").abs() < 1e-9);
    }
}
