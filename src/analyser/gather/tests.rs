use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::*;
use crate::analyser::testing::{NOW, incident, reference, scene};
use crate::cluster::{ApiKind, ContainerLog, LogLine, LogQuery, MetricSeries, ObjectList};

/// A cluster made of a scene's objects; Secrets are forbidden, and logs say what they are told.
#[derive(Debug)]
struct Stub {
    objects: Vec<Arc<Object>>,
    logs: BTreeMap<&'static str, Vec<&'static str>>,
}

fn stub(yaml: &str) -> Stub {
    let observed = scene("Pod x/x").yaml(yaml).build();
    Stub { objects: observed.objects().cloned().map(Arc::new).collect(), logs: BTreeMap::new() }
}

#[async_trait]
impl Cluster for Stub {
    async fn resolve_kind(&self, name: &str, _: Option<&str>) -> Result<ApiKind, ClusterError> {
        let kind = if name.eq_ignore_ascii_case("deploy") { "Deployment" } else { name };
        let namespaced = !["Node", "Namespace"].contains(&kind);
        Ok(ApiKind { api_version: "v1".into(), kind: kind.into(), plural: String::new(), namespaced })
    }

    async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        let found = self.objects.iter().find(|object| object.reference().same_object(reference));
        found.cloned().ok_or_else(|| ClusterError::NotFound(reference.to_string()))
    }

    async fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError> {
        if query.kind == "Secret" {
            return Err(ClusterError::Forbidden("list secrets".into()));
        }
        let wanted = |object: &&Arc<Object>| {
            object.kind() == query.kind
                && (query.namespace.is_none() || object.namespace() == query.namespace.as_deref())
        };
        Ok(ObjectList { items: self.objects.iter().filter(wanted).cloned().collect(), truncated: false })
    }

    async fn events(&self, _: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError> {
        Ok(Vec::new())
    }

    async fn logs(&self, query: &LogQuery) -> Result<ContainerLog, ClusterError> {
        let lines = self.logs.get(query.pod.as_str()).cloned().unwrap_or_default();
        let line = |(number, text): (u64, &str)| LogLine { number, time: None, text: text.to_owned() };
        let lines = (1..).zip(lines).map(line).collect();
        Ok(ContainerLog { container: "c".into(), lines, truncated: false })
    }

    async fn namespaces(&self) -> Result<Vec<String>, ClusterError> {
        Ok(["shop", "data", "kube-system"].map(str::to_owned).to_vec())
    }

    async fn metrics(&self, _: &MetricQuery) -> Result<Vec<MetricSeries>, ClusterError> {
        Ok(Vec::new())
    }

    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }

    fn description(&self) -> String {
        "stub".to_owned()
    }
}

async fn gathered(cluster: &Stub, signal: &str) -> Observed {
    gather(cluster, &incident(reference(signal)), &GatherLimits::default()).await
}

const SHOP: &str = "
kind: Deployment
metadata: {name: web, namespace: shop, uid: d}
---
kind: ReplicaSet
metadata: {name: web-6f, namespace: shop, uid: r, ownerReferences: [{kind: Deployment, name: web, uid: d, controller: true}]}
---
kind: Pod
metadata: {name: web-6f-new, namespace: shop, ownerReferences: [{kind: ReplicaSet, name: web-6f, uid: r, controller: true}]}
spec: {nodeName: n1, containers: [{name: c}]}
status: {phase: Running, conditions: [{type: Ready, status: 'False'}], containerStatuses: [{name: c, state: {running: {}}}]}
---
kind: Node
metadata: {name: n1}
---
kind: Service
metadata: {name: db, namespace: data}
spec: {selector: {app: db}}
---
kind: Pod
metadata: {name: db-0, namespace: data, labels: {app: db}}
spec: {containers: [{name: c}]}
status: {phase: Running, containerStatuses: [{name: c, restartCount: 2, state: {running: {}}}]}
";

#[tokio::test]
async fn what_logs_name_is_followed_into_other_namespaces() {
    let mut cluster = stub(SHOP);
    cluster.logs.insert("web-6f-new", vec!["dial tcp: db.data.svc.cluster.local:5432: connection refused"]);
    cluster.logs.insert("db-0", vec!["out of disk"]);
    let observed = gathered(&cluster, "deploy shop/web").await;
    assert_eq!(observed.signal().kind, "Deployment");
    assert!(observed.get("Pod", Some("data"), "db-0").is_some());
    let logs: Vec<(&str, bool)> = observed.logs().map(|log| (log.pod.name.as_str(), log.previous)).collect();
    assert_eq!(logs, [("web-6f-new", false), ("db-0", false), ("db-0", true)]);
    assert_eq!(
        observed.unavailable(),
        ["Secrets in shop: not allowed to read", "Secrets in data: not allowed to read"]
    );
    assert!(!observed.is_complete("Secret", Some("shop")) && observed.is_complete("ConfigMap", Some("shop")));
}

#[tokio::test]
async fn a_pod_that_is_gone_is_represented_by_its_workload() {
    let observed = gathered(&stub(SHOP), "Pod shop/web-6f-old").await;
    assert_eq!(*observed.signal(), reference("Deployment shop/web"));
    assert_eq!(observed.incident.resource, reference("Pod shop/web-6f-old"));
    assert!(gathered(&stub(SHOP), "Pod shop/unknown-1").await.subject().is_none());
}

#[tokio::test]
async fn a_node_brings_the_namespaces_of_its_pods() {
    let observed = gathered(&stub(SHOP), "Node n1").await;
    assert!(observed.get("Deployment", Some("shop"), "web").is_some());
    assert!(observed.get("Service", Some("data"), "db").is_none());
}

#[test]
fn labels_name_the_resource_when_the_incident_does_not() {
    let mut nameless = incident(ResourceRef::namespaced("", "shop", ""));
    nameless.signal_labels.insert("deployment".to_owned(), "web".to_owned());
    let found = signal::candidates(&nameless);
    assert_eq!(found, [reference("Deployment shop/web"), reference("Namespace shop")]);
}
