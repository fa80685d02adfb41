use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::json;

use super::testing::{FakeCluster, quick, reference};
use super::*;
use crate::cluster::ListQuery;
use crate::cluster::bundle::{BundleCluster, BundleLimits};

/// A source that answers by hash and remembers what it was asked.
#[derive(Debug, Default)]
struct FakeSource {
    answers: BTreeMap<String, Result<History, HistoryError>>,
    /// For every other hash; `None` = an empty history.
    otherwise: Option<HistoryError>,
    asked: Mutex<Vec<(ResourceRef, String)>>,
}

#[async_trait]
impl HistorySource for FakeSource {
    async fn history(&self, target: &ResourceRef, spec_hash: &str) -> Result<History, HistoryError> {
        self.asked.lock().unwrap().push((target.clone(), spec_hash.to_owned()));
        let otherwise = || self.otherwise.clone().map_or(Ok(History::default()), Err);
        self.answers.get(spec_hash).cloned().unwrap_or_else(otherwise)
    }
}

impl FakeSource {
    fn asked(&self) -> Vec<(ResourceRef, String)> {
        self.asked.lock().unwrap().clone()
    }
}

const SHOP: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop, uid: d}
spec:
  template:
    metadata: {labels: {app: cart}}
    spec: {containers: [{name: c, envFrom: [{configMapRef: {name: app-config}}]}], volumes: [{name: v, configMap: {name: gone}}]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: cart-6f, namespace: shop, uid: r, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: cart, uid: d, controller: true}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cart-6f-x, namespace: shop, uid: p, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: cart-6f, uid: r, controller: true}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: app-config, namespace: shop}
data: {mode: fast}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: q, namespace: shop}
status: {hard: {cpu: '4'}, used: {cpu: 3800m}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: b, namespace: shop}
spec: {selector: {matchLabels: {app: cart}}}
";

fn shop() -> FakeCluster {
    FakeCluster::yaml(SHOP)
}

fn enricher(hash_mode: HashMode, source: &Arc<FakeSource>) -> Enricher {
    let source: Arc<dyn HistorySource> = source.clone();
    Enricher::new(EnrichmentConfig { hash_mode, retrying: quick() }, Some(source))
}

fn without_history() -> Enricher {
    Enricher::new(EnrichmentConfig { retrying: quick(), ..EnrichmentConfig::default() }, None)
}

/// An answer with remediations of these ids.
fn told(ids: &[&str]) -> History {
    let chain: Vec<_> = ids.iter().map(|id| json!({"remediationUID": id, "actionType": "RestartPods"})).collect();
    let tier = json!({"window": "24h0m0s", "chain": chain});
    serde_json::from_value(json!({"targetResource": "shop/Deployment/cart", "tier1": tier})).unwrap()
}

#[tokio::test]
async fn a_pod_is_enriched_as_its_deployment() {
    let source = Arc::new(FakeSource { otherwise: None, ..FakeSource::default() });
    let found = enricher(HashMode::SpecConfigMaps, &source).enrich(&shop(), &reference("Pod shop/cart-6f-x")).await;
    let found = found.unwrap();
    assert_eq!(found.target.to_string(), "Pod shop/cart-6f-x");
    assert_eq!(found.root_owner, reference("Deployment shop/cart").with_api_version("apps/v1"));
    assert_eq!((found.chain.len(), found.scope), (3, Scope::Namespaced));
    assert_eq!(json!(found.labels.positive()), json!({"pdbProtected": true, "resourceQuotaConstrained": true}));
    // The history is that of the root owner, under the hash that knows both ConfigMaps, the missing one included.
    let cluster = shop();
    let root = cluster.get(&found.root_owner).await.unwrap();
    let app_config = spec_hash::config_map(&BTreeMap::from([("mode", "fast")]), &BTreeMap::new());
    let maps = BTreeMap::from([
        ("app-config".to_owned(), app_config),
        ("gone".to_owned(), spec_hash::absent_config_map("gone")),
    ]);
    let hash = spec_hash::composite(&spec_hash::spec(root.at("spec")), &maps);
    assert_eq!(source.asked(), [(found.root_owner.clone(), hash.clone())]);
    assert_eq!(found.spec_hash, Some(hash));
    assert_eq!(found.notes, ["1 ConfigMap(s) could not be read for the spec hash: gone"]);
    // Checkpoints read back the same.
    assert_eq!(serde_json::from_value::<Enrichment>(json!(found)).unwrap(), found);
}

#[tokio::test]
async fn every_distinct_hash_is_asked_and_the_answers_are_one() {
    let cluster = shop();
    let deployment = cluster.get(&reference("Deployment shop/cart")).await.unwrap();
    let source = Arc::new(FakeSource {
        answers: BTreeMap::from([
            (spec_hash::spec(deployment.at("spec")), Ok(told(&["a", "b"]))),
            (spec_hash::fingerprint(deployment.value()), Ok(told(&["b", "c"]))),
        ]),
        ..FakeSource::default()
    });
    let found = enricher(HashMode::Auto, &source).enrich(&cluster, &reference("Deployment shop/cart")).await.unwrap();
    let hashes: BTreeSet<String> = source.asked().into_iter().map(|(_, hash)| hash).collect();
    assert_eq!((source.asked().len(), hashes.len()), (4, 4));
    let ids = |history: &History| history.entries().map(|entry| entry.remediation_uid.clone()).collect::<String>();
    assert_eq!(found.history.known().map(ids).as_deref(), Some("abc"));
}

#[tokio::test]
async fn conformance_10_a_cluster_scoped_target_is_asked_for_without_a_namespace() {
    let node =
        FakeCluster::yaml("apiVersion: v1\nkind: Node\nmetadata: {name: n1, uid: n}\nspec: {podCIDR: 10.0.0.0/24}\n");
    let source = Arc::new(FakeSource::default());
    let found = enricher(HashMode::Spec, &source).enrich(&node, &reference("Node n1")).await.unwrap();
    assert_eq!(found.scope, Scope::Cluster);
    let asked: Vec<ResourceRef> = source.asked().into_iter().map(|(target, _)| target).collect();
    assert_eq!(asked, [reference("Node n1").with_api_version("v1")]);
}

#[tokio::test]
async fn a_history_that_cannot_be_had_is_unavailable_and_never_empty() {
    let down =
        Arc::new(FakeSource { otherwise: Some(HistoryError("DataStorage is down".into())), ..FakeSource::default() });
    let target = reference("Deployment shop/cart");
    let hidden = shop().forbidding("Deployment");
    let map = FakeCluster::yaml("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop}\n");
    let none = Arc::new(FakeSource::default());
    let cases = [
        (without_history().enrich(&shop(), &target).await, "no source of remediation history is configured"),
        (enricher(HashMode::Auto, &down).enrich(&shop(), &target).await, "DataStorage is down"),
        (
            enricher(HashMode::Auto, &none).enrich(&hidden, &reference("Pod shop/cart-6f-x")).await,
            "Deployment shop/cart may not be read, so its configuration is not known",
        ),
        (
            enricher(HashMode::Spec, &none).enrich(&map, &reference("ConfigMap shop/c")).await,
            "ConfigMap shop/c has no specification to look it up by",
        ),
    ];
    for (found, reason) in cases {
        let found = found.unwrap();
        assert_eq!(found.history, HistoryState::Unavailable(reason.to_owned()));
        let text = render(&found, history::REPETITIONS_MAX);
        assert!(text.contains(&format!("history is unavailable: {reason}")), "{text}");
        assert!(!text.contains("No earlier remediation"), "{text}");
    }
    assert_eq!(none.asked(), []);
    let empty = enricher(HashMode::Auto, &none).enrich(&shop(), &target).await.unwrap();
    assert!(render(&empty, history::REPETITIONS_MAX).contains("No earlier remediation is on record."));
}

#[tokio::test]
async fn a_history_told_in_part_is_used_and_noted() {
    let cluster = shop();
    let target = reference("Deployment shop/cart");
    let deployment = cluster.get(&target).await.unwrap();
    let source = Arc::new(FakeSource {
        answers: BTreeMap::from([(spec_hash::spec(deployment.at("spec")), Ok(told(&["a"])))]),
        otherwise: Some(HistoryError("timeout".into())),
        ..FakeSource::default()
    });
    let found = enricher(HashMode::Auto, &source).enrich(&cluster, &target).await.unwrap();
    assert!(found.history.known().is_some());
    assert!(
        found.notes.contains(&"part of the remediation history is unavailable: timeout".to_owned()),
        "{:?}",
        found.notes
    );
}

#[tokio::test]
async fn what_cannot_be_enriched_says_what_to_do() {
    let ambiguous =
        ClusterError::AmbiguousKind { name: "Gadget".into(), groups: vec!["a.io/v1".into(), "b.io/v1".into()] };
    let gadget = "apiVersion: a.io/v1\nkind: Gadget\nmetadata: {name: g, namespace: shop}\n";
    let down = ClusterError::Unavailable("reset".into());
    let not_found = |similar: &[&str]| EnrichmentError::NotFound {
        target: reference("Deployment shop/crat"),
        similar: similar.iter().map(|name| (*name).to_owned()).collect(),
    };
    let cases = [
        (shop(), "Deployment shop/crat", not_found(&["cart"]), true),
        (
            FakeCluster::yaml("kind: Deployment\nmetadata: {name: cart, namespace: other}\n"),
            "Deployment shop/crat",
            not_found(&[]),
            true,
        ),
        (
            shop(),
            "Unknown shop/x",
            EnrichmentError::UnknownKind { kind: "Unknown".into(), known: vec!["Pod".into()] },
            true,
        ),
        (
            FakeCluster::yaml(gadget).refusing("Gadget", ambiguous),
            "Gadget shop/g",
            EnrichmentError::Ambiguous { kind: "Gadget".into(), groups: vec!["a.io/v1".into(), "b.io/v1".into()] },
            true,
        ),
        (
            shop().refusing("Pod", ClusterError::Invalid("Pod p needs a namespace".into())),
            "Pod p",
            EnrichmentError::Invalid("Pod p needs a namespace".into()),
            true,
        ),
        (shop().forbidding("Pod"), "Pod shop/cart-6f-x", EnrichmentError::Forbidden("read Pod".into()), false),
        (
            shop().refusing("Pod", down.clone()),
            "Pod shop/cart-6f-x",
            EnrichmentError::Unavailable("reset".into()),
            false,
        ),
        // Half a chain would name the wrong object to change.
        (
            shop().refusing("Deployment", down),
            "Pod shop/cart-6f-x",
            EnrichmentError::Unavailable("reset".into()),
            false,
        ),
    ];
    for (cluster, target, expected, correctable) in cases {
        let error = without_history().enrich(&cluster, &reference(target)).await.unwrap_err();
        assert_eq!(error, expected, "{target}");
        assert_eq!(error.is_correctable(), correctable, "{target}");
    }
    assert_eq!(not_found(&["cart"]).to_string(), "Deployment shop/crat does not exist; similar names: cart");
    assert_eq!(not_found(&[]).to_string(), "Deployment shop/crat does not exist");
}

#[tokio::test]
async fn one_investigation_reads_a_target_once() {
    let (cluster, cache, enricher) = (shop(), EnrichmentCache::default(), without_history());
    let target = reference("Deployment shop/cart");
    let (first, second) =
        tokio::join!(cache.enrich(&enricher, &cluster, &target), cache.enrich(&enricher, &cluster, &target));
    let reads = cluster.reads();
    let third = cache.enrich(&enricher, &cluster, &target).await.unwrap();
    assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()));
    assert_eq!((third.root_owner.to_string().as_str(), cluster.reads()), ("Deployment shop/cart", reads));
    cache.enrich(&enricher, &cluster, &target.clone().with_api_version("apps/v1")).await.unwrap();
    assert_eq!(cluster.reads(), reads, "its own version named is the same question");
    cache.enrich(&enricher, &cluster, &target.with_api_version("apps/v1beta1")).await.unwrap();
    assert!(cluster.reads() > reads, "another version is another question");
}

#[tokio::test]
async fn failures_are_not_remembered() {
    let cluster = shop().failing_first("Deployment", 4, ClusterError::Unavailable("reset".into()));
    let (cache, enricher) = (EnrichmentCache::default(), without_history());
    let target = reference("Deployment shop/cart");
    assert!(cache.enrich(&enricher, &cluster, &target).await.is_err());
    assert!(cache.enrich(&enricher, &cluster, &target).await.is_ok());
}

#[tokio::test]
async fn the_section_of_the_prompt_reads_well() {
    let source = Arc::new(FakeSource::default());
    let cluster = shop().forbidding("HorizontalPodAutoscaler");
    let found = enricher(HashMode::Auto, &source).enrich(&cluster, &reference("Pod shop/cart-6f-x")).await.unwrap();
    insta::assert_snapshot!(render(&found, history::REPETITIONS_MAX));
}

#[tokio::test]
async fn the_section_carries_the_markers_and_the_history() {
    let known = told(&["rr-1"]);
    let source = FakeSource { answers: BTreeMap::new(), ..FakeSource::default() };
    let mut found =
        enricher(HashMode::Auto, &Arc::new(source)).enrich(&shop(), &reference("Deployment shop/cart")).await.unwrap();
    found.history = HistoryState::Known(known);
    found.notes = vec!["one\n## two".to_owned()];
    let text = render(&found, history::REPETITIONS_MAX);
    for start in
        ["## Enrichment Context (Phase 2", "**Root Owner**: Deployment shop/cart", "- rr-1 at ", "- one ## two"]
    {
        assert!(text.lines().any(|line| line.starts_with(start)), "{start:?} in {text}");
    }
    assert!(!text.contains("Owner Chain"), "{text}");
}

/// The same through a recorded cluster, whose kinds are resolved as in a live one.
#[tokio::test]
async fn recorded_clusters_are_enriched() {
    let cases = [
        ("hpa-at-max", "shop", "pricing", json!({"hpaEnabled": true, "pdbProtected": true}), 0),
        ("quota-exceeded", "simulation", "solver", json!({"resourceQuotaConstrained": true}), 8),
    ];
    for (example, namespace, deployment, positive, figures) in cases {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
        let cluster = BundleCluster::open(&folder.join("bundle"), &BundleLimits::default()).unwrap();
        let pods = cluster.list(&ListQuery::kind("Pod").in_namespace(Some(namespace))).await.unwrap();
        let pod = pods.items.iter().find(|pod| pod.name().starts_with(deployment)).unwrap();
        let found = without_history().enrich(&cluster, &pod.reference()).await.unwrap();
        let root = ResourceRef::namespaced("Deployment", namespace, deployment).with_api_version("apps/v1");
        assert_eq!((found.root_owner, found.chain.len()), (root, 3), "{example}");
        assert_eq!(json!(found.labels.positive()), positive, "{example}");
        assert_eq!((found.quota.len(), found.labels.virtual_machine), (figures, None), "{example}");
    }
}
