//! Owner chain and root owner of a resource (investigation §7.2).

use std::sync::Arc;

use crate::cluster::{Cluster, ClusterError};
use crate::domain::{Object, ResourceRef};

/// Most hops followed.
const OWNER_CHAIN_MAX: usize = 10;

/// The resource itself first, then its owners. Never empty.
#[derive(Debug, Clone)]
pub struct OwnerChain {
    objects: Vec<Arc<Object>>,
    /// The next owner, named but not readable because access is forbidden.
    unreadable: Option<ResourceRef>,
}

impl OwnerChain {
    /// The top: the object to change.
    pub fn root(&self) -> Option<ResourceRef> {
        self.unreadable.clone().or_else(|| self.objects.last().map(|object| object.reference()))
    }

    pub fn contains_kind(&self, kind: &str) -> bool {
        self.objects.iter().any(|object| object.kind().eq_ignore_ascii_case(kind))
    }

    pub fn objects(&self) -> &[Arc<Object>] {
        &self.objects
    }
}

/// Climbs controller references from `resource`. A Node that owns a mirror Pod is not followed; an owner that is gone
/// ends the chain; one that may not be read is kept by name.
///
/// # Errors
/// When the resource itself cannot be read.
pub async fn owner_chain(cluster: &dyn Cluster, resource: &ResourceRef) -> Result<OwnerChain, ClusterError> {
    let mut objects = vec![cluster.get(resource).await?];
    let mut unreadable = None;
    while objects.len() < OWNER_CHAIN_MAX {
        let Some(next) = objects.last().and_then(|object| owner_reference(object)) else { break };
        match cluster.get(&next).await {
            Ok(owner) if objects.iter().any(|seen| seen.uid() == owner.uid() && !owner.uid().is_empty()) => break,
            Ok(owner) => objects.push(owner),
            Err(ClusterError::NotFound(_)) => match cluster.get(&ResourceRef { namespace: None, ..next }).await {
                Ok(owner) => objects.push(owner),
                Err(_) => break,
            },
            Err(ClusterError::Forbidden(_)) => {
                unreadable = Some(next);
                break;
            }
            Err(_) => break,
        }
    }
    Ok(OwnerChain { objects, unreadable })
}

fn owner_reference(object: &Object) -> Option<ResourceRef> {
    let owner = object.owner().filter(|owner| owner.kind != "Node")?;
    let reference = ResourceRef::namespaced(owner.kind, object.namespace().unwrap_or_default(), owner.name);
    Some(reference.with_api_version(owner.api_version))
}
