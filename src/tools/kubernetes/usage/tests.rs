use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::tools::kubernetes::testing::{small, told};

fn series(labels: &[(&str, &str)], points: &[(f64, f64)]) -> MetricSeries {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    MetricSeries { name: WORKING_SET.to_owned(), labels, points: points.to_vec() }
}

#[test]
fn a_pod_uses_the_newest_of_each_of_its_containers() {
    let pod = |container: &'static str| [("namespace", "shop"), ("pod", "web"), ("container", container)];
    let found = newest_by_pod(
        &[
            series(&pod("web"), &[(900.0, 1.0), (1_000.0, 1024.0)]),
            series(&pod("web"), &[(990.0, 5.0)]),
            series(&pod("proxy"), &[(1_000.0, 1024.0)]),
            series(&pod("POD"), &[(1_000.0, 7.0)]),
            series(&pod(""), &[(1_000.0, 2048.0)]),
            series(&[("namespace", "shop"), ("pod", "gone"), ("container", "x")], &[(10.0, 9.0)]),
            series(&[("container", "x")], &[(1_000.0, 9.0)]),
            series(&pod("empty"), &[]),
        ],
        1_000.0,
    );
    assert_eq!(found, BTreeMap::from([(("shop".to_owned(), "web".to_owned()), Quantity::whole(2048))]));
}

const MEASURED: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  initContainers:
  - {name: seed, resources: {requests: {memory: 4Gi}}}
  - {name: proxy, restartPolicy: Always, resources: {requests: {memory: 64Mi}, limits: {memory: 64Mi}}}
  containers: [{name: web, resources: {limits: {memory: 1Gi}}}]
status: {phase: Running}
---
apiVersion: v1
kind: Pod
metadata: {name: big, namespace: other}
spec: {containers: [{name: a, resources: {requests: {memory: 2G}}}, {name: b}]}
status: {phase: Pending}
---
apiVersion: v1
kind: Pod
metadata: {name: done, namespace: shop}
spec: {containers: [{name: a, resources: {requests: {memory: 8Gi}}}]}
status: {phase: Succeeded}
---
apiVersion: metrics.k8s.io/v1beta1
kind: PodMetrics
metadata: {name: web, namespace: shop}
containers:
- {name: web, usage: {cpu: 38000000n, memory: 220160Ki}}
- {name: proxy, usage: {cpu: 2m, memory: 1Mi}}
---
apiVersion: metrics.k8s.io/v1beta1
kind: NodeMetrics
metadata: {name: n1}
usage: {cpu: 1500m, memory: 3Gi}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {allocatable: {cpu: "2", memory: 4Gi}}
"#;

const SERIES: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"container_memory_working_set_bytes","namespace":"other","pod":"big","container":"a"},"values":[[1777888740,"1048576"]]}]}}"#;

#[tokio::test]
async fn requests_and_usage_are_summed_and_sorted() {
    let measured = small(MEASURED, &[("metrics/memory.json", SERIES)]);
    let calls = [
        ("kubectl_memory_requests_all_namespaces", json!({})),
        ("kubectl_memory_requests_namespace", json!({"namespace": "shop"})),
        ("kubectl_memory_requests_namespace", json!({"namespace": "shp"})),
        ("kubectl_top_pods", json!({})),
        ("kubectl_top_pods", json!({"namespace": "shop"})),
        ("kubectl_top_nodes", json!({})),
    ];
    let mut shown = String::new();
    for (name, arguments) in calls {
        shown += &format!("{name} {arguments}\n{}\n\n", told(&measured.cluster, name, arguments.clone()).await);
    }
    assert_snapshot!(shown);
}

#[tokio::test]
async fn without_metrics_nothing_is_invented() {
    let bare = small("apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n", &[]);
    for name in ["kubectl_top_pods", "kubectl_top_nodes"] {
        let text = told(&bare.cluster, name, json!({})).await;
        assert!(text.starts_with("no_data\nno usage is known: the metrics API"), "{text}");
    }
}
