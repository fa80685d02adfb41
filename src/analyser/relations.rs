//! Who could be to blame: the objects the signal resource depends on, and how far away they are.
//!
//! Edges run from an object to what its health depends on, never back through something many share: from a pod to its
//! node, but not from there to the node's other pods. Only the signal resource itself is also followed the other way,
//! so that an alert about a Node, a claim or a Secret reaches the pods that use it.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::Observed;
use super::connections::{Address, Destination, configured_addresses, failures_of, resolve};
use super::network::{Direction, isolates, selects};
use super::pods::STABLE_AFTER_MAX;
use super::routing;
use crate::domain::object::{at, text, text_map};
use crate::domain::{Object, ResourceRef};

/// Distances from the signal resource. Zero: the resource itself, its owners and everything they own.
#[derive(Debug, Clone, Default)]
pub struct Relations {
    distance: BTreeMap<Key, u32>,
}

type Key = (String, String, String);

fn key(reference: &ResourceRef) -> Key {
    let namespace = reference.namespace.clone().unwrap_or_default();
    (reference.kind.to_ascii_lowercase(), namespace, reference.name.clone())
}

/// Nothing further away than this is looked at.
pub const DISTANCE_MAX: u32 = 6;

impl Relations {
    /// Walks from the signal resource (and the incident's own, when another stands in for it).
    pub fn of(observed: &Observed) -> Self {
        let mut relations = Self::default();
        let mut open: VecDeque<(ResourceRef, u32)> = VecDeque::new();
        open.push_back((observed.signal().clone(), 0));
        open.push_back((observed.incident.resource.clone(), 0));
        while let Some((reference, distance)) = open.pop_front() {
            let known = relations.distance.get(&key(&reference)).is_some_and(|known| *known <= distance);
            if known || distance > DISTANCE_MAX {
                continue;
            }
            relations.distance.insert(key(&reference), distance);
            let Some(object) = observed.find(&reference) else { continue };
            let is_signal = reference.same_object(observed.signal());
            for edge in edges(observed, object, is_signal) {
                match edge {
                    Edge::Same(to) => open.push_front((to, distance)),
                    Edge::To(to) => open.push_back((to, distance + 1)),
                }
            }
        }
        relations
    }

    /// Steps from the signal to an object; `None` when nothing leads there.
    pub fn distance(&self, reference: &ResourceRef) -> Option<u32> {
        self.distance.get(&key(reference)).copied()
    }

    /// The signal resource, its owners, and everything they own.
    pub fn is_signal(&self, reference: &ResourceRef) -> bool {
        self.distance(reference) == Some(0)
    }
}

/// A step to what an object's health depends on.
enum Edge {
    /// Part of the same workload.
    Same(ResourceRef),
    To(ResourceRef),
}

const WORKLOADS: &[&str] =
    &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"];

/// True for kinds that make pods.
pub fn is_workload(kind: &str) -> bool {
    WORKLOADS.iter().any(|workload| workload.eq_ignore_ascii_case(kind))
}

fn edges(observed: &Observed, object: &Object, is_signal: bool) -> Vec<Edge> {
    let mut found = ownership(observed, object);
    let to = match object.kind() {
        "Pod" => of_pod(observed, object),
        kind if is_workload(kind) => of_workload(observed, object),
        "Service" => of_service(observed, object),
        "Ingress" => of_ingress(object),
        "HorizontalPodAutoscaler" => of_autoscaler(object),
        "PodDisruptionBudget" => selected(observed, object, "spec.selector"),
        "PersistentVolumeClaim" => of_claim(observed, object),
        "PersistentVolume" => vec![cluster("StorageClass", object.str_at("spec.storageClassName"))],
        "Secret" => certificates_of(observed, object),
        "Certificate" => vec![beside(object, "Secret", object.str_at("spec.secretName"))],
        "ServiceAccount" => bindings_of(observed, object),
        "RoleBinding" | "ClusterRoleBinding" => vec![role_of(object)],
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => webhook_services(object),
        _ => Vec::new(),
    };
    found.extend(to.into_iter().filter(|to| !to.name.is_empty()).map(Edge::To));
    if is_signal {
        found.extend(users(observed, object).into_iter().map(Edge::To));
    }
    found
}

fn beside(object: &Object, kind: &str, name: Option<&str>) -> ResourceRef {
    ResourceRef::namespaced(kind, object.namespace().unwrap_or_default(), name.unwrap_or_default())
}

fn cluster(kind: &str, name: Option<&str>) -> ResourceRef {
    ResourceRef::cluster_scoped(kind, name.unwrap_or_default())
}

fn references<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Vec<ResourceRef> {
    objects.into_iter().map(Object::reference).collect()
}

fn ownership(observed: &Observed, object: &Object) -> Vec<Edge> {
    let owner = object.owner().filter(|owner| owner.kind != "Node");
    let owner = owner.map(|owner| {
        let namespaced = beside(object, &owner.kind, Some(&owner.name));
        let found = observed.find(&namespaced).is_some();
        Edge::Same(if found { namespaced } else { cluster(&owner.kind, Some(&owner.name)) })
    });
    let children = observed.owned_by(object).filter(|_| object.kind() != "Node");
    let edge = if is_workload(object.kind()) { Edge::Same } else { Edge::To };
    owner.into_iter().chain(children.map(|child| edge(child.reference()))).collect()
}

fn of_pod(observed: &Observed, pod: &Object) -> Vec<ResourceRef> {
    let namespace = pod.namespace().unwrap_or_default();
    let mut found = of_template(pod, pod.at("spec"));
    found.push(cluster("Node", pod.str_at("spec.nodeName")));
    let isolating =
        |policy: &&Object| isolates(policy, Direction::Ingress, pod) || isolates(policy, Direction::Egress, pod);
    found.extend(references(observed.in_namespace("NetworkPolicy", namespace).filter(isolating)));
    found.extend(references(routing::services_of(observed, pod)));
    found.extend(references(called(observed, pod)));
    let labels = pod.labels();
    let budgets = observed.in_namespace("PodDisruptionBudget", namespace);
    found.extend(references(budgets.filter(|budget| selects(budget.at("spec.selector"), &labels))));
    found
}

/// Services and pods a pod calls, by its configuration and its failed connections.
pub fn called<'a>(observed: &'a Observed, pod: &'a Object) -> Vec<&'a Object> {
    let namespace = pod.namespace().unwrap_or_default();
    let configured = configured_addresses(observed, pod).into_iter().map(|configured| configured.address);
    let failures = failures_of(observed, pod, STABLE_AFTER_MAX);
    let failed = failures.into_iter().take(FAILURES_MAX).flat_map(|failure| failure.addresses.to_vec());
    let mut found: Vec<&Object> = Vec::new();
    for Address { host, .. } in configured.chain(failed) {
        let object = match resolve(observed, namespace, &host) {
            Some(Destination::Service(object) | Destination::Pod(object)) => object,
            None => continue,
        };
        if !found.iter().any(|seen| seen.reference() == object.reference()) {
            found.push(object);
        }
    }
    found
}

/// Most failed connections of one pod that are resolved to objects.
const FAILURES_MAX: usize = 50;

/// What a pod template names in its own namespace: claims, ConfigMaps, Secrets and the ServiceAccount.
pub fn of_template(object: &Object, spec: Option<&Value>) -> Vec<ResourceRef> {
    let Some(spec) = spec else { return Vec::new() };
    fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
        at(value, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
    let mut found = vec![beside(object, "ServiceAccount", at(spec, "serviceAccountName").and_then(Value::as_str))];
    let mut add = |kind: &str, value: &Value, path: &str| {
        found.push(beside(object, kind, at(value, path).and_then(Value::as_str)));
    };
    list(spec, "imagePullSecrets").iter().for_each(|secret| add("Secret", secret, "name"));
    for volume in list(spec, "volumes") {
        add("PersistentVolumeClaim", volume, "persistentVolumeClaim.claimName");
        add("ConfigMap", volume, "configMap.name");
        add("Secret", volume, "secret.secretName");
        for source in list(volume, "projected.sources") {
            add("ConfigMap", source, "configMap.name");
            add("Secret", source, "secret.name");
        }
    }
    for container in list(spec, "initContainers").iter().chain(list(spec, "containers")) {
        for source in list(container, "envFrom") {
            add("ConfigMap", source, "configMapRef.name");
            add("Secret", source, "secretRef.name");
        }
        for variable in list(container, "env") {
            add("ConfigMap", variable, "valueFrom.configMapKeyRef.name");
            add("Secret", variable, "valueFrom.secretKeyRef.name");
        }
    }
    found.retain(|reference| !reference.name.is_empty());
    found
}

fn of_workload(observed: &Observed, workload: &Object) -> Vec<ResourceRef> {
    let namespace = workload.namespace().unwrap_or_default();
    let template = ["spec.template.spec", "spec.jobTemplate.spec.template.spec"];
    let template = template.iter().find_map(|path| workload.at(path));
    let mut found = of_template(workload, template);
    let scales = |autoscaler: &&Object| {
        autoscaler.str_at("spec.scaleTargetRef.name") == Some(workload.name())
            && autoscaler.str_at("spec.scaleTargetRef.kind") == Some(workload.kind())
    };
    found.extend(references(observed.in_namespace("HorizontalPodAutoscaler", namespace).filter(scales)));
    found.push(beside(workload, "Service", Some(workload.name())));
    found.push(beside(workload, "Service", workload.str_at("spec.serviceName")));
    found.extend(references(observed.in_namespace("ResourceQuota", namespace)));
    found.extend(references(observed.in_namespace("LimitRange", namespace)));
    for claim in workload.list_at("spec.volumeClaimTemplates") {
        let prefix = format!("{}-{}-", text(claim, "metadata.name"), workload.name());
        let claims = observed.in_namespace("PersistentVolumeClaim", namespace);
        found.extend(references(claims.filter(|claim| claim.name().starts_with(&prefix))));
    }
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        found.extend(references(observed.of_kind(kind)));
    }
    found
}

fn of_service(observed: &Observed, service: &Object) -> Vec<ResourceRef> {
    let namespace = service.namespace().unwrap_or_default();
    let mut found = references(routing::backends(observed, service));
    found.extend(references(routing::endpoint_slices(observed, service)));
    // A selector that picks nothing: the workload it was meant for has its name or shares a label.
    let wanted = text_map(service.at("spec.selector"));
    let meant = |workload: &&Object| {
        let labels = text_map(workload.at("spec.template.metadata.labels"));
        workload.name() == service.name() || wanted.iter().any(|(key, value)| labels.get(key) == Some(value))
    };
    if found.is_empty() || routing::backends(observed, service).is_empty() {
        for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
            found.extend(references(observed.in_namespace(kind, namespace).filter(meant)));
        }
    }
    if let Some(host) = service.str_at("spec.externalName")
        && let Some(Destination::Service(target)) = resolve(observed, namespace, host)
    {
        found.push(target.reference());
    }
    found
}

fn of_ingress(ingress: &Object) -> Vec<ResourceRef> {
    let paths = ingress.list_at("spec.rules").filter_map(|rule| at(rule, "http.paths").and_then(Value::as_array));
    let backends = paths.flatten().map(|path| text(path, "backend.service.name"));
    let default = ingress.str_at("spec.defaultBackend.service.name");
    let services = backends.chain(default).map(|name| beside(ingress, "Service", Some(name)));
    let secrets = ingress.list_at("spec.tls").map(|tls| beside(ingress, "Secret", Some(text(tls, "secretName"))));
    services.chain(secrets).collect()
}

fn of_autoscaler(autoscaler: &Object) -> Vec<ResourceRef> {
    let kind = autoscaler.str_at("spec.scaleTargetRef.kind").unwrap_or_default();
    vec![beside(autoscaler, kind, autoscaler.str_at("spec.scaleTargetRef.name"))]
}

fn selected(observed: &Observed, object: &Object, path: &str) -> Vec<ResourceRef> {
    let pods = observed.in_namespace("Pod", object.namespace().unwrap_or_default());
    references(pods.filter(|pod| selects(object.at(path), &pod.labels())))
}

fn of_claim(observed: &Observed, claim: &Object) -> Vec<ResourceRef> {
    let mut found = vec![
        cluster("PersistentVolume", claim.str_at("spec.volumeName")),
        cluster("StorageClass", claim.str_at("spec.storageClassName")),
    ];
    found.extend(references(observed.in_namespace("ResourceQuota", claim.namespace().unwrap_or_default())));
    found
}

fn certificates_of(observed: &Observed, secret: &Object) -> Vec<ResourceRef> {
    let certificates = observed.in_namespace("Certificate", secret.namespace().unwrap_or_default());
    references(certificates.filter(|certificate| certificate.str_at("spec.secretName") == Some(secret.name())))
}

fn bindings_of(observed: &Observed, account: &Object) -> Vec<ResourceRef> {
    let names = |binding: &&Object| {
        binding.list_at("subjects").any(|subject| {
            text(subject, "name") == account.name()
                && text(subject, "namespace") == account.namespace().unwrap_or_default()
        })
    };
    let all = observed.of_kind("RoleBinding").chain(observed.of_kind("ClusterRoleBinding"));
    references(all.filter(names))
}

fn role_of(binding: &Object) -> ResourceRef {
    let name = binding.str_at("roleRef.name");
    match binding.str_at("roleRef.kind") {
        Some("Role") => beside(binding, "Role", name),
        _ => cluster("ClusterRole", name),
    }
}

fn webhook_services(configuration: &Object) -> Vec<ResourceRef> {
    let services = configuration.list_at("webhooks").filter_map(|webhook| at(webhook, "clientConfig.service"));
    services
        .map(|service| ResourceRef::namespaced("Service", text(service, "namespace"), text(service, "name")))
        .collect()
}

/// Who uses the object: followed only from the signal resource.
fn users(observed: &Observed, object: &Object) -> Vec<ResourceRef> {
    let namespace = object.namespace().unwrap_or_default();
    let pods_where = |uses: &dyn Fn(&Object) -> bool| references(observed.of_kind("Pod").filter(|pod| uses(pod)));
    match object.kind() {
        "Node" => pods_where(&|pod| pod.str_at("spec.nodeName") == Some(object.name())),
        "Namespace" => references(observed.objects().filter(|other| other.namespace() == Some(object.name()))),
        "PersistentVolumeClaim" | "ConfigMap" | "Secret" | "ServiceAccount" => {
            let own = object.reference();
            let named = |pod: &Object| of_template(pod, pod.at("spec")).iter().any(|named| named.same_object(&own));
            pods_where(&|pod| pod.namespace() == object.namespace() && named(pod))
        }
        "PersistentVolume" => {
            let claim = [object.str_at("spec.claimRef.namespace"), object.str_at("spec.claimRef.name")];
            let claim = claim.map(Option::unwrap_or_default);
            let [namespace, name] = claim;
            vec![ResourceRef::namespaced("PersistentVolumeClaim", namespace, name)]
        }
        "StorageClass" => {
            let uses = |claim: &&Object| claim.str_at("spec.storageClassName") == Some(object.name());
            references(observed.of_kind("PersistentVolumeClaim").filter(uses))
        }
        "NetworkPolicy" => selected(observed, object, "spec.podSelector"),
        "ResourceQuota" | "LimitRange" => references(
            observed.objects().filter(|other| is_workload(other.kind()) && other.namespace() == Some(namespace)),
        ),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyser::testing::{reference, scene};

    const SHOP: &str = "
kind: Deployment
metadata: {name: web, namespace: shop, uid: d}
---
kind: ReplicaSet
metadata: {name: web-1, namespace: shop, uid: r, ownerReferences: [{kind: Deployment, name: web, uid: d, controller: true}]}
---
kind: Pod
metadata: {name: web-1-a, namespace: shop, uid: p, labels: {app: web}, ownerReferences: [{kind: ReplicaSet, name: web-1, uid: r, controller: true}]}
spec: {nodeName: n1, serviceAccountName: web, containers: [{name: web, env: [{name: DATABASE_URL, value: 'postgres://db.data.svc:5432/x'}], envFrom: [{secretRef: {name: gone}}]}]}
---
kind: Pod
metadata: {name: other, namespace: shop, labels: {app: other}}
spec: {nodeName: n1, containers: [{name: other}]}
---
kind: Node
metadata: {name: n1}
---
kind: Service
metadata: {name: db, namespace: data}
spec: {selector: {app: db}}
---
kind: Pod
metadata: {name: db-0, namespace: data, labels: {app: db}}
spec: {containers: [{name: db}], volumes: [{name: data, persistentVolumeClaim: {claimName: data-db-0}}]}
";

    #[test]
    fn distances_follow_dependencies_and_not_shared_things() {
        for (signal, distances) in [
            (
                "Deployment shop/web",
                vec![
                    ("Pod shop/web-1-a", Some(0)),
                    ("ReplicaSet shop/web-1", Some(0)),
                    ("Node n1", Some(1)),
                    ("Secret shop/gone", Some(1)),
                    ("Service data/db", Some(1)),
                    ("Pod data/db-0", Some(2)),
                    ("PersistentVolumeClaim data/data-db-0", Some(3)),
                    ("Pod shop/other", None),
                ],
            ),
            ("Pod shop/web-1-a", vec![("Deployment shop/web", Some(0)), ("Node n1", Some(1))]),
            ("Node n1", vec![("Pod shop/other", Some(1)), ("Deployment shop/web", Some(1))]),
            ("Service data/db", vec![("Pod data/db-0", Some(1)), ("Deployment shop/web", None)]),
        ] {
            let relations = Relations::of(&scene(signal).yaml(SHOP).build());
            for (to, distance) in distances {
                assert_eq!(relations.distance(&reference(to)), distance, "{signal} -> {to}");
            }
        }
    }
}
