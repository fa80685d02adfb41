use super::*;
use crate::analyser::testing::{Scene, scene};
use crate::domain::{CauseClass, Disposition, Finding};

fn claim(spec: &str, status: &str) -> String {
    format!(
        "
kind: PersistentVolumeClaim
metadata: {{name: data-db-0, namespace: shop, creationTimestamp: '2026-05-04T09:30:00Z'}}
spec: {{{spec}}}
status: {{{status}}}"
    )
}

fn class(name: &str, default: bool, more: &str) -> String {
    format!(
        "\nkind: StorageClass\nmetadata: {{name: {name}, annotations: {{storageclass.kubernetes.io/is-default-class: '{default}'}}}}\nprovisioner: csi.example\n{more}"
    )
}

fn user(phase: &str, ready: &str, node: &str) -> String {
    format!(
        "
kind: StatefulSet
metadata: {{name: db, namespace: shop, uid: s}}
spec: {{replicas: 1, volumeClaimTemplates: [{{metadata: {{name: data}}}}]}}
---
kind: Pod
metadata: {{name: db-0, namespace: shop, ownerReferences: [{{kind: StatefulSet, name: db, uid: s, controller: true}}]}}
spec: {{nodeName: '{node}', containers: [{{name: db, volumeMounts: [{{name: data, mountPath: /var/lib/db}}, {{name: scratch, mountPath: /scratch}}]}}], volumes: [{{name: data, persistentVolumeClaim: {{claimName: data-db-0}}}}, {{name: scratch, emptyDir: {{}}}}]}}
status: {{phase: {phase}, conditions: [{{type: Ready, status: '{ready}'}}]}}"
    )
}

fn hint(finding: &Finding, name: &str) -> String {
    finding.parameters.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn bound() -> Scene {
    scene("Pod shop/db-0")
        .yaml(&claim(
            "storageClassName: fast, resources: {requests: {storage: 10Gi}}",
            "phase: Bound, capacity: {storage: 10Gi}",
        ))
        .yaml(&user("Running", "False", "n1"))
}

const NO_SPACE: &str =
    "2026-05-04T09:58:00Z FATAL: could not write to file \"/var/lib/db/wal/1\": No space left on device";

#[test]
fn a_class_that_does_not_exist_is_replaced() {
    let finding = scene("PersistentVolumeClaim shop/data-db-0")
        .yaml(&claim("storageClassName: fast-sdd", "phase: Pending"))
        .yaml(&class("standard", true, ""))
        .yaml(&class("fast-ssd", false, ""))
        .yaml(&user("Pending", "False", ""))
        .only_finding(SIGNATURES);
    assert_eq!(
        (finding.cause_class, finding.action_type.as_deref()),
        (CauseClass::VolumeUnbound, Some("FixStorageClass"))
    );
    assert_eq!(
        (finding.target.to_string().as_str(), hint(&finding, "STORAGE_CLASS_NAME").as_str()),
        ("PersistentVolumeClaim shop/data-db-0", "fast-ssd")
    );
    assert!(finding.affects.iter().any(|affected| affected.to_string() == "StatefulSet shop/db"));
    let unlike = scene("Pod shop/db-0")
        .yaml(&claim("storageClassName: gold", "phase: Pending"))
        .yaml(&class("other", false, ""))
        .yaml(&class("standard", true, ""));
    assert_eq!(hint(&unlike.only_finding(SIGNATURES), "STORAGE_CLASS_NAME"), "standard");
}

#[test]
fn without_a_default_class_one_is_chosen() {
    let message = "no persistent volumes available for this claim and no storage class is set";
    let finding = scene("Pod shop/db-0")
        .yaml(&claim("", "phase: Pending"))
        .yaml(&class("only", false, ""))
        .event("PersistentVolumeClaim shop/data-db-0", "FailedBinding", message, 1)
        .only_finding(SIGNATURES);
    assert_eq!((finding.disposition, hint(&finding, "STORAGE_CLASS_NAME").as_str()), (Disposition::Act, "only"));
}

#[test]
fn claims_that_wait_by_design_are_no_fault() {
    let waiting = class("fast", false, "volumeBindingMode: WaitForFirstConsumer");
    let pending = claim("storageClassName: fast", "phase: Pending");
    let asked = scene("PersistentVolumeClaim shop/data-db-0").yaml(&pending).yaml(&waiting);
    assert_eq!(asked.only_finding(SIGNATURES).disposition, Disposition::NotActionable);
    let used =
        scene("PersistentVolumeClaim shop/data-db-0").yaml(&pending).yaml(&waiting).yaml(&user("Pending", "False", ""));
    assert!(used.findings(SIGNATURES).is_empty(), "its pod waits for a node");
}

#[test]
fn a_failing_or_silent_provisioner_is_for_people() {
    let scene = || {
        scene("Pod shop/db-0")
            .yaml(&claim("storageClassName: fast", "phase: Pending"))
            .yaml(&class("fast", false, ""))
            .yaml(&user("Pending", "False", ""))
    };
    for (reason, message) in [
        (
            "ProvisioningFailed",
            "failed to provision volume with StorageClass \"fast\": rpc error: code = ResourceExhausted",
        ),
        (
            "ExternalProvisioning",
            "Waiting for a volume to be created either by the external provisioner 'csi.example' or manually",
        ),
    ] {
        let finding =
            scene().event("PersistentVolumeClaim shop/data-db-0", reason, message, 1).only_finding(SIGNATURES);
        assert_eq!(
            (finding.cause_class, finding.disposition),
            (CauseClass::VolumeUnbound, Disposition::Escalate),
            "{reason}"
        );
    }
    assert!(scene().findings(SIGNATURES).is_empty());
}

#[test]
fn a_claim_no_handmade_volume_fits_is_for_people() {
    let refused = user("Pending", "False", "").replace(
        "conditions: [",
        "conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: '0/3 nodes are available: 3 node(s) did not find available persistent volumes to bind.'}, ",
    );
    let finding = scene("Pod shop/db-0")
        .yaml(&claim("storageClassName: local", "phase: Pending"))
        .yaml(&class("local", false, "volumeBindingMode: WaitForFirstConsumer"))
        .yaml(&refused)
        .only_finding(SIGNATURES);
    assert_eq!((finding.cause_class, finding.disposition), (CauseClass::VolumeUnbound, Disposition::Escalate));
}

#[test]
fn a_full_volume_is_expanded_where_its_class_allows() {
    let finding = bound()
        .yaml(&class("fast", true, "allowVolumeExpansion: true"))
        .log("shop/db-0", "db", &[NO_SPACE])
        .only_finding(SIGNATURES);
    assert_eq!(
        (finding.cause_class, finding.action_type.as_deref()),
        (CauseClass::VolumeFull, Some("ExpandPersistentVolumeClaim"))
    );
    assert_eq!(hint(&finding, "SIZE_NEW"), "20Gi");
    assert_eq!(finding.target.to_string(), "PersistentVolumeClaim shop/data-db-0");
    let fixed = bound().yaml(&class("fast", true, "")).log("shop/db-0", "db", &[NO_SPACE]).only_finding(SIGNATURES);
    assert_eq!((fixed.disposition, fixed.action_type), (Disposition::Escalate, None));
}

#[test]
fn space_complaints_about_something_else_are_not_the_volume() {
    let log = |line: &str| {
        bound()
            .yaml(&class("fast", true, "allowVolumeExpansion: true"))
            .log("shop/db-0", "db", &[line])
            .findings(SIGNATURES)
    };
    assert!(log("2026-05-04T09:58:00Z write /scratch/x: no space left on device").is_empty(), "another mount");
    assert!(log("2026-05-04T07:58:00Z write /var/lib/db/x: no space left on device").is_empty(), "long ago");
}

const LABELS: &[(&str, &str)] = &[("namespace", "shop"), ("persistentvolumeclaim", "data-db-0")];
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

#[test]
fn metrics_alone_tell_full_and_recovered_volumes() {
    let scene = |used: f64| {
        bound()
            .yaml(&class("fast", true, "allowVolumeExpansion: true"))
            .metric("kubelet_volume_stats_used_bytes", LABELS, &[used * GIB])
            .metric("kubelet_volume_stats_capacity_bytes", LABELS, &[10.0 * GIB])
    };
    assert_eq!(scene(9.9).only_finding(SIGNATURES).action_type.as_deref(), Some("ExpandPersistentVolumeClaim"));
    assert!(scene(5.0).findings(SIGNATURES).is_empty());
    assert!(scene(8.8).findings(SIGNATURES).is_empty(), "filling, but nobody asked");
    let ready = user("Running", "True", "n1");
    let recovered = scene(5.0).yaml(&ready).log("shop/db-0", "db", &[NO_SPACE]).only_finding(SIGNATURES);
    assert_eq!(recovered.disposition, Disposition::Resolved);
}

#[test]
fn an_expansion_already_requested_is_not_requested_again() {
    let asked = claim(
        "storageClassName: fast, resources: {requests: {storage: 20Gi}}",
        "phase: Bound, capacity: {storage: 10Gi}, conditions: [{type: FileSystemResizePending, status: 'True'}]",
    );
    let finding = bound()
        .yaml(&asked)
        .yaml(&class("fast", true, "allowVolumeExpansion: true"))
        .log("shop/db-0", "db", &[NO_SPACE])
        .only_finding(SIGNATURES);
    assert_eq!(
        (finding.action_type.as_deref(), finding.target.to_string().as_str()),
        (Some("RestartWorkload"), "StatefulSet shop/db")
    );
}

#[test]
fn a_volume_held_by_another_node_is_for_people_unless_that_node_is_lost() {
    let other = |ready: &str| {
        format!(
            "
kind: Node
metadata: {{name: n2}}
status: {{conditions: [{{type: Ready, status: '{ready}'}}]}}
---
kind: Pod
metadata: {{name: db-old, namespace: shop}}
spec: {{nodeName: n2, volumes: [{{name: data, persistentVolumeClaim: {{claimName: data-db-0}}}}]}}
status: {{phase: Running, conditions: [{{type: Ready, status: '{ready}'}}]}}"
        )
    };
    let scene = |ready: &str| {
        bound().yaml(&user("Pending", "False", "n1")).yaml(&other(ready)).event(
            "Pod shop/db-0",
            "FailedAttachVolume",
            "Multi-Attach error for volume \"pvc-1\" Volume is already used by pod(s) db-old",
            3,
        )
    };
    let finding = scene("True").only_finding(SIGNATURES);
    assert_eq!(finding.disposition, Disposition::Escalate);
    assert!(finding.summary.contains("db-old on n2"), "{}", finding.summary);
    assert!(scene("Unknown").findings(SIGNATURES).is_empty());
}

#[test]
fn missing_secrets_are_not_storage() {
    let scene = bound().yaml(&user("Pending", "False", "n1")).event(
        "Pod shop/db-0",
        "FailedMount",
        "MountVolume.SetUp failed for volume \"tls\" : secret \"db-tls\" not found",
        1,
    );
    assert!(scene.findings(SIGNATURES).is_empty());
}

#[test]
fn orphans_are_named_as_such() {
    let orphan = claim("storageClassName: fast", "phase: Bound");
    let finding = scene("PersistentVolumeClaim shop/data-db-0").yaml(&orphan).only_finding(SIGNATURES);
    assert_eq!((finding.cause_class, finding.disposition), (CauseClass::Orphaned, Disposition::NotActionable));
    assert!(
        scene("PersistentVolumeClaim shop/data-db-0")
            .yaml(&orphan)
            .yaml(&user("Running", "True", "n1"))
            .findings(SIGNATURES)
            .is_empty(),
        "in use"
    );
    assert!(scene("Pod shop/other").yaml(&orphan).findings(SIGNATURES).is_empty(), "nobody asked");
}
