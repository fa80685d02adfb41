//! What the service takes and gives under load: `cargo bench --locked --bench load [-- SCENARIO…]`.
//!
//! Starts the release binary beside stubs of the model, `DataStorage` and Kubernetes (a process of their own, with delays),
//! loads it over loopback and prints figures beside the targets, as ratios and CPU time: machines are shared, so it judges
//! nothing but wrong answers. Without arguments all scenarios but the long ones run. `docs/performance.md` holds the results
//! of one run.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a harness fails by panicking and prints its figures"
)]

#[path = "../it/stubs/apiserver.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod apiserver;
mod connection;
#[path = "../it/stubs/datastorage.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod datastorage;
mod investigations;
#[path = "../it/stubs/model.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod model;
mod outages;
mod report;
mod requests;
mod service;
mod sessions;
mod starts;
mod stubs;

use report::Report;

/// One kind of load: name, what it shows, whether it runs unasked, and how.
type Scenario = (&'static str, &'static str, bool, fn(&mut Report));

const SCENARIOS: [Scenario; 12] = [
    ("start", "start to the first 200 of /ready, idle memory", true, starts::run),
    ("health", "/health over 64 connections", true, requests::health),
    ("polls", "authenticated polls, reviews of 20 ms", true, requests::polls),
    ("one", "one investigation: the critical path", true, investigations::one),
    ("ten", "10 investigations at once", true, investigations::ten),
    ("hundred", "100 investigations at once", true, investigations::hundred),
    ("thousand", "1 000 investigations at once, submits and polls meanwhile", true, investigations::thousand),
    ("five-thousand", "5 000 investigations at once", false, investigations::five_thousand),
    ("streams", "the event stream: first byte, and 100 watchers", true, investigations::streams),
    ("outages", "each dependency away for five seconds", true, outages::run),
    ("soak", "a steady load for SOAK_SECONDS (60; a long run takes 1800)", true, sessions::soak),
    ("sessions", "memory over SESSIONS finished sessions (10000; a long run takes 100000)", true, sessions::forgotten),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|first| first == stubs::ROLE) {
        stubs::run(&arguments[1..]);
        return;
    }
    if let Some(unknown) = arguments.iter().find(|asked| SCENARIOS.iter().all(|(name, ..)| name != asked)) {
        eprintln!("no scenario is called {unknown}; there are:");
        for (name, what, ..) in SCENARIOS {
            eprintln!("  {name:<14} {what}");
        }
        std::process::exit(2);
    }
    let mut report = Report::begin();
    for (name, what, unasked, run) in SCENARIOS {
        if arguments.iter().any(|asked| asked == name) || (arguments.is_empty() && unasked) {
            report.chapter(name, what);
            run(&mut report);
        }
    }
    report.summary();
}

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is {text}")))
}

/// Runs a driver on threads of its own.
fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}
