use super::*;
use crate::enrichment::testing::{FakeCluster, quick, reference};

/// An object that is owned: `owned("Pod", "p", "[{kind: ReplicaSet, name: rs}]")`. Its UID is its name.
fn owned(kind: &str, name: &str, owners: &str) -> String {
    format!("---\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop, uid: {name}, ownerReferences: {owners}}}\n")
}

fn by(kind: &str, name: &str) -> String {
    format!("[{{kind: {kind}, name: {name}, uid: {name}, controller: true}}]")
}

async fn chain(cluster: &FakeCluster, resource: &str) -> Result<OwnerChain, ClusterError> {
    owner_chain(&Reader::new(cluster, quick()), &reference(resource)).await
}

/// Names from the resource upwards, as in `Pod shop/p < ReplicaSet shop/rs`.
async fn shown(cluster: &FakeCluster, resource: &str) -> String {
    let references = chain(cluster, resource).await.unwrap().references();
    references.iter().map(ToString::to_string).collect::<Vec<_>>().join(" < ")
}

#[tokio::test]
async fn conformance_8_controller_reference_wins() {
    let several = "[{kind: ConfigMap, name: other}, {kind: ReplicaSet, name: rs, controller: true}]";
    let objects = owned("Pod", "p", several) + &owned("ReplicaSet", "rs", &by("Deployment", "web"));
    let cluster =
        FakeCluster::yaml(&(objects + &owned("Deployment", "web", "[]") + &owned("ConfigMap", "other", "[]")));
    assert_eq!(shown(&cluster, "Pod shop/p").await, "Pod shop/p < ReplicaSet shop/rs < Deployment shop/web");
}

#[tokio::test]
async fn conformance_8_one_plain_reference_is_followed_and_several_are_not() {
    let plain = |names: &[&str]| {
        let references = names.iter().map(|name| format!("{{kind: Gadget, name: {name}}}"));
        format!("[{}]", references.collect::<Vec<_>>().join(", "))
    };
    let gadgets = owned("Gadget", "a", "[]") + &owned("Gadget", "b", "[]");
    let one = FakeCluster::yaml(&(owned("Pod", "p", &plain(&["a"])) + &gadgets));
    assert_eq!(shown(&one, "Pod shop/p").await, "Pod shop/p < Gadget shop/a");
    let two = FakeCluster::yaml(&(owned("Pod", "p", &plain(&["a", "b"])) + &gadgets));
    assert_eq!(shown(&two, "Pod shop/p").await, "Pod shop/p");
}

#[tokio::test]
async fn conformance_8_mirror_pod_stays_and_other_things_of_a_node_do_not() {
    let node = "---\nkind: Node\nmetadata: {name: n1, uid: n1}\n";
    let cluster = FakeCluster::yaml(&(owned("Pod", "etcd", &by("Node", "n1")) + node));
    let mirror = chain(&cluster, "Pod shop/etcd").await.unwrap();
    assert_eq!((mirror.root().to_string(), mirror.scope()), ("Pod shop/etcd".to_owned(), Scope::Namespaced));
    let cluster = FakeCluster::yaml(&(owned("Lease", "n1-lease", &by("Node", "n1")) + node));
    let lease = chain(&cluster, "Lease shop/n1-lease").await.unwrap();
    assert_eq!((lease.root().to_string(), lease.scope()), ("Node n1".to_owned(), Scope::Cluster));
}

#[tokio::test]
async fn conformance_8_forbidden_hop_is_kept_by_name() {
    let objects = owned("Pod", "p", &by("Gadget", "g")) + &owned("Gadget", "g", "[]");
    let cluster = FakeCluster::yaml(&objects).forbidding("Gadget");
    let chain = chain(&cluster, "Pod shop/p").await.unwrap();
    assert_eq!(chain.root().to_string(), "Gadget shop/g");
    assert!(chain.root_object().is_none());
    assert_eq!((chain.references().len(), chain.objects().count()), (2, 1));
    assert_eq!(chain.notes(), ["reading Gadget shop/g is forbidden; it is known by name only"]);
}

#[tokio::test]
async fn conformance_8_cycle_ends() {
    let cluster =
        FakeCluster::yaml(&(owned("Gadget", "a", &by("Gadget", "b")) + &owned("Gadget", "b", &by("Gadget", "a"))));
    assert_eq!(shown(&cluster, "Gadget shop/a").await, "Gadget shop/a < Gadget shop/b");
    // Where UIDs are not recorded the name is the identity.
    let nameless = FakeCluster::yaml(&owned("Gadget", "a", &by("Gadget", "a")).replace("uid: a, o", "o"));
    assert_eq!(shown(&nameless, "Gadget shop/a").await, "Gadget shop/a");
}

#[tokio::test]
async fn conformance_8_depth_is_ten_owners() {
    let gadgets = |count: usize| -> String {
        let owned = |number: usize| owned("Gadget", &format!("g{number}"), &by("Gadget", &format!("g{}", number + 1)));
        (0..count).map(owned).collect::<String>() + &super::tests::owned("Gadget", &format!("g{count}"), "[]")
    };
    for (count, root, notes) in [(10, "Gadget shop/g10", 0), (11, "Gadget shop/g10", 1)] {
        let chain = chain(&FakeCluster::yaml(&gadgets(count)), "Gadget shop/g0").await.unwrap();
        assert_eq!((chain.root().to_string().as_str(), chain.notes().len()), (root, notes), "{count} owners");
    }
}

#[tokio::test]
async fn broken_hops_leave_the_chain_partial() {
    let cases = [
        ("Gadget", "gone", "the owner Gadget gone of Pod shop/p has a kind that is not known here"),
        ("Job", "gone", "the owner Job gone of Pod shop/p does not exist any more"),
        ("Unknown", "x", "the owner Unknown x of Pod shop/p has a kind that is not known here"),
    ];
    for (kind, name, note) in cases {
        let chain = chain(&FakeCluster::yaml(&owned("Pod", "p", &by(kind, name))), "Pod shop/p").await.unwrap();
        assert_eq!((chain.root().to_string().as_str(), chain.notes()), ("Pod shop/p", &[note.to_owned()][..]));
    }
}

#[tokio::test]
async fn owners_get_their_namespace_from_their_scope() {
    let platform = "---\nkind: Platform\nmetadata: {name: main, uid: main}\n";
    let cluster = FakeCluster::yaml(&(owned("Deployment", "web", &by("Platform", "main")) + platform));
    let chain = chain(&cluster, "Deployment shop/web").await.unwrap();
    assert_eq!((chain.root().to_string(), chain.scope()), ("Platform main".to_owned(), Scope::Cluster));
    let cluster = cluster.forbidding("Platform");
    let chain = self::chain(&cluster, "Deployment shop/web").await.unwrap();
    assert_eq!((chain.root().to_string(), chain.scope()), ("Platform main".to_owned(), Scope::Cluster));
}

#[tokio::test]
async fn an_unreachable_cluster_is_an_error_at_any_hop() {
    let objects = owned("Pod", "p", &by("Job", "j")) + &owned("Job", "j", "[]");
    let faulty = |kind, times| {
        FakeCluster::yaml(&objects).failing_first(kind, times, ClusterError::Unavailable("timeout".into()))
    };
    assert_eq!(shown(&faulty("Job", 3), "Pod shop/p").await, "Pod shop/p < Job shop/j");
    for kind in ["Pod", "Job"] {
        let error = chain(&faulty(kind, 99), "Pod shop/p").await.unwrap_err();
        assert!(matches!(error, ClusterError::Unavailable(_)), "{kind}: {error}");
    }
}

#[tokio::test]
async fn a_cron_job_is_the_root_of_its_pods() {
    let objects = owned("Pod", "p", &by("Job", "j")) + &owned("Job", "j", &by("CronJob", "c"));
    let cluster = FakeCluster::yaml(&(objects + &owned("CronJob", "c", "[]")));
    assert_eq!(shown(&cluster, "Pod shop/p").await, "Pod shop/p < Job shop/j < CronJob shop/c");
}
