//! Horizontal autoscalers at their maximum while the load is above target, or blind because metrics are missing.

use serde_json::Value;

use crate::analyser::draft::{compact, draft, field_evidence, parameters, pods_and_owners};
use crate::domain::quantities::Quantity;
use crate::analyser::scheduler::{Requested, admits, fit};
use crate::analyser::{Observed, Signature};
use crate::domain::object::{at, text};
use crate::domain::{CauseClass, Disposition, Finding, Object, ResourceRef};

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        id: "autoscaler_at_maximum",
        title: "An autoscaler has reached maxReplicas and its metric is still above target",
        detect: detect_maximum,
    },
    Signature { id: "autoscaler_without_metrics", title: "An autoscaler cannot read its metric", detect: detect_blind },
];

/// The controller itself ignores deviations up to this ratio.
const TOLERANCE: f64 = 0.1;

/// A metric the autoscaler follows: what it is, and measured over wanted.
#[derive(Debug, Clone, PartialEq)]
struct Load {
    name: String,
    current: String,
    target: String,
    ratio: f64,
    /// Where the measured value stands in the status.
    path: String,
}

/// The metric furthest above its target.
fn highest_load(hpa: &Object) -> Option<Load> {
    let old_style = || {
        let current = hpa.i64_at("status.currentCPUUtilizationPercentage")?;
        let target = hpa.i64_at("spec.targetCPUUtilizationPercentage")?;
        percent("cpu", current, target, "status.currentCPUUtilizationPercentage".to_owned())
    };
    let current = hpa.list_at("status.currentMetrics").enumerate();
    let loads = current.filter_map(|(index, current)| load(hpa, index, current));
    loads.max_by(|a, b| a.ratio.total_cmp(&b.ratio)).or_else(old_style)
}

fn load(hpa: &Object, index: usize, current: &Value) -> Option<Load> {
    let kind = text(current, "type");
    let member = member(kind)?;
    let measured = current.get(member)?;
    let name = metric_name(measured);
    let wanted = hpa
        .list_at("spec.metrics")
        .filter(|metric| text(metric, "type") == kind)
        .filter_map(|metric| metric.get(member))
        .find(|metric| metric_name(metric) == name && text(metric, "container") == text(measured, "container"))?;
    let path = |leaf: &str| format!("status.currentMetrics[{index}].{member}.current.{leaf}");
    let number = |path: &str| (at(measured, &format!("current.{path}")), at(wanted, &format!("target.{path}")));
    if let (Some(current), Some(target)) = number("averageUtilization") {
        return percent(name, current.as_i64()?, target.as_i64()?, path("averageUtilization"));
    }
    let (current, target, leaf) = ["averageValue", "value"].iter().find_map(|leaf| match number(leaf) {
        (Some(current), Some(target)) => Some((Quantity::read(current)?, Quantity::read(target)?, leaf)),
        _ => None,
    })?;
    let ratio = current.as_f64() / target.as_f64();
    let shown = |amount: Quantity| amount.of_resource(name);
    ratio.is_finite().then(|| Load {
        name: name.to_owned(),
        current: shown(current),
        target: shown(target),
        ratio,
        path: path(leaf),
    })
}

fn member(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        _ => return None,
    })
}

fn metric_name(metric: &Value) -> &str {
    metric.get("name").and_then(Value::as_str).unwrap_or_else(|| text(metric, "metric.name"))
}

#[expect(clippy::cast_precision_loss, reason = "percentages are small")]
fn percent(name: &str, current: i64, target: i64, path: String) -> Option<Load> {
    let ratio = current as f64 / target as f64;
    let shown = |value: i64| format!("{value}%");
    (target > 0).then(|| Load { name: name.to_owned(), current: shown(current), target: shown(target), ratio, path })
}

fn scale_target(hpa: &Object) -> ResourceRef {
    let member = |name: &str| hpa.str_at(&format!("spec.scaleTargetRef.{name}")).unwrap_or_default();
    ResourceRef::namespaced(member("kind"), hpa.namespace().unwrap_or_default(), member("name"))
        .with_api_version(member("apiVersion"))
}

fn affected(observed: &Observed, target: &ResourceRef) -> Vec<ResourceRef> {
    let pods = observed.find(target).map(|object| observed.pods_of(object)).unwrap_or_default();
    let mut found = pods_and_owners(observed, pods);
    if !found.iter().any(|seen| seen.same_object(target)) {
        found.push(target.clone());
    }
    found
}

fn detect_maximum(observed: &Observed) -> Vec<Finding> {
    observed.of_kind("HorizontalPodAutoscaler").filter_map(|hpa| at_maximum(observed, hpa)).collect()
}

fn at_maximum(observed: &Observed, hpa: &Object) -> Option<Finding> {
    let max = hpa.i64_at("spec.maxReplicas")?;
    let current = hpa.i64_at("status.currentReplicas")?;
    let limited = hpa.condition("ScalingLimited");
    let capped = limited
        .is_none_or(|condition| text(condition, "reason") == "TooManyReplicas" && text(condition, "status") == "True");
    let load = highest_load(hpa)?;
    if current < max || max <= 0 {
        return None;
    }
    if load.ratio <= 1.0 + TOLERANCE || !capped {
        return comfortable(observed, hpa, max, &load);
    }
    let target = scale_target(hpa);
    let pods = observed.find(&target).map(|object| observed.pods_of(object)).unwrap_or_default();
    // Pods of the target that find no node: more replicas would only wait with them.
    if pods
        .iter()
        .any(|pod| pod.condition("PodScheduled").is_some_and(|condition| text(condition, "reason") == "Unschedulable"))
    {
        return None;
    }
    let has_room = pods.first().is_none_or(|pod| room_for_one(observed, pod));
    let wanted = replicas_for(current, load.ratio).max(max + 1);
    Some(overloaded(observed, hpa, &load, wanted, has_room))
}

fn overloaded(observed: &Observed, hpa: &Object, load: &Load, wanted: i64, has_room: bool) -> Finding {
    let (target, this) = (scale_target(hpa), hpa.reference());
    let max = hpa.i64_at("spec.maxReplicas").unwrap_or_default();
    let mut evidence = vec![
        field_evidence(hpa, "spec.maxReplicas", "the upper bound"),
        field_evidence(hpa, "status.currentReplicas", "replicas now"),
        field_evidence(hpa, &load.path, format!("{} is measured against a target of {}", load.name, load.target)),
    ];
    let path = "status.conditions[type=ScalingLimited].message";
    evidence.extend(hpa.at(path).map(|_| field_evidence(hpa, path, "the autoscaler says it wants more")));
    let measured = format!("{} is {} against a target of {}", load.name, load.current, load.target);
    let chain = |end: &str| vec![measured.clone(), format!("{this} may not go beyond {max} replicas"), end.to_owned()];
    let drafted = |cause_class, change_target| Finding {
        affects: affected(observed, &target),
        ..draft("autoscaler_at_maximum", cause_class, &this, change_target)
    };
    if !has_room {
        return Finding {
            summary: format!("{target} needs about {wanted} replicas ({measured}), but no node has room for one more"),
            causal_chain: chain("no node has room for another replica"),
            evidence,
            strength: 0.75,
            disposition: Disposition::Escalate,
            ..drafted(CauseClass::InsufficientCapacity, target.clone())
        };
    }
    Finding {
        summary: format!("{this} is at its maximum of {max} replicas while {measured}: about {wanted} are needed"),
        action_type: Some("IncreaseHPAMaxReplicas".to_owned()),
        parameters: parameters([("MAX_REPLICAS_NEW", wanted)]),
        causal_chain: chain("the existing replicas stay overloaded"),
        evidence,
        strength: 0.9,
        ..drafted(CauseClass::AutoscalerLimit, this.clone())
    }
}

/// At the maximum with the load on target: what the signal reports is no fault.
fn comfortable(observed: &Observed, hpa: &Object, max: i64, load: &Load) -> Option<Finding> {
    if !observed.signal().same_object(&hpa.reference()) || load.ratio > 1.0 + TOLERANCE {
        return None;
    }
    let what = format!(
        "{} runs at its maximum of {max} replicas and {} ({}) is within its target of {}",
        hpa.reference(),
        load.name,
        load.current,
        load.target
    );
    Some(Finding {
        causal_chain: vec![what.clone()],
        summary: what,
        evidence: vec![
            field_evidence(hpa, "spec.maxReplicas", "the upper bound"),
            field_evidence(hpa, &load.path, "the load is on target"),
        ],
        strength: 0.7,
        disposition: Disposition::NotActionable,
        ..draft("autoscaler_at_maximum", CauseClass::Benign, &hpa.reference(), hpa.reference())
    })
}

/// The autoscaler's own formula, bounded so that a broken metric does not ask for thousands.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "replica counts are small")]
fn replicas_for(current: i64, ratio: f64) -> i64 {
    ((current as f64 * ratio.min(RATIO_MAX)).ceil() as i64).max(1)
}

/// Never propose more than this many times the present replicas.
const RATIO_MAX: f64 = 4.0;

/// Whether some ready node could take one more pod like this one; true when no node was gathered.
fn room_for_one(observed: &Observed, pod: &Object) -> bool {
    let Some(spec) = pod.at("spec") else { return true };
    let mut nodes = observed.of_kind("Node").peekable();
    let requested = Requested::of(observed);
    nodes.peek().is_none()
        || nodes.filter(|node| admits(node, spec)).any(|node| {
            let fit = fit(&requested, node, spec);
            fit.ready && !fit.cordoned && fit.taints.is_empty() && fit.lacks.is_empty()
        })
}

fn detect_blind(observed: &Observed) -> Vec<Finding> {
    observed.of_kind("HorizontalPodAutoscaler").filter_map(|hpa| blind(observed, hpa)).collect()
}

fn blind(observed: &Observed, hpa: &Object) -> Option<Finding> {
    let condition = hpa.condition("ScalingActive").filter(|condition| text(condition, "status") == "False")?;
    let (reason, message) = (text(condition, "reason"), text(condition, "message"));
    if !reason.starts_with("FailedGet") && !reason.starts_with("Invalid") {
        return None; // `ScalingDisabled`: the target is scaled to zero on purpose.
    }
    let target = scale_target(hpa);
    let since = condition.get("lastTransitionTime").map(compact).unwrap_or_default();
    let cause = if message.contains("missing request for") {
        "the pods declare no request for the resource it measures".to_owned()
    } else {
        format!("its metric cannot be read ({reason})")
    };
    let events = observed.events_about(&hpa.reference());
    let event = events.into_iter().find(|event| event.reason.starts_with("FailedGet"));
    let mut evidence =
        vec![field_evidence(hpa, "status.conditions[type=ScalingActive].message", format!("not active since {since}"))];
    evidence.extend(event.map(|event| event.evidence("and it keeps failing")));
    Some(Finding {
        summary: format!("{} does not scale {target}: {cause}", hpa.reference()),
        affects: affected(observed, &target),
        causal_chain: vec![cause, format!("{} cannot compute how many replicas are needed", hpa.reference())],
        evidence,
        strength: 0.7,
        disposition: Disposition::Escalate,
        ..draft("autoscaler_without_metrics", CauseClass::AutoscalerLimit, &hpa.reference(), hpa.reference())
    })
}

#[cfg(test)]
mod tests;
