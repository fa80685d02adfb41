//! `audit`, as an operator runs it beside a serving process.

use std::path::Path;

use serde_json::Value;

use super::trail::{PATIENCE, Trail, folder, millis, quick, saying, texts};
use crate::process::holmesgpt;
use crate::stubs::datastorage::{Culprit, DataStorageStub};

/// Exit code, standard output, standard error.
fn audit(state: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output =
        holmesgpt().arg("audit").args(arguments).args(["--state-dir", state.to_str().unwrap()]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trail_is_read_beside_its_owner() {
    let folder = folder();
    let trail = Trail::open(folder.path(), &quick()).await;
    trail.record("rr-1", 0..3).await;
    trail.record("rr-2", 0..2).await;
    let (code, text, _) = audit(folder.path(), &["status"]);
    assert_eq!(code, 0);
    assert!(text.contains("waiting") && text.contains("5 events") && text.contains("quarantine"), "{text}");
    let status = &lines(&audit(folder.path(), &["status", "--json"]).1)[0];
    assert_eq!((&status["outbox"]["events"], &status["quarantine"]["events"]), (&5.into(), &0.into()));

    let (_, text, _) = audit(folder.path(), &["list"]);
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(text.starts_with("TIME") && text.contains("aiagent.llm.request  rr-1         pending"), "{text}");
    let (_, text, _) = audit(folder.path(), &["list", "--correlation", "rr-2", "--json"]);
    let listed = lines(&text);
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[0]["state"], &listed[0]["intact"]), (&"pending".into(), &true.into()));
    for none in [["--type", "aiagent.llm.response"], ["--since", "2100-01-01T00:00:00Z"], ["--until", "24h"]] {
        assert_eq!(audit(folder.path(), &["list", none[0], none[1]]).1, "no events\n", "{none:?}");
    }
    let (_, text, _) = audit(folder.path(), &["list", "--limit", "2"]);
    assert!(text.lines().count() == 4 && text.contains("raise --limit"), "{text}");

    let (_, text, _) = audit(folder.path(), &["export", "--correlation", "rr-1"]);
    let bodies: Vec<String> = trail.waiting().await.into_iter().map(|waiting| waiting.event.body).take(3).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), bodies, "exactly as recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_events_are_looked_at_and_put_back_beside_a_running_service() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    stub.poison("bitter", Culprit::Index);
    let trail = Trail::deliver(folder.path(), &quick(), &stub).await;
    trail.audit.record(saying("rr-1", "bitter")).await.unwrap();
    trail.is_empty_within(PATIENCE).await;
    let (_, text, _) = audit(folder.path(), &["list", "--quarantine"]);
    assert!(text.contains("validation"), "{text}");
    let kept = &lines(&audit(folder.path(), &["export", "--quarantine"]).1)[0];
    assert_eq!((&kept["status"], &kept["reason"]), (&400.into(), &"validation".into()));
    assert_eq!(kept["event"]["event_data"]["prompt_preview"], "bitter");
    let id = kept["event_id"].as_str().unwrap();

    let (code, _, told) = audit(folder.path(), &["requeue", "no-such-event"]);
    assert_eq!(code, 2);
    assert!(told.contains("no event no-such-event in quarantine"), "{told}");
    stub.poison("nothing", Culprit::Index);
    let (code, text, told) = audit(folder.path(), &["requeue", id]);
    assert_eq!((code, text), (0, format!("{id} put back\n")), "{told}");
    stub.has_stored(1, PATIENCE).await;
    trail.is_empty_within(PATIENCE).await;
    assert_eq!(texts(&stub.stored())["rr-1"], ["bitter"]);
    assert!(trail.quarantine().await.is_empty());
    let (code, text, _) = audit(folder.path(), &["requeue", "--all"]);
    assert_eq!((code, text.as_str()), (0, ""));
}

#[tokio::test]
async fn what_is_wrong_with_a_store_is_said() {
    let folder = folder();
    let (code, _, told) = audit(&folder.path().join("absent"), &["status"]);
    assert_eq!(code, 2);
    assert!(told.contains("absent/state.db") && told.contains("No such file"), "{told}");
    let trail = Trail::open(folder.path(), &quick()).await;
    let path = trail.store.path().to_owned();
    trail.crash().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::query("INSERT INTO _sqlx_migrations VALUES (9999, 'later', CURRENT_TIMESTAMP, TRUE, x'00', 0)")
        .execute(&mut connection)
        .await
        .unwrap();
    let (code, _, told) = audit(folder.path(), &["list"]);
    assert_eq!(code, 1);
    assert!(told.contains("newer version"), "{told}");
    let (code, _, told) = audit(folder.path(), &["list", "--since", "yesterday"]);
    assert_eq!(code, 1, "{told}");
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 9999").execute(&mut connection).await.unwrap();
    let (code, _, told) = audit(folder.path(), &["list", "--since", "yesterday"]);
    assert_eq!(code, 2);
    assert!(told.contains("--since \"yesterday\"") && told.contains("24h"), "{told}");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
    assert_eq!(audit(folder.path(), &["list"]).0, 0, "readers do not wait for a writer");
    tokio::time::sleep(millis(1)).await;
}
