//! How long a start takes, and what an idle service holds.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::report::{Aim, Report, Spread};
use crate::service::Service;
use crate::stubs::{Delays, Stubs};

const STARTS: usize = 21;
/// An idle service is one that has been left alone for so long.
const SETTLE: Duration = Duration::from_secs(3);

pub(crate) fn run(report: &mut Report) {
    let nothing = json!({});
    let embedded = Spread::of((0..STARTS).map(|_| Service::embedded(&nothing).took).collect());
    report.figure("embedded default", &embedded);
    report.against("start to /ready, median", embedded.ms(0.5), "ms", Aim::AtMost(50.0));
    let stubs = Stubs::start(&Delays::NONE);
    let live = Spread::of((0..STARTS).map(|_| Service::live(&stubs, 1, &nothing).took).collect());
    report.figure("with Kubernetes, DataStorage and a model", &live);
    for (what, service) in [
        ("memory when idle", Service::embedded(&nothing)),
        ("memory when idle, with dependencies", Service::live(&stubs, 1, &nothing)),
    ] {
        std::thread::sleep(SETTLE);
        let usage = service.usage();
        report.against(what, usage.resident_mb, "MB", Aim::AtMost(25.0));
        report.figure("  CPU time until then, ms", usage.cpu.as_millis());
        report.figure("  descriptors, of them sockets", format!("{}, {}", usage.descriptors, usage.connections));
    }
    let bytes = fs::metadata(env!("CARGO_BIN_EXE_holmesgpt-api")).unwrap().len();
    report.figure("binary, MB", format!("{:.1}", bytes as f64 / 1e6));
}
