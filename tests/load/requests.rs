//! Requests that need no investigation: probes and polls.

use std::time::Duration;

use serde_json::json;

use crate::block_on;
use crate::connection::{get, storm};
use crate::report::{Aim, Report, Spread};
use crate::service::Service;
use crate::stubs::{Delays, Stubs, token};

const CONNECTIONS: usize = 64;
/// Callers that share the connections.
const CALLERS: usize = 50;
const LASTING: Duration = Duration::from_secs(10);
/// Nobody's session: the poll that costs as much as any other.
const SESSION: &str = "/api/v1/incident/session/00000000-0000-4000-8000-000000000000";

pub(crate) fn health(report: &mut Report) {
    let service = Service::embedded(&json!({}));
    let (rate, cpu) = ask(report, &service, vec![get("/health", None); CONNECTIONS], 200);
    report.against("CPU of one /health", cpu, "µs", Aim::AtMost(30.0));
    report.against("/health a second, the client beside it", rate, "/s", Aim::AtLeast(40_000.0));
}

pub(crate) fn polls(report: &mut Report) {
    let stubs = Stubs::start(&Delays::USUAL);
    let service = Service::live(&stubs, 1, &json!({}));
    let requests = (0..CONNECTIONS).map(|number| get(SESSION, Some(&token(number % CALLERS)))).collect();
    let (rate, cpu) = ask(report, &service, requests, 404);
    report.figure("CPU of one authenticated poll, µs", format!("{cpu:.1}"));
    report.against("authenticated polls a second, the client beside it", rate, "/s", Aim::AtLeast(10_000.0));
}

/// Requests a second, and CPU time of one in microseconds.
fn ask(report: &mut Report, service: &Service, requests: Vec<Vec<u8>>, status: u16) -> (f64, f64) {
    let before = service.usage();
    let (times, lasted) = block_on(storm(service.address, requests, status, LASTING));
    let after = service.usage();
    let count = times.len() as f64;
    report.figure("latency", Spread::of(times));
    report.figure("memory, MB", format!("{:.1}", after.resident_mb));
    (count / lasted.as_secs_f64(), (after.cpu - before.cpu).as_secs_f64() * 1e6 / count)
}
