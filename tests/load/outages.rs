//! Each dependency away for a while under load: no session may be lost, and no event.

use std::time::Duration;

use serde_json::json;

use crate::block_on;
use crate::investigations::Load;
use crate::report::Report;
use crate::service::Service;
use crate::stubs::{Delays, Dependency, Order, Stubs};

const AT_ONCE: usize = 50;
/// Into the middle of the investigations.
const BEFORE: Duration = Duration::from_millis(400);
const AWAY: Duration = Duration::from_secs(5);

pub(crate) fn run(report: &mut Report) {
    for dependency in Dependency::ALL {
        let mut stubs = Stubs::start(&Delays::QUICK);
        let service = Service::live(&stubs, AT_ONCE, &json!({}));
        block_on(Load::of(&service).run(1));
        let before = service.usage();
        let outage = std::thread::spawn(move || {
            std::thread::sleep(BEFORE);
            stubs.order(Order::Down(dependency));
            std::thread::sleep(AWAY);
            stubs.order(Order::Up(dependency));
            stubs
        });
        let ended = block_on(Load::of(&service).run(AT_ONCE));
        let stubs = outage.join().unwrap();
        let complete = ended.times.len();
        assert_eq!(complete, AT_ONCE, "{dependency:?}: sessions without a result: {:#?}", ended.wrong);
        report.figure(
            &format!("{dependency:?}: completed, of them for a person to look at"),
            format!("{complete} of {AT_ONCE}, {}", ended.wrong.len()),
        );
        let after = service.usage();
        report.figure(
            "  memory before, at most, MB",
            format!("{:.1}, {:.1}", before.resident_mb, ended.peak.resident_mb),
        );
        report
            .figure("  CPU ms of one", format!("{:.1}", (after.cpu - before.cpu).as_secs_f64() * 1e3 / AT_ONCE as f64));
        drop(stubs);
    }
}
