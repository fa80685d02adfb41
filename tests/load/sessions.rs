//! What remains of sessions: a steady load, and very many that end and are forgotten.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::json;

use crate::investigations::Load;
use crate::report::{Aim, Report};
use crate::service::Service;
use crate::stubs::{Delays, Stubs};
use crate::{block_on, setting};

/// Investigations begun each second of the soak: a hundred a minute is the busiest hour on record.
const PER_SECOND: u64 = 2;
const SUBMITTERS: usize = 32;
/// Finished sessions are forgotten after this.
const TTL_MINUTES: f64 = 0.1;

pub(crate) fn soak(report: &mut Report) {
    let lasting = Duration::from_secs(setting("SOAK_SECONDS", 60));
    let stubs = Stubs::start(&Delays::USUAL);
    let service = Service::live(&stubs, 50, &json!({"session": {"ttl_minutes": TTL_MINUTES}}));
    let (began, before) = (Instant::now(), service.usage());
    let mut memory = Vec::new();
    let count = block_on(async {
        let load = Load::of(&service);
        let mut count = 0_u64;
        while began.elapsed() < lasting {
            for _ in 0..PER_SECOND {
                load.submit().await;
                count += 1;
            }
            memory.push(service.resident_mb());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        count
    });
    let after = service.usage();
    let cpu = after.cpu - before.cpu;
    report.figure("investigations", count);
    report.figure("CPU ms of one", format!("{:.1}", cpu.as_secs_f64() * 1e3 / count as f64));
    report.figure(
        "share of one processor",
        format!("{:.1} %", 100.0 * cpu.as_secs_f64() / began.elapsed().as_secs_f64()),
    );
    let quarter = memory.len() / 4;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    let (second, last) = (mean(&memory[quarter..2 * quarter]), mean(&memory[3 * quarter..]));
    report
        .figure("memory, second and last quarter, MB", format!("{second:.1}, {last:.1} (ratio {:.2})", last / second));
    report.figure("descriptors at the end", after.descriptors);
}

/// The analyser answers, so that many pass.
pub(crate) fn forgotten(report: &mut Report) {
    let number = setting("SESSIONS", 10_000) as usize;
    let limits = json!({"session": {"ttl_minutes": TTL_MINUTES, "max_sessions": 1_000_000, "queue_limit": 1_000}});
    let service = Service::embedded(&limits);
    let load = Load::with_token(&service, service.token());
    let batch =
        |count: usize| block_on(stream::iter(0..count).map(|_| load.submit()).buffer_unordered(SUBMITTERS).count());
    // Until all have ended and were forgotten, and the allocator has given back what it will.
    let settle = || {
        while block_on(remembered(&load)) > 0 {
            std::thread::sleep(Duration::from_millis(500));
        }
        std::thread::sleep(Duration::from_secs(5));
    };
    // Caches fill and the allocator takes what it takes.
    batch(number / 10);
    settle();
    let before = service.usage();
    let began = Instant::now();
    batch(number);
    let lasted = began.elapsed();
    let peak = service.resident_mb();
    settle();
    let after = service.usage();
    report.figure("sessions", number);
    report.figure("a second", format!("{:.0}", number as f64 / lasted.as_secs_f64()));
    report.figure(
        "CPU ms of one, by the analyser",
        format!("{:.2}", (after.cpu - before.cpu).as_secs_f64() * 1e3 / number as f64),
    );
    report.figure(
        "memory before, at its most, after, MB",
        format!("{:.1}, {peak:.1}, {:.1}", before.resident_mb, after.resident_mb),
    );
    let growth = (after.resident_mb - before.resident_mb).max(0.0);
    report.against(
        "memory growth after the TTL, of one session",
        growth * 1e6 / number as f64,
        "B",
        Aim::AtMost(100.0),
    );
}

/// Sessions the service holds, of any state.
async fn remembered(load: &Load<'_>) -> u64 {
    let text = load.get("/metrics").send().await.unwrap().text().await.unwrap();
    let counts = text.lines().filter_map(|line| line.strip_prefix("aiagent_sessions_stored{")?.rsplit(' ').next());
    counts.map(|count| count.parse::<u64>().unwrap()).sum()
}
