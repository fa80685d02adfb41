use super::*;
use crate::cluster::bundle::{BundleCluster, BundleLimits};

const OBJECTS: &str = r#"
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
- {apiVersion: v1, kind: Namespace, metadata: {name: vault}}
- {apiVersion: v1, kind: Node, metadata: {name: n1}}
- {apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}
- {apiVersion: v1, kind: Pod, metadata: {name: a, namespace: vault}}
- {apiVersion: v1, kind: Pod, metadata: {name: b, namespace: other}}
- {apiVersion: v1, kind: Event, metadata: {name: e1, namespace: vault}, reason: Failed, message: m,
   involvedObject: {kind: Pod, name: a, namespace: vault}}
"#;

/// The bundle is read lazily: the folder lives as long as the cluster.
fn cluster(allow: &[&str], deny: &[&str]) -> (Arc<dyn Cluster>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("all.yaml"), OBJECTS).unwrap();
    let logs = folder.path().join("logs/vault/a");
    std::fs::create_dir_all(&logs).unwrap();
    std::fs::write(logs.join("main.log"), "unsealed\n").unwrap();
    let bundle = BundleCluster::open(folder.path(), &BundleLimits::default()).unwrap();
    (ConfinedCluster::around(Arc::new(bundle), &policy(allow, deny)), folder)
}

fn policy(allow: &[&str], deny: &[&str]) -> NamespacePolicy {
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    NamespacePolicy { allow: names(allow), deny: names(deny) }
}

async fn listed(cluster: &dyn Cluster, query: ListQuery) -> (Vec<String>, bool) {
    let list = cluster.list(&query).await.unwrap();
    (list.items.iter().map(|object| object.name().to_owned()).collect(), list.truncated)
}

#[tokio::test]
async fn everything_about_a_namespace_outside_the_policy_is_refused() {
    for (allow, deny) in [(&["shop"][..], &[][..]), (&[], &["vault", "other"])] {
        let (cluster, _folder) = cluster(allow, deny);
        let pod = ResourceRef::namespaced("pods", "vault", "a");
        let log = LogQuery {
            namespace: "vault".to_owned(),
            pod: "a".to_owned(),
            container: None,
            previous: false,
            tail_lines: None,
            since: None,
        };
        let absent = ResourceRef::namespaced("Pod", "vault", "absent");
        let refused = [
            cluster.get(&pod).await.err(),
            cluster.get(&absent).await.err(),
            cluster.get(&ResourceRef::cluster_scoped("ns", "vault")).await.err(),
            cluster.get(&ResourceRef::namespaced("Unheard", "vault", "a")).await.err(),
            cluster.events(&pod).await.err(),
            cluster.logs(&log).await.err(),
            cluster.list(&ListQuery::kind("Pod").in_namespace(Some("vault"))).await.err(),
        ];
        for error in refused {
            assert!(matches!(error, Some(ClusterError::Forbidden(_))), "{error:?}");
        }
        cluster.get(&ResourceRef::namespaced("Pod", "shop", "web")).await.unwrap();
        cluster.get(&ResourceRef::namespaced("Node", "vault", "n1")).await.unwrap();
        assert_eq!(listed(cluster.as_ref(), ListQuery::kind("Pod")).await.0, ["web"]);
        assert_eq!(listed(cluster.as_ref(), ListQuery::kind("Event")).await.0, [""; 0]);
        assert_eq!(listed(cluster.as_ref(), ListQuery::kind("Namespace")).await.0, ["shop"]);
        assert_eq!(listed(cluster.as_ref(), ListQuery::kind("Node")).await.0, ["n1"]);
        assert_eq!(cluster.namespaces().await.unwrap(), ["shop"]);
    }
}

#[tokio::test]
async fn a_limit_counts_only_what_may_be_seen() {
    let one = || ListQuery { limit: Some(1), ..ListQuery::kind("Pod") };
    for (allow, deny, expected) in [
        (&["shop"][..], &[][..], (vec!["web".to_owned()], false)),
        (&[], &["vault", "other"], (vec!["web".to_owned()], false)),
        (&[], &["vault"], (vec!["b".to_owned()], true)),
        (&["other", "shop"], &[], (vec!["b".to_owned()], true)),
    ] {
        let (cluster, _folder) = cluster(allow, deny);
        assert_eq!(listed(cluster.as_ref(), one()).await, expected, "{allow:?} {deny:?}");
    }
}

#[tokio::test]
async fn without_lists_nothing_is_confined() {
    let (cluster, _folder) = cluster(&[], &[]);
    assert_eq!(listed(cluster.as_ref(), ListQuery::kind("Pod")).await.0.len(), 3);
    assert!(format!("{cluster:?}").starts_with("BundleCluster"));
}

#[test]
fn odd_names_and_contradictions_are_told_with_their_key() {
    for (policy, told) in [
        (policy(&["team-*"], &[]), "investigation.namespaces.allow names \"team-*\""),
        (policy(&[], &[""]), "investigation.namespaces.deny names \"\""),
        (policy(&["a"], &["b", "a"]), "investigation.namespaces: a is allowed and denied"),
    ] {
        let error = policy.check("investigation.namespaces").unwrap_err();
        assert!(error.starts_with(told), "{error}");
    }
    assert_eq!(policy(&["a"], &["b"]).check("x"), Ok(()));
}
