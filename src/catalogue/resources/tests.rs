use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::cluster::{ApiKind, ContainerLog, LogQuery, MetricQuery, MetricSeries, ObjectList};
use crate::domain::{Object, ResourceRef};

const ID: &str = "7d1f6a52-9c0e-5b7a-8b54-0d7f4a1c9e11";

/// A cluster with these objects, or a reason not to list them.
#[derive(Debug, Default)]
struct Shelf {
    objects: std::sync::Mutex<Vec<Value>>,
    refusal: std::sync::Mutex<Option<ClusterError>>,
    lists: AtomicUsize,
}

impl Shelf {
    fn holding(objects: Vec<Value>) -> Arc<Self> {
        Arc::new(Self { objects: objects.into(), ..Self::default() })
    }

    fn refuse(&self, refusal: Option<ClusterError>) {
        *self.refusal.lock().unwrap() = refusal;
    }

    fn lists(&self) -> usize {
        self.lists.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Cluster for Shelf {
    async fn resolve_kind(&self, name: &str, _: Option<&str>) -> Result<ApiKind, ClusterError> {
        Err(ClusterError::UnknownKind { name: name.to_owned(), known: Vec::new() })
    }
    async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        Err(ClusterError::NotFound(reference.to_string()))
    }
    async fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        assert_eq!(query.api_version.as_deref(), Some("kubernaut.ai/v1alpha1"));
        if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        let objects = self.objects.lock().unwrap().clone().into_iter();
        let objects = objects.filter(|object| object["kind"] == query.kind).filter_map(Object::new);
        let objects =
            objects.filter(|object| query.namespace.is_none() || object.namespace() == query.namespace.as_deref());
        Ok(ObjectList { items: objects.map(Arc::new).collect(), truncated: false })
    }
    async fn events(&self, _: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError> {
        Ok(Vec::new())
    }
    async fn logs(&self, _: &LogQuery) -> Result<ContainerLog, ClusterError> {
        Ok(ContainerLog::default())
    }
    async fn namespaces(&self) -> Result<Vec<String>, ClusterError> {
        Ok(Vec::new())
    }
    async fn metrics(&self, _: &MetricQuery) -> Result<Vec<MetricSeries>, ClusterError> {
        Ok(Vec::new())
    }
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
    fn description(&self) -> String {
        "cluster".to_owned()
    }
}

fn workflow(name: &str, status: Value) -> Value {
    json!({
        "apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationWorkflow",
        "metadata": {"name": name, "namespace": "kubernaut-system", "uid": "u"}, "status": status,
        "spec": {"version": "1.0.0", "actionType": "RestartWorkload",
                 "description": {"what": "Restarts.", "whenToUse": "It hangs."},
                 "labels": {"severity": ["critical"], "environment": ["*"], "component": ["*"], "priority": "*"},
                 "execution": {"engine": "job", "bundle": "r.example/a@sha256:00", "serviceAccountName": "runner"},
                 "parameters": [{"name": "N", "type": "string", "required": true, "description": "d"}]},
    })
}

fn action_type() -> Value {
    json!({
        "apiVersion": "kubernaut.ai/v1alpha1", "kind": "ActionType", "metadata": {"name": "restart-workload", "namespace": "kubernaut-system"},
        "spec": {"name": "RestartWorkload", "description": {"what": "Restart all pods", "whenToUse": "Hangs"}},
    })
}

const TIMES: ResourceTimes = ResourceTimes {
    refresh: Duration::from_mins(1),
    stale_max: Duration::from_mins(10),
    failure_pause: Duration::ZERO,
};

fn catalogue(shelf: &Arc<Shelf>, times: ResourceTimes) -> ResourceCatalogue {
    ResourceCatalogue::new(shelf.clone(), None, times)
}

#[tokio::test]
async fn objects_are_workflows_under_the_id_of_their_status() {
    let shelf = Shelf::holding(vec![workflow("restart", json!({"workflowId": ID})), action_type()]);
    let catalogue = catalogue(&shelf, TIMES);
    let context = MatchContext { severity: "critical".to_owned(), ..MatchContext::default() };
    let actions = catalogue.action_types(&context).await.unwrap();
    assert_eq!((actions[0].description.what.as_str(), actions[0].workflows), ("Restart all pods", 1));
    let listed = catalogue.listed("RestartWorkload", &context).await.unwrap();
    assert_eq!((listed[0].id.as_str(), listed[0].parameters.as_ref().unwrap().len()), (ID, 1));
    for id_or_name in [ID, "restart"] {
        let found = catalogue.workflow(id_or_name, &context).await.unwrap();
        assert_eq!(found.workflow.execution.service_account.as_deref(), Some("runner"));
        assert!(found.misfits.is_empty());
    }
    let other = MatchContext { severity: "low".to_owned(), ..context };
    assert_eq!(catalogue.workflow(ID, &other).await.unwrap().misfits, ["severity: for critical, not low"]);
    assert_eq!(shelf.lists(), 2, "one reading of both kinds answers everything");
    assert!(catalogue.age().unwrap() < Duration::from_secs(30));
}

#[tokio::test]
async fn what_is_broken_unregistered_or_disabled_costs_only_itself_and_is_told() {
    let mut broken = workflow("broken", json!({"workflowId": ID}));
    broken["spec"]["actionType"] = json!("restart");
    let mut shapeless = workflow("shapeless", json!({"workflowId": ID}));
    shapeless["spec"] = json!("text");
    let shelf = Shelf::holding(vec![
        broken,
        shapeless,
        workflow("fresh", json!({})),
        workflow("off", json!({"workflowId": ID, "catalogStatus": "Disabled"})),
        workflow("fine", json!({"workflowId": ID, "catalogStatus": "Active"})),
        action_type(),
    ]);
    let catalogue = catalogue(&shelf, TIMES);
    let listed = catalogue.listed("RestartWorkload", &MatchContext::default()).await.unwrap();
    assert_eq!(listed.iter().map(|workflow| workflow.name.as_str()).collect::<Vec<_>>(), ["fine"]);
    let told: Vec<String> = catalogue.problems().iter().map(ToString::to_string).collect();
    for part in [
        "RemediationWorkflow kubernaut-system/broken: action type \"restart\" is not in PascalCase",
        "kubernaut-system/shapeless: ",
        "kubernaut-system/fresh: status.workflowId is no UUID",
        "kubernaut-system/off: its status is Disabled (left out)",
    ] {
        assert!(told.iter().any(|problem| problem.contains(part)), "{part} in {told:?}");
    }
}

#[tokio::test]
async fn a_copy_is_read_again_when_due_and_serves_while_the_cluster_is_away() {
    let shelf = Shelf::holding(vec![workflow("restart", json!({"workflowId": ID})), action_type()]);
    let everything = MatchContext::default();
    let away = ClusterError::Unavailable("connect 10.0.0.9: refused".into());
    let eager = catalogue(&shelf, ResourceTimes { refresh: Duration::ZERO, ..TIMES });
    assert_eq!(eager.listed("RestartWorkload", &everything).await.unwrap().len(), 1);
    shelf.objects.lock().unwrap().push(workflow("second", json!({"workflowId": ID.replace('7', "8")})));
    assert_eq!(eager.listed("RestartWorkload", &everything).await.unwrap().len(), 2);
    shelf.refuse(Some(away.clone()));
    assert_eq!(eager.listed("RestartWorkload", &everything).await.unwrap().len(), 2, "the last copy");
    let (lists, pausing) = (shelf.lists(), ResourceTimes { failure_pause: Duration::from_mins(1), ..TIMES });
    let never_read = catalogue(&shelf, pausing);
    for _ in 0..2 {
        let error = never_read.action_types(&everything).await.unwrap_err().to_string();
        assert_eq!(error, "catalogue unavailable: workflow objects of the cluster cannot be listed");
    }
    assert_eq!(shelf.lists(), lists + 1, "a failure is not repeated at once");
    let strict = catalogue(&shelf, ResourceTimes { refresh: Duration::ZERO, stale_max: Duration::ZERO, ..TIMES });
    shelf.refuse(None);
    strict.refresh().await;
    assert!(strict.age().is_some());
    shelf.refuse(Some(away));
    assert!(matches!(strict.workflow(ID, &everything).await, Err(CatalogueError::Unavailable(_))), "too old to serve");
}

#[tokio::test]
async fn why_nothing_can_be_listed_is_told() {
    let shelf = Shelf::holding(Vec::new());
    for (refusal, part) in [
        (ClusterError::UnknownKind { name: "x".into(), known: Vec::new() }, "does not know the kind"),
        (ClusterError::Forbidden("list remediationworkflows".into()), "not allowed to list remediationworkflows"),
    ] {
        shelf.refuse(Some(refusal));
        let error = catalogue(&shelf, TIMES).action_types(&MatchContext::default()).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn many_questions_at_once_read_once() {
    let shelf = Shelf::holding(vec![workflow("restart", json!({"workflowId": ID}))]);
    let catalogue = catalogue(&shelf, TIMES);
    let context = MatchContext::default();
    let asked = (0..20).map(|_| catalogue.action_types(&context));
    assert!(futures_util::future::join_all(asked).await.iter().all(Result::is_ok));
    assert_eq!(shelf.lists(), 2);
}
