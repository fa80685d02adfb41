//! Which kinds the API server serves. Understands aggregated discovery (one answer each for `/api` and `/apis`) and the
//! older one answer per group and version. Pure, but for [`discover`].

use std::collections::BTreeMap;

use serde_json::Value;

use super::transport::{Failure, JSON, Purpose, Transport};
use crate::cluster::ClusterError;
use crate::cluster::kinds::{KindIndex, KnownKind, group_and_version, standard::standard_kinds};
use crate::domain::object::{at, text};

/// Aggregated where the server can, else the older form.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
/// Largest discovery answer: a cluster with a thousand custom kinds needs about 2 MiB.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most versions of groups asked one by one.
const GROUP_VERSIONS_MAX: usize = 300;

/// Kinds by group and Kind; versions in the order found, preferred first.
#[derive(Default)]
struct Found(BTreeMap<(String, String), KnownKind>, Vec<(String, String)>);

impl Found {
    fn add(&mut self, kind: KnownKind) {
        let key = (kind.group.clone(), kind.kind.clone());
        match self.0.get_mut(&key) {
            Some(known) => known.versions.extend(kind.versions.into_iter().filter(|_| known.plural == kind.plural)),
            None => {
                self.1.push(key.clone());
                self.0.insert(key, kind);
            }
        }
    }

    fn index(mut self) -> KindIndex {
        KindIndex::new(self.1.iter().filter_map(|key| self.0.remove(key)))
    }
}

/// Asks the API server. Where discovery itself is forbidden, the kinds every cluster has.
///
/// A group whose own server does not answer is left out: its kinds are then unknown, the others are not.
pub(super) async fn discover(transport: &Transport) -> Result<KindIndex, ClusterError> {
    let mut found = Found::default();
    for root in ["/api", "/apis"] {
        match answer(transport, root, AGGREGATED).await {
            Ok(list) if text(&list, "kind") == "APIGroupDiscoveryList" => add_aggregated(&list, &mut found),
            Ok(list) => one_by_one(transport, &list, &mut found).await?,
            Err(Failure::Other(ClusterError::Forbidden(_))) => standard_kinds().for_each(|kind| found.add(kind)),
            Err(failure) => return Err(failure.into_error("discover the API")),
        }
    }
    Ok(found.index())
}

async fn answer(transport: &Transport, path: &str, accept: &'static str) -> Result<Value, Failure> {
    let purpose = Purpose {
        operation: "discover",
        action: "discover the API",
        subject: path,
        accept,
        bytes_max: ANSWER_BYTES_MAX,
    };
    transport.json(path, purpose).await
}

async fn one_by_one(transport: &Transport, list: &Value, found: &mut Found) -> Result<(), ClusterError> {
    for (position, version) in group_versions(list).into_iter().take(GROUP_VERSIONS_MAX).enumerate() {
        let root = if version.contains('/') { "/apis" } else { "/api" };
        match answer(transport, &format!("{root}/{version}"), JSON).await {
            Ok(resources) => add_resources(&version, &resources, found),
            Err(Failure::Other(error @ ClusterError::Unavailable(_))) if position == 0 => return Err(error),
            Err(_) => tracing::debug!(event = "api_group_skipped", api_version = version, "group does not answer"),
        }
    }
    Ok(())
}

/// `v1` of `/api`; group versions of `/apis`, the preferred first in each group.
fn group_versions(list: &Value) -> Vec<String> {
    let core = elements(list, "versions").filter_map(Value::as_str).map(str::to_owned);
    let groups = elements(list, "groups").flat_map(|group| {
        let preferred = text(group, "preferredVersion.groupVersion");
        let all = elements(group, "versions").map(|version| text(version, "groupVersion"));
        let rest = all.filter(move |version| *version != preferred);
        [preferred].into_iter().chain(rest).filter(|version| !version.is_empty()).map(str::to_owned)
    });
    core.chain(groups).collect()
}

fn add_resources(api_version: &str, list: &Value, found: &mut Found) {
    let (group, version) = group_and_version(api_version);
    for resource in elements(list, "resources") {
        // `pods/log` and the like are parts of a resource.
        let plural = text(resource, "name");
        if plural.contains('/') || !is_readable(resource) {
            continue;
        }
        found.add(known(KindText {
            group,
            version,
            kind: text(resource, "kind"),
            plural,
            singular: text(resource, "singularName"),
            short_names: elements(resource, "shortNames"),
            namespaced: resource.get("namespaced").and_then(Value::as_bool).unwrap_or_default(),
        }));
    }
}

fn add_aggregated(list: &Value, found: &mut Found) {
    for group in elements(list, "items") {
        for version in elements(group, "versions") {
            for resource in elements(version, "resources").filter(|resource| is_readable(resource)) {
                found.add(known(KindText {
                    group: text(group, "metadata.name"),
                    version: text(version, "version"),
                    kind: text(resource, "responseKind.kind"),
                    plural: text(resource, "resource"),
                    singular: text(resource, "singularResource"),
                    short_names: elements(resource, "shortNames"),
                    namespaced: text(resource, "scope") == "Namespaced",
                }));
            }
        }
    }
}

fn is_readable(resource: &Value) -> bool {
    elements(resource, "verbs").any(|verb| verb == "get" || verb == "list")
}

struct KindText<'a, S> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    plural: &'a str,
    singular: &'a str,
    short_names: S,
    namespaced: bool,
}

/// Names that could not stand in a path make the kind unusable: they are dropped with its version.
fn known<'a>(texts: KindText<'a, impl Iterator<Item = &'a Value>>) -> KnownKind {
    let lower = texts.kind.to_lowercase();
    let clean = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    let usable = clean(texts.plural) && clean(texts.version) && (texts.group.is_empty() || clean(texts.group));
    KnownKind {
        group: texts.group.to_owned(),
        versions: if usable { vec![texts.version.to_owned()] } else { Vec::new() },
        kind: texts.kind.to_owned(),
        plural: texts.plural.to_owned(),
        singular: if texts.singular.is_empty() { lower } else { texts.singular.to_owned() },
        short_names: texts.short_names.filter_map(Value::as_str).map(str::to_owned).collect(),
        namespaced: texts.namespaced,
    }
}

fn elements<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    at(value, path).and_then(Value::as_array).into_iter().flatten()
}

/// Whether the API server answers and takes the credentials: discovery is open to all who are authenticated.
pub(super) async fn probe(transport: &Transport) -> Result<(), ClusterError> {
    match answer(transport, "/api", JSON).await {
        // Strict clusters close even discovery; a refusal of known credentials is an answer.
        Ok(_) | Err(Failure::Other(ClusterError::Forbidden(_))) => Ok(()),
        Err(failure) => Err(failure.into_error("discover the API")),
    }
}
