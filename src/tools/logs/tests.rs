use insta::assert_snapshot;
use serde_json::json;

use crate::tools::kubernetes::testing::{Forbidding, Small, example, small, told};
use crate::tools::{Content, Keep};

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop}
spec:
  initContainers: [{name: migrate}]
  containers: [{name: web}, {name: proxy}]
  ephemeralContainers: [{name: debug}]
status:
  containerStatuses:
  - {name: web, restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1}}}
  - {name: proxy, restartCount: 0, state: {waiting: {reason: ImagePullBackOff, message: no such image}}}
---
apiVersion: v1
kind: Pod
metadata: {name: idle-1, namespace: shop}
spec: {containers: [{name: idle}]}
status: {containerStatuses: [{name: idle, state: {waiting: {reason: CreateContainerConfigError, message: secret missing}}}]}
"#;

fn shop() -> Small {
    small(
        POD,
        &[
            ("logs/shop/web-1/migrate.log", "2026-05-04T09:00:00Z migrated\n"),
            (
                "logs/shop/web-1/web.previous.log",
                "2026-05-04T09:10:00Z Starting\n2026-05-04T09:20:00Z FATAL no database\n  at main\n",
            ),
            ("logs/shop/web-1/web.log", "2026-05-04T09:30:00Z Starting\n2026-05-04T09:40:00Z 500 error on /cart\n"),
            ("logs/shop/web-1/debug.log", "2026-05-04T09:35:00Z $ curl db\n"),
        ],
    )
}

async fn fetch(more: serde_json::Value) -> String {
    let shop = shop();
    let mut arguments = json!({"pod_name": "web-1", "namespace": "shop"});
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    told(&shop.cluster, "fetch_pod_logs", arguments).await
}

#[tokio::test]
async fn the_whole_story_of_a_pod_is_in_order() {
    assert_snapshot!(fetch(json!({})).await, @r#"
    success
    [migrate] 2026-05-04T09:00:00Z migrated
    [web previous] 2026-05-04T09:10:00Z Starting
    [web previous] 2026-05-04T09:20:00Z FATAL no database
    [web previous]   at main
    [web] 2026-05-04T09:30:00Z Starting
    [debug] 2026-05-04T09:35:00Z $ curl db
    [web] 2026-05-04T09:40:00Z 500 error on /cart
    -- 7 lines read, 7 shown, from 2026-05-04T09:00:00Z to 2026-05-04T09:40:00Z, no log: proxy (waiting: ImagePullBackOff (no such image))
    "#);
}

#[tokio::test]
async fn times_and_filters_narrow_the_story() {
    assert_snapshot!(fetch(json!({"start_time": "-900", "end_time": "2026-05-04T09:36:00Z"})).await, @r#"
    success
    [web] 2026-05-04T09:30:00Z Starting
    [debug] 2026-05-04T09:35:00Z $ curl db
    -- 2 lines read, 2 shown, from 2026-05-04T09:30:00Z to 2026-05-04T09:35:00Z, no log: proxy (waiting: ImagePullBackOff (no such image))
    "#);
    assert_snapshot!(fetch(json!({"filter": "FATAL|error", "exclude_filter": "(500"})).await, @r#"
    success
    note: exclude_filter is no valid regular expression and was looked for as plain text
    [previous] 2026-05-04T09:20:00Z FATAL no database
    2026-05-04T09:40:00Z 500 error on /cart
    -- 7 lines read, 2 after filter, 2 after exclude_filter, 2 shown, from 2026-05-04T09:20:00Z to 2026-05-04T09:40:00Z, no log: proxy (waiting: ImagePullBackOff (no such image))
    "#);
    assert_snapshot!(fetch(json!({"limit": 1})).await, @r#"
    success
    2026-05-04T09:40:00Z 500 error on /cart
    -- 7 lines read, 1 shown, from 2026-05-04T09:40:00Z to 2026-05-04T09:40:00Z, no log: proxy (waiting: ImagePullBackOff (no such image)); older ones: filter (error|fail|exception), end_time, or a higher limit
    "#);
    assert_snapshot!(fetch(json!({"filter": "zebra"})).await, @r#"
    no_data
    -- 7 lines read, 0 after filter, 0 shown, no log: proxy (waiting: ImagePullBackOff (no such image)); no line passes: loosen or drop the filters
    "#);
    assert_snapshot!(fetch(json!({"start_time": "2026-05-04T09:59:00Z"})).await, @r#"
    no_data
    -- 0 lines read, 0 shown, no log: proxy (waiting: ImagePullBackOff (no such image)); nothing was written in this time: an earlier start_time, or kubectl_events, may tell more
    "#);
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let shop = shop();
    let pod = |name: &str, namespace: &str| json!({"pod_name": name, "namespace": namespace});
    assert_snapshot!(told(&shop.cluster, "fetch_pod_logs", pod("idle-1", "shop")).await, @r#"
    error
    log of container idle of Pod shop/idle-1 not found; container states: idle: waiting: CreateContainerConfigError (secret missing); kubectl_events of the pod tells why nothing started
    "#);
    assert_snapshot!(told(&shop.cluster, "fetch_pod_logs", pod("web-2", "shop")).await, @r#"
    error
    Pod shop/web-2 not found; similar names there: web-1
    "#);
    assert_snapshot!(told(&shop.cluster, "fetch_pod_logs", pod("web-1", "shopp")).await, @r#"
    error
    Pod shopp/web-1 not found; web-1 exists in namespace shop
    "#);
    let mut wrong = pod("web-1", "shop");
    wrong["filter"] = "x".repeat(1_025).into();
    assert_snapshot!(told(&shop.cluster, "fetch_pod_logs", wrong).await, @r#"
    error
    filter is longer than 1024 characters; use a shorter one
    "#);
    let forbidding: std::sync::Arc<dyn crate::cluster::Cluster> = std::sync::Arc::new(Forbidding);
    assert_snapshot!(told(&forbidding, "fetch_pod_logs", pod("web-1", "shop")).await, @r#"
    error
    not allowed to read the log of Pod shop/web-1; this is a limit of what the investigation may read, not a cause of the incident: continue with what can be read
    "#);
}

#[tokio::test]
async fn each_earlier_name_means_what_it_says() {
    let shop = shop();
    let table = [
        ("kubectl_logs", json!({"name": "web-1", "container": "web"}), ["web"].as_slice(), false),
        ("kubectl_logs", json!({"pod_name": "web-1"}), &["web"], false),
        ("kubectl_logs", json!({"pod_name": "web-1", "previous": true}), &["web"], true),
        ("kubectl_logs", json!({"pod_name": "web-1", "all_containers": true}), &["migrate", "web", "debug"], false),
        ("kubectl_previous_logs", json!({"pod_name": "web-1"}), &["web"], true),
        ("kubectl_logs_all_containers", json!({"pod_name": "web-1"}), &["migrate", "web", "debug"], false),
        ("kubectl_previous_logs_all_containers", json!({"name": "web-1"}), &["web"], true),
        ("kubectl_container_logs", json!({"pod_name": "web-1", "container_name": "debug"}), &["debug"], false),
        ("kubectl_container_previous_logs", json!({"pod_name": "web-1", "container_name": "web"}), &["web"], true),
        ("KUBECTL_LOGS_GREP", json!({"pod_name": "web-1", "search_term": "starting"}), &["web"], false),
        (
            "kubectl_logs_all_containers_grep",
            json!({"name": "web-1", "pattern": "."}),
            &["migrate", "web", "debug"],
            false,
        ),
    ];
    for (name, mut arguments, containers, previous) in table {
        arguments["namespace"] = "shop".into();
        let text = told(&shop.cluster, name, arguments.clone()).await;
        assert!(text.starts_with("success"), "{name} {arguments}: {text}");
        let lines = [("migrate", "migrated"), ("web", "Starting"), ("debug", "curl db")];
        for (container, line) in lines {
            assert_eq!(text.contains(line), containers.contains(&container), "{name} {arguments} {container}: {text}");
        }
        assert_eq!(text.contains("instance before"), previous, "{name} {arguments}: {text}");
    }
}

#[tokio::test]
async fn kubectl_logs_are_bounded_and_honest() {
    let shop = shop();
    let web = |more: serde_json::Value| {
        let mut arguments = json!({"pod_name": "web-1", "namespace": "shop", "container": "web"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    assert_snapshot!(told(&shop.cluster, "kubectl_logs", web(json!({"tailLines": 1}))).await, @r#"
    success
    2026-05-04T09:40:00Z 500 error on /cart
    -- 1 lines read, 1 shown, older lines exist
    "#);
    assert_snapshot!(told(&shop.cluster, "kubectl_logs", web(json!({"limitBytes": 45}))).await, @r#"
    success
    2026-05-04T09:40:00Z 500 error on /cart
    -- 2 lines read, 1 shown, 1 older ones beyond limitBytes
    "#);
    assert_snapshot!(told(&shop.cluster, "kubectl_logs", web(json!({"pattern": "5\\d\\d", "tailLines": 1}))).await, @r#"
    success
    2026-05-04T09:40:00Z 500 error on /cart
    -- 2 lines read, 1 match, 1 shown
    "#);
    assert_snapshot!(told(&shop.cluster, "kubectl_logs", web(json!({"pattern": "zebra"}))).await, @r#"
    no_data
    -- 2 lines read, 0 match, 0 shown
    "#);
    assert_snapshot!(told(&shop.cluster, "kubectl_logs_grep", web(json!({}))).await, @r#"
    error
    kubectl_logs_grep needs pattern; give one, or use kubectl_logs for all lines
    "#);
    assert_snapshot!(told(&shop.cluster, "kubectl_logs", web(json!({"container": "nope"}))).await, @r#"
    error
    log of container nope of Pod shop/web-1 not found; the pod has the containers migrate, web, proxy, debug
    "#);
    assert_snapshot!(told(&shop.cluster, "kubectl_previous_logs", web(json!({"container": "proxy"}))).await, @r#"
    error
    previous log of container proxy of Pod shop/web-1 not found; container states: proxy: waiting: ImagePullBackOff (no such image); kubectl_events of the pod tells why nothing started
    "#);
    assert_snapshot!(told(&shop.cluster, "kubectl_logs", json!({"namespace": "shop"})).await, @r#"
    error
    pod_name is required; name the pod and call again
    "#);
}

#[tokio::test]
async fn a_recorded_crash_is_told_once_and_keeps_its_errors() {
    let cluster = example("oom-cart-api");
    let arguments = json!({"pod_name": "cart-api-5d7494d984-457gs", "namespace": "checkout", "limit": 2});
    let output = crate::tools::kubernetes::testing::ask(&cluster, "fetch_pod_logs", arguments).await;
    let Content::Lines { header, lines, footer, keep } = output.content else { panic!("no lines") };
    assert_eq!((header.as_str(), lines.len(), keep), ("instance before the last restart:", 2, Keep::HeadTailAndErrors));
    assert!(footer.starts_with("-- 80 lines read, 2 shown"), "{footer}");
}
