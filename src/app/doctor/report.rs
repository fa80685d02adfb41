//! What was found, as people and programs read it. Pure, but for the moment it is made.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::redaction::Redactor;
use crate::telemetry::Build;

/// What a check is about. The text form is part of the JSON report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    Configuration,
    State,
    Callers,
    Model,
    Catalogue,
    DataStorage,
    Kubernetes,
    Monitoring,
    ToolServers,
    Clock,
    Certificates,
}

impl Area {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::State => "state",
            Self::Callers => "callers",
            Self::Model => "model",
            Self::Catalogue => "catalogue",
            Self::DataStorage => "data_storage",
            Self::Kubernetes => "kubernetes",
            Self::Monitoring => "monitoring",
            Self::ToolServers => "tool_servers",
            Self::Clock => "clock",
            Self::Certificates => "certificates",
        }
    }
}

/// How a check ended; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The service will not work as configured.
    Failed,
    /// It will, and something is lost or about to go wrong.
    Warning,
    Ok,
    /// Not used, or not looked at because something before it failed.
    Skipped,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Warning => "warning",
            Self::Ok => "ok",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub area: Area,
    pub name: String,
    pub status: Status,
    /// What was seen, one sentence.
    pub seen: String,
    /// What to do about it; always there when it failed or warns.
    pub mend: Option<String>,
    pub duration_ms: u64,
}

/// Checks by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub failed: usize,
    pub warning: usize,
    pub ok: usize,
    pub skipped: usize,
}

/// Everything that was found. Serialises to the documented JSON of `doctor --json`; members are added, never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of this program.
    pub version: &'static str,
    pub checked_at: Timestamp,
    /// The configuration file; null when nothing is configured.
    pub config: Option<String>,
    /// The worst status of all checks.
    pub status: Status,
    pub counts: Counts,
    /// The configuration itself cannot be used; nothing else was looked at.
    pub unusable: bool,
    /// Failed first, then warnings, what is well, and what was left out.
    pub checks: Vec<Check>,
}

impl Report {
    pub(super) fn of(file: Option<&Path>, mut checks: Vec<Check>) -> Self {
        let redactor = Redactor::new(Sha256::digest(Uuid::new_v4().as_bytes()).into());
        for check in &mut checks {
            check.seen = redactor.text(&check.seen).text;
            check.mend = check.mend.as_ref().map(|mend| redactor.text(mend).text);
        }
        checks.sort_by_key(|check| (check.status, check.area));
        let count = |status| checks.iter().filter(|check| check.status == status).count();
        let counts = Counts {
            failed: count(Status::Failed),
            warning: count(Status::Warning),
            ok: count(Status::Ok),
            skipped: count(Status::Skipped),
        };
        let status = checks.first().map_or(Status::Ok, |check| check.status.min(Status::Ok));
        Self {
            version: Build::CURRENT.version,
            checked_at: Timestamp::now(),
            config: file.map(|file| file.display().to_string()),
            status,
            counts,
            unusable: false,
            checks,
        }
    }

    /// Of a configuration that cannot be used: `reason` is what its reader says.
    pub fn unusable(file: Option<&Path>, reason: &str) -> Self {
        let check = Check {
            area: Area::Configuration,
            name: "file".to_owned(),
            status: Status::Failed,
            seen: reason.to_owned(),
            mend: Some("Correct the configuration; nothing else can be looked at before.".to_owned()),
            duration_ms: 0,
        };
        Self { unusable: true, ..Self::of(file, vec![check]) }
    }
}
