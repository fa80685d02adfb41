//! Rules that keep a pod off nodes: selectors, taints, rules between pods, volumes tied to a place.

use serde_json::Value;

use super::{EVIDENCE_NODES_MAX, Pending};
use crate::analyser::draft::{entry_evidence, enumerate, field_evidence, parameters};
use crate::analyser::scheduler::{Fit, Obstacle, Requirement, tolerates_by_name, unmet_requirement};
use crate::domain::object::{at, text};
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object};

impl<'a> Pending<'a> {
    /// nodeSelector or node affinity that no node meets.
    pub(super) fn unmet_requirement(&self) -> Option<Finding> {
        let unmet = if self.nodes.is_empty() { None } else { unmet_requirement(&self.nodes, self.spec) }?;
        let (object, base) = self.template();
        let path = match unmet.constraint_type {
            "nodeSelector" => format!("{base}.nodeSelector"),
            _ => format!("{base}.affinity.nodeAffinity"),
        };
        let mut finding = self.draft(CauseClass::SchedulingConstraint, self.root.clone());
        finding.evidence.push(field_evidence(object, &path, format!("the pod may only run where {}", unmet.wanted)));
        let have = self.node_values(&unmet);
        let nodes = self.nodes.iter().take(EVIDENCE_NODES_MAX);
        finding
            .evidence
            .extend(nodes.map(|node| entry_evidence(node, "metadata.labels", &unmet.key, "the node does not qualify")));
        Some(Finding {
            summary: format!(
                "{} cannot be scheduled: it requires {}, which none of the {} nodes has ({have})",
                self.root,
                unmet.wanted,
                self.nodes.len()
            ),
            action_type: Some("FixSchedulingConstraints".to_owned()),
            parameters: parameters([
                ("CONSTRAINT_TYPE", unmet.constraint_type.to_owned()),
                ("CONSTRAINT_KEY", unmet.key.clone()),
            ]),
            causal_chain: vec![
                format!("{} requires nodes with {}", self.root, unmet.wanted),
                format!("no node qualifies: {have}"),
                self.symptom(),
            ],
            strength: 0.93,
            ..finding
        })
    }

    fn node_values(&self, unmet: &Requirement) -> String {
        let mut values: Vec<&str> = self.nodes.iter().filter_map(|node| node.label(&unmet.key)).collect();
        values.sort_unstable();
        values.dedup();
        if values.is_empty() {
            return format!("no node carries the label {}", unmet.key);
        }
        let close = |value: &&&str| unmet.values.iter().any(|wanted| strsim::jaro_winkler(wanted, value) > 0.7);
        let hint = values.iter().find(close).map(|value| format!("; perhaps {value} was meant")).unwrap_or_default();
        format!("nodes have {} = {}{hint}", unmet.key, enumerate(&values, 4))
    }

    /// A node that would do, were it not for one taint nobody is meant to tolerate.
    pub(super) fn leftover_taint(&self) -> Option<Finding> {
        let (found, taint) = self.behind_one_taint().find(|(_, taint)| !self.is_intended(taint))?;
        let (key, effect) = (text(taint, "key"), text(taint, "effect"));
        let shown = taint_text(taint);
        let mut finding = self.draft(CauseClass::SchedulingConstraint, found.node.reference());
        finding.evidence.push(field_evidence(found.node, "spec.taints", format!("the node carries {shown}")));
        finding.evidence.push(Evidence::absent(
            "nothing in the cluster is meant for this taint",
            found.node.reference(),
            format!("no pod names {key} in its tolerations"),
        ));
        Some(Finding {
            summary: format!(
                "{} keeps {} off: taint {shown} is tolerated by no pod in the cluster, and the node has room for it",
                found.node.reference(),
                self.root
            ),
            action_type: Some("RemoveTaint".to_owned()),
            parameters: parameters([("TAINT_KEY", key), ("TAINT_EFFECT", effect)]),
            causal_chain: vec![
                format!("{} carries the taint {shown}, which nothing tolerates", found.node.reference()),
                "the other nodes cannot take the pod".to_owned(),
                self.symptom(),
            ],
            strength: if self.observed.is_complete("Pod", None) { 0.9 } else { 0.7 },
            ..finding
        })
    }

    /// Ready nodes with room whose only obstacle is one taint a person set.
    fn behind_one_taint(&self) -> impl Iterator<Item = (&Fit<'a>, &'a Value)> {
        self.fits.iter().filter_map(|found| match found.taints.as_slice() {
            [taint] if found.ready && !found.cordoned && found.lacks.is_empty() && !is_system_taint(taint) => {
                Some((found, *taint))
            }
            _ => None,
        })
    }

    /// Someone tolerates the taint by name, or the node's label names the pool it reserves.
    fn is_intended(&self, taint: &Value) -> bool {
        let key = text(taint, "key");
        let tolerated = |pod: &Object| pod.at("spec").is_some_and(|spec| tolerates_by_name(spec, taint));
        let is_pool = |node: &Object| !text(taint, "value").is_empty() && node.label(key) == Some(text(taint, "value"));
        self.observed.of_kind("Pod").any(tolerated) || self.nodes.iter().any(|node| is_pool(node))
    }

    /// Every worker the pod may use is reserved by a taint that others tolerate.
    pub(super) fn missing_toleration(&self) -> Option<Finding> {
        let workers: Vec<&Fit<'_>> = self.fits.iter().filter(|found| !found.is_control_plane()).collect();
        let reserved = |found: &&Fit<'_>| found.taints.iter().any(|taint| !is_system_taint(taint));
        if workers.is_empty() || !workers.iter().all(reserved) {
            return None;
        }
        let (found, taint) = self.behind_one_taint().next()?;
        let (key, shown) = (text(taint, "key"), taint_text(taint));
        let (object, base) = self.template();
        let mut finding = self.draft(CauseClass::SchedulingConstraint, self.root.clone());
        finding.evidence.push(field_evidence(found.node, "spec.taints", format!("the node is reserved by {shown}")));
        finding.evidence.push(field_evidence(
            object,
            &format!("{base}.tolerations"),
            format!("nothing here tolerates {key}"),
        ));
        Some(Finding {
            summary: format!(
                "{} may only run on nodes reserved by taint {shown} (such as {}) and does not tolerate it",
                self.root,
                found.node.name()
            ),
            action_type: Some("FixSchedulingConstraints".to_owned()),
            parameters: parameters([("CONSTRAINT_TYPE", "toleration"), ("CONSTRAINT_KEY", key)]),
            causal_chain: vec![
                format!("every node {} may use carries the taint {shown}", self.root),
                "its pods have no toleration for it".to_owned(),
                self.symptom(),
            ],
            strength: 0.88,
            ..finding
        })
    }

    /// Rules between pods: anti-affinity, affinity, topology spread.
    pub(super) fn pod_constraint(&self) -> Option<Finding> {
        let constraint = self.refusal.obstacles.iter().find_map(|(_, obstacle)| match obstacle {
            Obstacle::PodAntiAffinity => Some(("affinity", "affinity.podAntiAffinity", "pod anti-affinity")),
            Obstacle::PodAffinity => Some(("affinity", "affinity.podAffinity", "pod affinity")),
            Obstacle::TopologySpread => Some(("topologySpread", "topologySpreadConstraints", "topology spread")),
            _ => None,
        });
        let (kind, member, words) = constraint?;
        let rule = at(self.spec, member)?;
        let key = match kind {
            "topologySpread" => rule.as_array()?.iter().find(|rule| text(rule, "whenUnsatisfiable") == "DoNotSchedule"),
            _ => at(rule, "requiredDuringSchedulingIgnoredDuringExecution[0]"),
        };
        let key = text(key?, "topologyKey");
        let (object, base) = self.template();
        let mut finding = self.draft(CauseClass::SchedulingConstraint, self.root.clone());
        finding.evidence.push(field_evidence(
            object,
            &format!("{base}.{member}"),
            format!("required {words} over {key}"),
        ));
        let unusable = self.fits.iter().filter(|found| !found.ready || found.cordoned).count();
        let (strength, note) = match unusable {
            0 => (0.82, String::new()),
            count => (0.55, format!(" ({count} nodes are cordoned or not ready)")),
        };
        Some(Finding {
            summary: format!("{} cannot be scheduled: its required {words} over {key} leaves no node{note}", self.root),
            action_type: Some("FixSchedulingConstraints".to_owned()),
            parameters: parameters([("CONSTRAINT_TYPE", kind), ("CONSTRAINT_KEY", key)]),
            causal_chain: vec![
                format!("{} demands {words} over {key}", self.root),
                "no node satisfies it".to_owned(),
                self.symptom(),
            ],
            strength,
            ..finding
        })
    }

    /// The pod's volume lives where the pod may not go.
    pub(super) fn volume_elsewhere(&self) -> Option<Finding> {
        if !self.refusal.has(|obstacle| *obstacle == Obstacle::VolumeNodeAffinity) {
            return None;
        }
        let claims = self.pod.list_at("spec.volumes").map(|volume| text(volume, "persistentVolumeClaim.claimName"));
        let volumes = claims.filter_map(|claim| {
            let claim = self.observed.get("PersistentVolumeClaim", self.pod.namespace(), claim)?;
            self.observed.get("PersistentVolume", None, claim.str_at("spec.volumeName")?)
        });
        let pinned = volumes.into_iter().find(|volume| volume.at("spec.nodeAffinity.required").is_some());
        let mut finding = self.draft(CauseClass::SchedulingConstraint, self.root.clone());
        let name = pinned.map_or_else(|| "its volume".to_owned(), |volume| volume.reference().to_string());
        if let Some(volume) = pinned {
            finding.evidence.push(field_evidence(
                volume,
                "spec.nodeAffinity.required",
                "the volume can only be attached there",
            ));
        }
        Some(Finding {
            summary: format!(
                "{} cannot be scheduled: {name} can only be used on nodes that cannot take the pod",
                self.root
            ),
            causal_chain: vec![
                format!("{name} is tied to certain nodes"),
                "none of them can take the pod".to_owned(),
                self.symptom(),
            ],
            strength: 0.7,
            disposition: Disposition::Escalate,
            ..finding
        })
    }
}

/// Taints that mirror a condition or a role: removing them mends nothing.
fn is_system_taint(taint: &Value) -> bool {
    let key = text(taint, "key");
    let marks = [
        "node.kubernetes.io/",
        "node-role.kubernetes.io/",
        "node.cloudprovider.kubernetes.io/",
        "karpenter.sh/",
        "ToBeDeletedByClusterAutoscaler",
        "DeletionCandidateOfClusterAutoscaler",
    ];
    marks.iter().any(|mark| key.starts_with(mark)) || key.ends_with("/agent-not-ready")
}

fn taint_text(taint: &Value) -> String {
    let (key, value, effect) = (text(taint, "key"), text(taint, "value"), text(taint, "effect"));
    if value.is_empty() { format!("{key}:{effect}") } else { format!("{key}={value}:{effect}") }
}
