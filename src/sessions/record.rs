//! What is known about one session.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::{Incident, Investigation, RequestShape};
use crate::investigation::Standing;

/// Lower-case UUIDv4 (http-api §4.2). Some clients search error texts for `429`, so no new id contains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Uuid);

impl SessionId {
    pub(super) fn random() -> Self {
        // About one id in two hundred contains the digits; eight rounds never fail in practice and always end.
        let mut id = Uuid::new_v4();
        for _ in 0..8 {
            if !id.to_string().contains("429") {
                break;
            }
            id = Uuid::new_v4();
        }
        Self(id)
    }

    /// Reads the hyphenated form only; anything else names no session.
    pub fn parse(text: &str) -> Option<Self> {
        const HYPHENATED_BYTES: usize = 36;
        (text.len() == HYPHENATED_BYTES).then(|| Uuid::try_parse(text).ok()).flatten().map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Under which endpoint a session was created; the other one does not know it (http-api §1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionKind {
    Incident,
    Recovery,
}

impl SessionKind {
    pub fn of(incident: &Incident) -> Self {
        if incident.recovery.is_some() { Self::Recovery } else { Self::Incident }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Recovery => "recovery",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Incident, Self::Recovery].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// States of http-api §4.1; `user_driving` belongs to a later generation. The final ones never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionState {
    Pending,
    Investigating,
    Completed,
    Failed,
    Cancelled,
}

impl SessionState {
    pub const ALL: [Self; 5] = [Self::Pending, Self::Investigating, Self::Completed, Self::Failed, Self::Cancelled];

    pub fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::Investigating => false,
            Self::Completed | Self::Failed | Self::Cancelled => true,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Investigating => "investigating",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A session as one moment shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    pub id: SessionId,
    pub kind: SessionKind,
    pub state: SessionState,
    pub created_at: Timestamp,
    /// Set in final states.
    pub completed_at: Option<Timestamp>,
    /// Set when failed or cancelled: one redacted line, at most 512 characters (http-api §4.4).
    pub error: Option<String>,
    /// Phase now running, in human words; only while investigating.
    pub progress: Option<&'static str>,
    /// How far the run got.
    pub standing: Standing,
    pub shape: RequestShape,
    pub incident_id: String,
    /// Identity that submitted it.
    pub caller: String,
    /// Set when completed.
    pub result: Option<Arc<Investigation>>,
}
