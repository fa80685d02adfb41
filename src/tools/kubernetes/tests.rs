use std::sync::Arc;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::testing::{Forbidding, Small, ask, example, small, told};
use super::tools;
use crate::cluster::Cluster;
use crate::tools::ToolSet;

/// Name, parameters, required ones (investigation §4.3, §4.3.1).
const TABLE: &[(&str, &str, &str)] = &[
    ("kubectl_describe", "kind name namespace api_version api_group", "kind name"),
    ("kubectl_get_by_name", "kind name namespace api_version api_group", "kind name"),
    ("kubectl_get_by_name_in_cluster", "kind name api_version api_group", "kind name"),
    ("kubectl_get_by_kind_in_namespace", "kind namespace api_version api_group", "kind namespace"),
    ("kubectl_get_by_kind_in_cluster", "kind api_version api_group", "kind"),
    ("kubectl_find_resource", "kind keyword api_version api_group", "kind keyword"),
    ("kubectl_get_yaml", "kind name namespace api_version api_group", "kind name"),
    ("kubectl_events", "kind name namespace resource_type resource_name api_version", ""),
    ("kubectl_memory_requests_all_namespaces", "", ""),
    ("kubectl_memory_requests_namespace", "namespace", "namespace"),
    ("kubernetes_jq_query", "kind jq_expr api_version api_group", "kind jq_expr"),
    ("kubernetes_count", "kind jq_expr api_version api_group", "kind jq_expr"),
    ("kubectl_top_pods", "namespace", ""),
    ("kubectl_top_nodes", "", ""),
    ("fetch_pod_logs", "pod_name namespace start_time end_time filter exclude_filter limit", "pod_name namespace"),
    (
        "kubectl_logs",
        "pod_name name namespace container container_name previous all_containers pattern search_term tailLines limitBytes",
        "namespace",
    ),
];

fn forbidding() -> Arc<dyn Cluster> {
    Arc::new(Forbidding)
}

fn words(value: &Value) -> String {
    let words: Vec<&str> = match value {
        Value::Object(members) => members.keys().map(String::as_str).collect(),
        other => other.as_array().unwrap().iter().filter_map(Value::as_str).collect(),
    };
    words.join(" ")
}

#[test]
fn names_and_parameters_are_those_of_the_specification() {
    let set = ToolSet::new(tools(forbidding()));
    let found: Vec<_> = set.definitions();
    let found: Vec<(String, String, String)> = found
        .iter()
        .map(|tool| (tool.name.clone(), words(&tool.parameters["properties"]), words(&tool.parameters["required"])))
        .collect();
    let expected: Vec<_> = TABLE
        .iter()
        .map(|(name, all, required)| ((*name).to_owned(), (*all).to_owned(), (*required).to_owned()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn definitions_are_cheap() {
    /// Characters of all definitions as they are sent; about four make a token.
    const CHARS_MAX: usize = 10_000;
    let set = ToolSet::new(tools(forbidding()));
    let sent = |tool: &crate::llm::ToolDefinition| {
        json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters}).to_string()
    };
    let chars: usize = set.definitions().iter().map(|tool| sent(tool).chars().count()).sum();
    assert!(chars < CHARS_MAX, "{chars} characters");
}

fn pod(name: &str) -> Value {
    json!({"kind": "pod", "name": name, "namespace": "checkout"})
}

const CRASHING: &str = "cart-api-5d7494d984-457gs";

#[tokio::test]
async fn a_failing_pod_is_described_with_what_tells_most_first() {
    let output = ask(&example("oom-cart-api"), "kubectl_describe", pod(CRASHING)).await;
    let crate::tools::Content::Json(described) = output.content else { panic!("not JSON") };
    assert_eq!(words(&described), "apiVersion kind container_states events metadata status spec");
    insta::assert_json_snapshot!([&described["container_states"], &described["events"]], @r#"
    [
      [
        {
          "name": "cart",
          "state": "waiting: CrashLoopBackOff (back-off 5m0s restarting failed container=cart pod=cart-api-5d7494d984-457gs_checkout(50591278-cd1b-4ac0-b29e-1e1f2d88f002))",
          "ready": false,
          "restarts": 9,
          "last_state": "terminated: OOMKilled, exit code 137, ended 2m30s ago after 71s",
          "image": "registry.northwind.example/checkout/cart-api:4.17.0",
          "requests": {
            "cpu": "100m",
            "memory": "192Mi"
          },
          "limits": {
            "memory": "256Mi"
          }
        }
      ],
      [
        {
          "type": "Warning",
          "reason": "BackOff",
          "count": 125,
          "last": "46s ago",
          "first": "40m ago",
          "from": "kubelet",
          "messages": [
            "Back-off restarting failed container cart in pod cart-api-5d7494d984-457gs_checkout(50591278-cd1b-4ac0-b29e-1e1f2d88f002)"
          ]
        },
        {
          "type": "Warning",
          "reason": "Unhealthy",
          "count": 15,
          "last": "3m38s ago",
          "first": "41m ago",
          "from": "kubelet",
          "messages": [
            "Readiness probe failed: Get \"http://10.244.1.133:8080/ready\": dial tcp 10.244.1.133:8080: connect: connection refused"
          ]
        },
        {
          "type": "Normal",
          "reason": "Created",
          "count": 9,
          "last": "3m41s ago",
          "first": "41m ago",
          "from": "kubelet",
          "messages": [
            "Created container cart"
          ]
        },
        {
          "type": "Normal",
          "reason": "Pulled",
          "count": 9,
          "last": "3m41s ago",
          "first": "41m ago",
          "from": "kubelet",
          "messages": [
            "Container image \"registry.northwind.example/checkout/cart-api:4.17.0\" already present on machine"
          ]
        },
        {
          "type": "Normal",
          "reason": "Started",
          "count": 9,
          "last": "3m41s ago",
          "first": "41m ago",
          "from": "kubelet",
          "messages": [
            "Started container cart"
          ]
        }
      ]
    ]
    "#);
}

#[tokio::test]
async fn one_object_without_noise() {
    let cluster = example("oom-cart-api");
    let deployment = json!({"kind": "deploy", "name": "cart-api", "namespace": "checkout"});
    assert_snapshot!(told(&cluster, "kubectl_get_by_name", deployment).await, @r#"
    success
    {"apiVersion":"apps/v1","kind":"Deployment","name":"cart-api","namespace":"checkout","age":"152d","summary":"ready=1/3 up-to-date=3 available=1 trouble=Available=False (MinimumReplicasUnavailable) images=registry.northwind.example/checkout/cart-api:4.17.0","labels":{"app.kubernetes.io/name":"cart-api","app.kubernetes.io/part-of":"checkout","team":"storefront"},"annotations":{"deployment.kubernetes.io/revision":"23"},"generation":23,"status":{"availableReplicas":1,"conditions":[{"lastTransitionTime":"2025-11-10T10:22:00Z","lastUpdateTime":"2026-04-03T08:42:01Z","message":"ReplicaSet \"cart-api-5d7494d984\" has successfully progressed.","reason":"NewReplicaSetAvailable","status":"True","type":"Progressing"},{"lastTransitionTime":"2026-04-12T08:35:35Z","lastUpdateTime":"2026-04-12T08:35:35Z","message":"Deployment does not have minimum availability.","reason":"MinimumReplicasUnavailable","status":"False","type":"Available"}],"readyReplicas":1,"replicas":3,"unavailableReplicas":2,"updatedReplicas":3},"spec":{"progressDeadlineSeconds":600,"replicas":3,"selector":{"matchLabels":{"app.kubernetes.io/name":"cart-api"}},"strategy":{"rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"type":"RollingUpdate"},"template":{"metadata":{"labels":{"app.kubernetes.io/name":"cart-api","app.kubernetes.io/part-of":"checkout","team":"storefront"}},"spec":{"containers":[{"env":[{"name":"NODE_ENV","value":"production"},{"name":"BASKET_CACHE_PRELOAD","value":"true"},{"name":"REDIS_URL","value":"redis://cart-redis:6379/0"},{"name":"PAYMENT_GATEWAY_URL","value":"http://payment-gateway.payments.svc.cluster.local"},{"name":"LOG_LEVEL","value":"info"}],"envFrom":[{"configMapRef":{"name":"cart-api"}}],"image":"registry.northwind.example/checkout/cart-api:4.17.0","imagePullPolicy":"IfNotPresent","livenessProbe":{"failureThreshold":3,"httpGet":{"path":"/healthz","port":"http"},"initialDelaySeconds":20,"periodSeconds":10,"timeoutSeconds":2},"name":"cart","ports":[{"containerPort":8080,"name":"http"}],"readinessProbe":{"failureThreshold":3,"httpGet":{"path":"/ready","port":"http"},"initialDelaySeconds":5,"periodSeconds":5,"timeoutSeconds":2},"resources":{"limits":{"memory":"256Mi"},"requests":{"cpu":"100m","memory":"192Mi"}}}],"restartPolicy":"Always","serviceAccountName":"cart-api"}}}}
    "#);
    let service = json!({"kind": "service", "name": "cart-api", "namespace": "checkout"});
    assert_snapshot!(told(&cluster, "kubectl_get_by_name", service).await, @r#"
    success
    {"apiVersion":"v1","kind":"Service","name":"cart-api","namespace":"checkout","age":"152d","summary":"type=ClusterIP cluster-ip=10.96.9.54 ports=http:80→http/TCP selector=app.kubernetes.io/name=cart-api","labels":{"app.kubernetes.io/name":"cart-api","app.kubernetes.io/part-of":"checkout","team":"storefront"},"spec":{"clusterIP":"10.96.9.54","ports":[{"name":"http","port":80,"targetPort":"http"}],"selector":{"app.kubernetes.io/name":"cart-api"},"type":"ClusterIP"}}
    "#);
}

#[tokio::test]
async fn tables_fit_their_kind() {
    let table = [
        ("oom-cart-api", json!({"kind": "pods", "namespace": "checkout"})),
        ("oom-cart-api", json!({"kind": "deployments", "namespace": "checkout"})),
        ("oom-cart-api", json!({"kind": "hpa", "namespace": "checkout"})),
        ("oom-cart-api", json!({"kind": "endpointslices", "namespace": "payments"})),
        ("oom-cart-api", json!({"kind": "secret", "namespace": "monitoring"})),
        ("oom-cart-api", json!({"kind": "quota", "namespace": "checkout"})),
        ("completed-job-pods", json!({"kind": "job", "namespace": "reports"})),
        ("completed-job-pods", json!({"kind": "cj", "namespace": "reports"})),
        ("quota-exceeded", json!({"kind": "rs", "namespace": "simulation"})),
        ("pvc-missing-storage-class", json!({"kind": "sc", "namespace": "default"})),
        ("networkpolicy-red-herring", json!({"kind": "netpol", "namespace": "reporting"})),
        ("networkpolicy-red-herring", json!({"kind": "ingress", "namespace": "reporting"})),
        ("node-not-ready", json!({"kind": "lease", "namespace": "shopp"})),
    ];
    let mut shown = String::new();
    for (bundle, arguments) in table {
        let answer = told(&example(bundle), "kubectl_get_by_kind_in_namespace", arguments.clone()).await;
        shown += &format!("{bundle} {arguments}\n{answer}\n\n");
    }
    assert_snapshot!(shown);
    assert_snapshot!(told(&example("node-not-ready"), "kubectl_get_by_kind_in_cluster", json!({"kind": "node"})).await);
    assert_snapshot!(told(&example("oom-cart-api"), "kubectl_get_by_kind_in_cluster", json!({"kind": "pvc"})).await);
}

#[tokio::test]
async fn events_are_aggregated_newest_first_and_of_one_kind() {
    let events = |about: &str, reason: &str, message: &str, last: &str, count: u32| {
        format!(
            "---\napiVersion: v1\nkind: Event\nmetadata: {{name: {reason}{last}{count}, namespace: shop}}\ntype: Warning\n\
             involvedObject: {{kind: {about}, name: web, namespace: shop}}\nreason: {reason}\nmessage: {message}\n\
             source: {{component: kubelet}}\ncount: {count}\nfirstTimestamp: 2026-05-04T09:00:00Z\n\
             lastTimestamp: 2026-05-04T09:{last}:00Z\n"
        )
    };
    let objects = [
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\n".to_owned(),
        events("Pod", "BackOff", "again", "30", 3),
        events("Pod", "BackOff", "again", "50", 4),
        events("Pod", "Unhealthy", "statuscode 503", "40", 1),
        events("Pod", "Unhealthy", "statuscode 500", "45", 2),
        events("Service", "Odd", "not about the pod", "59", 1),
    ];
    let shop = small(&objects.concat(), &[]);
    let classic = json!({"resource_type": "pod", "resource_name": "web", "namespace": "shop"});
    let classic = told(&shop.cluster, "kubectl_events", classic).await;
    let pod = json!({"kind": "po", "name": "web", "namespace": "shop"});
    assert_eq!(told(&shop.cluster, "kubectl_events", pod).await, classic);
    assert_snapshot!(classic, @r#"
    success
    LAST  TYPE  REASON  COUNT  SINCE  FROM  MESSAGE
    10m  Warning  BackOff  7  60m  kubelet  again
    15m  Warning  Unhealthy  2  60m  kubelet  statuscode 500
    20m  Warning  Unhealthy  1  60m  kubelet  statuscode 503
    3 rows from 4 events that happened 10 times, newest first
    "#);
    let described =
        told(&shop.cluster, "kubectl_describe", json!({"kind": "pod", "name": "web", "namespace": "shop"})).await;
    assert_snapshot!(described, @r#"
    success
    {"apiVersion":"v1","kind":"Pod","container_states":[],"events":[{"type":"Warning","reason":"BackOff","count":7,"last":"10m ago","first":"60m ago","from":"kubelet","messages":["again"]},{"type":"Warning","reason":"Unhealthy","count":3,"last":"15m ago","first":"60m ago","from":"kubelet","messages":["statuscode 500","statuscode 503"]}],"metadata":{"name":"web","namespace":"shop"}}
    "#);
    assert_snapshot!(told(&shop.cluster, "kubectl_get_by_kind_in_cluster", json!({"kind": "events"})).await, @r#"
    success
    NAMESPACE  LAST  TYPE  REASON  COUNT  SINCE  FROM  ABOUT  MESSAGE
    shop  60s  Warning  Odd  1  60m  kubelet  Service/web  not about the pod
    shop  10m  Warning  BackOff  7  60m  kubelet  Pod/web  again
    shop  15m  Warning  Unhealthy  2  60m  kubelet  Pod/web  statuscode 500
    shop  20m  Warning  Unhealthy  1  60m  kubelet  Pod/web  statuscode 503
    4 rows from 5 events that happened 11 times, newest first
    "#);
    let found = json!({"kind": "events", "keyword": "statuscode 50"});
    assert_snapshot!(told(&shop.cluster, "kubectl_find_resource", found).await, @r#"
    success
    NAMESPACE  LAST  TYPE  REASON  COUNT  SINCE  FROM  ABOUT  MESSAGE
    shop  15m  Warning  Unhealthy  2  60m  kubelet  Pod/web  statuscode 500
    shop  20m  Warning  Unhealthy  1  60m  kubelet  Pod/web  statuscode 503
    2 rows from 2 events that happened 3 times, newest first
    "#);
    let none = json!({"kind": "ns", "name": "shop", "namespace": "shop"});
    assert_snapshot!(told(&shop.cluster, "kubectl_events", none).await, @r#"
    no_data
    note: Namespace has no namespace; namespace was ignored
    no events about Namespace shop. Events expire after about an hour and name exactly one object: its owners and pods have their own; all events of a namespace: kubectl_get_by_kind_in_namespace with kind Event
    "#);
}

#[tokio::test]
async fn a_keyword_is_found_in_names_labels_and_addresses() {
    let cluster = example("oom-cart-api");
    for (kind, keyword, count) in [
        ("pod", "REDIS", 1),
        ("pod", "part-of=checkout", 3),
        ("pod", "10.244.2.88", 1),
        ("svc", "10.96.9.54", 1),
        ("node", "10.20.1.118", 1),
        ("endpointslice", "10.244.2.88", 1),
        ("pod", "payments", 4),
    ] {
        let text = told(&cluster, "kubectl_find_resource", json!({"kind": kind, "keyword": keyword})).await;
        assert!(text.contains(&format!("\n{count} of ")), "{kind} {keyword}: {text}");
    }
    let none = told(&cluster, "kubectl_find_resource", json!({"kind": "pod", "keyword": "zebra"})).await;
    assert_snapshot!(none, @r#"
    no_data
    0 of 42 pods contain "zebra"; the keyword is looked for in names, namespaces, labels and IPs: try a shorter one or another kind
    "#);
}

const SECRET: &str = r#"
apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: shop
  labels: {app: db}
  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"data":{"password":"aHVudGVyMg=="}}'}
data: {password: aHVudGVyMg==}
stringData: {user: hunter2}
"#;

#[tokio::test]
async fn no_tool_shows_values_of_secrets() {
    let shop = small(SECRET, &[]);
    let named = json!({"kind": "secrets", "name": "db", "namespace": "shop"});
    let calls = [
        ("kubectl_describe", named.clone()),
        ("kubectl_get_by_name", named.clone()),
        ("kubectl_get_yaml", named),
        ("kubectl_get_by_name_in_cluster", json!({"kind": "secret", "name": "db"})),
        ("kubectl_get_by_kind_in_namespace", json!({"kind": "secret", "namespace": "shop"})),
        ("kubectl_get_by_kind_in_cluster", json!({"kind": "secret"})),
        ("kubectl_find_resource", json!({"kind": "secret", "keyword": "db"})),
    ];
    for (name, arguments) in calls {
        let text = told(&shop.cluster, name, arguments).await;
        assert!(text.starts_with("success") && text.contains("password"), "{name}: {text}");
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVy"), "{name}: {text}");
    }
}

const AMBIGUOUS: &str = r#"
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: web, namespace: shop}
---
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Certificate
metadata: {name: route, namespace: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: other}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
"#;

fn mixed() -> Small {
    small(AMBIGUOUS, &[])
}

#[tokio::test]
async fn kinds_names_and_namespaces_that_do_not_fit_say_what_to_do() {
    let mixed = mixed();
    let table = [
        ("kubectl_get_by_name", json!({"kind": "svcc", "name": "web", "namespace": "shop"})),
        ("kubectl_get_by_kind_in_cluster", json!({"kind": "certificate"})),
        ("kubectl_find_resource", json!({"kind": "certificate", "keyword": "w", "api_group": "cert-manager.io"})),
        ("kubectl_get_by_name", json!({"kind": "certificate", "name": "route", "namespace": "shop"})),
        ("kubectl_get_by_name", json!({"kind": "node", "name": "n1", "namespace": "shop"})),
        ("kubectl_describe", json!({"kind": "service", "name": "web"})),
        ("kubectl_events", json!({"kind": "service"})),
        ("kubectl_get_yaml", json!({"kind": "service", "name": "wep", "namespace": "shop"})),
        ("kubectl_get_yaml", json!({"kind": "service", "name": "web", "namespace": "sho"})),
        ("kubectl_get_yaml", json!({"kind": "service", "name": "zebra", "namespace": "sho"})),
        ("kubectl_get_yaml", json!({"kind": "service", "name": "zebra", "namespace": "shop"})),
        ("kubectl_get_by_name_in_cluster", json!({"kind": "service", "name": "web"})),
        ("kubectl_get_by_name_in_cluster", json!({"kind": "service", "name": "we"})),
        ("kubectl_get_by_kind_in_namespace", json!({"kind": "node", "namespace": "shop"})),
        ("kubectl_get_by_kind_in_namespace", json!({"kind": "pod", "namespace": "sho"})),
        ("kubectl_get_by_name", json!({"kind": "service", "name": "../etc", "namespace": "shop"})),
    ];
    let mut shown = String::new();
    for (name, arguments) in table {
        shown += &format!("{name} {arguments}\n{}\n\n", told(&mixed.cluster, name, arguments.clone()).await);
    }
    assert_snapshot!(shown);
}

#[tokio::test]
async fn what_is_forbidden_is_called_a_limit_and_no_cause() {
    for (name, parameters, _) in TABLE {
        let given =
            |parameter: &&str| matches!(*parameter, "kind" | "name" | "namespace" | "keyword" | "pod_name" | "jq_expr");
        let mut arguments: serde_json::Map<String, Value> =
            parameters.split(' ').filter(given).map(|parameter| (parameter.to_owned(), json!("x"))).collect();
        if arguments.contains_key("kind") {
            arguments.insert("kind".to_owned(), json!("Pod"));
        }
        let text = told(&forbidding(), name, Value::Object(arguments)).await;
        assert!(text.starts_with("error\nnot allowed to "), "{name}: {text}");
        assert!(text.contains("limit of what the investigation may read, not a cause"), "{name}: {text}");
    }
}
