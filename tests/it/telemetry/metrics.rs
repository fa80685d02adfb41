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
const ELSEWHERE: &[(&str, &str)] = &[];

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
