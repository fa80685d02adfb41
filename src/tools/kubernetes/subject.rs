//! What a call is about: kind, name, namespace and API version as a model writes them (investigation §4.3), and the errors
//! that tell it what to do instead.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cluster::{ApiKind, Cluster, ClusterError, ListQuery};
use crate::domain::{Object, ResourceRef};
use crate::tools::Invocation;

/// Most names offered for one that is not there.
const SIMILAR_MAX: usize = 5;
/// Most namespaces named.
const NAMESPACES_SHOWN_MAX: usize = 5;

/// Why a call has no answer, as one text for the model.
#[derive(Debug)]
pub(in crate::tools) struct Fault(pub(in crate::tools) String);

impl From<ClusterError> for Fault {
    fn from(error: ClusterError) -> Self {
        let advice = match &error {
            ClusterError::Forbidden(_) => {
                "; this is a limit of what the investigation may read, not a cause of the incident: continue with what can be read"
            }
            ClusterError::UnknownKind { .. } => {
                "; give a Kind, plural or short name, for custom resources with its group (certificates.cert-manager.io)"
            }
            ClusterError::Unavailable(_) => "; ask again once, then continue with other tools",
            ClusterError::NotFound(_) | ClusterError::AmbiguousKind { .. } | ClusterError::Invalid(_) => "",
        };
        Self(format!("{error}{advice}"))
    }
}

pub(in crate::tools) fn required<'a>(call: &Invocation<'a>, name: &str) -> Result<&'a str, Fault> {
    let value = call.arguments.get(name).and_then(serde_json::Value::as_str).map(str::trim);
    value.filter(|text| !text.is_empty()).ok_or_else(|| Fault(format!("{name} is required; name it and call again")))
}

/// API version or bare group; earlier generations call it `api_group`.
fn api_version<'a>(call: &'a Invocation<'_>) -> Option<&'a str> {
    let given = call.any_text(&["api_version", "api_group"])?;
    Some(if given.eq_ignore_ascii_case("core") { "v1" } else { given })
}

/// A named object.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) reference: ResourceRef,
    /// `None` when several groups have the kind and the object decides.
    pub(super) kind: Option<ApiKind>,
    pub(super) notes: Vec<String>,
}

impl Subject {
    /// From `kind`, `name`, `namespace` and `api_version`; `names` says how kind and name are called.
    pub(super) async fn of(
        cluster: &dyn Cluster,
        call: &Invocation<'_>,
        [kinds, names]: [&[&str]; 2],
    ) -> Result<Self, Fault> {
        let missing = |of: &[&str]| Fault(format!("{} is required; name it and call again", of.join(" or ")));
        let asked = call.any_text(kinds).ok_or_else(|| missing(kinds))?;
        let name = call.any_text(names).ok_or_else(|| missing(names))?;
        let namespace = call.text("namespace");
        let version = api_version(call);
        let kind = match cluster.resolve_kind(asked, version).await {
            Ok(kind) => Some(kind),
            Err(ClusterError::AmbiguousKind { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let mut notes = Vec::new();
        let reference = match &kind {
            Some(kind) if kind.namespaced && namespace.is_none() => {
                return Err(needs_namespace(cluster, kind, name).await);
            }
            Some(kind) => {
                notes.extend(ignored_namespace(kind, namespace));
                let namespace = namespace.filter(|_| kind.namespaced).unwrap_or_default();
                ResourceRef::namespaced(&kind.kind, namespace, name).with_api_version(&kind.api_version)
            }
            None => ResourceRef::namespaced(asked, namespace.unwrap_or_default(), name),
        };
        Ok(Self { reference, kind, notes })
    }

    pub(super) async fn read(&self, cluster: &dyn Cluster) -> Result<Arc<Object>, Fault> {
        match (cluster.get(&self.reference).await, &self.kind) {
            (Ok(object), _) => Ok(object),
            (Err(ClusterError::NotFound(what)), Some(kind)) => {
                Err(not_found(cluster, &what, kind, &self.reference).await)
            }
            (Err(error), _) => Err(error.into()),
        }
    }
}

fn ignored_namespace(kind: &ApiKind, namespace: Option<&str>) -> Option<String> {
    (namespace.is_some() && !kind.namespaced).then(|| format!("{} has no namespace; namespace was ignored", kind.kind))
}

async fn needs_namespace(cluster: &dyn Cluster, kind: &ApiKind, name: &str) -> Fault {
    let places = namespaces_with(cluster, kind, name).await;
    let seen = if places.is_empty() { String::new() } else { format!(" ({name} exists in {})", places.join(", ")) };
    Fault(format!(
        "{} {name} is in a namespace: call again with namespace{seen}, or use kubectl_get_by_name_in_cluster",
        kind.kind
    ))
}

/// Where objects of this name are; nothing when that cannot be read.
async fn namespaces_with(cluster: &dyn Cluster, kind: &ApiKind, name: &str) -> Vec<String> {
    let found = cluster.list(&named_anywhere(kind, name)).await.unwrap_or_default();
    let places = found.items.iter().filter_map(|object| object.namespace().map(str::to_owned));
    places.take(NAMESPACES_SHOWN_MAX).collect()
}

pub(super) fn named_anywhere(kind: &ApiKind, name: &str) -> ListQuery {
    ListQuery { field_selector: Some(format!("metadata.name={name}")), ..of_kind(kind) }
}

pub(super) fn of_kind(kind: &ApiKind) -> ListQuery {
    ListQuery { api_version: Some(kind.api_version.clone()), ..ListQuery::kind(&kind.kind) }
}

/// Not there: where else it is, or what is called almost the same.
pub(in crate::tools) async fn not_found(
    cluster: &dyn Cluster,
    what: &str,
    kind: &ApiKind,
    wanted: &ResourceRef,
) -> Fault {
    let elsewhere =
        if wanted.namespace.is_some() { namespaces_with(cluster, kind, &wanted.name).await } else { vec![] };
    if !elsewhere.is_empty() {
        return Fault(format!("{what} not found; {} exists in namespace {}", wanted.name, elsewhere.join(", ")));
    }
    let query = of_kind(kind).in_namespace(wanted.namespace.as_deref());
    let Ok(there) = cluster.list(&query).await else { return Fault(format!("{what} not found")) };
    let names: BTreeSet<&str> = there.items.iter().map(|object| object.name()).collect();
    let near = similar(&wanted.name, names);
    let hint = match wanted.namespace.as_deref() {
        _ if !near.is_empty() => format!("; similar names there: {}", near.join(", ")),
        Some(namespace) => match absent_namespace(cluster, namespace).await {
            Some(absent) => format!("; {absent}"),
            None => format!("; search all namespaces with kubectl_find_resource (kind {})", kind.kind),
        },
        None => format!("; list all with kubectl_get_by_kind_in_cluster (kind {})", kind.kind),
    };
    Fault(format!("{what} not found{hint}"))
}

/// Says that a namespace does not exist, when it does not.
pub(in crate::tools) async fn absent_namespace(cluster: &dyn Cluster, namespace: &str) -> Option<String> {
    let known = cluster.namespaces().await.ok().filter(|known| !known.is_empty())?;
    if known.iter().any(|name| name == namespace) {
        return None;
    }
    let near = similar(namespace, known.iter().map(String::as_str));
    let hint = if near.is_empty() { String::new() } else { format!("; similar: {}", near.join(", ")) };
    Some(format!("namespace {namespace} does not exist{hint}"))
}

/// Names that continue the wanted one or are continued by it, then those a few letters away; nearest first.
fn similar<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let scored = names.into_iter().filter(|name| *name != wanted && !name.is_empty()).map(|name| {
        let continues = name.starts_with(wanted) || wanted.starts_with(name);
        (!continues, strsim::osa_distance(wanted, name), name)
    });
    let close = |distance: usize| distance * 2 <= wanted.chars().count();
    let mut scored: Vec<_> = scored.filter(|(stranger, distance, _)| !stranger || close(*distance)).collect();
    scored.sort_unstable();
    scored.into_iter().take(SIMILAR_MAX).map(|(_, _, name)| name).collect()
}

/// The kind a list is about, the namespace that counts, and what was ignored.
#[derive(Debug)]
pub(super) struct ListSubject {
    pub(super) kind: ApiKind,
    pub(super) namespace: Option<String>,
    pub(super) notes: Vec<String>,
}

impl ListSubject {
    pub(super) async fn of(cluster: &dyn Cluster, call: &Invocation<'_>) -> Result<Self, Fault> {
        let kind = cluster.resolve_kind(required(call, "kind")?, api_version(call)).await?;
        let namespace = call.text("namespace");
        let notes = ignored_namespace(&kind, namespace).into_iter().collect();
        Ok(Self { namespace: namespace.filter(|_| kind.namespaced).map(str::to_owned), kind, notes })
    }

    pub(super) fn query(&self) -> ListQuery {
        of_kind(&self.kind).in_namespace(self.namespace.as_deref())
    }
}
