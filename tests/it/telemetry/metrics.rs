//! The exposition as Prometheus sees it, and that every family moves on the way of real work (operations §4.4, D17).

use std::collections::{BTreeMap, BTreeSet};

use holmesgpt_api::telemetry::Metrics;
use serde_json::json;

use super::reference::assert_written;
use crate::process::root;
use crate::scenarios::observed::{Observed, USUAL};
use crate::service::TestService;

#[tokio::test]
async fn the_exposition_is_the_golden_one() {
    let service = TestService::start().await;
    let answer = crate::service::Answer::of(service.stranger("GET", "/metrics")).await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let value = regex::Regex::new(r"(?m) [-+0-9.e]+$").unwrap();
    let build = regex::Regex::new(r#"(commit|rust_version|version)="[^"]*""#).unwrap();
    let redacted = value.replace_all(&answer.text, " _");
    let redacted = build.replace_all(&redacted, r#"$1="_""#);
    insta::assert_snapshot!("exposition", redacted);
}

#[test]
fn the_reference_names_every_family() {
    let metrics = Metrics::build().unwrap();
    let mut rows: Vec<String> = metrics
        .described()
        .iter()
        .map(|family| {
            let list = |words: Vec<String>| words.join(" ");
            let labels = list(family.labels.iter().map(|label| format!("`{label}`")).collect());
            let buckets = list(family.buckets.iter().map(ToString::to_string).collect());
            format!("| `{}` | {} | {labels} | {buckets} | {} |\n", family.name, family.kind.as_str(), family.help)
        })
        .collect();
    rows.sort();
    let head = "| Name | Type | Labels | Buckets | Meaning |\n|---|---|---|---|---|\n";
    assert_written("metrics.md", &format!("{head}{}", rows.concat()));
}

/// Families that one good investigation does not move, and the test that moves each on its real way.
const ELSEWHERE: &[(&str, &str)] = &[
    ("aiagent_api_auth_cache_total", "both_reviews_are_asked_once_and_remembered_by_verb"),
    ("aiagent_api_auth_review_duration_seconds", "both_reviews_are_asked_once_and_remembered_by_verb"),
    ("aiagent_api_circuit_breaker_state", "a_provider_that_keeps_failing_is_left_alone_and_the_metric_says_so"),
    ("aiagent_api_runtime_queue_depth", "every_family_moves"),
    ("aiagent_api_shutting_down", "d8_d9_running_work_streams_and_events_survive_a_signal"),
    ("aiagent_authz_denied_total", "sessions_of_another_caller"),
    ("aiagent_http_rate_limited_total", "a_client_that_sends_too_much_is_told_to_wait"),
    ("aiagent_api_trace_spans_total", "a_dead_collector_costs_spans_and_nothing_else"),
    ("aiagent_api_audit_buffer_events", "every_family_moves"),
    ("audit_spool_bytes", "every_family_moves"),
    ("aiagent_sessions_active", "from_acceptance_to_result"),
    ("aiagent_sessions_evicted_total", "the_oldest_finished_session_makes_room"),
    ("aiagent_sessions_pending", "the_queue_keeps_the_order_of_submission"),
    ("audit_batches_failed_total", "test_02_a_server_that_refuses_connections_loses_nothing_and_is_not_hammered"),
    ("audit_corrupt_records_total", "altered_events_are_noticed_kept_and_never_sent"),
    (
        "aiagent_api_config_last_reload_timestamp_seconds",
        "every_file_counts_when_it_is_swapped_and_a_broken_one_changes_nothing",
    ),
    ("aiagent_api_config_rejected", "every_file_counts_when_it_is_swapped_and_a_broken_one_changes_nothing"),
    ("aiagent_api_config_reload_errors_total", "every_file_counts_when_it_is_swapped_and_a_broken_one_changes_nothing"),
    ("aiagent_api_config_reload_total", "every_file_counts_when_it_is_swapped_and_a_broken_one_changes_nothing"),
    (
        "aiagent_api_investigation_cost_dollars_total",
        "five_classes_of_tokens_add_up_by_phase_and_reach_record_and_metrics",
    ),
    ("aiagent_llm_cost_dollars_total", "five_classes_of_tokens_add_up_by_phase_and_reach_record_and_metrics"),
    ("audit_duplicates_suppressed_total", "test_03_answers_lost_after_commit_make_no_duplicates"),
    ("audit_events_dropped_total", "every_family_moves"),
    ("audit_events_quarantined_total", "test_04_one_bad_event_is_found_and_kept_and_the_others_arrive"),
    ("audit_events_repaired_total", "a_repaired_event_arrives_in_its_place_with_its_id"),
    (
        "audit_events_unconfirmed_total",
        "test_06_a_202_is_believed_when_the_event_shows_and_sent_again_when_it_never_does",
    ),
    ("audit_quarantine_events", "every_family_moves"),
    ("audit_recovered_events_total", "test_12_a_shutdown_while_the_server_is_away_leaves_everything_to_the_next_start"),
    ("audit_spool_degraded", "test_09_events_of_running_investigations_outlive_a_full_disk_in_memory"),
    ("audit_spool_oldest_seconds", "every_family_moves"),
];

/// Names of families with a sample that is not zero.
fn moved(text: &str) -> BTreeSet<String> {
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut moved = BTreeSet::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            kinds.insert(name, kind);
            continue;
        }
        let Some((series, value)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) else { continue };
        let sample = series.split('{').next().unwrap();
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| sample.strip_suffix(end).filter(|family| kinds.get(family) == Some(&"histogram")));
        if value.parse::<f64>().unwrap().abs() > 0.0 {
            moved.insert(family.unwrap_or(sample).to_owned());
        }
    }
    moved
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_family_moves_on_the_way_of_real_work() {
    let observed = Observed::start(USUAL, &json!({}), &[]).await;
    observed.investigate().await;
    assert_eq!(observed.model.complaints(), Vec::<String>::new());
    observed.storage.has_stored(4, std::time::Duration::from_secs(30)).await;
    let (_, text) = observed.caller.get(&observed.service, "/metrics").await;
    let moved = moved(&text);
    let known: BTreeSet<String> =
        Metrics::build().unwrap().described().iter().map(|family| family.name.clone()).collect();
    let elsewhere: BTreeSet<String> = ELSEWHERE.iter().map(|(family, _)| (*family).to_owned()).collect();
    let still: Vec<&String> = known.difference(&moved).filter(|family| !elsewhere.contains(*family)).collect();
    assert!(still.is_empty(), "these do not move: {still:#?}\n{text}");
    let tests = sources();
    for (family, test) in ELSEWHERE {
        assert!(known.contains(*family), "{family} does not exist any more");
        assert!(tests.contains(&format!("fn {test}(")), "{family}: there is no test {test}");
    }
}

/// All tests, as text.
fn sources() -> String {
    let mut found = Vec::new();
    for folder in ["src", "tests/it"] {
        collect(&root().join(folder), &mut found);
    }
    found.concat()
}

fn collect(folder: &std::path::Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(std::fs::read_to_string(path).unwrap());
        }
    }
}
