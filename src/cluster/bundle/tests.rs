use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A bundle directory under construction.
struct Recorded {
    directory: Arc<tempfile::TempDir>,
}

/// An opened bundle that keeps its directory: objects are read when they are asked for.
struct Opened {
    bundle: BundleCluster,
    _directory: Arc<tempfile::TempDir>,
}

impl std::ops::Deref for Opened {
    type Target = BundleCluster;

    fn deref(&self) -> &BundleCluster {
        &self.bundle
    }
}

fn recorded(files: &[(&str, &str)]) -> Recorded {
    let recorded = Recorded { directory: Arc::new(tempfile::tempdir().unwrap()) };
    files.iter().fold(recorded, |recorded, (path, text)| recorded.file(path, text.as_bytes()))
}

impl Recorded {
    fn file(self, path: &str, bytes: &[u8]) -> Self {
        let path = self.directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    fn open(&self) -> Opened {
        Opened { bundle: self.try_open().unwrap(), _directory: Arc::clone(&self.directory) }
    }

    fn try_open(&self) -> Result<BundleCluster, BundleError> {
        BundleCluster::open(self.directory.path(), &BundleLimits::default())
    }
}

fn pod(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}}})
}

fn reference(kind: &str, namespace: &str, name: &str) -> ResourceRef {
    ResourceRef::namespaced(kind, namespace, name)
}

async fn names(bundle: &BundleCluster, query: ListQuery) -> Vec<String> {
    let list = bundle.list(&query).await.unwrap();
    list.items.iter().map(|object| format!("{}/{}", object.namespace().unwrap_or("-"), object.name())).collect()
}

const PODS_YAML: &str = "\
apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    labels: {app: web, tier: front}
    name: web-1
    namespace: shop
  spec: {nodeName: n1}
  status: {phase: Running}
- apiVersion: v1
  kind: Pod
  metadata:
    labels: {app: web, tier: back}
    name: web-2
    namespace: shop
  spec: {nodeName: n2}
  status: {phase: Pending}
- apiVersion: v1
  kind: Node
  metadata:
    name: n1
kind: List
";

#[tokio::test]
async fn every_way_of_printing_objects_is_read() {
    let single = serde_json::to_string_pretty(&pod("a", "single")).unwrap();
    let typed =
        json!({"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "typed", "namespace": "a"}}]});
    let nested =
        json!({"kind": "List", "items": [{"kind": "List", "items": [pod("a", "nested")]}, pod("a", "beside")]});
    let bundle = recorded(&[
        ("pods.yaml", PODS_YAML),
        ("deep/er/single.json", &single),
        ("typed.json", &typed.to_string()),
        ("nested.json", &nested.to_string()),
        ("multi.yml", "kind: Pod\napiVersion: v1\nmetadata: {name: m1, namespace: a}\n---\nkind: Pod\napiVersion: v1\nmetadata: {name: m2, namespace: a}\n"),
        ("aliased.yaml", "kind: List\nitems:\n- kind: Pod\n  apiVersion: v1\n  metadata: {name: al1, namespace: a, labels: &l {app: al}}\n- kind: Pod\n  apiVersion: v1\n  metadata: {name: al2, namespace: a, labels: *l}\n"),
        ("flow.yaml", "{kind: Pod, apiVersion: v1, metadata: {name: flow, namespace: a}}\n"),
        ("flow-list.yml", "# by a tool\n{kind: List, items: [{kind: Pod, apiVersion: v1, metadata: {name: fl1, namespace: a}},\n  {kind: Pod, apiVersion: v1, metadata: {name: fl2, namespace: a}}]}\n"),
        ("flow-sequence.yaml", "[{kind: Pod, apiVersion: v1, metadata: {name: fs, namespace: a}}]\n"),
        ("json-documents.yaml", "{\"kind\": \"Pod\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"j1\", \"namespace\": \"a\"}}\n---\n{\"kind\": \"Pod\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"j2\", \"namespace\": \"a\"}}\n"),
        ("json.yaml", &json!({"kind": "List", "items": [pod("a", "jl")]}).to_string()),
        ("README.md", "not an object"),
    ])
    .open();
    assert_eq!(bundle.problems(), Vec::<String>::new());
    let expected =
        ["al1", "al2", "beside", "fl1", "fl2", "flow", "fs", "j1", "j2", "jl", "m1", "m2", "nested", "single", "typed"];
    let expected: Vec<String> = expected.iter().map(|name| format!("a/{name}")).collect();
    assert_eq!(names(&bundle, ListQuery::kind("pods").in_namespace(Some("a"))).await, expected);
    assert_eq!(bundle.object_count(), 18);
    let typed = bundle.get(&reference("Pod", "a", "typed")).await.unwrap();
    assert_eq!((typed.kind(), typed.api_version()), ("Pod", "v1"), "a typed list lends its items kind and version");
    assert_eq!(bundle.get(&reference("pod", "a", "nested")).await.unwrap().name(), "nested");
    assert_eq!(bundle.get(&reference("po", "a", "al2")).await.unwrap().label("app"), Some("al"));
    assert_eq!(bundle.get(&ResourceRef::cluster_scoped("node", "n1")).await.unwrap().kind(), "Node");
}

#[tokio::test]
async fn lists_are_selected_sorted_and_limited() {
    let bundle = recorded(&[("pods.yaml", PODS_YAML), ("other.json", &pod("a", "web-0").to_string())]).open();
    let with = |labels: &str, fields: &str| ListQuery {
        kind: "pod".to_owned(),
        label_selector: Some(labels.to_owned()),
        field_selector: Some(fields.to_owned()),
        ..ListQuery::default()
    };
    assert_eq!(names(&bundle, ListQuery::kind("pod")).await, ["a/web-0", "shop/web-1", "shop/web-2"]);
    assert_eq!(names(&bundle, with("app=web", "")).await, ["shop/web-1", "shop/web-2"]);
    assert_eq!(names(&bundle, with("app=web,tier notin (back)", "")).await, ["shop/web-1"]);
    assert_eq!(names(&bundle, with("", "status.phase!=Running")).await, ["a/web-0", "shop/web-2"]);
    assert_eq!(names(&bundle, with("", "metadata.name=web-1,spec.nodeName=n1")).await, ["shop/web-1"]);
    assert_eq!(names(&bundle, with("", "metadata.namespace=a")).await, ["a/web-0"]);
    let limited = bundle.list(&ListQuery { limit: Some(2), ..ListQuery::kind("pod") }).await.unwrap();
    assert_eq!((limited.items.len(), limited.truncated), (2, true));
    let all = bundle.list(&ListQuery { limit: Some(3), ..ListQuery::kind("pod") }).await.unwrap();
    assert_eq!((all.items.len(), all.truncated), (3, false));
    assert_eq!(names(&bundle, ListQuery::kind("nodes").in_namespace(Some("shop"))).await, ["-/n1"], "not namespaced");
    assert_eq!(
        names(&bundle, ListQuery::kind("secrets")).await,
        Vec::<String>::new(),
        "a standard kind without objects"
    );
    let wrong = bundle.list(&with("app in", "")).await;
    assert!(matches!(wrong, Err(ClusterError::Invalid(_))), "{wrong:?}");
}

#[tokio::test]
async fn kinds_come_from_definitions_objects_and_mentions() {
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "certificates.cert-manager.io"},
        "spec": {"group": "cert-manager.io", "scope": "Namespaced", "names": {"kind": "Certificate", "plural": "certificates", "singular": "certificate", "shortNames": ["cert"]},
                 "versions": [{"name": "v1alpha2"}, {"name": "v1"}]}});
    let certificate = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "web", "namespace": "shop"}});
    let knative = json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "fn", "namespace": "shop"}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}});
    let class = json!({"apiVersion": "example.com/v1", "kind": "StoragePolicy", "metadata": {"name": "gold"}});
    let mut owned = pod("shop", "web-1");
    owned["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"}]);
    let hpa = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web", "namespace": "shop"}});
    let all: Vec<String> =
        [crd, certificate, knative, service, class, owned, hpa].iter().map(Value::to_string).collect();
    let bundle = recorded(&[("all.json", &all.join("\n"))]).open();
    for (name, version, expected) in [
        ("cert", None, Ok("cert-manager.io/v1 Certificate true")),
        ("certificates.cert-manager.io", None, Ok("cert-manager.io/v1 Certificate true")),
        ("storagepolicies", None, Ok("example.com/v1 StoragePolicy false")),
        ("Rollout", None, Ok("argoproj.io/v1alpha1 Rollout true")),
        ("hpa", None, Ok("autoscaling/v1 HorizontalPodAutoscaler true")),
        ("service", None, Err("exists in several groups: v1, serving.knative.dev/v1")),
        ("service", Some("v1"), Ok("v1 Service true")),
        ("services.serving.knative.dev", None, Ok("serving.knative.dev/v1 Service true")),
        ("certificat", None, Err("did you mean Certificate.cert-manager.io")),
    ] {
        let resolved = bundle.resolve_kind(name, version).await;
        let shown = resolved.map(|kind| format!("{} {} {}", kind.api_version, kind.kind, kind.namespaced));
        match (shown, expected) {
            (Ok(shown), Ok(expected)) => assert_eq!(shown, expected, "{name}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{name}: {error}"),
            (shown, _) => panic!("{name}: {shown:?}"),
        }
    }
    // A named read tries every group; a list cannot.
    assert_eq!(bundle.get(&reference("Service", "shop", "fn")).await.unwrap().api_version(), "serving.knative.dev/v1");
    assert!(matches!(bundle.list(&ListQuery::kind("Service")).await, Err(ClusterError::AmbiguousKind { .. })));
    let missing = bundle.get(&reference("Rollout", "shop", "web")).await;
    assert!(matches!(missing, Err(ClusterError::NotFound(_))), "{missing:?}");
}

#[tokio::test]
async fn wrong_questions_get_clear_answers() {
    let bundle = recorded(&[("pods.yaml", PODS_YAML)]).open();
    let outcome = async |reference: ResourceRef| match bundle.get(&reference).await {
        Ok(object) => object.name().to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(outcome(reference("Pod", "shop", "web-9")).await, "Pod shop/web-9 not found");
    assert_eq!(
        outcome(ResourceRef::cluster_scoped("Pod", "web-1")).await,
        "invalid request: Pod web-1 needs a namespace"
    );
    assert_eq!(outcome(reference("Node", "shop", "n1")).await, "n1", "a namespace is ignored where there is none");
    for name in ["../../etc/passwd", "", "a/b", ".."] {
        assert!(outcome(reference("Pod", "shop", name)).await.starts_with("invalid request"), "{name}");
    }
    assert!(outcome(reference("Pods", "../x", "web-1")).await.starts_with("invalid request"));
    assert!(outcome(reference("Podd", "shop", "web-1")).await.contains("did you mean Pod"));
}

#[tokio::test]
async fn events_come_newest_first_from_both_apis() {
    let core = |name: &str, last: &str| {
        json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "shop"}, "reason": name,
               "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-1"}, "lastTimestamp": last})
    };
    let newer = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "c", "namespace": "shop"}, "reason": "c",
        "regarding": {"kind": "Pod", "namespace": "shop", "name": "web-1"}, "note": "text", "series": {"lastObservedTime": "2026-01-01T03:00:00.000000Z"}});
    let mirror = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a", "namespace": "shop"},
        "regarding": {"kind": "Pod", "namespace": "shop", "name": "web-1"}, "deprecatedLastTimestamp": "2026-01-01T01:00:00Z"});
    let elsewhere = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "d", "namespace": "other"},
        "involvedObject": {"kind": "Pod", "namespace": "other", "name": "web-1"}});
    let node = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "n", "namespace": "default"}, "reason": "NodeNotReady",
        "involvedObject": {"kind": "Node", "name": "n1"}, "eventTime": "2026-01-02T00:00:00Z"});
    let events = [core("a", "2026-01-01T01:00:00Z"), core("b", "2026-01-01T02:00:00Z"), newer, mirror, elsewhere, node];
    let bundle =
        recorded(&[("pods.yaml", PODS_YAML), ("e.json", &json!({"kind": "List", "items": events}).to_string())]).open();
    let found = bundle.events(&reference("po", "shop", "web-1")).await.unwrap();
    let order: Vec<&str> = found.iter().map(|event| event.name()).collect();
    assert_eq!(order, ["c", "b", "a"]);
    assert!(found.iter().all(|event| event.api_version() == "v1" && event.at("involvedObject").is_some()));
    assert_eq!(found[0].str_at("message"), Some("text"));
    let about_node = bundle.events(&ResourceRef::cluster_scoped("Node", "n1")).await.unwrap();
    assert_eq!(about_node[0].str_at("reason"), Some("NodeNotReady"));
    assert_eq!(bundle.now().to_string(), "2026-01-02T00:00:00Z", "the newest observation");
    assert!(bundle.events(&reference("Deployment", "shop", "web-1")).await.unwrap().is_empty());
}

#[tokio::test]
async fn logs_are_found_by_pod_and_container() {
    let two = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "two", "namespace": "shop", "annotations": {"kubectl.kubernetes.io/default-container": "b"}},
        "spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
    let bundle = recorded(&[
        ("two.json", &two.to_string()),
        ("logs/shop/two/a.log", "from a\n"),
        ("logs/shop/two/b.log", "2026-01-01T00:00:00Z one\n2026-01-01T00:00:05.5Z two\n  at three\n"),
        ("logs/shop/two/b.previous.log", "panic: gone\r\n"),
        ("logs/shop/unrecorded/main.log", "alone"),
        ("logs/stray.log", "x"),
    ])
    .open();
    let query = |pod: &str, container: Option<&str>, previous: bool| LogQuery {
        namespace: "shop".to_owned(),
        pod: pod.to_owned(),
        container: container.map(str::to_owned),
        previous,
        tail_lines: None,
        since: None,
    };
    let shown = async |query: LogQuery| {
        let log = bundle.logs(&query).await.map_err(|error| error.to_string())?;
        Ok::<_, String>((log.container, log.lines.into_iter().map(|line| (line.number, line.text)).collect::<Vec<_>>()))
    };
    let line = |number: u64, text: &str| (number, text.to_owned());
    let b = |lines: Vec<(u64, String)>| Ok(("b".to_owned(), lines));
    assert_eq!(shown(query("two", None, false)).await, b(vec![line(1, "one"), line(2, "two"), line(3, "  at three")]));
    assert_eq!(shown(query("two", None, true)).await, b(vec![line(1, "panic: gone")]));
    assert_eq!(shown(query("two", Some("a"), false)).await, Ok(("a".to_owned(), vec![line(1, "from a")])));
    assert_eq!(shown(query("unrecorded", None, false)).await, Ok(("main".to_owned(), vec![line(1, "alone")])));
    let tail = LogQuery { tail_lines: Some(1), ..query("two", None, false) };
    assert_eq!(shown(tail).await, b(vec![line(3, "  at three")]));
    let since = LogQuery { since: Some("2026-01-01T00:00:05Z".parse().unwrap()), ..query("two", None, false) };
    assert_eq!(shown(since).await, b(vec![line(2, "two"), line(3, "  at three")]));
    assert_eq!(
        shown(query("two", Some("a"), true)).await,
        Err("previous log of container a of Pod shop/two not found".to_owned())
    );
    assert_eq!(shown(query("none", None, false)).await, Err("Pod shop/none not found".to_owned()));
    assert!(shown(query("two", Some("../../two/a"), false)).await.is_err());
    assert_eq!(bundle.namespaces().await.unwrap(), ["shop"]);
    assert_eq!(bundle.now().to_string(), "2026-01-01T00:00:05.5Z");
    assert_eq!(bundle.problems(), ["logs/stray.log: not read; name it logs/<namespace>/<pod>/<container>.log"]);
}

#[tokio::test]
async fn the_manifest_sets_the_time() {
    let manifest = "capturedAt: \"2026-05-04T10:00:00Z\"\ncluster: prod\nkubernetesVersion: v1.34.1\n";
    let bundle = recorded(&[("bundle.yaml", manifest), ("pods.yaml", PODS_YAML)]).open();
    assert_eq!(bundle.now().to_string(), "2026-05-04T10:00:00Z");
    assert_eq!(bundle.manifest().cluster.as_deref(), Some("prod"));
    assert!(bundle.description().starts_with("bundle /"));
    let wrong = recorded(&[("bundle.yaml", "capturedAt: yesterday\n"), ("pods.yaml", PODS_YAML)]).open();
    assert_eq!(
        wrong.problems(),
        ["bundle.yaml: capturedAt is not an RFC 3339 time; write it like 2026-05-04T10:00:00Z"]
    );
    let object = recorded(&[("bundle.yaml", "kind: Pod\napiVersion: v1\nmetadata: {name: p, namespace: n}\n")]).open();
    assert_eq!(object.object_count(), 1);
}

#[tokio::test]
async fn broken_parts_are_reported_and_skipped() {
    let list = "apiVersion: v1\nitems:\n- kind: Pod\n  apiVersion: v1\n  metadata: {name: good, namespace: a}\n- kind: Pod\n  metadata: [\n- kind: Pod\n  metadata:\n    labels: {}\nkind: List\n";
    let bundle = recorded(&[
        ("list.yaml", list),
        ("cut.json", "{\"items\": [\n{\"kind\": \"Pod\", \"metadata\": {\"name\": \"kept\", \"namespace\": \"a\"}},\n{\"kind\": "),
        ("types.json", "{\"kind\": 3, \"metadata\": {\"name\": [\"x\"]}}"),
        ("scalar.yaml", "just text\n"),
        ("other.json", "{\"some\": \"thing\"}"),
        ("empty.yaml", ""),
    ])
    .file("binary.yaml", b"a: \xff\xfe\x00")
    .file("wide.yaml", &"\u{feff}kind: Pod\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>())
    .open();
    assert_eq!(names(&bundle, ListQuery::kind("pod")).await, ["a/good", "a/kept"]);
    insta::assert_snapshot!(bundle.problems().join("\n"));
}

#[test]
fn a_directory_without_anything_is_an_error() {
    let missing = BundleCluster::open(Path::new("/nonexistent/bundle"), &BundleLimits::default());
    assert!(matches!(missing, Err(BundleError::Missing(_))));
    let file = recorded(&[("pods.yaml", PODS_YAML)]);
    let not_directory = BundleCluster::open(&file.directory.path().join("pods.yaml"), &BundleLimits::default());
    assert!(matches!(not_directory, Err(BundleError::NotADirectory(_))));
    assert!(matches!(recorded(&[]).try_open(), Err(BundleError::Empty { .. })));
    let error = recorded(&[("broken.yaml", "a: [")]).try_open().unwrap_err().to_string();
    assert!(error.contains("holds no objects, logs or metrics: broken.yaml line "), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn links_that_leave_the_bundle_are_not_followed() {
    use std::os::unix::fs::symlink;

    let outside = recorded(&[("secret.json", &pod("outside", "secret").to_string()), ("x.log", "secret")]);
    let bundle = recorded(&[("data/pods.yaml", PODS_YAML), (".hidden/more.json", &pod("a", "inside").to_string())]);
    let root = bundle.directory.path();
    fs::create_dir_all(root.join("logs/shop/web-1")).unwrap();
    symlink(outside.directory.path().join("secret.json"), root.join("a.json")).unwrap();
    symlink(outside.directory.path(), root.join("b")).unwrap();
    symlink(outside.directory.path().join("x.log"), root.join("logs/shop/web-1/main.log")).unwrap();
    symlink("../data", root.join("data/loop")).unwrap();
    symlink(".hidden/more.json", root.join("linked.json")).unwrap();
    symlink("nowhere", root.join("dangling.yaml")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(root.join("pipe.yaml")).status().unwrap().success());
    let opened = bundle.open();
    assert_eq!(names(&opened, ListQuery::kind("pod")).await, ["a/inside", "shop/web-1", "shop/web-2"]);
    assert_eq!(
        opened.problems(),
        [
            "a.json: a link that leads out of the bundle is not followed; copy its target in",
            "b: a link that leads out of the bundle is not followed; copy its target in",
            "dangling.yaml: cannot be opened (entity not found); mend the link or its permissions",
            "logs/shop/web-1/main.log: a link that leads out of the bundle is not followed; copy its target in",
            "pipe.yaml: not a regular file; remove it",
        ]
    );
}

#[tokio::test]
async fn bounds_skip_and_report() {
    let many: Vec<Value> = (0..20).map(|number| pod("a", &format!("p{number:02}"))).collect();
    let many = json!({"kind": "List", "items": many}).to_string();
    let limits = |change: fn(&mut BundleLimits)| {
        let mut limits = BundleLimits::default();
        change(&mut limits);
        limits
    };
    let open = |files: &[(&str, &str)], limits: BundleLimits| {
        let recorded = recorded(files);
        let bundle = BundleCluster::open(recorded.directory.path(), &limits).unwrap();
        (bundle.object_count(), bundle.problems())
    };
    let (objects, problems) = open(&[("many.json", &many)], limits(|limits| limits.objects_max = 5));
    assert_eq!((objects, problems.len()), (5, 1), "{problems:?}");
    let (objects, problems) = open(
        &[("a.json", &pod("a", "p").to_string()), ("many.json", &many)],
        limits(|limits| limits.file_bytes_max = 500),
    );
    assert_eq!((objects, problems.len()), (1, 1), "{problems:?}");
    let big =
        json!({"kind": "ConfigMap", "metadata": {"name": "big", "namespace": "a"}, "data": {"x": "y".repeat(1000)}});
    let list = json!({"kind": "List", "items": [pod("a", "p"), big]}).to_string();
    let (objects, problems) = open(&[("l.json", &list)], limits(|limits| limits.object_bytes_max = 500));
    assert_eq!((objects, problems.len()), (1, 1), "{problems:?}");
    let (objects, problems) =
        open(&[("a.json", &many), ("b.json", "{}"), ("c.json", "{}")], limits(|limits| limits.files_max = 2));
    assert_eq!((objects, problems.len()), (20, 2), "{problems:?}");
    let (objects, problems) =
        open(&[("p.json", &many), ("1/2/3/p.json", &many)], limits(|limits| limits.directory_depth_max = 2));
    assert_eq!((objects, problems), (20, vec!["1/2/3: more than 2 directories deep; move it up".to_owned()]));
    let broken: String = "{\"kind\": }\n".repeat(10);
    let (_, problems) = open(&[("p.json", &many), ("q.json", &broken)], limits(|limits| limits.problems_max = 3));
    assert_eq!((problems.len(), problems[3].as_str()), (4, "7 more problems; mend these first"));
}

#[tokio::test]
async fn of_two_records_the_newer_counts() {
    let record = |version: &str, revision: &str, note: &str| {
        json!({"apiVersion": version, "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web", "namespace": "a", "resourceVersion": revision, "annotations": {"note": note}}}).to_string()
    };
    for (first, second, expected) in [
        (record("autoscaling/v2", "5", "first"), record("autoscaling/v1", "9", "second"), "first"),
        (record("autoscaling/v2", "9", "first"), record("autoscaling/v2", "10", "second"), "second"),
        (record("autoscaling/v2", "9", "first"), record("autoscaling/v2", "9", "second"), "second"),
    ] {
        let bundle = recorded(&[("1.json", &first), ("2.json", &second)]).open();
        let found = bundle.get(&reference("hpa", "a", "web")).await.unwrap();
        assert_eq!((found.annotation("note"), bundle.object_count()), (Some(expected), 1));
    }
}

#[tokio::test]
async fn a_file_that_changes_under_the_index_is_noticed() {
    let recorded = recorded(&[("p.json", &pod("a", "p").to_string())]);
    let bundle = recorded.open();
    fs::write(recorded.directory.path().join("p.json"), "{}").unwrap();
    let read = bundle.get(&reference("Pod", "a", "p")).await;
    assert!(matches!(read, Err(ClusterError::Unavailable(_))), "{read:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a file holds, opening and asking never panic.
    #[test]
    fn random_files_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), name in "(x\\.yaml|x\\.json|bundle\\.yaml|metrics/m\\.json|logs/a/b/c\\.log)") {
        let recorded = recorded(&[("good.json", &pod("a", "p").to_string())]).file(&name, &bytes);
        let bundle = recorded.open();
        prop_assert!(bundle.object_count() >= 1);
    }

    /// Bytes changed inside a real file cost at most what they touch, and every indexed object can be read.
    #[test]
    fn mutated_files_stay_readable(position in 0..PODS_YAML.len(), byte: u8, cut in 0..PODS_YAML.len(), json: bool) {
        let mut bytes = if json {
            let value: Value = serde_saphyr::from_str(PODS_YAML).unwrap();
            serde_json::to_vec_pretty(&value).unwrap()
        } else {
            PODS_YAML.as_bytes().to_vec()
        };
        bytes[position] = byte;
        bytes.truncate(bytes.len() - cut / 8);
        let recorded = recorded(&[("good.json", &pod("a", "p").to_string())]).file("mutated.yaml", &bytes);
        let bundle = recorded.open();
        for id in 0..bundle.object_count() {
            let entry = &bundle.recording.index.entries[id];
            prop_assert!(bundle.recording.objects.read(u32::try_from(id).unwrap(), entry).is_ok());
        }
    }
}
