//! Every scenario is recorded while it is played; afterwards the recording alone must bring the same result, byte by byte.

use std::path::{Path, PathBuf};

use holmesgpt_api::api::incident::IncidentResponse;
use holmesgpt_api::app;
use holmesgpt_api::recording::{Recording, Replayed};
use serde_json::json;

use super::Played;
use super::format::Prepared;

pub(super) fn folder(prepared: &Prepared) -> PathBuf {
    prepared.folder.path().join("recordings")
}

/// The one recording in a folder.
pub(super) async fn only_file(folder: &Path) -> Vec<u8> {
    let files = || std::fs::read_dir(folder).map(|files| files.map(|file| file.unwrap().path()).collect::<Vec<_>>());
    let is_done = |path: &PathBuf| path.to_string_lossy().ends_with(".recording.json");
    for _ in 0..500 {
        if let Some(path) = files().unwrap_or_default().into_iter().find(|path| is_done(path)) {
            return std::fs::read(path).unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("no recording in {}", folder.display());
}

pub(super) async fn replay(bytes: &[u8]) -> (Recording, Replayed) {
    let recording = Recording::parse(bytes, Path::new("the recording")).unwrap_or_else(|error| panic!("{error}"));
    let replayed = app::replay(&recording, None).await.unwrap_or_else(|error| panic!("{error}"));
    (recording, replayed)
}

/// What went otherwise than recorded.
pub(super) async fn complaint(played: &Played) -> Option<String> {
    let (recording, replayed) = replay(&played.recording).await;
    if let Some(drift) = replayed.drifts.first() {
        return Some(format!("replay: {drift}"));
    }
    if !replayed.is_identical() || replayed.sha256 != replayed.recorded_sha256 {
        return Some(format!("replay: another result\n{}", replayed.difference));
    }
    let result = replayed.result.as_ref().ok();
    let wire = result.map(|result| json!(IncidentResponse::render(result, recording.incident.shape)));
    let [now, then] = [wire.unwrap_or_default(), played.wire.clone()].map(|wire| wire.to_string());
    (now != then).then(|| format!("replay: other bytes:\n  {now}\n  {then}"))
}
