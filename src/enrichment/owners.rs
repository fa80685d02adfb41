//! Owner chain, root owner and scope of a resource (investigation §7.2).

use std::sync::Arc;

use super::reader::Reader;
use crate::cluster::ClusterError;
use crate::domain::object::OwnerRef;
use crate::domain::{Object, ResourceRef};

/// Most owners followed.
pub const OWNER_HOPS_MAX: usize = 10;

/// Whether objects of a kind live in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Namespaced,
    Cluster,
}

impl Scope {
    fn of(namespaced: bool) -> Self {
        if namespaced { Self::Namespaced } else { Self::Cluster }
    }
}

/// The resource itself, then its owners.
#[derive(Debug, Clone)]
pub struct OwnerChain {
    target: Arc<Object>,
    owners: Vec<Arc<Object>>,
    /// The next owner, known by name only: reading it is forbidden.
    unreadable: Option<ResourceRef>,
    scope: Scope,
    notes: Vec<String>,
}

impl OwnerChain {
    pub fn target(&self) -> &Arc<Object> {
        &self.target
    }

    /// The top: the object to change.
    pub fn root(&self) -> ResourceRef {
        self.unreadable.clone().unwrap_or_else(|| self.highest().reference())
    }

    /// The top as read; `None` when that is forbidden.
    pub fn root_object(&self) -> Option<&Arc<Object>> {
        self.unreadable.is_none().then(|| self.highest())
    }

    /// Scope of the root owner's kind.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Names from the resource up to the root.
    pub fn references(&self) -> Vec<ResourceRef> {
        self.objects().map(|object| object.reference()).chain(self.unreadable.clone()).collect()
    }

    /// What could be read, from the resource upwards.
    pub fn objects(&self) -> impl DoubleEndedIterator<Item = &Arc<Object>> {
        std::iter::once(&self.target).chain(&self.owners)
    }

    /// Why the chain ends where it does, when not because there is no further owner.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    fn highest(&self) -> &Arc<Object> {
        self.owners.last().unwrap_or(&self.target)
    }

    fn holds(&self, owner: &Object) -> bool {
        self.objects().any(|seen| match (seen.uid(), owner.uid()) {
            ("", _) | (_, "") => seen.reference() == owner.reference(),
            (seen, owner) => seen == owner,
        })
    }
}

/// Reads the resource and climbs controller references (the only reference where there is one). The Node that owns a
/// mirror Pod is not followed. An owner that is gone or of unknown kind ends the chain; one that may not be read is
/// kept by name.
///
/// # Errors
/// When the resource itself cannot be read, or the cluster cannot be asked about an owner: a chain cut short for that
/// reason would name the wrong object to change.
pub async fn owner_chain(reader: &Reader<'_>, resource: &ResourceRef) -> Result<OwnerChain, ClusterError> {
    let target = reader.get(resource).await?;
    let scope = match reader.resolve_kind(target.kind(), Some(target.api_version())).await {
        Ok(kind) => Scope::of(kind.namespaced),
        Err(_) => Scope::of(target.namespace().is_some()),
    };
    let mut chain = OwnerChain { target, owners: Vec::new(), unreadable: None, scope, notes: Vec::new() };
    while let Some(owner) = followed(chain.highest()) {
        if chain.owners.len() == OWNER_HOPS_MAX {
            chain.notes.push(format!("the owner chain has more than {OWNER_HOPS_MAX} owners and was cut"));
            break;
        }
        match climb(reader, chain.highest(), &owner).await? {
            Hop::Owner(object, _) if chain.holds(&object) => {
                chain.notes.push(format!("{} owns itself through its owners", object.reference()));
                break;
            }
            Hop::Owner(object, scope) => {
                chain.owners.push(object);
                chain.scope = scope;
            }
            Hop::Forbidden(owner, scope) => {
                chain.notes.push(format!("reading {owner} is forbidden; it is known by name only"));
                chain.unreadable = Some(owner);
                chain.scope = scope;
                break;
            }
            Hop::Broken(reason) => {
                let child = chain.highest().reference();
                chain.notes.push(format!("the owner {} {} of {child} {reason}", owner.kind, owner.name));
                break;
            }
        }
    }
    Ok(chain)
}

/// What one step up finds.
enum Hop {
    Owner(Arc<Object>, Scope),
    /// Its kind is known, reading it is forbidden.
    Forbidden(ResourceRef, Scope),
    /// Why there is nothing to follow.
    Broken(&'static str),
}

fn followed(object: &Object) -> Option<OwnerRef> {
    object.owner().filter(|owner| !(object.kind() == "Pod" && owner.kind == "Node"))
}

async fn climb(reader: &Reader<'_>, child: &Object, owner: &OwnerRef) -> Result<Hop, ClusterError> {
    let api_version = Some(owner.api_version.as_str()).filter(|version| !version.is_empty());
    let kind = match reader.resolve_kind(&owner.kind, api_version).await {
        Ok(kind) => kind,
        Err(error @ ClusterError::Unavailable(_)) => return Err(error),
        Err(_) => return Ok(Hop::Broken("has a kind that is not known here")),
    };
    let scope = Scope::of(kind.namespaced);
    let namespace = child.namespace().filter(|_| kind.namespaced).map(str::to_owned);
    let api_version = Some(kind.api_version).filter(|version| !version.is_empty());
    let reference = ResourceRef { kind: kind.kind, name: owner.name.clone(), namespace, api_version };
    match reader.get(&reference).await {
        Ok(object) => Ok(Hop::Owner(object, scope)),
        Err(ClusterError::Forbidden(_)) => Ok(Hop::Forbidden(reference, scope)),
        Err(error @ ClusterError::Unavailable(_)) => Err(error),
        Err(ClusterError::NotFound(_)) => Ok(Hop::Broken("does not exist any more")),
        Err(_) => Ok(Hop::Broken("cannot be read")),
    }
}

#[cfg(test)]
mod tests;
