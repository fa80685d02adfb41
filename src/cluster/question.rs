//! What both implementations make of a question before they look for the answer.

use super::kinds::{Candidate, is_object_name};
use super::{ApiKind, ClusterError, LIST_OBJECTS_MAX, ListQuery};
use crate::domain::ResourceRef;

/// # Errors
/// `Invalid` unless the text can be an object's name (and so one segment of a path).
pub(super) fn checked_name(name: &str) -> Result<(), ClusterError> {
    match is_object_name(name) {
        true => Ok(()),
        false => {
            Err(ClusterError::Invalid(format!("{:?} cannot be a name", name.chars().take(80).collect::<String>())))
        }
    }
}

/// # Errors
/// `Invalid` when a namespaced kind is asked for without a namespace, or with one that cannot be.
pub(super) fn checked_namespace(kind: &ApiKind, reference: &ResourceRef) -> Result<(), ClusterError> {
    match reference.namespace.as_deref().filter(|namespace| !namespace.is_empty()) {
        _ if !kind.namespaced => Ok(()),
        Some(namespace) => checked_name(namespace),
        None => Err(ClusterError::Invalid(format!("{} {} needs a namespace", kind.kind, reference.name))),
    }
}

/// How many objects a list may return.
pub(super) fn list_limit(query: &ListQuery) -> usize {
    query.limit.unwrap_or(LIST_OBJECTS_MAX).min(LIST_OBJECTS_MAX)
}

/// Kind as events spell it, and whether the namespace of the subject counts.
pub(super) fn event_subject(candidates: &[Candidate<'_>]) -> (String, bool) {
    let kind = candidates.first().map(|(kind, _)| kind.kind.clone()).unwrap_or_default();
    (kind, candidates.iter().any(|(kind, _)| kind.namespaced))
}
