//! Recordings as files: what may be wrong with them, what happens when the service asks something else, older formats, and the
//! commands that make and play them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use holmesgpt_api::app;
use holmesgpt_api::llm::LlmConfig;
use holmesgpt_api::recording::format::{End, Entry, Outcome};
use holmesgpt_api::recording::{Recording, RecordingError, Replayed};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::replayed::{only_file, replay};
use super::{PATIENCE, Stage, cancelled, format, play};
use crate::process::{holmesgpt, root};
use crate::stubs::model::Model;

const USUAL: &str = "
title: a cause and a workflow
script:
  - reply: {calls: [{as: look}, {as: logs}]}
  - reply: {calls: [{as: cause}]}
  - reply: {calls: [{as: choice}]}
expect: {verdict: remediate}
";

/// Another model on the same incident: asks for something that was not recorded, too.
const CURIOUS: &str = "
title: other questions
script:
  - reply: {calls: [{as: look}, {name: kubectl_get_yaml, arguments: {kind: Node, name: worker-1}}]}
  - expect: {results: ['status=success', 'not recorded']}
    reply: {calls: [{as: cause}]}
  - reply: {calls: [{as: choice}]}
expect: {verdict: remediate}
";

async fn recorded(text: &str) -> Vec<u8> {
    let (scenario, prepared) = format::read("recordings", text).await;
    let played = play(&scenario, prepared).await;
    assert_eq!(played.complaints, Vec::<String>::new());
    played.recording
}

fn parsed(bytes: &[u8]) -> Recording {
    Recording::parse(bytes, Path::new("r.json")).unwrap_or_else(|error| panic!("{error}"))
}

async fn replayed(recording: &Recording) -> Replayed {
    app::replay(recording, None).await.unwrap_or_else(|error| panic!("{error}"))
}

fn folder() -> PathBuf {
    root().join("tests/it/recordings")
}

/// Stamps a changed file.
fn signed(mut file: Value) -> Vec<u8> {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let members: std::collections::BTreeMap<_, _> =
                    members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
                json!(members)
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            plain => plain.clone(),
        }
    }
    file.as_object_mut().unwrap().shift_remove("sha256");
    let sum: String = Sha256::digest(sorted(&file).to_string()).iter().map(|byte| format!("{byte:02x}")).collect();
    file["sha256"] = json!(sum);
    serde_json::to_vec_pretty(&file).unwrap()
}

/// The same in the format of the first release: whole conversations and all tools in every exchange.
fn in_first_format(bytes: &[u8]) -> Vec<u8> {
    let mut file: Value = serde_json::from_slice(bytes).unwrap();
    file["format"] = json!(1);
    let offers = file.as_object_mut().unwrap().shift_remove("offers").unwrap();
    let mut before = std::collections::HashMap::<String, Vec<Value>>::new();
    for entry in file["entries"].as_array_mut().unwrap().iter_mut().filter(|entry| entry["asked"] == "model") {
        let question = entry["question"].as_object_mut().unwrap();
        let kept = question.shift_remove("kept").unwrap().as_u64().unwrap();
        let offer = question.shift_remove("offer").unwrap();
        question.insert("tools".into(), offers[offer.as_str().unwrap()].clone());
        let thread = before.entry(question["phase"].to_string()).or_default();
        thread.truncate(usize::try_from(kept).unwrap());
        thread.extend(question["messages"].as_array().unwrap().clone());
        question["messages"] = json!(thread);
    }
    signed(file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recordings_in_the_folder_bring_their_results() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let scenario = name.split('.').next().unwrap();
        if std::env::var_os("RENEW_RECORDINGS").is_some() {
            let text = std::fs::read_to_string(super::folder().join(format!("{scenario}.yaml"))).unwrap();
            let mut fresh = parsed(&recorded(&text).await);
            // Not where it lay on the machine that recorded it.
            fresh.places.cluster = "bundle of the scenario".to_owned();
            let fresh = fresh.to_bytes().unwrap();
            let fresh = if name.contains(".format-1.") { in_first_format(&fresh) } else { fresh };
            std::fs::write(&path, fresh).unwrap();
        }
        let (_, replayed) = replay(&std::fs::read(&path).unwrap()).await;
        assert!(
            replayed.is_identical() && replayed.sha256 == replayed.recorded_sha256,
            "{name}: {:?}\n{}",
            replayed.drifts,
            replayed.difference
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_format_is_raised_and_played() {
    let second = recorded(USUAL).await;
    let first = in_first_format(&second);
    let (recording, replayed) = replay(&first).await;
    assert!(replayed.is_identical(), "{:?} {}", replayed.drifts, replayed.difference);
    assert_eq!(recording.format, 2);
    assert!(first.len() > second.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_says_where_and_what() {
    let recording = parsed(&recorded(USUAL).await);
    let position = |asked: &str| recording.entries.iter().position(|entry: &Entry| entry.asked == asked).unwrap();
    let last_model = recording.entries.iter().rposition(|entry| entry.asked == "model").unwrap();
    type Change = Box<dyn Fn(&mut Recording)>;
    let tool = position("tool");
    let cases: [(&str, Change, &[&str]); 5] = [
        (
            "another prompt",
            Box::new(|recording| recording.incident.description = Some("It snows".into())),
            &["question 1 to the model (rca)", "--- recorded", "+++ now", "It snows"],
        ),
        (
            "a question that was never put to the model",
            Box::new(move |recording| _ = recording.entries.remove(last_model)),
            &["question 3 to the model (workflow_selection)", "--- recorded"],
        ),
        (
            "another tool call",
            Box::new(move |recording| recording.entries[tool].question["arguments"] = json!({"kind": "Node"})),
            &["tool kubectl_describe", "-    \"kind\": \"Node\"", "+    \"kind\": \"Pod\""],
        ),
        (
            "another object",
            Box::new(|recording| {
                let reads = recording.entries.iter_mut().filter(|entry| entry.asked == "cluster.get");
                reads.for_each(|entry| entry.question["name"] = json!("other"));
            }),
            &["cluster.get", "-  \"name\": \"other\""],
        ),
        (
            "what a tool said",
            Box::new(move |recording| recording.entries[tool].answer["notes"] = json!(["it rains"])),
            &["question 2 to the model (rca)", "+note: it rains"],
        ),
    ];
    for (what, change, expected) in cases {
        let mut changed = recording.clone();
        change(&mut changed);
        let replayed = replayed(&changed).await;
        let drift = replayed.drifts.first().map(ToString::to_string).unwrap_or_default();
        assert!(!replayed.is_identical(), "{what}");
        assert!(expected.iter().all(|text| drift.contains(text)), "{what}: {drift}");
        assert!(drift.chars().count() < 10_000, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_result_is_shown_line_by_line() {
    let mut recording = parsed(&recorded(USUAL).await);
    recording.times.get_mut("completed").unwrap()[0] = "2020-02-20T20:20:20Z".parse().unwrap();
    let replayed = replayed(&recording).await;
    assert_eq!(replayed.drifts, []);
    assert!(!replayed.is_identical() && replayed.sha256 != replayed.recorded_sha256);
    assert!(
        replayed.difference.contains("+      \"completed_at\": \"2020-02-20T20:20:20Z\""),
        "{}",
        replayed.difference
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_no_recordings_are_told_apart() {
    let good = recorded(USUAL).await;
    let text = String::from_utf8(good.clone()).unwrap();
    let file: Value = serde_json::from_slice(&good).unwrap();
    let newer = {
        let mut file = file.clone();
        file["format"] = json!(3);
        signed(file)
    };
    let contradicting = {
        let mut file = file;
        file["entries"] = json!({});
        signed(file)
    };
    type Check = fn(&RecordingError) -> bool;
    let cases: [(&str, Vec<u8>, Check); 6] = [
        ("truncated", good[..good.len() / 2].to_vec(), |error| matches!(error, RecordingError::Truncated { .. })),
        ("newer", newer, |error| matches!(error, RecordingError::Newer { format: 3, .. })),
        ("changed", text.replace("128Mi", "129Mi").into_bytes(), |error| matches!(error, RecordingError::Damaged(_))),
        ("an incident", b"{\"incident_id\": \"x\"}".to_vec(), |error| {
            matches!(error, RecordingError::NotARecording { .. })
        }),
        ("a list", b"[]".to_vec(), |error| matches!(error, RecordingError::NotARecording { .. })),
        ("of another shape", contradicting, |error| matches!(error, RecordingError::NotARecording { .. })),
    ];
    for (what, bytes, check) in cases {
        let error = Recording::parse(&bytes, Path::new("r.json")).unwrap_err();
        assert!(check(&error) && error.to_string().starts_with("r.json: "), "{what}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_was_called_off_is_recorded_as_far_as_it_came() {
    let stage: Stage = cancelled::while_the_model_thinks().await;
    let recording = parsed(&only_file(&stage.recordings).await);
    assert_eq!(recording.outcome, Outcome::Cut);
    let last = recording.entries.last().unwrap();
    assert_eq!((last.asked.as_str(), last.end), ("model", End::Cancelled));
    let replayed = tokio::time::timeout(PATIENCE, replayed(&recording)).await.unwrap();
    assert!(replayed.is_identical(), "{:?} {}", replayed.drifts, replayed.difference);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_cannot_be_written_costs_the_recording_only() {
    let (scenario, prepared) = format::read("recordings", USUAL).await;
    std::fs::write(super::replayed::folder(&prepared), "a file").unwrap();
    let stage = Stage::set(&scenario, prepared).await;
    let id = stage.core.sessions.submit(stage.incident.clone(), "scenario").await.unwrap();
    let record = tokio::time::timeout(PATIENCE, stage.core.sessions.finished(id)).await.unwrap().unwrap().unwrap();
    assert!(record.result.unwrap().selected_workflow.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_model_is_asked_over_what_was_recorded() {
    let recording = parsed(&recorded(USUAL).await);
    let (scenario, _) = format::read("curious", CURIOUS).await;
    let model = Model::follow(scenario.script).await;
    let section = json!({"provider": "openai_compatible", "endpoint": model.endpoint, "model": "curious"});
    let section: LlmConfig = serde_json::from_value(section).unwrap();
    let replayed = app::replay(&recording, Some(&section)).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(model.complaints(), Vec::<String>::new());
    let result = replayed.result.unwrap();
    assert!(result.selected_workflow.is_some(), "{result:?}");
    assert_eq!(replayed.exchanges, (3, 3));
    assert!(replayed.unrecorded.iter().any(|line| line.contains("kubectl_get_yaml")), "{:?}", replayed.unrecorded);
}

/// Exit code, standard output, standard error.
async fn command(arguments: &[&str]) -> (i32, String, String) {
    let mut command = holmesgpt();
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn investigate_records_and_replay_prints_the_same() {
    let folder = TempDir::new().unwrap();
    let directory = folder.path().join("made/when/missing");
    let record = directory.to_str().unwrap();
    let incident = "examples/oom-cart-api/incident.json";
    let (code, printed, _) = command(&["investigate", incident, "--output", "json", "--record", record]).await;
    let file = std::fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
    let path = file.to_str().unwrap();
    let (replay_code, again, said) = command(&["replay", path, "--output", "json"]).await;
    assert_eq!((code, replay_code, &again), (0, 0, &printed), "{said}");
    assert!(said.contains("identical: result "), "{said}");
    let (_, report, _) = command(&["replay", path]).await;
    assert!(report.contains("Incident"), "{report}");

    let mut changed = parsed(&std::fs::read(&file).unwrap());
    changed.incident.resource.name = "another".to_owned();
    std::fs::write(&file, changed.to_bytes().unwrap()).unwrap();
    let (code, _, said) = command(&["replay", path]).await;
    assert!(code == 1 && said.contains("drift: ") && said.contains("+  \"name\": \"another\""), "{code}: {said}");

    std::fs::write(&file, "{").unwrap();
    let (code, _, said) = command(&["replay", path]).await;
    assert!(code == 2 && said.contains("ends early"), "{code}: {said}");
}
