//! What comes in, and what a repetition of it finds (http-api §4.7).

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::record::SessionId;
use crate::domain::Incident;

/// Callers that may wait for one session at the same time.
pub(super) const ATTENDANTS_MAX: usize = 16;

/// An incident on its way in.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    pub incident: Incident,
    pub caller: String,
    /// The caller's own key: while its session is known, the same key finds it again, and no other request may use it.
    pub key: Option<String>,
    pub presence: Presence,
}

/// Whether somebody stays to hear the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The caller comes back: the run goes on whatever the caller does.
    Returns,
    /// The caller waits. Without a key, the same request of the same caller attaches to the run, also until `grace` after it
    /// completed. The run is cancelled when nobody has waited for `grace`.
    Waits { grace: Duration },
}

impl Presence {
    pub(super) fn grace(self) -> Option<Duration> {
        match self {
            Self::Returns => None,
            Self::Waits { grace } => Some(grace),
        }
    }
}

/// A submission that has a session, new or known.
#[derive(Debug)]
pub struct Accepted {
    pub id: SessionId,
    /// To be kept while waiting; set for [`Presence::Waits`].
    pub attendance: Option<Attendance>,
}

/// That somebody waits for a session; ends when dropped.
#[derive(Debug)]
pub struct Attendance(watch::Sender<usize>);

impl Attendance {
    /// One more, unless there are too many.
    pub(super) fn begin(waiters: &watch::Sender<usize>) -> Option<Self> {
        let joined = waiters.send_if_modified(|count| {
            let fits = *count < ATTENDANTS_MAX;
            *count += usize::from(fits);
            fits
        });
        joined.then(|| Self(waiters.clone()))
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Tells requests apart: SHA-256 of the parsed request, so that spacing and the order of members do not matter.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(incident: &Incident) -> Self {
        // Struct members have one order and every map in an incident is sorted.
        let canonical = serde_json::to_vec(incident).unwrap_or_default();
        Self(Sha256::digest(canonical).into())
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint")
    }
}

/// What a session can be found by besides its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) caller: String,
    pub(super) key: Option<String>,
    pub(super) fingerprint: Fingerprint,
    /// Whether the same request finds it; one with a key is found by that alone.
    pub(super) is_shared: bool,
}

/// Whether a claimed session is durable yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storing {
    Waiting,
    Stored,
}

/// A session that a claim found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) id: SessionId,
    pub(super) fingerprint: Fingerprint,
    pub(super) stored: watch::Receiver<Storing>,
}

impl Found {
    pub(super) fn is_being_stored(&self) -> bool {
        *self.stored.borrow() == Storing::Waiting && self.stored.has_changed().is_ok()
    }

    /// Waits until the session is durable; false when it could not be stored.
    pub(super) async fn is_stored(&mut self) -> bool {
        self.stored.wait_for(|storing| *storing == Storing::Stored).await.is_ok()
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Ticket {
    Key(String),
    Request(Fingerprint),
}

/// Every claim of a remembered session. Bounded by the sessions: at most two tickets each.
#[derive(Debug, Default)]
pub(super) struct Claims(HashMap<(String, Ticket), Found>);

impl Claims {
    pub(super) fn by_key(&self, caller: &str, key: &str) -> Option<&Found> {
        self.0.get(&(caller.to_owned(), Ticket::Key(key.to_owned())))
    }

    pub(super) fn by_request(&self, caller: &str, fingerprint: Fingerprint) -> Option<&Found> {
        self.0.get(&(caller.to_owned(), Ticket::Request(fingerprint)))
    }

    pub(super) fn insert(&mut self, claim: &Claim, id: SessionId, stored: &watch::Sender<Storing>) {
        for ticket in claim.tickets() {
            let found = Found { id, fingerprint: claim.fingerprint, stored: stored.subscribe() };
            self.0.insert((claim.caller.clone(), ticket), found);
        }
    }

    /// Takes back what the session still holds; a newer session may have taken over.
    pub(super) fn remove(&mut self, claim: &Claim, id: SessionId) {
        for ticket in claim.tickets() {
            let place = (claim.caller.clone(), ticket);
            if self.0.get(&place).is_some_and(|found| found.id == id) {
                self.0.remove(&place);
            }
        }
    }
}

impl Claim {
    fn tickets(&self) -> impl Iterator<Item = Ticket> {
        let key = self.key.clone().map(Ticket::Key);
        key.into_iter().chain(self.is_shared.then_some(Ticket::Request(self.fingerprint)))
    }
}
