//! Claims without a volume.

use jiff::SignedDuration;

use super::{claims_of, class_name, is_default_class, users};
use crate::analyser::Observed;
use crate::analyser::draft::{draft, enumerate, field_evidence, parameters, pods_and_owners};
use crate::analyser::observed::Event;
use crate::analyser::pods::duration_text;
use crate::analyser::routing::is_live;
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object, ResourceRef};

/// A provisioner that says nothing for this long does not work.
const PROVISIONING: SignedDuration = SignedDuration::from_mins(5);
/// An error message older than this may be out of date.
const RECENT: SignedDuration = SignedDuration::from_mins(60);

pub(super) fn detect(observed: &Observed) -> Vec<Finding> {
    let mut found: Vec<Finding> = observed
        .of_kind("PersistentVolumeClaim")
        .filter(|claim| !claim.is_terminating())
        .filter_map(|claim| unbound(observed, claim))
        .collect();
    for finding in observed.of_kind("Pod").filter(|pod| is_live(pod)).filter_map(|pod| missing(observed, pod)) {
        match found.iter_mut().find(|seen| seen.target == finding.target && seen.summary == finding.summary) {
            Some(seen) => seen.affects.extend(finding.affects),
            None => found.push(finding),
        }
    }
    found
}

fn unbound(observed: &Observed, claim: &Object) -> Option<Finding> {
    match claim.str_at("status.phase") {
        Some("Lost") => Some(lost(observed, claim)),
        Some("Pending") => {
            let pending = Pending { observed, claim, users: users(observed, claim) };
            pending
                .class_missing()
                .or_else(|| pending.no_class())
                .or_else(|| pending.not_provisioned())
                .or_else(|| pending.no_volume_fits())
                .or_else(|| pending.waits())
        }
        _ => None,
    }
}

fn lost(observed: &Observed, claim: &Object) -> Finding {
    let volume = claim.str_at("spec.volumeName").unwrap_or("unknown");
    Finding {
        summary: format!("{} has lost its volume: PersistentVolume {volume} is gone", claim.reference()),
        affects: pods_and_owners(observed, users(observed, claim)),
        causal_chain: vec![
            format!("PersistentVolume {volume} was deleted"),
            format!("{} is Lost and its data with it", claim.reference()),
        ],
        evidence: vec![
            field_evidence(claim, "status.phase", "the claim has lost its volume"),
            Evidence::absent(
                "the volume it was bound to",
                ResourceRef::cluster_scoped("PersistentVolume", volume),
                "not found",
            ),
        ],
        strength: 0.92,
        disposition: Disposition::Escalate,
        ..draft("claim_unbound", CauseClass::VolumeUnbound, &claim.reference(), claim.reference())
    }
}

struct Pending<'a> {
    observed: &'a Observed,
    claim: &'a Object,
    users: Vec<&'a Object>,
}

impl<'a> Pending<'a> {
    fn draft(&self, evidence: Vec<Evidence>) -> Finding {
        let mut all = vec![field_evidence(self.claim, "status.phase", format!("unbound{}", self.waiting_time()))];
        all.extend(evidence);
        Finding {
            affects: pods_and_owners(self.observed, self.users.iter().copied()),
            evidence: all,
            ..draft("claim_unbound", CauseClass::VolumeUnbound, &self.claim.reference(), self.claim.reference())
        }
    }

    fn waiting_time(&self) -> String {
        let age = self.observed.age(self.claim.created_at());
        age.map_or_else(String::new, |age| format!(" for {}", duration_text(age)))
    }

    /// `who waits` for the end of a chain.
    fn consequence(&self) -> String {
        let names: Vec<&str> = self.users.iter().map(|pod| pod.name()).collect();
        match names.as_slice() {
            [] => format!("{} stays Pending{}", self.claim.reference(), self.waiting_time()),
            names => format!("{} stays Pending, and with it {}", self.claim.reference(), enumerate(names, 3)),
        }
    }

    fn classes(&self) -> Vec<&'a Object> {
        self.observed.of_kind("StorageClass").collect()
    }

    fn classes_are_known(&self) -> bool {
        !self.classes().is_empty() && self.observed.is_complete("StorageClass", None)
    }

    fn class(&self) -> Option<&'a Object> {
        self.observed.get("StorageClass", None, class_name(self.claim)?)
    }

    fn event(&self, reasons: &[&str]) -> Option<&'a Event> {
        let events = self.observed.events_about(&self.claim.reference());
        events
            .into_iter()
            .find(|event| reasons.contains(&event.reason.as_str()) && self.observed.is_recent(event.last_seen, RECENT))
    }

    /// The class it names does not exist.
    fn class_missing(&self) -> Option<Finding> {
        let wanted = class_name(self.claim).filter(|name| !name.is_empty())?;
        let event = self.event(&["ProvisioningFailed"]);
        let told =
            event.is_some_and(|event| event.message.contains("storageclass") && event.message.contains("not found"));
        // Volumes made by hand may carry a class name without any such object.
        let by_hand = self
            .observed
            .of_kind("PersistentVolume")
            .any(|volume| volume.str_at("spec.storageClassName") == Some(wanted));
        if self.class().is_some() || (!self.classes_are_known() && !told) || (by_hand && !told) {
            return None;
        }
        let mut evidence = vec![
            field_evidence(self.claim, "spec.storageClassName", "the class it asks for"),
            Evidence::absent(
                "that class does not exist",
                ResourceRef::cluster_scoped("StorageClass", wanted),
                "not found",
            ),
        ];
        evidence.extend(event.map(|event| event.evidence("the provisioning controller says so")));
        let proposal = self.proposal(Some(wanted));
        Some(self.with_class(
            &format!("{} asks for StorageClass {wanted}, which does not exist", self.claim.reference()),
            &format!("StorageClass {wanted} does not exist"),
            evidence,
            proposal,
        ))
    }

    /// It names none and there is no default.
    fn no_class(&self) -> Option<Finding> {
        let event = self.event(&["FailedBinding"]);
        let told = event.is_some_and(|event| event.message.contains("no storage class is set"));
        if class_name(self.claim).is_some_and(|name| !name.is_empty() || !told) || (!self.classes_are_known() && !told)
        {
            return None;
        }
        if class_name(self.claim) == Some("") {
            return Some(self.no_static_volume(event));
        }
        let default = self.classes().into_iter().find(|class| is_default_class(class));
        let mut evidence = vec![field_evidence(self.claim, "spec.storageClassName", "the claim names no class")];
        if default.is_none() {
            evidence.push(Evidence::absent(
                "and there is no default",
                ResourceRef::cluster_scoped("StorageClass", "(default)"),
                "no StorageClass is marked as default",
            ));
        }
        evidence.extend(event.map(|event| event.evidence("the volume controller says so")));
        let reason = if default.is_some() {
            "it was created before a default class existed"
        } else {
            "the cluster has no default StorageClass"
        };
        Some(self.with_class(
            &format!("{} names no StorageClass and {reason}", self.claim.reference()),
            reason,
            evidence,
            self.proposal(None),
        ))
    }

    fn no_static_volume(&self, event: Option<&Event>) -> Finding {
        let evidence = event.map(|event| event.evidence("the volume controller says so")).into_iter().collect();
        Finding {
            summary: format!("{} wants a pre-made volume and none matches", self.claim.reference()),
            causal_chain: vec!["no PersistentVolume without class matches the claim".to_owned(), self.consequence()],
            strength: 0.8,
            disposition: Disposition::Escalate,
            ..self.draft(evidence)
        }
    }

    fn with_class(&self, what: &str, cause: &str, evidence: Vec<Evidence>, proposal: Option<&str>) -> Finding {
        let hint = proposal
            .map_or_else(|| "; there is no class to use instead".to_owned(), |class| format!("; {class} would do"));
        Finding {
            summary: format!("{what}{hint}"),
            action_type: proposal.map(|_| "FixStorageClass".to_owned()),
            parameters: parameters(proposal.map(|class| ("STORAGE_CLASS_NAME", class))),
            causal_chain: vec![cause.to_owned(), self.consequence()],
            strength: 0.95,
            disposition: if proposal.is_some() { Disposition::Act } else { Disposition::Escalate },
            ..self.draft(evidence)
        }
    }

    /// The class with nearly the wanted name, else the default, else the one most claims use.
    fn proposal(&self, wanted: Option<&str>) -> Option<&'a str> {
        let classes = self.classes();
        let uses = |class: &Object| {
            self.observed
                .of_kind("PersistentVolumeClaim")
                .filter(|claim| class_name(claim) == Some(class.name()))
                .count()
        };
        let similarity = |class: &Object| wanted.map_or(0.0, |wanted| strsim::jaro_winkler(wanted, class.name()));
        let close = classes
            .iter()
            .filter(|class| similarity(class) > 0.9)
            .max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
        close
            .or_else(|| classes.iter().find(|class| is_default_class(class)))
            .or_else(|| classes.iter().max_by_key(|class| uses(class)))
            .map(|class| class.name())
    }

    /// The class exists and its provisioner fails or is silent.
    fn not_provisioned(&self) -> Option<Finding> {
        let failure = self.event(&["ProvisioningFailed", "FailedBinding"]);
        let waits = self.event(&["ExternalProvisioning"]);
        let old = self.observed.age(self.claim.created_at()).is_some_and(|age| age >= PROVISIONING);
        let provisioner = self.class().and_then(|class| class.str_at("provisioner")).unwrap_or("unknown");
        let (event, what, strength) = match (failure, waits) {
            (Some(event), _) => (event, format!("provisioning by {provisioner} fails: {}", event.message), 0.9),
            (None, Some(event)) if old => {
                (event, format!("provisioner {provisioner} has not answered{}", self.waiting_time()), 0.82)
            }
            _ => return None,
        };
        let mut evidence = vec![event.evidence("the volume controller says so")];
        evidence.extend(self.class().map(|class| field_evidence(class, "provisioner", "who has to create the volume")));
        Some(Finding {
            summary: format!("{} stays unbound: {what}", self.claim.reference()),
            causal_chain: vec![what, self.consequence()],
            strength,
            disposition: Disposition::Escalate,
            ..self.draft(evidence)
        })
    }

    /// Volumes of this class are made by hand (local disks), and none is where its pod may go.
    fn no_volume_fits(&self) -> Option<Finding> {
        let words = "available persistent volumes to bind";
        let path = "status.conditions[type=PodScheduled].message";
        let pod = self.users.iter().find(|pod| pod.str_at(path).is_some_and(|message| message.contains(words)))?;
        let class = class_name(self.claim).unwrap_or("(default)");
        let volumes = self.observed.of_kind("PersistentVolume");
        let free = volumes.filter(|volume| {
            volume.str_at("spec.storageClassName") == Some(class) && volume.str_at("status.phase") == Some("Available")
        });
        let count = free.count();
        Some(Finding {
            summary: format!(
                "{} stays unbound: no PersistentVolume of class {class} fits ({count} are free, none where {} may run)",
                self.claim.reference(),
                pod.name()
            ),
            causal_chain: vec![format!("no volume of class {class} fits the claim"), self.consequence()],
            strength: 0.85,
            disposition: Disposition::Escalate,
            ..self.draft(vec![field_evidence(pod, path, "the scheduler found no volume to bind")])
        })
    }

    /// A class that binds with the first consumer, and nothing consumes: as designed. Only said when asked.
    fn waits(&self) -> Option<Finding> {
        let class = self.class().filter(|class| class.str_at("volumeBindingMode") == Some("WaitForFirstConsumer"))?;
        let asked =
            super::signalled_claim(self.observed).is_some_and(|claim| claim.reference() == self.claim.reference());
        if !asked || !self.users.is_empty() {
            return None;
        }
        let evidence = vec![
            field_evidence(class, "volumeBindingMode", "volumes are made when a pod needs them"),
            Evidence::absent("and no pod does", self.claim.reference(), "no pod mounts this claim"),
        ];
        Some(Finding {
            cause_class: CauseClass::Benign,
            summary: format!(
                "{} waits for a first consumer, as its class {} prescribes; no pod mounts it",
                self.claim.reference(),
                class.name()
            ),
            causal_chain: vec!["no pod mounts the claim".to_owned(), "its class binds only when one does".to_owned()],
            strength: 0.85,
            disposition: Disposition::NotActionable,
            ..self.draft(evidence)
        })
    }
}

/// A pod that names a claim nobody made.
fn missing(observed: &Observed, pod: &Object) -> Option<Finding> {
    if pod.str_at("status.phase") != Some("Pending") {
        return None;
    }
    let namespace = pod.namespace().unwrap_or_default();
    let events = observed.events_about(&pod.reference());
    let says_so = |claim: &str| {
        let condition = pod.str_at("status.conditions[type=PodScheduled].message").unwrap_or_default();
        let phrase = format!("persistentvolumeclaim \"{claim}\" not found");
        condition.contains(&phrase) || events.iter().any(|event| event.message.contains(&phrase))
    };
    let all = claims_of(pod);
    let gone = |claim: &&(String, &str)| {
        observed.get("PersistentVolumeClaim", Some(namespace), &claim.0).is_none() && says_so(&claim.0)
    };
    let (claim, volume) = all.iter().find(gone)?;
    let root = observed.root_owner(pod);
    let reference = ResourceRef::namespaced("PersistentVolumeClaim", namespace, claim.as_str()).with_api_version("v1");
    let mut evidence = vec![
        Evidence::field(
            "the pod mounts it",
            pod.reference(),
            format!("spec.volumes[name={volume}].persistentVolumeClaim.claimName"),
            claim.as_str(),
        ),
        Evidence::absent("the claim does not exist", reference, "not found"),
    ];
    evidence.extend(
        events
            .iter()
            .find(|event| event.message.contains(claim.as_str()))
            .map(|event| event.evidence("the scheduler says so")),
    );
    Some(Finding {
        summary: format!("{root} mounts PersistentVolumeClaim {claim}, which does not exist"),
        affects: pods_and_owners(observed, [pod]),
        causal_chain: vec![
            format!("PersistentVolumeClaim {claim} does not exist"),
            format!("{} cannot be scheduled", pod.reference()),
        ],
        evidence,
        strength: 0.92,
        disposition: Disposition::Escalate,
        ..draft("claim_unbound", CauseClass::VolumeUnbound, &pod.reference(), root)
    })
}
