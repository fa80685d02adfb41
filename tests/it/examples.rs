//! Every example incident through the binary: what `expected.json` says holds, the folder's name plays no part, and
//! without its decisive objects the answer is another one.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::process::{holmesgpt, root};

/// `expected.json` of an example.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    #[expect(dead_code, reason = "for people")]
    title: String,
    /// `remediate`, `resolved`, `not_actionable` or `needs_human`.
    verdict: String,
    exit_code: i32,
    cause_class: String,
    target: Option<Target>,
    action_type: Option<String>,
    /// Those that must hold; compared as text.
    #[serde(default)]
    parameters: Map<String, Value>,
    /// Each must stand somewhere in the evidence.
    #[serde(default)]
    evidence_contains: Vec<String>,
    /// Without all of these the answer is another one.
    decisive: Vec<Decisive>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Target {
    kind: String,
    name: String,
    namespace: Option<String>,
}

/// An object, the events about an object, or a file of the bundle.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decisive {
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    /// With `kind: Event`: the name of the object the events are about.
    involved: Option<String>,
    file: Option<String>,
}

impl Decisive {
    fn is(&self, object: &Value) -> bool {
        let Some(kind) = &self.kind else { return false };
        let metadata = &object["metadata"];
        let about = ["involvedObject", "regarding"].map(|member| object[member]["name"].as_str());
        object["kind"] == **kind
            && self.namespace.as_deref().is_none_or(|namespace| metadata["namespace"] == namespace)
            && self.name.as_deref().is_none_or(|name| metadata["name"] == name)
            && self.involved.as_deref().is_none_or(|name| about.contains(&Some(name)))
            && (self.name.is_some() || self.involved.is_some())
    }
}

/// What the tests compare.
#[derive(Debug, PartialEq)]
struct Answer {
    verdict: &'static str,
    cause_class: String,
    target: Option<(String, String, Option<String>)>,
    action_type: Option<String>,
}

struct Run {
    exit_code: i32,
    result: Value,
    answer: Answer,
}

fn investigate(folder: &Path) -> Run {
    let incident = folder.join("incident.json");
    let output = holmesgpt().arg("investigate").arg(&incident).args(["--output", "json"]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    let result: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{}: {error}: {complaint}", folder.display()));
    let verdict = match (&result["needs_human_review"], &result["is_actionable"], &result["selected_workflow"]) {
        (Value::Bool(true), ..) => "needs_human",
        (_, Value::Bool(false), _) => "not_actionable",
        (_, _, Value::Object(_)) => "remediate",
        _ => "resolved",
    };
    let cause = &result["root_cause_analysis"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let target = &cause["remediationTarget"];
    let answer = Answer {
        verdict,
        cause_class: text(&cause["cause_class"]),
        target: target
            .is_object()
            .then(|| (text(&target["kind"]), text(&target["name"]), target["namespace"].as_str().map(str::to_owned))),
        action_type: result["selected_workflow"]["action_type"].as_str().map(str::to_owned),
    };
    Run { exit_code: output.status.code().unwrap(), result, answer }
}

/// What does not hold, one line each.
fn differences(expected: &Expected, run: &Run) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, expected: String, got: String| {
        if expected != got {
            wrong.push(format!("{what}: expected {expected}, got {got}"));
        }
    };
    let answer = &run.answer;
    compare("verdict", expected.verdict.clone(), answer.verdict.to_owned());
    compare("exit code", expected.exit_code.to_string(), run.exit_code.to_string());
    compare("cause class", expected.cause_class.clone(), answer.cause_class.clone());
    if let Some(Target { kind, name, namespace }) = &expected.target {
        let target = Some((kind.clone(), name.clone(), namespace.clone()));
        compare("target", format!("{target:?}"), format!("{:?}", answer.target));
    }
    compare("action type", format!("{:?}", expected.action_type), format!("{:?}", answer.action_type));
    let parameters = &run.result["selected_workflow"]["parameters"];
    for (name, value) in &expected.parameters {
        compare(name, plain(value), plain(&parameters[name]));
    }
    let evidence = run.result["root_cause_analysis"]["evidence"].as_array().cloned().unwrap_or_default();
    let seen: Vec<String> = evidence.iter().map(|piece| plain(&piece["seen"])).collect();
    for part in expected.evidence_contains.iter().filter(|part| !seen.iter().any(|seen| seen.contains(*part))) {
        wrong.push(format!("no evidence contains {part:?}"));
    }
    if !wrong.is_empty() {
        wrong.push(format!("it said: {}", run.result["analysis"]));
    }
    wrong
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn examples() -> Vec<(String, PathBuf)> {
    let folders = fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<(String, PathBuf)> = folders
        .filter(|folder| folder.join("expected.json").exists())
        .map(|folder| (folder.file_name().unwrap().to_str().unwrap().to_owned(), folder))
        .collect();
    found.sort();
    found
}

fn expected(folder: &Path) -> Expected {
    let text = fs::read_to_string(folder.join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}/expected.json: {error}", folder.display()))
}

/// Runs `check` for every example on a few threads and fails with everything that is wrong.
fn for_each_example(check: impl Fn(&Path) -> Vec<String> + Sync) {
    let all = examples();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((name, folder)) = all.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let lines = check(folder);
                    wrong.lock().unwrap().extend(lines.into_iter().map(|line| format!("{name}: {line}")));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Incident and bundle of an example in a folder whose name says nothing.
fn anonymous_copy(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::copy(folder.join("incident.json"), copy.path().join("incident.json")).unwrap();
    copy_tree(&folder.join("bundle"), &copy.path().join("bundle"));
    copy
}

/// Takes the decisive objects and files out of a bundle. Returns those that were not there.
fn remove<'a>(bundle: &Path, decisive: &'a [Decisive]) -> Vec<&'a Decisive> {
    let mut missing: Vec<&Decisive> = decisive.iter().collect();
    for one in decisive {
        if let Some(file) = &one.file
            && fs::remove_file(bundle.join(file)).is_ok()
        {
            missing.retain(|other| !std::ptr::eq(*other, one));
        }
    }
    for file in object_files(bundle) {
        let objects = objects(&file);
        let (removed, kept): (Vec<Value>, Vec<Value>) =
            objects.into_iter().partition(|object| decisive.iter().any(|one| one.is(object)));
        if removed.is_empty() {
            continue;
        }
        missing.retain(|one| !removed.iter().any(|object| one.is(object)));
        fs::remove_file(&file).unwrap();
        let rest = json!({"apiVersion": "v1", "kind": "List", "items": kept});
        fs::write(file.with_extension("rest.json"), rest.to_string()).unwrap();
    }
    missing
}

fn object_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if path.is_dir() && !path.ends_with("metrics") && !path.ends_with("logs") {
            found.extend(object_files(&path));
        } else if ["yaml", "yml", "json"].contains(&extension) {
            found.push(path);
        }
    }
    found
}

/// Every object of a file, lists taken apart; items of a typed list get the kind their list implies.
fn objects(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    let documents: Vec<Value> = if file.extension().is_some_and(|extension| extension == "json") {
        vec![serde_json::from_str(&text).unwrap()]
    } else {
        let parts = text.split("\n---").map(|part| part.trim_start_matches("---"));
        parts.filter(|part| !part.trim().is_empty()).map(|part| serde_saphyr::from_str(part).unwrap()).collect()
    };
    let mut found = Vec::new();
    for document in documents {
        let Some(items) = document["items"].as_array() else {
            found.push(document);
            continue;
        };
        let kind = document["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).unwrap_or_default();
        for item in items {
            let mut item = item.clone();
            if item["kind"].is_null() && !kind.is_empty() {
                item["kind"] = json!(kind);
                item["apiVersion"] = document["apiVersion"].clone();
            }
            found.push(item);
        }
    }
    found
}

#[test]
fn there_are_enough_examples_of_every_sort() {
    let all: Vec<Expected> = examples().iter().map(|(_, folder)| expected(folder)).collect();
    let idle = all.iter().filter(|one| matches!(one.verdict.as_str(), "resolved" | "not_actionable")).count();
    let herrings = examples().iter().filter(|(name, _)| name.contains("red-herring")).count();
    assert!(all.len() >= 14 && idle >= 4 && herrings >= 2, "{} examples, {idle} idle, {herrings} herrings", all.len());
}

#[test]
fn every_expectation_holds() {
    for_each_example(|folder| differences(&expected(folder), &investigate(folder)));
}

#[test]
fn no_example_is_recognised_by_its_name() {
    for_each_example(|folder| {
        let copy = anonymous_copy(folder);
        differences(&expected(folder), &investigate(copy.path()))
    });
}

#[test]
fn without_its_decisive_objects_the_answer_is_another() {
    for_each_example(|folder| {
        let expected = expected(folder);
        let copy = anonymous_copy(folder);
        let before = investigate(copy.path()).answer;
        let mut wrong: Vec<String> = remove(&copy.path().join("bundle"), &expected.decisive)
            .into_iter()
            .map(|missing| format!("not in the bundle: {missing:?}"))
            .collect();
        if expected.decisive.is_empty() || investigate(copy.path()).answer == before {
            wrong.push(format!("still {before:?} without what decides"));
        }
        wrong
    });
}
