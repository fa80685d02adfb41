use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::cluster::LIST_OBJECTS_MAX;

/// Counts what it is asked, and fails the first times.
#[derive(Debug, Default)]
struct Counted {
    lists: AtomicUsize,
    failures: usize,
}

#[async_trait]
impl Cluster for Counted {
    async fn list(&self, _: &ListQuery) -> Result<ObjectList, ClusterError> {
        let number = self.lists.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        if number < self.failures {
            return Err(ClusterError::Unavailable("by script".to_owned()));
        }
        let object =
            serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("answer-{number}")}});
        Ok(ObjectList { items: vec![Arc::new(Object::new(object).unwrap())], truncated: false })
    }

    async fn resolve_kind(&self, name: &str, _: Option<&str>) -> Result<ApiKind, ClusterError> {
        Err(ClusterError::NotFound(name.to_owned()))
    }

    async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        if reference.kind != "Pod" {
            return Err(ClusterError::NotFound(reference.to_string()));
        }
        let object = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": reference.name}});
        Ok(Arc::new(Object::new(object).unwrap()))
    }

    async fn events(&self, _: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError> {
        Ok(Vec::new())
    }

    async fn logs(&self, query: &LogQuery) -> Result<ContainerLog, ClusterError> {
        Err(ClusterError::NotFound(query.pod.clone()))
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
        "counted".to_owned()
    }
}

fn shared(failures: usize, window_ms: u64) -> (Arc<Counted>, Arc<dyn Cluster>) {
    let counted = Arc::new(Counted { failures, ..Counted::default() });
    let window = Duration::from_millis(window_ms);
    (Arc::clone(&counted), SharedCluster::around(Arc::clone(&counted) as Arc<dyn Cluster>, window))
}

fn pods() -> ListQuery {
    ListQuery::kind("Pod").in_namespace(Some("shop"))
}

#[tokio::test]
async fn who_asks_the_same_at_the_same_time_gets_the_same_answer() {
    let (counted, cluster) = shared(0, 60_000);
    let (pods, other) = (pods(), ListQuery { limit: Some(LIST_OBJECTS_MAX), ..pods() });
    let (first, second, third) = tokio::join!(cluster.list(&pods), cluster.list(&pods), cluster.list(&other));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert!(Arc::ptr_eq(&first.items[0], &second.items[0]));
    assert!(!Arc::ptr_eq(&first.items[0], &third.unwrap().items[0]), "another limit is another question");
    cluster.list(&pods).await.unwrap();
    assert_eq!(counted.lists.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_answer_is_given_out_for_a_moment_only() {
    let (counted, cluster) = shared(0, 60);
    cluster.list(&pods()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(80)).await;
    let later = cluster.list(&pods()).await.unwrap();
    assert_eq!(later.items[0].name(), "answer-1");
    assert_eq!(counted.lists.load(Ordering::SeqCst), 2);
    let (counted, cluster) = shared(0, 0);
    cluster.list(&pods()).await.unwrap();
    cluster.list(&pods()).await.unwrap();
    assert_eq!(counted.lists.load(Ordering::SeqCst), 2, "nothing is shared");
}

#[tokio::test]
async fn failures_are_not_kept_and_nobody_waits_for_who_gave_up() {
    let (counted, cluster) = shared(1, 60_000);
    let pods = pods();
    let (first, second) = tokio::join!(cluster.list(&pods), cluster.list(&pods));
    assert!(first.is_err() && second.is_ok(), "the second one asks itself: {first:?}");
    assert_eq!(counted.lists.load(Ordering::SeqCst), 2);

    let (counted, cluster) = shared(0, 60_000);
    let gave_up = tokio::time::timeout(Duration::from_millis(5), cluster.list(&pods)).await;
    assert!(gave_up.is_err());
    assert_eq!(cluster.list(&pods).await.unwrap().items[0].name(), "answer-1");
    assert_eq!(counted.lists.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_too_old_is_let_go_and_the_number_of_lists_is_bounded() {
    let lists: Answers<ListQuery, ObjectList> = Answers::within(Duration::from_secs(10));
    let now = Instant::now();
    let query = |number: usize| ListQuery::kind(format!("Kind{number}"));
    assert!((0..ANSWERS_MAX).all(|number| lists.place(&query(number), now).is_some()));
    assert!(lists.place(&query(ANSWERS_MAX), now).is_none());
    let later = now + Duration::from_secs(11);
    assert!(lists.place(&query(ANSWERS_MAX), later).is_some(), "old ones make room");
    assert_eq!(lists.kept.lock().unwrap().len(), 1);
    lists.sweep(later + Duration::from_secs(11));
    assert!(lists.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn objects_are_shared_and_missing_ones_are_asked_for_again() {
    let (counted, cluster) = shared(0, 60_000);
    let pod = ResourceRef::namespaced("Pod", "shop", "web-0");
    let (first, second) = (cluster.get(&pod).await.unwrap(), cluster.get(&pod).await.unwrap());
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(counted.lists.load(Ordering::SeqCst), 1);
    let gone = ResourceRef::namespaced("Deployment", "shop", "web");
    assert!(cluster.get(&gone).await.is_err() && cluster.get(&gone).await.is_err());
    assert_eq!(counted.lists.load(Ordering::SeqCst), 3);
}
