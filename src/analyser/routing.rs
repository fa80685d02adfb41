//! From a Service to its pods: selector, ports, endpoints.

use serde_json::Value;

use super::Observed;
use crate::domain::Object;
use crate::domain::object::text;

/// Pods a Service selects that are neither finished nor going away. Nothing for a Service without selector.
pub fn backends<'a>(observed: &'a Observed, service: &'a Object) -> Vec<&'a Object> {
    let Some(selector) = selector(service) else { return Vec::new() };
    let mut pods = observed.pods_with_labels(service.namespace().unwrap_or_default(), selector);
    pods.retain(|pod| is_live(pod));
    pods
}

/// The selector of a Service that routes by labels: not of `ExternalName`, and not an empty one.
pub fn selector(service: &Object) -> Option<&Value> {
    let selector = service.at("spec.selector")?;
    let routes =
        service.str_at("spec.type") != Some("ExternalName") && selector.as_object().is_some_and(|map| !map.is_empty());
    routes.then_some(selector)
}

/// Neither finished nor being deleted.
pub fn is_live(pod: &Object) -> bool {
    !pod.is_terminating() && !matches!(pod.str_at("status.phase"), Some("Succeeded" | "Failed"))
}

/// True when the pod's `Ready` condition says so.
pub fn is_ready(pod: &Object) -> bool {
    pod.condition_status("Ready") == Some("True")
}

/// The entry of `spec.ports` for a port number or, without one, the only entry.
pub fn service_port(service: &Object, port: Option<i64>) -> Option<&Value> {
    let ports: Vec<&Value> = service.list_at("spec.ports").collect();
    match (port, ports.as_slice()) {
        (Some(wanted), ports) => {
            ports.iter().find(|port| port.get("port").and_then(Value::as_i64) == Some(wanted)).copied()
        }
        (None, [only]) => Some(*only),
        _ => None,
    }
}

/// The port on the pod that an entry of `spec.ports` leads to; `None` when the pod has no port of that name.
pub fn pod_port(entry: &Value, pod: &Object) -> Option<i64> {
    match entry.get("targetPort") {
        Some(Value::Number(number)) => number.as_i64().filter(|port| *port > 0).or_else(|| own_port(entry)),
        Some(Value::String(name)) => name
            .parse()
            .ok()
            .or_else(|| container_ports(pod).find(|port| text(port, "name") == name)?.get("containerPort")?.as_i64()),
        _ => own_port(entry),
    }
}

fn own_port(entry: &Value) -> Option<i64> {
    entry.get("port").and_then(Value::as_i64)
}

/// Declared container ports, of restartable init containers too.
pub fn container_ports(pod: &Object) -> impl Iterator<Item = &Value> {
    let sidecars = pod.list_at("spec.initContainers").filter(|init| text(init, "restartPolicy") == "Always");
    let containers = pod.list_at("spec.containers").chain(sidecars);
    containers.flat_map(|container| container.get("ports").and_then(Value::as_array).into_iter().flatten())
}

/// Ready addresses behind a Service by its EndpointSlices, else by its Endpoints; `None` when neither was gathered.
pub fn ready_endpoints(observed: &Observed, service: &Object) -> Option<usize> {
    let namespace = service.namespace().unwrap_or_default();
    let slices: Vec<&Object> = endpoint_slices(observed, service).collect();
    if !slices.is_empty() {
        let ready = slices.iter().flat_map(|slice| slice.list_at("endpoints")).filter(|endpoint| {
            endpoint.get("conditions").and_then(|conditions| conditions.get("ready")).and_then(Value::as_bool)
                != Some(false)
        });
        return Some(ready.count());
    }
    let endpoints = observed.get("Endpoints", Some(namespace), service.name())?;
    let addresses = endpoints.list_at("subsets").map(|subset| subset.get("addresses").and_then(Value::as_array));
    Some(addresses.flatten().map(Vec::len).sum())
}

/// EndpointSlices of a Service.
pub fn endpoint_slices<'a>(observed: &'a Observed, service: &'a Object) -> impl Iterator<Item = &'a Object> {
    let slices = observed.in_namespace("EndpointSlice", service.namespace().unwrap_or_default());
    slices.filter(|slice| slice.label("kubernetes.io/service-name") == Some(service.name()))
}

/// Services that select a pod.
pub fn services_of<'a>(observed: &'a Observed, pod: &'a Object) -> impl Iterator<Item = &'a Object> {
    let services = observed.in_namespace("Service", pod.namespace().unwrap_or_default());
    services.filter(|service| {
        let wanted = selector(service).map(|selector| crate::domain::object::text_map(Some(selector)));
        wanted.is_some_and(|wanted| wanted.iter().all(|(key, value)| pod.label(key) == Some(*value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyser::testing::scene;

    #[test]
    fn ports_and_endpoints_are_followed() {
        let observed = scene("Service shop/web")
            .yaml(
                "
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}, {port: 81}, {port: 82, targetPort: 9000}, {port: 83, targetPort: gone}]}
---
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
---
kind: Pod
metadata: {name: done, namespace: shop, labels: {app: web}}
spec: {containers: []}
status: {phase: Succeeded}
---
kind: EndpointSlice
metadata: {name: web-x, namespace: shop, labels: {kubernetes.io/service-name: web}}
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}, {addresses: [10.0.0.2], conditions: {ready: false}}]",
            )
            .build();
        let service = observed.subject().unwrap();
        let pods = backends(&observed, service);
        assert_eq!(pods.iter().map(|pod| pod.name()).collect::<Vec<_>>(), ["a"]);
        let ports: Vec<Option<i64>> = service.list_at("spec.ports").map(|entry| pod_port(entry, pods[0])).collect();
        assert_eq!(ports, [Some(8080), Some(81), Some(9000), None]);
        assert_eq!(ready_endpoints(&observed, service), Some(1));
        assert_eq!(services_of(&observed, pods[0]).count(), 1);
        assert!(service_port(service, None).is_none() && service_port(service, Some(82)).is_some());
    }
}
