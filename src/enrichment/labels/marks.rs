//! Labels and annotations by which GitOps tools, Helm and meshes mark what they manage. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{GitOpsTool, ServiceMesh};
use crate::domain::Object;
use crate::domain::object::text_map;

/// Labels and annotations of one object or pod template. An empty value does not count as a mark.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks<'a> {
    pub(super) labels: BTreeMap<&'a str, &'a str>,
    annotations: BTreeMap<&'a str, &'a str>,
}

impl<'a> Marks<'a> {
    pub(super) fn of(object: &'a Object) -> Self {
        Self::in_metadata(object.at("metadata"))
    }

    /// Of the pods an object is or makes; `None` when it makes none.
    pub(super) fn of_pods(object: &'a Object) -> Option<Self> {
        let template = match object.kind() {
            "Pod" => Some(object.value()),
            "CronJob" => object.at("spec.jobTemplate.spec.template"),
            _ => object.at("spec.template"),
        };
        template.filter(|template| template.is_object()).map(|template| Self::in_metadata(template.get("metadata")))
    }

    fn in_metadata(metadata: Option<&'a Value>) -> Self {
        let member = |name| text_map(metadata.and_then(|metadata| metadata.get(name)));
        Self { labels: member("labels"), annotations: member("annotations") }
    }

    fn label(&self, key: &str) -> Option<&'a str> {
        self.labels.get(key).copied().filter(|value| !value.is_empty())
    }

    fn annotation(&self, key: &str) -> Option<&'a str> {
        self.annotations.get(key).copied().filter(|value| !value.is_empty())
    }

    fn either(&self, key: &str) -> Option<&'a str> {
        self.annotation(key).or_else(|| self.label(key))
    }

    fn has(&self, place: Place, key: &str) -> bool {
        match place {
            Place::Label => self.label(key).is_some(),
            Place::Annotation => self.annotation(key).is_some(),
            Place::Either => self.either(key).is_some(),
        }
    }
}

/// Everything that may carry a mark.
#[derive(Debug, Clone, Default)]
pub(super) struct Marked<'a> {
    /// Pods and pod templates of the chain, the root owner's first.
    pub(super) pods: Vec<Marks<'a>>,
    /// The root owner; `None` when it may not be read.
    pub(super) root: Option<Marks<'a>>,
    /// The namespace; `None` when there is none or it may not be read.
    pub(super) namespace: Option<Marks<'a>>,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Pods,
    Root,
    Namespace,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Label,
    Annotation,
    Either,
}

/// The first hit decides.
const GIT_OPS_CASCADE: &[(Source, Place, &str, GitOpsTool)] = &[
    (Source::Pods, Place::Annotation, "argocd.argoproj.io/tracking-id", GitOpsTool::ArgoCd),
    (Source::Pods, Place::Either, "argocd.argoproj.io/instance", GitOpsTool::ArgoCd),
    (Source::Root, Place::Annotation, "argocd.argoproj.io/tracking-id", GitOpsTool::ArgoCd),
    (Source::Root, Place::Label, "fluxcd.io/sync-gc-mark", GitOpsTool::Flux),
    (Source::Root, Place::Either, "argocd.argoproj.io/instance", GitOpsTool::ArgoCd),
    (Source::Namespace, Place::Label, "argocd.argoproj.io/instance", GitOpsTool::ArgoCd),
    (Source::Namespace, Place::Label, "fluxcd.io/sync-gc-mark", GitOpsTool::Flux),
    (Source::Namespace, Place::Annotation, "argocd.argoproj.io/tracking-id", GitOpsTool::ArgoCd),
    (Source::Namespace, Place::Annotation, "fluxcd.io/sync-gc-mark", GitOpsTool::Flux),
    (Source::Namespace, Place::Annotation, "argocd.argoproj.io/managed", GitOpsTool::ArgoCd),
    (Source::Namespace, Place::Annotation, "fluxcd.io/sync-status", GitOpsTool::Flux),
    (Source::Root, Place::Annotation, "argocd.argoproj.io/managed-by", GitOpsTool::ArgoCd),
    (Source::Root, Place::Annotation, "fluxcd.io/sync-checksum", GitOpsTool::Flux),
    (Source::Root, Place::Either, "kustomize.toolkit.fluxcd.io/name", GitOpsTool::Flux),
    (Source::Root, Place::Label, "helm.toolkit.fluxcd.io/name", GitOpsTool::Flux),
];

impl<'a> Marked<'a> {
    fn from(&self, source: Source) -> impl Iterator<Item = &Marks<'a>> {
        let (pods, single) = match source {
            Source::Pods => (self.pods.as_slice(), None),
            Source::Root => (&[][..], self.root.as_ref()),
            Source::Namespace => (&[][..], self.namespace.as_ref()),
        };
        pods.iter().chain(single)
    }

    fn has(&self, source: Source, place: Place, key: &str) -> bool {
        self.from(source).any(|marks| marks.has(place, key))
    }

    pub(super) fn git_ops_tool(&self) -> GitOpsTool {
        let mut hits = GIT_OPS_CASCADE.iter().filter(|(source, place, key, _)| self.has(*source, *place, key));
        hits.next().map_or(GitOpsTool::None, |(.., tool)| *tool)
    }

    pub(super) fn helm_managed(&self) -> bool {
        let Some(root) = &self.root else { return false };
        let managed_by = root.label("app.kubernetes.io/managed-by");
        managed_by.is_some_and(|value| value.eq_ignore_ascii_case("helm"))
            || root.label("helm.sh/chart").is_some()
            || root.annotation("meta.helm.sh/release-name").is_some()
    }

    /// Sidecars seen, then injection asked for by the workload, then by the namespace unless the workload refuses.
    pub(super) fn service_mesh(&self) -> ServiceMesh {
        let says = |key: &str, wanted: &str| {
            let marks = self.from(Source::Root).chain(self.from(Source::Pods));
            marks.flat_map(|marks| [marks.label(key), marks.annotation(key)]).flatten().any(|value| value == wanted)
        };
        let namespace = |key: &str| self.namespace.as_ref().and_then(|marks| marks.label(key));
        let namespace_linkerd = self.namespace.as_ref().and_then(|marks| marks.annotation("linkerd.io/inject"));
        let rules = [
            (self.has(Source::Pods, Place::Annotation, "sidecar.istio.io/status"), ServiceMesh::Istio),
            (self.has(Source::Pods, Place::Annotation, "linkerd.io/proxy-version"), ServiceMesh::Linkerd),
            (says("sidecar.istio.io/inject", "true"), ServiceMesh::Istio),
            (says("linkerd.io/inject", "enabled"), ServiceMesh::Linkerd),
            (
                (namespace("istio-injection") == Some("enabled") || namespace("istio.io/rev").is_some())
                    && !says("sidecar.istio.io/inject", "false"),
                ServiceMesh::Istio,
            ),
            (
                namespace_linkerd.is_some_and(|value| value != "disabled") && !says("linkerd.io/inject", "disabled"),
                ServiceMesh::Linkerd,
            ),
        ];
        rules.into_iter().find(|(holds, _)| *holds).map_or(ServiceMesh::None, |(_, mesh)| mesh)
    }
}

#[cfg(test)]
mod tests;
