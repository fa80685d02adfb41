//! What became of a workload's revisions: when the current one came, what it changed, and whether an older one still
//! serves.

use jiff::Timestamp;
use serde_json::Value;

use super::Observed;
use super::draft::compact;
use super::pods::{Health, health};
use super::revisions;
use crate::domain::object::{at, text};
use crate::domain::{Evidence, Object};

/// One revision with its pods.
#[derive(Debug, Clone)]
pub struct Revision<'a> {
    /// ReplicaSet or ControllerRevision.
    pub object: &'a Object,
    pub number: i64,
    /// When its pods began to be made, as far as known.
    pub started_at: Option<Timestamp>,
    pub template: &'a Value,
    pub pods: Vec<&'a Object>,
}

/// Revisions of one workload, newest first.
#[derive(Debug, Clone)]
pub struct History<'a> {
    pub workload: &'a Object,
    revisions: Vec<Revision<'a>>,
}

/// A member of the pod template that differs from the revision before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Path below the template: `spec.containers[name=web].image`.
    pub path: String,
    /// Compact text; `absent` when there was nothing.
    pub before: String,
    pub after: String,
}

/// Most differences listed between two revisions.
pub const CHANGES_MAX: usize = 24;

impl<'a> History<'a> {
    /// Empty for a kind without revisions.
    pub fn of(observed: &'a Observed, workload: &'a Object) -> Self {
        let revisions = revisions::revisions(observed, workload);
        let revisions = revisions.iter().map(|recorded| Revision::read(observed, workload, recorded)).collect();
        Self { workload, revisions }
    }

    /// The history of the workload at the top of an object's owner chain.
    pub fn above(observed: &'a Observed, object: &'a Object) -> Option<Self> {
        let top = observed.owner_chain(object).last().copied()?;
        let history = Self::of(observed, top);
        (!history.revisions.is_empty()).then_some(history)
    }

    pub fn revisions(&self) -> &[Revision<'a>] {
        &self.revisions
    }

    pub fn current(&self) -> Option<&Revision<'a>> {
        self.revisions.first()
    }

    /// The revision a plain rollback returns to.
    pub fn previous(&self) -> Option<&Revision<'a>> {
        self.revisions.get(1)
    }

    /// True when the pod was made from the newest revision.
    pub fn is_of_current(&self, pod: &Object) -> bool {
        self.current().is_some_and(|revision| revision.pods.iter().any(|own| own.name() == pod.name()))
    }

    /// Ready pods that an older revision still runs.
    pub fn older_ready(&self, observed: &Observed) -> Vec<&'a Object> {
        let older = self.revisions.iter().skip(1).flat_map(|revision| revision.pods.iter().copied());
        older.filter(|pod| matches!(health(observed, pod), Health::Stable | Health::Shaky)).collect()
    }

    /// What the newest revision changed against the one before, at most [`CHANGES_MAX`].
    pub fn changes(&self) -> Vec<Change> {
        let mut found = Vec::new();
        if let (Some(now), Some(before)) = (self.current(), self.previous()) {
            difference("", Some(before.template), Some(now.template), &mut found);
        }
        found.retain(|change| !IGNORED.iter().any(|ignored| change.path.contains(ignored)));
        found.truncate(CHANGES_MAX);
        found
    }

    /// Evidence of a change, pointing at the newest revision.
    pub fn change_evidence(&self, change: &Change, claim: impl Into<String>) -> Option<Evidence> {
        let revision = self.current()?;
        let prefix = if revision.object.kind() == "ReplicaSet" { "spec.template" } else { "data.spec.template" };
        let value = format!("{} (revision {} had {})", change.after, self.previous()?.number, change.before);
        Some(Evidence::field(claim, revision.object.reference(), format!("{prefix}.{}", change.path), value))
    }
}

/// Members of a template that controllers and `kubectl rollout restart` write.
const IGNORED: &[&str] = &["pod-template-hash", "controller-revision-hash", "restartedAt", "creationTimestamp"];

impl<'a> Revision<'a> {
    fn read(observed: &'a Observed, workload: &'a Object, recorded: &revisions::Revision<'a>) -> Self {
        const HASH: &str = "controller-revision-hash";
        let object = recorded.object;
        let hashes = [Some(object.name()), object.label(HASH)];
        let made_from = |pod: &&Object| pod.label(HASH).is_some_and(|hash| hashes.contains(&Some(hash)));
        let pods = match object.kind() {
            "ReplicaSet" => observed.pods_of(object),
            _ => observed.pods_of(workload).into_iter().filter(made_from).collect(),
        };
        // A set that served before and was rolled back to keeps its old creation time: its pods are newer.
        let reused = object.annotation("deployment.kubernetes.io/revision-history").is_some();
        let oldest_pod = pods.iter().filter_map(|pod| pod.created_at()).min();
        let started_at = oldest_pod.filter(|_| reused).or_else(|| object.created_at());
        Self { object, number: recorded.number, started_at, template: recorded.template, pods }
    }
}

fn difference(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    if before == after || found.len() >= CHANGES_MAX * 2 {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                difference(&path, old.get(key), new.get(key), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if all_named(old) && all_named(new) => {
            let mut names: Vec<&str> = old.iter().chain(new).map(|element| text(element, "name")).collect();
            names.sort_unstable();
            names.dedup();
            let named = |list: &'_ [Value], name: &str| list.iter().find(|e| text(e, "name") == name).cloned();
            for name in names {
                difference(
                    &format!("{path}[name={name}]"),
                    named(old, name).as_ref(),
                    named(new, name).as_ref(),
                    found,
                );
            }
        }
        _ => {
            let shown = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), compact);
            found.push(Change { path: path.to_owned(), before: shown(before), after: shown(after) });
        }
    }
}

fn all_named(list: &[Value]) -> bool {
    list.iter().all(|element| at(element, "name").is_some_and(Value::is_string))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyser::testing::scene;

    const SETS: &str = "
kind: Deployment
metadata: {name: web, namespace: shop, uid: d1}
---
kind: ReplicaSet
metadata: {name: web-1, namespace: shop, uid: r1, creationTimestamp: 2026-05-01T00:00:00Z, annotations: {deployment.kubernetes.io/revision: '1'}, ownerReferences: [{kind: Deployment, name: web, uid: d1, controller: true}]}
spec: {template: {metadata: {labels: {pod-template-hash: a}}, spec: {containers: [{name: web, image: 'web:1', env: [{name: A, value: x}]}]}}}
---
kind: ReplicaSet
metadata: {name: web-2, namespace: shop, uid: r2, creationTimestamp: 2026-05-04T09:50:00Z, annotations: {deployment.kubernetes.io/revision: '2'}, ownerReferences: [{kind: Deployment, name: web, uid: d1, controller: true}]}
spec: {template: {metadata: {labels: {pod-template-hash: b}}, spec: {containers: [{name: web, image: 'web:2', env: [{name: A, value: x}, {name: B, value: z}]}]}}}
---
kind: Pod
metadata: {name: web-1-a, namespace: shop, ownerReferences: [{kind: ReplicaSet, name: web-1, uid: r1, controller: true}]}
spec: {containers: [{name: web}]}
status: {phase: Running, conditions: [{type: Ready, status: 'True'}], containerStatuses: [{name: web, ready: true, state: {running: {startedAt: 2026-05-01T00:00:00Z}}}]}
---
kind: Pod
metadata: {name: web-2-a, namespace: shop, ownerReferences: [{kind: ReplicaSet, name: web-2, uid: r2, controller: true}]}
spec: {containers: [{name: web}]}
status: {phase: Pending}
";

    #[test]
    fn revisions_changes_and_older_ready_pods() {
        let observed = scene("Pod shop/web-2-a").yaml(SETS).build();
        let history = History::above(&observed, observed.subject().unwrap()).unwrap();
        let numbers: Vec<i64> = history.revisions().iter().map(|revision| revision.number).collect();
        assert_eq!(numbers, [2, 1]);
        assert!(history.is_of_current(observed.subject().unwrap()));
        let older: Vec<&str> = history.older_ready(&observed).iter().map(|pod| pod.name()).collect();
        assert_eq!(older, ["web-1-a"]);
        let changes: Vec<String> =
            history.changes().iter().map(|c| format!("{}: {} -> {}", c.path, c.before, c.after)).collect();
        assert_eq!(
            changes,
            [
                "spec.containers[name=web].env[name=B]: absent -> {\"name\":\"B\",\"value\":\"z\"}",
                "spec.containers[name=web].image: web:1 -> web:2",
            ]
        );
        let evidence = history.change_evidence(&history.changes()[1], "new image").unwrap();
        assert_eq!(
            evidence.source.to_string(),
            "ReplicaSet shop/web-2: spec.template.spec.containers[name=web].image = web:2 (revision 1 had web:1)"
        );
    }

    #[test]
    fn controller_revisions_count_too() {
        let observed = scene("StatefulSet shop/db")
            .yaml(
                "
kind: StatefulSet
metadata: {name: db, namespace: shop, uid: s1}
---
kind: ControllerRevision
metadata: {name: db-5f, namespace: shop, uid: c1, ownerReferences: [{kind: StatefulSet, name: db, uid: s1, controller: true}]}
revision: 3
data: {spec: {template: {spec: {containers: [{name: db, image: 'db:3'}]}}}}
---
kind: Pod
metadata: {name: db-0, namespace: shop, labels: {controller-revision-hash: db-5f}, ownerReferences: [{kind: StatefulSet, name: db, uid: s1, controller: true}]}
",
            )
            .build();
        let history = History::above(&observed, observed.subject().unwrap()).unwrap();
        assert_eq!(history.current().map(|revision| (revision.number, revision.pods.len())), Some((3, 1)));
        assert!(history.changes().is_empty());
    }
}
