//! The revision history of a workload: ReplicaSets of a Deployment, ControllerRevisions of the other two.

use serde_json::Value;

use super::Observed;
use crate::domain::Object;

/// One recorded pod template.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Revision<'a> {
    pub number: i64,
    /// The ReplicaSet or ControllerRevision.
    pub object: &'a Object,
    /// Its pod template (`metadata` and `spec`).
    pub template: &'a Value,
}

/// All gathered revisions of a Deployment, StatefulSet or DaemonSet, newest first.
pub fn revisions<'a>(observed: &'a Observed, workload: &Object) -> Vec<Revision<'a>> {
    let read = |object: &'a Object| match object.kind() {
        "ReplicaSet" => Some(Revision {
            number: object.annotation(REVISION_ANNOTATION)?.parse().ok()?,
            object,
            template: object.at("spec.template")?,
        }),
        "ControllerRevision" => {
            Some(Revision { number: object.i64_at("revision")?, object, template: object.at("data.spec.template")? })
        }
        _ => None,
    };
    let mut found: Vec<Revision<'a>> = observed.owned_by(workload).filter_map(read).collect();
    found.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    found
}

/// Where the Deployment controller writes a revision's number.
pub const REVISION_ANNOTATION: &str = "deployment.kubernetes.io/revision";

/// The revision before the newest one.
pub fn previous<'a>(observed: &'a Observed, workload: &Object) -> Option<Revision<'a>> {
    revisions(observed, workload).into_iter().nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyser::testing::scene;

    #[test]
    fn replica_sets_are_ordered_by_number_not_name() {
        let replica_set = |name: &str, revision: &str| {
            serde_json::json!({
                "kind": "ReplicaSet",
                "metadata": {
                    "name": name, "namespace": "shop", "uid": name, "annotations": {REVISION_ANNOTATION: revision},
                    "ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "d", "controller": true}]
                },
                "spec": {"template": {}}
            })
        };
        let observed = scene("Deployment shop/web")
            .yaml("{kind: Deployment, metadata: {name: web, namespace: shop, uid: d}}")
            .object(replica_set("a", "9"))
            .object(replica_set("b", "10"))
            .object(replica_set("c", "not a number"))
            .build();
        let workload = observed.subject().unwrap();
        let numbers: Vec<i64> = revisions(&observed, workload).iter().map(|revision| revision.number).collect();
        assert_eq!(numbers, [10, 9]);
        assert_eq!(previous(&observed, workload).unwrap().object.name(), "a");
    }
}
