//! Images that cannot be pulled: there is no such image, the registry refuses the credentials, or it does not answer.

mod refusal;

use serde_json::{Value, json};

use crate::analyser::draft::{draft, enumerate, field_evidence, parameters, pods_and_owners};
use crate::analyser::pods::{Container, containers};
use crate::analyser::rollouts::{Change, History};
use crate::analyser::routing::is_live;
use crate::analyser::{Observed, Signature};
use crate::domain::object::text;
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object, ResourceRef};
use refusal::{Reason, Refusal};

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    id: "image_pull",
    title: "An image cannot be pulled: it does not exist, the credentials are refused, or the registry does not answer",
    detect,
}];

const WAITING: &[&str] =
    &["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable"];

fn detect(observed: &Observed) -> Vec<Finding> {
    let pods = observed.of_kind("Pod").filter(|pod| is_live(pod));
    let stuck = pods.filter_map(|pod| {
        let container = containers(pod).into_iter().find(|container| container.waits_for(WAITING).is_some())?;
        Some(Stuck { container, refusal: refusal::of(observed, &container)? })
    });
    let mut groups: Vec<Vec<Stuck<'_>>> = Vec::new();
    for stuck in stuck {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| first.is_same(observed, &stuck))) {
            Some(group) => group.push(stuck),
            None => groups.push(vec![stuck]),
        }
    }
    groups.iter().filter_map(|group| finding(observed, group)).collect()
}

/// A container that waits for its image.
struct Stuck<'a> {
    container: Container<'a>,
    refusal: Refusal,
}

impl<'a> Stuck<'a> {
    fn pod(&self) -> &'a Object {
        self.container.pod
    }

    fn is_same(&self, observed: &Observed, other: &Self) -> bool {
        self.container.image() == other.container.image()
            && self.refusal.reason == other.refusal.reason
            && observed.root_owner(self.pod()) == observed.root_owner(other.pod())
    }
}

/// What follows from the reason of a refusal.
struct Diagnosis {
    cause_class: CauseClass,
    what: String,
    action_type: Option<&'static str>,
    hints: Vec<(&'static str, Value)>,
    evidence: Vec<Evidence>,
    strength: f64,
}

fn finding(observed: &Observed, group: &[Stuck<'_>]) -> Option<Finding> {
    let first = group.first()?;
    let root = observed.root_owner(first.pod());
    let diagnosis = match first.refusal.reason {
        Reason::NotFound => not_found(observed, first),
        Reason::Credentials => credentials(observed, first),
        Reason::Registry => registry(first),
    };
    let mut names: Vec<&str> = group.iter().map(|stuck| stuck.pod().name()).collect();
    names.sort_unstable();
    let mut evidence = vec![
        first.refusal.evidence.clone(),
        first.container.spec_evidence("image", "the image asked for"),
        first.container.status_evidence("state.waiting.reason", "the container waits for its image"),
    ];
    evidence.extend(diagnosis.evidence);
    Some(Finding {
        summary: format!("{root} cannot pull image {}: {}", first.container.image(), diagnosis.what),
        affects: pods_and_owners(observed, group.iter().map(Stuck::pod)),
        action_type: diagnosis.action_type.map(str::to_owned),
        parameters: parameters(diagnosis.hints),
        causal_chain: vec![
            diagnosis.what,
            format!("the kubelet cannot pull {}", first.container.image()),
            format!("{} cannot start", enumerate(&names, 3)),
        ],
        evidence,
        strength: diagnosis.strength,
        disposition: if diagnosis.action_type.is_some() { Disposition::Act } else { Disposition::Escalate },
        ..draft("image_pull", diagnosis.cause_class, &first.pod().reference(), root)
    })
}

/// The last rollout's change to the image of a container.
fn image_change<'a>(observed: &'a Observed, container: &Container<'a>) -> Option<(History<'a>, Change)> {
    let history = History::above(observed, container.pod)?;
    let path = format!("[name={}].image", container.name);
    let change = history.changes().into_iter().find(|change| change.path.ends_with(&path))?;
    history.is_of_current(container.pod).then_some((history, change))
}

/// There is no such image; when a rollout asked for it, the revision before had one that could be pulled.
fn not_found(observed: &Observed, stuck: &Stuck<'_>) -> Diagnosis {
    let mut diagnosis = Diagnosis {
        cause_class: CauseClass::ImageNotFound,
        what: "the registry has no such image or tag".to_owned(),
        action_type: None,
        hints: Vec::new(),
        evidence: Vec::new(),
        strength: 0.9,
    };
    if let Some((history, change)) = image_change(observed, &stuck.container)
        && let (Some(current), Some(previous)) = (history.current(), history.previous())
    {
        diagnosis.what = format!(
            "the registry has no such image or tag; revision {} asks for it, revision {} had {}",
            current.number, previous.number, change.before
        );
        diagnosis.action_type = Some("RollbackDeployment");
        diagnosis.hints.push(("ROLLBACK_TO_REVISION", json!(previous.number)));
        diagnosis.evidence.extend(history.change_evidence(&change, "changed by the last rollout"));
        diagnosis.strength = 0.95;
    }
    diagnosis
}

/// The registry is there and does not let the pod in.
fn credentials(observed: &Observed, stuck: &Stuck<'_>) -> Diagnosis {
    let mut evidence = Vec::new();
    let named = pull_secret(observed, stuck.pod());
    let mut hints = Vec::new();
    let what = match &named {
        Some((name, proof)) => {
            evidence.push(proof.clone());
            hints.push(("SECRET_NAME", json!(name)));
            let namespace = stuck.pod().namespace().unwrap_or_default();
            let secret = ResourceRef::namespaced("Secret", namespace, name);
            let gone = observed.find(&secret).is_none() && observed.is_complete("Secret", Some(namespace));
            if gone {
                evidence.push(Evidence::absent("the pull secret is gone", secret, "no Secret of this name"));
                format!("its pull secret {name} does not exist")
            } else {
                format!("the registry refuses the credentials of pull secret {name}")
            }
        }
        None => "the registry wants credentials and the Pod names no pull secret".to_owned(),
    };
    Diagnosis {
        cause_class: CauseClass::ImageCredentials,
        what,
        action_type: named.map(|_| "RefreshImagePullSecret"),
        hints,
        evidence,
        strength: 0.95,
    }
}

/// The pull secret of the pod, or of its ServiceAccount, and where it is named. Of several the first: the kubelet tries
/// them in order.
fn pull_secret(observed: &Observed, pod: &Object) -> Option<(String, Evidence)> {
    let first = |object: &Object, path: &str, claim: &str| {
        let name = text(object.list_at(path).next()?, "name").to_owned();
        let evidence = field_evidence(object, &format!("{path}[0].name"), claim);
        (!name.is_empty()).then_some((name, evidence))
    };
    first(pod, "spec.imagePullSecrets", "the pull secret the Pod names").or_else(|| {
        let account = pod.str_at("spec.serviceAccountName").unwrap_or("default");
        let account = observed.get("ServiceAccount", pod.namespace(), account)?;
        first(account, "imagePullSecrets", "the pull secret of its ServiceAccount")
    })
}

/// Nothing in the cluster can mend a registry that does not answer.
fn registry(stuck: &Stuck<'_>) -> Diagnosis {
    let image = stuck.container.image();
    let host = image.split_once('/').map(|(host, _)| host).filter(|host| host.contains(['.', ':']));
    Diagnosis {
        cause_class: CauseClass::RegistryUnavailable,
        what: format!("registry {} does not answer as it should", host.unwrap_or("docker.io")),
        action_type: None,
        hints: Vec::new(),
        evidence: Vec::new(),
        strength: 0.85,
    }
}

#[cfg(test)]
mod tests;
