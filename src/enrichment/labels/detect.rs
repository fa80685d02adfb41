//! All checks on one owner chain, reads side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lists::{self, Check, Unknown, query, selector_text};
use super::marks::{Marked, Marks};
use super::virtual_machines::virtual_machine;
use super::{DetectedLabels, Detection, GitOpsTool, ServiceMesh};
use crate::cluster::ListQuery;
use crate::domain::{Object, ResourceRef};
use crate::enrichment::owners::{OwnerChain, Scope};
use crate::enrichment::reader::Reader;

/// What the checks found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detected {
    pub labels: DetectedLabels,
    /// Quota figures by `<resource>_hard` and `<resource>_used`, quantities as Kubernetes writes them.
    pub quota: BTreeMap<String, String>,
    /// Why checks failed.
    pub notes: Vec<String>,
}

/// Runs every check. None of them fails the whole: a check that cannot be made is listed as failed.
///
/// With an unreadable root owner, what pods and namespace prove still counts; what they do not prove is unknown.
pub async fn detect(reader: &Reader<'_>, chain: &OwnerChain) -> Detected {
    let root = chain.root();
    let namespace = looked_at(&root, chain.scope());
    let selected = selected_pod(reader, chain).await;
    let pods = pods_of(chain, selected.as_ref().and_then(|pod| pod.as_ref().ok()?.as_deref()));
    let (namespace_object, budgets, autoscalers, policies, (quotas, quota), machine) = tokio::join!(
        namespace_object(reader, chain, namespace.as_deref()),
        in_namespace(&namespace, chain.scope(), |name| lists::pdb_protected(reader, name, &pods)),
        in_namespace(&namespace, chain.scope(), |name| {
            let elements = chain.references();
            async move { lists::hpa_enabled(reader, name, &elements).await }
        }),
        async {
            match namespace.as_deref() {
                Some(name) => lists::network_isolated(reader, name).await,
                None => Err(Unknown::NotApplicable),
            }
        },
        async {
            match namespace.as_deref() {
                Some(name) => lists::quotas(reader, name).await,
                None => (Err(Unknown::NotApplicable), BTreeMap::new()),
            }
        },
        virtual_machine(reader, chain, namespace.as_deref()),
    );
    // A budget as the target protects what it selects, whatever other budgets say.
    let budgets = match &selected {
        Some(pod) => pod.as_ref().map(Option::is_some).map_err(Clone::clone),
        None => budgets,
    };
    let mut found = Findings { root_is_readable: chain.root_object().is_some(), detected: Detected::default() };
    let marked = Marked {
        pods,
        root: chain.root_object().map(|root| Marks::of(root)),
        namespace: namespace_object.as_ref().ok().and_then(|object| object.as_deref()).map(Marks::of),
    };
    let labels = &mut found.detected.labels;
    labels.git_ops_tool = marked.git_ops_tool();
    labels.git_ops_managed = labels.git_ops_tool != GitOpsTool::None;
    labels.service_mesh = marked.service_mesh();
    labels.stateful = is_stateful(chain);
    labels.helm_managed = marked.helm_managed();
    found.check(Detection::PdbProtected, budgets, |labels| &mut labels.pdb_protected);
    found.check(Detection::HpaEnabled, autoscalers, |labels| &mut labels.hpa_enabled);
    found.check(Detection::NetworkIsolated, policies, |labels| &mut labels.network_isolated);
    found.check(Detection::ResourceQuotaConstrained, quotas, |labels| &mut labels.resource_quota_constrained);
    found.doubt_what_the_root_would_tell();
    if let Err(reason) = namespace_object {
        found.detected.notes.push(format!("the namespace could not be read: {reason}"));
    }
    if let Some((labels, failed)) = machine {
        found.detected.labels.virtual_machine = Some(labels);
        found.detected.labels.failed_detections.extend(failed);
    }
    found.detected.quota = quota;
    found.detected
}

/// Results under construction.
struct Findings {
    root_is_readable: bool,
    detected: Detected,
}

impl Findings {
    fn check(&mut self, detection: Detection, check: Check, label: fn(&mut DetectedLabels) -> &mut bool) {
        match check {
            Ok(holds) => *label(&mut self.detected.labels) = holds,
            Err(unknown) => {
                self.detected.labels.failed_detections.insert(detection);
                if let Unknown::Failed(reason) = unknown {
                    self.detected.notes.push(format!("{} is unknown: {reason}", detection.as_str()));
                }
            }
        }
    }

    /// An unreadable root owner may carry every mark that was not found elsewhere.
    fn doubt_what_the_root_would_tell(&mut self) {
        if self.root_is_readable {
            return;
        }
        let labels = &mut self.detected.labels;
        let negatives = [
            (Detection::GitOpsManaged, !labels.git_ops_managed),
            (Detection::PdbProtected, !labels.pdb_protected),
            (Detection::Stateful, !labels.stateful),
            (Detection::HelmManaged, !labels.helm_managed),
            (Detection::ServiceMesh, labels.service_mesh == ServiceMesh::None),
        ];
        labels.failed_detections.extend(negatives.into_iter().filter(|(_, no)| *no).map(|(detection, _)| detection));
    }
}

/// The namespace whose objects count: the root owner's, or the root owner itself when it is one.
fn looked_at(root: &ResourceRef, scope: Scope) -> Option<String> {
    match scope {
        Scope::Namespaced => root.namespace.clone(),
        Scope::Cluster if root.kind == "Namespace" => Some(root.name.clone()),
        Scope::Cluster => None,
    }
}

/// A check about workloads: only for a root owner inside a namespace.
async fn in_namespace<'a, F>(namespace: &'a Option<String>, scope: Scope, check: impl FnOnce(&'a str) -> F) -> Check
where
    F: Future<Output = Check>,
{
    match namespace.as_deref().filter(|_| scope == Scope::Namespaced) {
        Some(name) => check(name).await,
        None => Err(Unknown::NotApplicable),
    }
}

async fn namespace_object(
    reader: &Reader<'_>,
    chain: &OwnerChain,
    namespace: Option<&str>,
) -> Result<Option<Arc<Object>>, String> {
    match (namespace, chain.root_object()) {
        (None, _) => Ok(None),
        (Some(_), Some(root)) if root.kind() == "Namespace" => Ok(Some(Arc::clone(root))),
        (Some(name), _) => {
            let reference = ResourceRef::cluster_scoped("Namespace", name).with_api_version("v1");
            reader.get(&reference).await.map(Some).map_err(|error| error.to_string())
        }
    }
}

/// Pod metadata along the chain, the root owner's template first: a custom root owner often has no template, and only
/// the pod itself shows injected sidecars.
fn pods_of<'a>(chain: &'a OwnerChain, selected: Option<&'a Object>) -> Vec<Marks<'a>> {
    let templates = chain.objects().rev().filter_map(|object| Marks::of_pods(object));
    templates.chain(selected.map(Marks::of)).collect()
}

/// For a PodDisruptionBudget as the target: the first pod it selects.
async fn selected_pod(reader: &Reader<'_>, chain: &OwnerChain) -> Option<Result<Option<Arc<Object>>, Unknown>> {
    let budget = Some(chain.target()).filter(|target| target.kind() == "PodDisruptionBudget")?;
    let namespace = budget.namespace()?;
    let Some(labels) = selector_text(budget.at("spec.selector")) else { return Some(Ok(None)) };
    let query = ListQuery { limit: Some(1), ..query("v1", "Pod", namespace).with_labels(labels) };
    let pods = reader.list(&query).await.map_err(|error| Unknown::Failed(error.to_string()));
    Some(pods.map(|pods| pods.items.into_iter().next()))
}

/// A StatefulSet, or a workload of another kind that makes one volume claim per pod.
fn is_stateful(chain: &OwnerChain) -> bool {
    let makes_claims = |object: &Arc<Object>| object.list_at("spec.volumeClaimTemplates").next().is_some();
    chain.references().iter().any(|element| element.kind == "StatefulSet") || chain.objects().any(makes_claims)
}
