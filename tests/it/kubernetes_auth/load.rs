//! Many callers, and an API server that takes its time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use holmesgpt_api::auth::AuthConfig;

use super::{ApiServer, SESSION, allowed, ask, config, known};

/// What one review of the slow API server takes.
const REVIEW: Duration = Duration::from_secs(3);
/// What nobody who needs no review may take; the machine may be busy.
const PROMPT: Duration = Duration::from_millis(500);

/// The value below which 99 of 100 lie, and the largest.
fn spread(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() * 99 / 100], *times.last().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviews_of_three_seconds_slow_neither_probes_nor_known_callers() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let service = server.service(AuthConfig { timeout_seconds: 10, cache_seconds: 60, ..config() }).await;
    assert_eq!(ask(&service, "GET", SESSION, "token-known").await.status, 404);
    server.take_seen();
    server.change(|script| script.delay = REVIEW);

    let began = Instant::now();
    let newcomers = (0..50).map(|number| {
        let service = &service;
        async move { ask(service, "GET", SESSION, &format!("token-new-{}", number % 5)).await.status }
    });
    let others = async {
        let (mut probes, mut polls) = (Vec::new(), Vec::new());
        // All the time the newcomers wait for their reviews.
        while began.elapsed() < REVIEW * 2 - Duration::from_millis(200) {
            let started = Instant::now();
            assert_eq!(service.get("/health").await.status, 200);
            probes.push(started.elapsed());
            let started = Instant::now();
            assert_eq!(ask(&service, "GET", SESSION, "token-known").await.status, 404);
            polls.push(started.elapsed());
        }
        (probes, polls)
    };
    let (newcomers, (probes, polls)) = tokio::join!(join_all(newcomers), others);
    let waited = began.elapsed();

    assert!(newcomers.iter().all(|status| *status == 404), "{newcomers:?}");
    assert!(waited >= REVIEW * 2, "both reviews take their time: {waited:?}");
    let (count, probes, polls) = (probes.len(), spread(probes), spread(polls));
    println!(
        "{count} rounds in {waited:?}; /health p99 {:?}, most {:?}; polls p99 {:?}, most {:?}",
        probes.0, probes.1, polls.0, polls.1
    );
    assert!(probes.0 < PROMPT && polls.0 < PROMPT, "/health {probes:?}, polls {polls:?}");
    assert_eq!(server.take_seen().len(), 10, "five tokens, two reviews each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_pollers_are_one_token_review_each_in_a_cache_window() {
    const CALLERS: usize = 50;
    const POLLS: usize = 20;
    let server = ApiServer::start(known(), allowed(true)).await;
    let service = server.service(AuthConfig { cache_seconds: 300, timeout_seconds: 10, ..config() }).await;
    let began = Instant::now();
    let callers = (0..CALLERS).map(|number| {
        let service = &service;
        async move {
            let token = format!("token-{number}");
            // Two loops of the same caller at once, as a controller with two workers.
            let polls = async || {
                for _ in 0..POLLS {
                    assert_eq!(ask(service, "GET", SESSION, &token).await.status, 404);
                }
            };
            tokio::join!(polls(), polls());
        }
    });
    join_all(callers).await;
    let mut reviews: BTreeMap<String, usize> = BTreeMap::new();
    let seen = server.take_seen();
    for (_, body) in seen.iter().filter(|(_, body)| body["kind"] == "TokenReview") {
        *reviews.entry(body["spec"]["token"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    println!("{} polls of {CALLERS} callers in {:?}: {} reviews", CALLERS * POLLS * 2, began.elapsed(), seen.len());
    assert_eq!(reviews.len(), CALLERS);
    assert!(reviews.values().all(|count| *count == 1), "{reviews:?}");
    assert_eq!(seen.len(), CALLERS * 2, "one access review each besides");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviews_running_at_once_are_bounded() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let service = server.service(AuthConfig { max_in_flight: 2, timeout_seconds: 10, ..config() }).await;
    server.change(|script| script.delay = Duration::from_millis(20));
    let callers = (0..12).map(|number| {
        let service = &service;
        async move { ask(service, "GET", SESSION, &format!("token-{number}")).await.status }
    });
    assert!(join_all(callers).await.iter().all(|status| *status == 404));
    server.change(|script| assert_eq!(script.in_flight_most, 2));
}
