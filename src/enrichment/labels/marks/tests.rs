use super::*;
use crate::enrichment::labels::{DetectedLabels, detect};
use crate::enrichment::owners::owner_chain;
use crate::enrichment::reader::Reader;
use crate::enrichment::testing::{FakeCluster, quick, reference};

/// A Deployment and its namespace with these marks: metadata members of the template, the Deployment, the namespace.
async fn marked(template: &str, root: &str, namespace: &str) -> DetectedLabels {
    let text = format!(
        "kind: Deployment\nmetadata: {{name: web, namespace: shop, {root}}}\nspec: {{template: {{metadata: {{{template}}}}}}}\n\
         ---\nkind: Namespace\nmetadata: {{name: shop, {namespace}}}\n"
    );
    let cluster = FakeCluster::yaml(&text);
    let reader = Reader::new(&cluster, quick());
    detect(&reader, &owner_chain(&reader, &reference("Deployment shop/web")).await.unwrap()).await.labels
}

#[tokio::test]
async fn git_ops_cascade_step_by_step() {
    use GitOpsTool::{ArgoCd, Flux, None};
    let cases = [
        // The steps, each against a mark of the other tool in the next step where there is one.
        ("annotations: {argocd.argoproj.io/tracking-id: x}", "labels: {fluxcd.io/sync-gc-mark: x}", "", ArgoCd),
        ("labels: {argocd.argoproj.io/instance: x}", "labels: {fluxcd.io/sync-gc-mark: x}", "", ArgoCd),
        ("annotations: {argocd.argoproj.io/instance: x}", "", "", ArgoCd),
        ("", "annotations: {argocd.argoproj.io/tracking-id: x}, labels: {fluxcd.io/sync-gc-mark: x}", "", ArgoCd),
        ("", "labels: {fluxcd.io/sync-gc-mark: x, argocd.argoproj.io/instance: x}", "", Flux),
        ("", "labels: {argocd.argoproj.io/instance: x}", "labels: {fluxcd.io/sync-gc-mark: x}", ArgoCd),
        ("", "annotations: {argocd.argoproj.io/instance: x}", "", ArgoCd),
        ("", "", "labels: {argocd.argoproj.io/instance: x, fluxcd.io/sync-gc-mark: x}", ArgoCd),
        ("", "", "labels: {fluxcd.io/sync-gc-mark: x}, annotations: {argocd.argoproj.io/tracking-id: x}", Flux),
        ("", "", "annotations: {argocd.argoproj.io/tracking-id: x, fluxcd.io/sync-gc-mark: x}", ArgoCd),
        ("", "", "annotations: {fluxcd.io/sync-gc-mark: x, argocd.argoproj.io/managed: x}", Flux),
        ("", "", "annotations: {argocd.argoproj.io/managed: x, fluxcd.io/sync-status: x}", ArgoCd),
        ("", "annotations: {argocd.argoproj.io/managed-by: x}", "annotations: {fluxcd.io/sync-status: x}", Flux),
        ("", "annotations: {argocd.argoproj.io/managed-by: x, fluxcd.io/sync-checksum: x}", "", ArgoCd),
        ("", "annotations: {fluxcd.io/sync-checksum: x}", "", Flux),
        ("", "labels: {kustomize.toolkit.fluxcd.io/name: x}", "", Flux),
        ("", "annotations: {kustomize.toolkit.fluxcd.io/name: x}", "", Flux),
        ("", "labels: {helm.toolkit.fluxcd.io/name: x}", "", Flux),
        // Empty values and wrong places do not count.
        ("annotations: {argocd.argoproj.io/tracking-id: ''}", "labels: {argocd.argoproj.io/instance: ''}", "", None),
        ("labels: {argocd.argoproj.io/tracking-id: x}", "labels: {argocd.argoproj.io/managed-by: x}", "", None),
        ("labels: {fluxcd.io/sync-gc-mark: x}", "annotations: {fluxcd.io/sync-gc-mark: x}", "", None),
    ];
    for (template, root, namespace, tool) in cases {
        let labels = marked(template, root, namespace).await;
        assert_eq!(labels.git_ops_tool, tool, "T {template:?} R {root:?} N {namespace:?}");
        assert_eq!(labels.git_ops_managed, tool != None);
    }
}

#[tokio::test]
async fn helm_leaves_three_kinds_of_marks() {
    let cases = [
        ("labels: {app.kubernetes.io/managed-by: Helm}", true),
        ("labels: {app.kubernetes.io/managed-by: helm}", true),
        ("labels: {app.kubernetes.io/managed-by: kubectl}", false),
        ("labels: {helm.sh/chart: web-1.2}", true),
        ("annotations: {meta.helm.sh/release-name: web}", true),
        ("annotations: {helm.sh/chart: web-1.2}", false),
    ];
    for (root, expected) in cases {
        assert_eq!(marked("", root, "").await.helm_managed, expected, "{root}");
    }
    assert!(!marked("labels: {helm.sh/chart: web-1.2}", "", "").await.helm_managed, "template");
}

#[tokio::test]
async fn meshes_are_seen_in_sidecars_wishes_and_namespaces() {
    use ServiceMesh::{Istio, Linkerd, None};
    let cases = [
        ("annotations: {sidecar.istio.io/status: x, linkerd.io/proxy-version: x}", "", "", Istio),
        ("annotations: {linkerd.io/proxy-version: x, sidecar.istio.io/inject: 'true'}", "", "", Linkerd),
        ("labels: {sidecar.istio.io/inject: 'true'}", "", "", Istio),
        ("", "annotations: {sidecar.istio.io/inject: 'true'}", "", Istio),
        ("annotations: {linkerd.io/inject: enabled}", "", "", Linkerd),
        ("labels: {sidecar.istio.io/inject: 'false'}", "", "", None),
        ("", "", "labels: {istio-injection: enabled}", Istio),
        ("", "", "labels: {istio-injection: disabled}", None),
        ("", "", "labels: {istio.io/rev: stable}", Istio),
        ("", "", "annotations: {linkerd.io/inject: enabled}", Linkerd),
        ("", "", "annotations: {linkerd.io/inject: disabled}", None),
        ("labels: {sidecar.istio.io/inject: 'false'}", "", "labels: {istio-injection: enabled}", None),
        ("annotations: {linkerd.io/inject: disabled}", "", "annotations: {linkerd.io/inject: enabled}", None),
    ];
    for (template, root, namespace, mesh) in cases {
        let labels = marked(template, root, namespace).await;
        assert_eq!(labels.service_mesh, mesh, "T {template:?} R {root:?} N {namespace:?}");
    }
}
