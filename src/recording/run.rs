//! One run that is recorded, and one that is played.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::difference;
use super::format::{Outcome, Places, Recording, Settings};
use super::player::{Drift, Player};
use super::ports::{TapedCatalogue, TapedCluster, TapedHistory};
use super::recorder::{self, Beginning, Recorder};
use super::redacted::{RedactedCluster, TrueHashes};
use super::spool;
use super::tape::Tape;
use crate::catalogue::Catalogue;
use crate::cluster::Cluster;
use crate::domain::{Incident, Investigation};
use crate::enrichment::{Enricher, EnrichmentConfig, HistorySource, Retrying};
use crate::investigation::{
    FailureCode, InvestigationError, Investigator, InvestigatorParts, ProgressSender, RunContext,
};
use crate::metering::Metering;

/// A run that is called off stops at its next wait.
const LAST_WORDS_MAX: Duration = Duration::from_millis(300);

/// Investigates and writes one file for each investigation.
#[derive(Debug, Clone)]
pub struct RecordedInvestigator {
    parts: Arc<InvestigatorParts>,
    directory: PathBuf,
}

/// Writes the file, also when the run is dropped.
struct Pen {
    recorder: Arc<Recorder>,
    directory: PathBuf,
    is_done: bool,
}

impl RecordedInvestigator {
    /// Files go into `directory`, which is made when it is missing.
    pub fn new(parts: InvestigatorParts, directory: &Path) -> Self {
        Self { parts: Arc::new(parts), directory: directory.to_owned() }
    }

    /// As [`Investigator::investigate`]. A file that cannot be written is a warning and nothing more.
    ///
    /// # Errors
    /// Those of the investigation.
    pub async fn investigate(
        &self,
        incident: &Incident,
        run: &RunContext,
    ) -> Result<Investigation, InvestigationError> {
        let recorder = self.begin(incident, run);
        let run = RunContext { deadline: recorder.deadline(), outside: Arc::clone(&recorder) as Arc<_>, ..run.clone() };
        let investigator = Investigator::new(self.taped(&recorder));
        let incident = recorder.incident().clone();
        let mut pen = Pen { recorder, directory: self.directory.clone(), is_done: false };
        let result = investigator.investigate(&incident, &run).await;
        pen.finish(result.clone()).await;
        result
    }

    fn begin(&self, incident: &Incident, run: &RunContext) -> Arc<Recorder> {
        let parts = self.parts.as_ref();
        let places = Places {
            cluster: parts.cluster.description(),
            problems: parts.cluster.problems(),
            catalogue: parts.catalogue.description(),
            has_history: parts.enricher.history_source().is_some(),
            observed_at: parts.cluster.now(),
        };
        Recorder::begin(Beginning {
            session: run.session.clone(),
            incident: incident.clone(),
            settings: Settings {
                investigation: parts.config.clone(),
                prompt: parts.prompt,
                redact: parts.redact,
                injection: parts.injection,
            },
            models: parts.llm.as_ref().map(|llm| llm.roster()),
            toolsets: parts.tools.toolsets(),
            reading_tools: parts.tools.names().map(str::to_owned).collect::<BTreeSet<_>>(),
            places,
            deadline: run.deadline,
            cancel: run.cancel.clone(),
        })
    }

    fn taped(&self, recorder: &Arc<Recorder>) -> InvestigatorParts {
        let parts = self.parts.as_ref();
        let tape = Tape::Recording(Arc::clone(recorder));
        let shown: Arc<dyn Cluster> =
            Arc::new(RedactedCluster { inner: Arc::clone(&parts.cluster), redactor: recorder.redactor().clone() });
        let config = parts.enricher.config();
        let history = parts.enricher.history_source().map(|source| {
            let source = TrueHashes {
                inner: Arc::clone(source),
                raw: Arc::clone(&parts.cluster),
                redacted: Arc::clone(&shown),
                mode: config.hash_mode,
                known: Mutex::new(HashMap::new()),
            };
            Arc::new(TapedHistory { tape: tape.clone(), inner: Some(Arc::new(source)) }) as Arc<dyn HistorySource>
        });
        InvestigatorParts {
            cluster: Arc::new(TapedCluster {
                tape: tape.clone(),
                inner: Some(shown),
                places: recorder.places().clone(),
            }),
            enricher: Enricher::new(config, history),
            catalogue: Arc::new(TapedCatalogue {
                tape,
                inner: Some(Arc::clone(&parts.catalogue)),
                description: recorder.places().catalogue.clone(),
            }),
            ..parts.clone()
        }
    }
}

impl Pen {
    async fn finish(&mut self, result: Result<Investigation, InvestigationError>) {
        self.is_done = true;
        let (recorder, directory) = (Arc::clone(&self.recorder), self.directory.clone());
        let write = move || write(&recorder, &directory, Some(&result));
        if tokio::task::spawn_blocking(write).await.is_err() {
            tracing::warn!(event = "recording_not_written", "the recording could not be written; this is a defect");
        }
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        if !self.is_done {
            // The run is called off together with its task: this is the last moment.
            write(&self.recorder, &self.directory, None);
        }
    }
}

fn write(recorder: &Recorder, directory: &Path, result: Option<&Result<Investigation, InvestigationError>>) {
    let recording = recorder.finished(result);
    match spool::write(directory, &recording) {
        Ok(path) => {
            let (path, incomplete) = (path.display(), recording.incomplete);
            tracing::info!(event = "recording_written", %path, incomplete, entries = recording.entries.len(), "recorded");
        }
        Err(error) => {
            let directory = directory.display();
            tracing::warn!(event = "recording_not_written", %directory, %error, "the investigation is not recorded");
        }
    }
}

/// The ports of a recording, for whoever puts the parts of an investigation together.
#[derive(Debug, Clone)]
pub struct Pretence {
    pub cluster: Arc<dyn Cluster>,
    pub catalogue: Arc<dyn Catalogue>,
    pub enricher: Enricher,
}

/// Cluster, catalogue and history as the recording knows them.
pub fn parts(recording: &Recording, player: &Arc<Player>) -> Pretence {
    let tape = Tape::Playing(Arc::clone(player));
    let history = recording
        .places
        .has_history
        .then(|| Arc::new(TapedHistory { tape: tape.clone(), inner: None }) as Arc<dyn HistorySource>);
    // The same tries again as then, without the waits.
    let retrying = Retrying::new(recording.settings.investigation.enrichment_max_retries, Duration::ZERO);
    let config = EnrichmentConfig { retrying, ..EnrichmentConfig::default() };
    Pretence {
        cluster: Arc::new(TapedCluster { tape: tape.clone(), inner: None, places: recording.places.clone() }),
        enricher: Enricher::new(config, history),
        catalogue: Arc::new(TapedCatalogue { tape, inner: None, description: recording.places.catalogue.clone() }),
    }
}

/// What a replay brought.
#[derive(Debug)]
pub struct Replayed {
    pub result: Result<Investigation, InvestigationError>,
    /// The run asked what was not recorded.
    pub drifts: Vec<Drift>,
    /// With a model of its own: what had no answer.
    pub unrecorded: Vec<String>,
    /// SHA-256 of both results in canonical form; absent where there was none.
    pub recorded_sha256: Option<String>,
    pub sha256: Option<String>,
    /// Recorded exchanges with the model, and how many took place.
    pub exchanges: (usize, usize),
    /// A unified difference of the results; empty when there is none.
    pub difference: String,
}

impl Replayed {
    /// Whether the run went as it was recorded.
    pub fn is_identical(&self) -> bool {
        self.drifts.is_empty() && self.difference.is_empty()
    }
}

/// Plays a recording to an investigation made of `parts`.
pub async fn replay(recording: &Recording, player: &Arc<Player>, parts: InvestigatorParts) -> Replayed {
    let run = RunContext {
        deadline: player.deadline(recording.budget_us),
        cancel: player.cancel(),
        progress: ProgressSender::default(),
        meter: Metering::default().begin(""),
        session: recording.session.clone(),
        outside: Arc::clone(player) as Arc<_>,
    };
    let cancelled = run.cancel.clone();
    let called_off = async {
        cancelled.cancelled().await;
        tokio::time::sleep(LAST_WORDS_MAX).await;
    };
    let investigator = Investigator::new(parts);
    let result = tokio::select! {
        result = investigator.investigate(&recording.incident, &run) => result,
        // Whoever waits for an answer that is not recorded waits for ever.
        () = called_off => Err(InvestigationError::new(FailureCode::Cancelled, "cancelled", "the replay ended here")),
    };
    let now = recorder::outcome(Some(&result), player.redactor());
    Replayed {
        drifts: player.drifts(),
        unrecorded: player.unrecorded(),
        recorded_sha256: sha256(&recording.outcome),
        sha256: sha256(&now),
        exchanges: player.exchanges(),
        difference: difference::unified(&lines(&recording.outcome), &lines(&now)),
        result,
    }
}

fn sha256(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Completed { sha256, .. } => Some(sha256.clone()),
        Outcome::Failed(_) | Outcome::Cut => None,
    }
}

/// The outcome as people read it.
fn lines(outcome: &Outcome) -> Vec<String> {
    let value: Value = json!(outcome);
    serde_json::to_string_pretty(&value).unwrap_or_default().lines().map(str::to_owned).collect()
}
