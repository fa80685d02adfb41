//! The file of a recording: one JSON object, a version, and a SHA-256 over everything else in canonical form.
//!
//! | Version | What changed |
//! |---|---|
//! | 1 | every exchange with the model held the whole conversation and all offered tools again |
//! | 2 | an exchange holds what came new; tools stand once in `offers` |
//!
//! Older versions are raised step by step while they are read (`migration`); a newer one is refused.

mod migration;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::canonical;
use crate::domain::{Cost, Incident};
use crate::investigation::{InvestigationConfig, PromptConfig};
use crate::llm::Roster;
use crate::metering::Level;
use crate::redaction::RedactConfig;
use crate::redaction::injection::InjectionConfig;

/// The version this release writes.
pub const FORMAT: u32 = 2;
/// Largest recording, questions and answers together, in bytes; what comes after is left out and the recording says so.
pub const RECORDING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Largest file read, in bytes.
const FILE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// One recorded investigation. Holds no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    pub format: u32,
    /// Version of the service that recorded it.
    pub engine: String,
    /// Id of the session.
    pub session: String,
    pub started_at: Timestamp,
    /// From the start to the end of the wall-clock budget, microseconds.
    pub budget_us: i64,
    pub incident: Incident,
    pub settings: Settings,
    /// Who could have answered; absent: the analyser did.
    pub models: Option<Roster>,
    /// Groups of tools that were offered.
    pub toolsets: Vec<String>,
    /// Names of the tools that read something outside the service.
    pub reading_tools: BTreeSet<String>,
    pub places: Places,
    /// Moments on the clock of the budget, microseconds since the start, by what they were for.
    pub clock_us: BTreeMap<String, Vec<i64>>,
    /// Times of day, by what they were for.
    pub times: BTreeMap<String, Vec<Timestamp>>,
    /// What answers of the model cost, one after the other.
    #[serde(default)]
    pub costs: Vec<Cost>,
    /// How far the budgets were used, turn by turn.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// Longest wait for a tool, milliseconds.
    pub patience_ms: BTreeMap<String, u64>,
    /// Token of the delimiters, hexadecimal.
    pub delimiter: String,
    /// Tools offered to the model, by the SHA-256 of the list.
    pub offers: BTreeMap<String, Value>,
    /// Questions in the order they were asked.
    pub entries: Vec<Entry>,
    /// It grew beyond [`RECORDING_BYTES_MAX`]: later questions are missing.
    pub incomplete: bool,
    pub outcome: Outcome,
}

/// The sections of the configuration that shape a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub investigation: InvestigationConfig,
    pub prompt: PromptConfig,
    pub redact: RedactConfig,
    pub injection: InjectionConfig,
}

/// What stood behind the ports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Places {
    pub cluster: String,
    /// Input of a bundle that was skipped.
    pub problems: Vec<String>,
    pub catalogue: String,
    pub has_history: bool,
    /// The moment the cluster's observations were judged against.
    pub observed_at: Timestamp,
}

/// One question and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The port: `model`, `tool`, `service_tool`, `cluster.get` and so on.
    pub asked: String,
    pub question: Value,
    pub end: End,
    /// Null unless `end` is `answered`.
    #[serde(default)]
    pub answer: Value,
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Answered,
    /// Whoever asked waited no longer.
    Overdue,
    /// The run was called off meanwhile.
    Cancelled,
}

/// How the run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The result, and the SHA-256 of its canonical form.
    Completed { result: Value, sha256: String },
    /// One line, `<code>: <sentence>`.
    Failed(String),
    /// The run was called off, or the process ended.
    Cut,
}

impl Outcome {
    pub(super) fn completed(result: Value) -> Self {
        Self::Completed { sha256: canonical::sha256(&result), result }
    }
}

/// Why a file is no recording that can be played. The text is for whoever named the file.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}: larger than {FILE_BYTES_MAX} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("{}: the file ends early or is not JSON: {reason}", path.display())]
    Truncated { path: PathBuf, reason: String },
    #[error("{}: no recording: {reason}", path.display())]
    NotARecording { path: PathBuf, reason: String },
    #[error("{}: written in format {format}, this release reads formats 1 to {FORMAT}: use a newer one", path.display())]
    Newer { path: PathBuf, format: u64 },
    #[error("{}: the checksum does not fit the content: the file was changed or damaged", .0.display())]
    Damaged(PathBuf),
}

impl Recording {
    /// Reads a file of any known version.
    ///
    /// # Errors
    /// See [`RecordingError`].
    pub fn read(path: &Path) -> Result<Self, RecordingError> {
        let unreadable = |source| RecordingError::Unreadable { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if u64::try_from(bytes.len()).is_ok_and(|size| size > FILE_BYTES_MAX) {
            return Err(RecordingError::TooLarge(path.to_owned()));
        }
        Self::parse(&bytes, path)
    }

    /// The same from bytes; `path` is for errors.
    ///
    /// # Errors
    /// See [`RecordingError`].
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, RecordingError> {
        let no = |reason: String| RecordingError::NotARecording { path: path.to_owned(), reason };
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| RecordingError::Truncated { path: path.to_owned(), reason: error.to_string() })?;
        let Value::Object(mut members) = value else { return Err(no("the content is not an object".to_owned())) };
        let format = members.get("format").and_then(Value::as_u64);
        let format = format.filter(|format| *format > 0).ok_or_else(|| no("it names no format".to_owned()))?;
        if format > u64::from(FORMAT) {
            return Err(RecordingError::Newer { path: path.to_owned(), format });
        }
        let stated = members.remove("sha256");
        let content = Value::Object(members);
        if stated.as_ref().and_then(Value::as_str) != Some(canonical::sha256(&content).as_str()) {
            return Err(RecordingError::Damaged(path.to_owned()));
        }
        let content = migration::raised(content, format).map_err(no)?;
        serde_json::from_value(content).map_err(|error| no(error.to_string()))
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// A value that is not JSON, which is a defect.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let content = serde_json::to_value(self)?;
        let sha256 = canonical::sha256(&content);
        let mut file = Map::new();
        file.insert("format".to_owned(), self.format.into());
        file.insert("sha256".to_owned(), sha256.into());
        if let Value::Object(members) = content {
            file.extend(members);
        }
        let mut bytes = serde_json::to_vec_pretty(&file)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
