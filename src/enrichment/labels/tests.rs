use serde_json::json;

use super::*;
use crate::cluster::ClusterError;
use crate::enrichment::owners::owner_chain;
use crate::enrichment::reader::Reader;
use crate::enrichment::testing::{FakeCluster, quick, reference};

const NAMESPACE: &str = "---\nkind: Namespace\nmetadata: {name: shop}\n";

/// A Deployment, its ReplicaSet and one Pod.
const WEB: &str = "
kind: Deployment
metadata: {name: web, namespace: shop, uid: d}
spec: {template: {metadata: {labels: {app: web, tier: front}}}}
---
kind: ReplicaSet
metadata: {name: web-6f, namespace: shop, uid: r, ownerReferences: [{kind: Deployment, name: web, controller: true}]}
spec: {template: {metadata: {labels: {app: web, tier: front}}}}
---
kind: Pod
metadata: {name: web-6f-x, namespace: shop, uid: p, labels: {app: web}, ownerReferences: [{kind: ReplicaSet, name: web-6f, controller: true}]}
";

const DATABASE: &str = "
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec: {template: {metadata: {labels: {app: db}}}, volumeClaimTemplates: [{metadata: {name: data}}]}
";

fn web() -> FakeCluster {
    FakeCluster::yaml(WEB).and_yaml(NAMESPACE)
}

async fn detected(cluster: &FakeCluster, target: &str) -> Detected {
    let reader = Reader::new(cluster, quick());
    detect(&reader, &owner_chain(&reader, &reference(target)).await.unwrap()).await
}

async fn labels(cluster: &FakeCluster, target: &str) -> DetectedLabels {
    detected(cluster, target).await.labels
}

fn budget(selector: &str) -> String {
    format!("kind: PodDisruptionBudget\nmetadata: {{name: b, namespace: shop}}\nspec: {{selector: {selector}}}\n")
}

#[tokio::test]
async fn nothing_found_is_checked_and_absent() {
    let found = detected(&web(), "Deployment shop/web").await;
    assert_eq!(found, Detected::default());
    assert_eq!(found.labels.sentences(), ["None of the infrastructure traits looked for was detected."]);
}

#[tokio::test]
async fn conformance_9_stateful_set_with_a_budget_via_match_expressions() {
    let cluster = FakeCluster::yaml(DATABASE)
        .and_yaml(NAMESPACE)
        .and_yaml(&budget("{matchExpressions: [{key: app, operator: In, values: [db, cache]}]}"));
    let labels = labels(&cluster, "StatefulSet shop/db").await;
    let expected = DetectedLabels { pdb_protected: true, stateful: true, ..DetectedLabels::default() };
    assert_eq!(labels, expected);
}

#[tokio::test]
async fn conformance_9_daemon_set_with_mesh() {
    let cluster = FakeCluster::yaml(
        "
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec: {template: {metadata: {annotations: {sidecar.istio.io/inject: 'true'}}}}
",
    );
    assert_eq!(labels(&cluster.and_yaml(NAMESPACE), "DaemonSet shop/agent").await.service_mesh, ServiceMesh::Istio);
}

#[tokio::test]
async fn conformance_9_autoscaler_on_the_target_itself_or_any_owner() {
    let autoscaler = |kind: &str, name: &str| {
        format!(
            "kind: HorizontalPodAutoscaler\nmetadata: {{name: h, namespace: shop}}\n\
             spec: {{scaleTargetRef: {{kind: {kind}, name: {name}}}}}\n"
        )
    };
    let cases = [
        ("Deployment", "web", "Deployment shop/web", true),
        ("Deployment", "web", "Pod shop/web-6f-x", true),
        ("ReplicaSet", "web-6f", "Pod shop/web-6f-x", true),
        ("StatefulSet", "web", "Deployment shop/web", false),
        ("Deployment", "other", "Deployment shop/web", false),
    ];
    for (kind, name, target, expected) in cases {
        let cluster = web().and_yaml(&autoscaler(kind, name));
        assert_eq!(labels(&cluster, target).await.hpa_enabled, expected, "{kind} {name}, {target}");
    }
}

#[tokio::test]
async fn conformance_9_denied_is_failed_and_not_sent_as_filter() {
    let objects = WEB.to_owned() + NAMESPACE + "---\n" + &budget("{matchLabels: {app: web}}");
    let denied = FakeCluster::yaml(&objects).forbidding("PodDisruptionBudget");
    let found = detected(&denied, "Deployment shop/web").await;
    assert_eq!(found.labels.failed_detections, BTreeSet::from([Detection::PdbProtected]));
    assert_eq!(found.notes, ["pdbProtected is unknown: not allowed to read PodDisruptionBudget"]);
    assert_eq!(found.labels.positive(), Map::new());
    assert!(!found.labels.for_model().contains_key("pdbProtected"));
    assert_eq!(found.labels.for_model()["hpaEnabled"], json!(false));
    let allowed = FakeCluster::yaml(&objects);
    assert_eq!(json!(labels(&allowed, "Deployment shop/web").await.positive()), json!({"pdbProtected": true}));
}

#[tokio::test]
async fn budgets_match_as_kubernetes_selectors_do() {
    let cases = [
        ("{matchLabels: {app: web}}", true),
        ("{matchLabels: {app: web, tier: front}}", true),
        ("{matchLabels: {app: web, tier: back}}", false),
        ("{}", true),
        ("null", false),
        ("{matchExpressions: [{key: tier, operator: Exists}]}", true),
        ("{matchExpressions: [{key: tier, operator: DoesNotExist}], matchLabels: {tier: front}}", false),
        ("{matchLabels: {app: web}, matchExpressions: [{key: app, operator: NotIn, values: [web]}]}", false),
        ("{matchExpressions: [{key: app, operator: Like, values: [web]}]}", false),
    ];
    for (selector, expected) in cases {
        let cluster = web().and_yaml(&budget(selector));
        assert_eq!(labels(&cluster, "Deployment shop/web").await.pdb_protected, expected, "{selector}");
    }
    let elsewhere = budget("{matchLabels: {app: web}}").replace("namespace: shop", "namespace: other");
    assert!(!labels(&web().and_yaml(&elsewhere), "Deployment shop/web").await.pdb_protected);
}

#[tokio::test]
async fn a_budget_as_target_is_judged_by_the_pods_it_selects() {
    let meshed = "kind: Pod\nmetadata: {name: m, namespace: shop, labels: {app: m}, annotations: {linkerd.io/proxy-version: '2'}}\n";
    let cases = [
        ("{matchLabels: {app: m}}", true, ServiceMesh::Linkerd),
        ("{matchExpressions: [{key: app, operator: In, values: [m, n]}]}", true, ServiceMesh::Linkerd),
        ("{matchLabels: {app: gone}}", false, ServiceMesh::None),
        ("{matchExpressions: [{key: app, operator: Like}]}", false, ServiceMesh::None),
        ("null", false, ServiceMesh::None),
    ];
    for (selector, protected, mesh) in cases {
        let cluster = FakeCluster::yaml(meshed).and_yaml(NAMESPACE).and_yaml(&budget(selector));
        let labels = labels(&cluster, "PodDisruptionBudget shop/b").await;
        assert_eq!((labels.pdb_protected, labels.service_mesh), (protected, mesh), "{selector}");
    }
    let cluster = FakeCluster::yaml(&budget("{}")).and_yaml(NAMESPACE).forbidding("Pod");
    let failed = labels(&cluster, "PodDisruptionBudget shop/b").await.failed_detections;
    assert_eq!(failed, BTreeSet::from([Detection::PdbProtected]));
}

#[tokio::test]
async fn a_pod_shows_the_sidecar_its_template_does_not() {
    let pod = "
kind: Pod
metadata: {name: web-6f-y, namespace: shop, annotations: {sidecar.istio.io/status: x}, ownerReferences: [{kind: ReplicaSet, name: web-6f, controller: true}]}
";
    assert_eq!(labels(&web().and_yaml(pod), "Pod shop/web-6f-y").await.service_mesh, ServiceMesh::Istio);
}

#[tokio::test]
async fn state_is_a_stateful_set_or_claims_per_pod() {
    let owned = "kind: Pod\nmetadata: {name: p, namespace: shop, ownerReferences: [{kind: StatefulSet, name: db}]}\n";
    let database = FakeCluster::yaml(DATABASE).and_yaml(NAMESPACE).and_yaml(owned);
    assert!(labels(&database, "Pod shop/p").await.stateful);
    let gadget = "kind: Gadget\nmetadata: {name: g, namespace: shop}\nspec: {volumeClaimTemplates: [{}]}\n";
    assert!(labels(&FakeCluster::yaml(gadget).and_yaml(NAMESPACE), "Gadget shop/g").await.stateful);
}

#[tokio::test]
async fn quotas_give_figures_the_first_quota_of_a_resource_counts() {
    let quotas = "
kind: ResourceQuota
metadata: {name: a, namespace: shop}
status: {hard: {cpu: '4', pods: 10}, used: {cpu: 3800m}}
---
kind: ResourceQuota
metadata: {name: b, namespace: shop}
spec: {hard: {cpu: '9', memory: 4Gi}}
";
    let found = detected(&web().and_yaml(quotas), "Deployment shop/web").await;
    assert!(found.labels.resource_quota_constrained);
    let expected = json!({"cpu_hard": "4", "cpu_used": "3800m", "memory_hard": "4Gi", "pods_hard": "10"});
    assert_eq!(json!(found.quota), expected);
}

#[tokio::test]
async fn any_network_policy_isolates() {
    let policy = "kind: NetworkPolicy\nmetadata: {name: deny, namespace: shop}\n";
    assert!(labels(&web().and_yaml(policy), "Deployment shop/web").await.network_isolated);
}

#[tokio::test]
async fn scope_decides_what_applies() {
    let namespaced = [
        Detection::PdbProtected,
        Detection::HpaEnabled,
        Detection::NetworkIsolated,
        Detection::ResourceQuotaConstrained,
    ];
    let node = detected(&FakeCluster::yaml("kind: Node\nmetadata: {name: n1}\n"), "Node n1").await;
    assert_eq!(node.labels.failed_detections, BTreeSet::from(namespaced));
    assert_eq!((node.notes.len(), node.labels.positive().len()), (0, 0));

    let inside = "
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled, argocd.argoproj.io/instance: x}}
---
kind: ResourceQuota
metadata: {name: q, namespace: shop}
status: {hard: {pods: '5'}, used: {pods: '5'}}
---
kind: NetworkPolicy
metadata: {name: deny, namespace: other}
";
    let namespace = detected(&FakeCluster::yaml(inside), "Namespace shop").await;
    let expected = DetectedLabels {
        git_ops_managed: true,
        git_ops_tool: GitOpsTool::ArgoCd,
        service_mesh: ServiceMesh::Istio,
        resource_quota_constrained: true,
        failed_detections: BTreeSet::from([Detection::PdbProtected, Detection::HpaEnabled]),
        ..DetectedLabels::default()
    };
    assert_eq!((namespace.labels, namespace.quota.len()), (expected, 2));
}

#[tokio::test]
async fn an_unreadable_root_leaves_unknown_what_others_do_not_prove() {
    let objects = WEB.replace("Deployment", "Gadget");
    let everything_the_root_tells = BTreeSet::from([
        Detection::GitOpsManaged,
        Detection::PdbProtected,
        Detection::Stateful,
        Detection::HelmManaged,
        Detection::ServiceMesh,
    ]);
    let hidden = FakeCluster::yaml(&objects).and_yaml(NAMESPACE).forbidding("Gadget");
    let found = labels(&hidden, "Pod shop/web-6f-x").await;
    assert_eq!(found.failed_detections, everything_the_root_tells);
    let protected = hidden.and_yaml(&budget("{matchLabels: {app: web}}"));
    let found = labels(&protected, "Pod shop/web-6f-x").await;
    assert!(found.pdb_protected && !found.failed_detections.contains(&Detection::PdbProtected));
}

#[tokio::test]
async fn an_unreadable_namespace_is_noted_and_nothing_fails() {
    let found = detected(&web().forbidding("Namespace"), "Deployment shop/web").await;
    assert_eq!(found.labels, DetectedLabels::default());
    assert_eq!(found.notes, ["the namespace could not be read: not allowed to read Namespace"]);
}

#[tokio::test]
async fn an_unreachable_cluster_fails_the_checks_and_not_the_labels() {
    let cluster = web().refusing("NetworkPolicy", ClusterError::Unavailable("reset".into()));
    let found = labels(&cluster, "Deployment shop/web").await;
    assert_eq!(found.failed_detections, BTreeSet::from([Detection::NetworkIsolated]));
}

const MACHINE: &str = "
kind: VirtualMachine
metadata: {name: vm, namespace: shop}
spec: {template: {metadata: {labels: {vm: vm}}, spec: {evictionStrategy: LiveMigrate}}}
---
kind: PersistentVolumeClaim
metadata: {name: disk, namespace: shop, annotations: {cdi.kubevirt.io/storage.import.endpoint: x}}
spec: {storageClassName: fast}
";

#[tokio::test]
async fn virtual_machines_have_labels_of_their_own_where_the_kind_exists() {
    assert_eq!(labels(&web(), "Deployment shop/web").await.virtual_machine, None);
    let beside = web().and_yaml(MACHINE);
    assert_eq!(labels(&beside, "Deployment shop/web").await.virtual_machine, Some(VirtualMachineLabels::default()));
    let backends = [
        ("openshift-storage.rbd.csi.ceph.com", "odf-ceph"),
        ("topolvm.io", "lvms"),
        ("kubernetes.io/no-provisioner", "local"),
        ("ebs.csi.aws.com", ""),
    ];
    for (provisioner, backend) in backends {
        let class = format!("kind: StorageClass\nmetadata: {{name: fast}}\nprovisioner: {provisioner}\n");
        let found =
            labels(&FakeCluster::yaml(MACHINE).and_yaml(NAMESPACE).and_yaml(&class), "VirtualMachine shop/vm").await;
        let expected = VirtualMachineLabels {
            virtual_machine: true,
            live_migratable: true,
            cdi_managed: true,
            storage_backend: backend.to_owned(),
        };
        assert_eq!(found.virtual_machine, Some(expected), "{provisioner}");
        assert_eq!(found.failed_detections, BTreeSet::new());
    }
    for (kind, failed) in [
        ("StorageClass", BTreeSet::from([Detection::StorageBackend])),
        ("PersistentVolumeClaim", BTreeSet::from([Detection::CdiManaged, Detection::StorageBackend])),
    ] {
        let cluster = FakeCluster::yaml(MACHINE).and_yaml(NAMESPACE).forbidding(kind);
        assert_eq!(labels(&cluster, "VirtualMachine shop/vm").await.failed_detections, failed, "{kind}");
    }
}

#[test]
fn labels_have_their_wire_names() {
    let plain = DetectedLabels { git_ops_tool: GitOpsTool::ArgoCd, git_ops_managed: true, ..DetectedLabels::default() };
    let wire = json!({
        "gitOpsManaged": true, "gitOpsTool": "argocd", "pdbProtected": false, "hpaEnabled": false, "stateful": false,
        "helmManaged": false, "networkIsolated": false, "serviceMesh": "", "resourceQuotaConstrained": false,
        "failedDetections": []
    });
    assert_eq!(json!(plain), wire);
    assert_eq!(serde_json::from_value::<DetectedLabels>(wire).unwrap(), plain);
    let machine = DetectedLabels {
        service_mesh: ServiceMesh::Linkerd,
        virtual_machine: Some(VirtualMachineLabels { virtual_machine: true, ..VirtualMachineLabels::default() }),
        failed_detections: BTreeSet::from([Detection::GitOpsManaged, Detection::StorageBackend]),
        ..plain
    };
    let wire = json!(machine);
    assert_eq!(wire["failedDetections"], json!(["gitOpsManaged", "storageBackend"]));
    assert_eq!(serde_json::from_value::<DetectedLabels>(wire).unwrap(), machine);
    // A failed check takes every label it decides with it.
    assert_eq!(json!(machine.positive()), json!({"serviceMesh": "linkerd", "virtualMachine": true}));
    let shown: Vec<String> = machine.for_model().into_iter().map(|(name, _)| name).collect();
    assert!(!shown.iter().any(|name| ["gitOpsTool", "storageBackend", "failedDetections"].contains(&name.as_str())));
    assert!(shown.contains(&"cdiManaged".to_owned()));
}

#[test]
fn names_of_checks_are_those_on_the_wire() {
    for detection in [Detection::GitOpsManaged, Detection::PdbProtected, Detection::CdiManaged] {
        assert_eq!(json!(detection), json!(detection.as_str()));
        assert!(detection.labels().contains(&detection.as_str()));
    }
}

#[test]
fn every_known_label_has_a_sentence_and_unknown_ones_are_named() {
    let all = DetectedLabels {
        git_ops_managed: true,
        git_ops_tool: GitOpsTool::Flux,
        pdb_protected: true,
        hpa_enabled: true,
        stateful: true,
        helm_managed: true,
        network_isolated: true,
        service_mesh: ServiceMesh::Istio,
        resource_quota_constrained: true,
        virtual_machine: Some(VirtualMachineLabels {
            virtual_machine: true,
            live_migratable: true,
            cdi_managed: true,
            storage_backend: "local".to_owned(),
        }),
        failed_detections: BTreeSet::new(),
    };
    assert_eq!(all.sentences().len(), 12);
    assert!(all.sentences()[0].starts_with("Flux"));
    let doubtful = DetectedLabels { failed_detections: BTreeSet::from([Detection::GitOpsManaged]), ..all };
    assert_eq!(doubtful.sentences().len(), 12);
    assert_eq!(doubtful.sentences().last().unwrap(), "Unknown, neither present nor absent for certain: gitOpsManaged.");
}
