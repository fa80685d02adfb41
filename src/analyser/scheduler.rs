//! Why a pod does not fit on a node: the scheduler's own words taken apart, and the same checks made against the
//! gathered Nodes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Observed;
use crate::cluster::selector::expression_holds;
use crate::domain::Object;
use crate::domain::object::{at, text, text_map};
use crate::domain::quantities::Quantity;

/// One part of `0/5 nodes are available: 2 Insufficient cpu, 3 node(s) …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    Taint {
        key: String,
        value: String,
    },
    NodeSelector,
    PodAffinity,
    PodAntiAffinity,
    TopologySpread,
    /// `cpu`, `memory`, `ephemeral-storage`, `nvidia.com/gpu`.
    Insufficient(String),
    TooManyPods,
    Cordoned,
    VolumeNodeAffinity,
    /// No free volume to bind, or a claim that should be bound already and is not.
    VolumeUnbound,
    ClaimMissing(String),
    VolumeLimit,
    HostPorts,
    Other(String),
}

/// The scheduler's refusal: how many nodes hit each obstacle (0 when the part gives no number).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    pub nodes_total: Option<u32>,
    pub obstacles: Vec<(u32, Obstacle)>,
}

impl Refusal {
    /// Reads the message of `FailedScheduling` or of the `PodScheduled` condition.
    pub fn parse(message: &str) -> Self {
        let message = message.split(" preemption:").next().unwrap_or_default();
        // Up to Kubernetes 1.23 each taint was followed by ", that the pod didn't tolerate".
        let message = message.replace(", that the pod didn't tolerate", "");
        let (nodes_total, body) = match message.split_once(" nodes are available: ") {
            Some((head, body)) => (head.rsplit('/').next().and_then(|total| total.trim().parse().ok()), body),
            None => (None, message.as_str()),
        };
        let parts = body.trim().trim_end_matches('.').split(", ").filter(|part| !part.is_empty());
        Self { nodes_total, obstacles: parts.map(obstacle).collect() }
    }

    pub fn has(&self, wanted: impl Fn(&Obstacle) -> bool) -> bool {
        self.obstacles.iter().any(|(_, obstacle)| wanted(obstacle))
    }

    /// Resources reported as insufficient, in the message's order.
    pub fn insufficient(&self) -> Vec<&str> {
        let resource = |obstacle: &'_ Obstacle| matches!(obstacle, Obstacle::Insufficient(_) | Obstacle::TooManyPods);
        let obstacles = self.obstacles.iter().map(|(_, obstacle)| obstacle).filter(|obstacle| resource(obstacle));
        obstacles.map(|obstacle| if let Obstacle::Insufficient(name) = obstacle { name } else { "pods" }).collect()
    }
}

fn obstacle(part: &str) -> (u32, Obstacle) {
    let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = part.split_at_checked(digits).unwrap_or(("", part));
    let rest = rest.trim().trim_start_matches("node(s)").trim();
    let between = |open: char, close: char| {
        rest.split_once(open).and_then(|(_, rest)| rest.split_once(close)).map(|(inner, _)| inner)
    };
    let has = |words: &str| rest.contains(words);
    let found = if let Some(resource) = rest.strip_prefix("Insufficient ") {
        Obstacle::Insufficient(resource.trim_end_matches('.').to_owned())
    } else if has("taint") {
        // Newer schedulers no longer say which taint.
        let taint = between('{', '}').unwrap_or_default();
        let (key, value) = taint.split_once(':').unwrap_or((taint, ""));
        Obstacle::Taint { key: key.trim().to_owned(), value: value.trim().to_owned() }
    } else if has("Too many pods") {
        Obstacle::TooManyPods
    } else if has("were unschedulable") {
        Obstacle::Cordoned
    } else if has("volume node affinity conflict") {
        Obstacle::VolumeNodeAffinity
    } else if has("unbound immediate PersistentVolumeClaims") || has("available persistent volumes to bind") {
        Obstacle::VolumeUnbound
    } else if has("persistentvolumeclaim") && has("not found") {
        Obstacle::ClaimMissing(between('"', '"').unwrap_or_default().to_owned())
    } else if has("max volume count") {
        Obstacle::VolumeLimit
    } else if has("free ports") {
        Obstacle::HostPorts
    } else if has("topology spread") {
        Obstacle::TopologySpread
    } else if has("anti-affinity") {
        Obstacle::PodAntiAffinity
    } else if has("pod affinity") {
        Obstacle::PodAffinity
    } else if has("node affinity") || has("node selector") {
        Obstacle::NodeSelector
    } else {
        Obstacle::Other(rest.to_owned())
    };
    (number.parse().unwrap_or(0), found)
}

/// Resources a pod asks for, `pods` included: containers and restartable init containers together, or the largest
/// plain init container if that is more, plus the runtime's overhead.
pub fn requests(spec: &Value) -> BTreeMap<String, Quantity> {
    let mut total: BTreeMap<String, Quantity> = BTreeMap::from([("pods".to_owned(), Quantity::whole(1))]);
    let mut add = |resources: Option<&Value>| {
        for (name, amount) in amounts(resources) {
            *total.entry(name).or_default() = total.get(&name).copied().unwrap_or_default() + amount;
        }
    };
    let inits = || list(spec, "initContainers");
    let stays = |init: &&Value| text(init, "restartPolicy") == "Always";
    list(spec, "containers")
        .chain(inits().filter(stays))
        .for_each(|container| add(at(container, "resources.requests")));
    for init in inits().filter(|init| !stays(init)) {
        for (name, amount) in amounts(at(init, "resources.requests")) {
            let entry = total.entry(name).or_default();
            *entry = amount.max(*entry);
        }
    }
    for (name, amount) in amounts(spec.get("overhead")) {
        *total.entry(name).or_default() = total.get(&name).copied().unwrap_or_default() + amount;
    }
    total.retain(|_, amount| !amount.is_zero());
    total
}

fn amounts(resources: Option<&Value>) -> Vec<(String, Quantity)> {
    let members = resources.and_then(Value::as_object).into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), Quantity::read(value)?))).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// What the gathered pods of every node already ask for, summed once. Finished pods ask for nothing.
#[derive(Debug, Clone, Default)]
pub struct Requested {
    by_node: BTreeMap<String, BTreeMap<String, Quantity>>,
}

impl Requested {
    pub fn of(observed: &Observed) -> Self {
        let mut by_node: BTreeMap<String, BTreeMap<String, Quantity>> = BTreeMap::new();
        let asks = |pod: &&Object| !matches!(pod.str_at("status.phase"), Some("Succeeded" | "Failed"));
        for pod in observed.of_kind("Pod").filter(asks) {
            let Some(node) = pod.str_at("spec.nodeName").filter(|node| !node.is_empty()) else { continue };
            let total = by_node.entry(node.to_owned()).or_default();
            for (name, amount) in pod.at("spec").map(requests).unwrap_or_default() {
                let entry = total.entry(name).or_default();
                *entry = *entry + amount;
            }
        }
        Self { by_node }
    }

    /// Zero for a node without pods.
    pub fn on(&self, node: &Object, resource: &str) -> Quantity {
        self.by_node.get(node.name()).and_then(|total| total.get(resource)).copied().unwrap_or_default()
    }
}

/// What a node can give to pods; zero for a resource it does not have.
pub fn allocatable(node: &Object, resource: &str) -> Quantity {
    let listed = |path: &str| node.at(path).and_then(|all| all.get(resource)).and_then(Quantity::read);
    listed("status.allocatable").or_else(|| listed("status.capacity")).unwrap_or_default()
}

/// A resource a node has too little of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    pub resource: String,
    pub wanted: Quantity,
    pub free: Quantity,
    pub allocatable: Quantity,
}

impl Lack {
    /// Not even an empty node of this size would do.
    pub fn is_too_large(&self) -> bool {
        self.wanted > self.allocatable
    }
}

/// What keeps a pod off one node.
#[derive(Debug, Clone)]
pub struct Fit<'a> {
    pub node: &'a Object,
    /// `NoSchedule` and `NoExecute` taints the pod does not tolerate, without the one a cordon sets.
    pub taints: Vec<&'a Value>,
    pub cordoned: bool,
    pub ready: bool,
    pub lacks: Vec<Lack>,
}

impl Fit<'_> {
    /// Control-plane nodes take ordinary pods only by mistake.
    pub fn is_control_plane(&self) -> bool {
        self.taints.iter().any(|taint| text(taint, "key").starts_with("node-role.kubernetes.io/"))
    }
}

/// Checks a pod spec against a node, selectors apart.
pub fn fit<'a>(requested: &Requested, node: &'a Object, spec: &Value) -> Fit<'a> {
    let lack = |(resource, wanted): (String, Quantity)| {
        let allocatable = allocatable(node, &resource);
        let free = allocatable - requested.on(node, &resource);
        (wanted > free).then_some(Lack { resource, wanted, free, allocatable })
    };
    let blocks = |taint: &&Value| {
        matches!(text(taint, "effect"), "NoSchedule" | "NoExecute")
            && text(taint, "key") != CORDON_TAINT
            && !tolerates(spec, taint)
    };
    Fit {
        node,
        taints: node.list_at("spec.taints").filter(blocks).collect(),
        cordoned: node.bool_at("spec.unschedulable") == Some(true),
        ready: node.condition_status("Ready").is_none_or(|status| status == "True"),
        lacks: requests(spec).into_iter().filter_map(lack).collect(),
    }
}

/// The taint a cordon leaves beside `spec.unschedulable`.
pub const CORDON_TAINT: &str = "node.kubernetes.io/unschedulable";

/// Whether some toleration of the pod covers the taint.
pub fn tolerates(spec: &Value, taint: &Value) -> bool {
    list(spec, "tolerations").any(|toleration| covers(toleration, taint))
}

/// Whether some toleration names the taint's key: the pod is meant for such nodes, not just indifferent to taints.
pub fn tolerates_by_name(spec: &Value, taint: &Value) -> bool {
    list(spec, "tolerations").any(|toleration| !text(toleration, "key").is_empty() && covers(toleration, taint))
}

fn covers(toleration: &Value, taint: &Value) -> bool {
    let (key, effect) = (text(toleration, "key"), text(toleration, "effect"));
    let exists = text(toleration, "operator") == "Exists";
    let key_matches = if key.is_empty() { exists } else { key == text(taint, "key") };
    key_matches
        && (effect.is_empty() || effect == text(taint, "effect"))
        && (exists || text(toleration, "value") == text(taint, "value"))
}

/// A node label a pod requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// `nodeSelector` or `affinity`.
    pub constraint_type: &'static str,
    pub key: String,
    /// `disktype=ssd` or `zone In eu-1a|eu-1b`.
    pub wanted: String,
    /// The values asked for, where it asks for values.
    pub values: Vec<String>,
}

/// Whether the node's labels and name satisfy the pod's nodeSelector and required node affinity.
pub fn admits(node: &Object, spec: &Value) -> bool {
    let labels = node.labels();
    text_map(spec.get("nodeSelector")).into_iter().all(|(key, value)| labels.get(key) == Some(&value))
        && required_terms(spec).is_none_or(|terms| terms.iter().any(|term| term_holds(node, term)))
}

fn required_terms(spec: &Value) -> Option<&Vec<Value>> {
    at(spec, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms")?.as_array()
}

fn term_holds(node: &Object, term: &Value) -> bool {
    let labels = node.labels();
    let fields = BTreeMap::from([("metadata.name", node.name())]);
    list(term, "matchExpressions").all(|expression| expression_holds(expression, &labels))
        && list(term, "matchFields").all(|expression| expression_holds(expression, &fields))
}

/// The requirement that keeps every node out: one no node meets, else the one the fewest meet. `None` when some node
/// is admitted.
pub fn unmet_requirement(nodes: &[&Object], spec: &Value) -> Option<Requirement> {
    if nodes.iter().any(|node| admits(node, spec)) {
        return None;
    }
    let selector = text_map(spec.get("nodeSelector")).into_iter().map(|(key, value)| {
        let met = nodes.iter().filter(|node| node.label(key) == Some(value)).count();
        (
            met,
            Requirement {
                constraint_type: "nodeSelector",
                key: key.to_owned(),
                wanted: format!("{key}={value}"),
                values: vec![value.to_owned()],
            },
        )
    });
    let expressions = required_terms(spec).into_iter().flatten().flat_map(|term| list(term, "matchExpressions"));
    let affinity = expressions.map(|expression| {
        let met = nodes.iter().filter(|node| expression_holds(expression, &node.labels())).count();
        let values = list(expression, "values").filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
        let wanted = format!("{} {} {}", text(expression, "key"), text(expression, "operator"), values.join("|"));
        (
            met,
            Requirement {
                constraint_type: "affinity",
                key: text(expression, "key").to_owned(),
                wanted: wanted.trim().to_owned(),
                values,
            },
        )
    });
    selector.chain(affinity).min_by_key(|(met, _)| *met).map(|(_, requirement)| requirement)
}

#[cfg(test)]
mod tests;
