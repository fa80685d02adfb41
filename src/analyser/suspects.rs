//! Who may be behind a program that fails: the rollout that brought it, or the thing it cannot reach.

use jiff::SignedDuration;

use super::Observed;
use super::connections::{Address, Destination, resolve};
use super::draft::enumerate;
use super::pods::ago;
use super::rollouts::History;
use crate::domain::{Evidence, Object, ResourceRef};

/// A revision younger than this is suspected when its pods fail.
const NEW_REVISION: SignedDuration = SignedDuration::from_hours(24);
/// Changes of a rollout named in evidence.
const CHANGES_SHOWN: usize = 3;

/// The workload behind an address, or its Service when nothing stands behind it.
pub fn dependency(observed: &Observed, namespace: &str, address: &Address) -> Option<ResourceRef> {
    match resolve(observed, namespace, &address.host)? {
        Destination::Pod(pod) => Some(observed.root_owner(pod)),
        Destination::Service(service) => {
            let space = service.namespace().unwrap_or(namespace);
            let pods = service.at("spec.selector").map(|selector| observed.pods_with_labels(space, selector));
            let backend = pods.and_then(|pods| pods.first().map(|pod| observed.root_owner(pod)));
            Some(backend.unwrap_or_else(|| service.reference()))
        }
    }
}

/// A rollout young enough to have brought a failure.
#[derive(Debug, Clone, PartialEq)]
pub struct RecentRollout {
    /// `revision 7 was rolled out 5 min ago, which changed …`
    pub what: String,
    /// Number of the revision before.
    pub previous: i64,
    pub evidence: Vec<Evidence>,
}

impl RecentRollout {
    /// The rollout of the newest revision, when the pod is of it and it changed something.
    pub fn behind(observed: &Observed, pod: &Object) -> Option<Self> {
        let history = History::above(observed, pod)?;
        let (current, previous) = (history.current()?, history.previous()?);
        let changes = history.changes();
        let young = observed.is_recent(current.started_at, NEW_REVISION);
        if !young || !history.is_of_current(pod) || changes.is_empty() {
            return None;
        }
        let shown = changes.iter().take(CHANGES_SHOWN);
        let evidence = shown.filter_map(|change| history.change_evidence(change, "changed by the last rollout"));
        let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
        Some(Self {
            what: format!(
                "revision {} was rolled out {}, which changed {}",
                current.number,
                ago(observed, current.started_at),
                enumerate(&paths, CHANGES_SHOWN)
            ),
            previous: previous.number,
            evidence: evidence.collect(),
        })
    }
}
