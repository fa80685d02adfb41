//! From the bytes of a request to a domain [`Incident`] (http-api §2.0–2.2): the only door.
//!
//! Pure: the command line reads incident files through the same functions.

use serde_json::Value;

use crate::api::fields::{self, Fault, FieldError, Fields};
use crate::api::json::{self, Invalid};
use crate::domain::{Incident, RequestShape, ResourceRef, Severity, SignalMode};

const SEVERITIES: &str = "Input should be 'critical', 'high', 'medium', 'low' or 'unknown'";
const SIGNAL_MODES: &str = "Input should be 'reactive' or 'proactive'";

/// A decoded JSON document that claims to be an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalyzeBody(Value);

impl AnalyzeBody {
    /// Decodes the bytes of a body.
    ///
    /// # Errors
    /// Not UTF-8, empty, not JSON, or nested deeper than [`super::JSON_DEPTH_MAX`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        json::parse(bytes).map(Self)
    }
}

impl TryFrom<AnalyzeBody> for Incident {
    type Error = Invalid;

    fn try_from(AnalyzeBody(body): AnalyzeBody) -> Result<Self, Invalid> {
        let object = json::object(&body)?;
        let mut errors = Vec::new();
        let incident = read_incident(&mut Fields::of_body(object, &mut errors));
        if !errors.is_empty() {
            return Err(Invalid::first_of(errors));
        }
        // Checked after everything else, and worded without the usual prefix.
        if incident.signal_name.trim().is_empty() {
            let name = signal_member(incident.shape);
            let msg = format!("{name} is required and cannot be empty");
            let mut error = FieldError::of_body(None, "value_error", msg.clone());
            error.loc.push(fields::Step::Name(name.to_owned()));
            return Err(Invalid { detail: msg, errors: vec![error] });
        }
        Ok(incident)
    }
}

fn signal_member(shape: RequestShape) -> &'static str {
    if shape == RequestShape::January { "signal_type" } else { "signal_name" }
}

/// Reads members in declaration order, which is the order errors are reported in.
fn read_incident(body: &mut Fields<'_>) -> Incident {
    let shape = shape(body);
    let incident_id = body.required_text("incident_id");
    let remediation_id = body.required("remediation_id", remediation_id);
    let signal_name = body.required_text(signal_member(shape));
    let severity = body.required("severity", |value| severity(value, shape).map(Some)).unwrap_or(Severity::Unknown);
    let signal_source = body.required_text("signal_source");
    let namespace = body.required_text("resource_namespace");
    let kind = body.required_text("resource_kind");
    let name = body.required_text("resource_name");
    let api_version = body.optional_text("resource_api_version").unwrap_or_default();
    let error_message = body.required_text("error_message");
    let description = body.optional_text("description");
    let environment = body.required_text("environment");
    let priority = body.required_text("priority");
    let risk_tolerance = body.required_text("risk_tolerance");
    let business_category = body.required_text("business_category");
    let cluster_name = body.required_text("cluster_name");
    body.optional_text("cluster");
    let is_duplicate = body.optional("is_duplicate", fields::boolean).unwrap_or(false);
    let occurrence_count = body.optional("occurrence_count", fields::integer).unwrap_or(0);
    let deduplication_window_minutes = body.optional("deduplication_window_minutes", fields::integer);
    let [firing_time, received_time, first_seen, last_seen] =
        ["firing_time", "received_time", "first_seen", "last_seen"].map(|name| body.optional_text(name));
    let signal_labels = body.text_map("signal_labels");
    let signal_annotations = body.text_map("signal_annotations");
    let custom_labels = body.nested("enrichment_results").map(|mut part| custom_labels(&mut part)).unwrap_or_default();
    let signal_mode = body.optional("signal_mode", signal_mode).unwrap_or_default();
    let interactive = body.optional("interactive", fields::boolean).unwrap_or(false);
    Incident {
        incident_id,
        remediation_id,
        signal_name,
        severity,
        signal_source,
        resource: ResourceRef::namespaced(kind, namespace, name).with_api_version(api_version),
        error_message,
        description,
        environment,
        priority,
        risk_tolerance,
        business_category,
        cluster_name,
        signal_mode,
        is_duplicate,
        occurrence_count,
        deduplication_window_minutes,
        firing_time,
        received_time,
        first_seen,
        last_seen,
        signal_labels,
        signal_annotations,
        custom_labels,
        shape,
        interactive,
        recovery: None,
    }
}

/// Which client generation sent the body (http-api §0.4).
fn shape(body: &Fields<'_>) -> RequestShape {
    let spelled_late = || {
        let severity = body.present("severity").and_then(Value::as_str).unwrap_or_default();
        ["warning", "info"].contains(&severity.trim().to_ascii_lowercase().as_str())
    };
    match body.present("signal_name") {
        None if body.present("signal_type").is_some() => RequestShape::January,
        _ if body.present("resource_api_version").is_some() || spelled_late() => RequestShape::LateSuccessor,
        _ if body.present("interactive").is_some() => RequestShape::Successor,
        _ => RequestShape::April,
    }
}

pub(in crate::api) fn remediation_id(value: &Value) -> Result<String, Fault> {
    let id = fields::text(value)?;
    if id.is_empty() {
        return Err(Fault::new("string_too_short", "String should have at least 1 character"));
    }
    if id.trim().is_empty() {
        return Err(Fault::new("value_error", "Value error, remediation_id is required and cannot be empty"));
    }
    Ok(id)
}

/// Either vocabulary; January clients send free text, of which the unknown is `unknown`.
pub(in crate::api) fn severity(value: &Value, shape: RequestShape) -> Result<Severity, Fault> {
    if shape == RequestShape::January {
        return fields::text(value).map(|text| Severity::parse(&text).unwrap_or(Severity::Unknown));
    }
    value.as_str().and_then(Severity::parse).ok_or_else(|| Fault::new("enum", SEVERITIES))
}

fn signal_mode(value: &Value) -> Result<SignalMode, Fault> {
    match value.as_str().map(|text| text.trim().to_ascii_lowercase()).as_deref() {
        Some("reactive") => Ok(SignalMode::Reactive),
        // Clients before 28 February say "predictive".
        Some("proactive" | "predictive") => Ok(SignalMode::Proactive),
        _ => Err(Fault::new("enum", SIGNAL_MODES)),
    }
}

/// `enrichment_results` (http-api §2.2). Only the custom labels are used; the rest must be well-formed.
pub(in crate::api) fn custom_labels(part: &mut Fields<'_>) -> std::collections::BTreeMap<String, Vec<String>> {
    part.optional("kubernetesContext", fields::free_form);
    let labels = part.text_list_map("customLabels");
    if let Some(mut business) = part.nested("businessClassification") {
        for name in ["businessUnit", "serviceOwner", "criticality", "slaRequirement"] {
            business.optional_text(name);
        }
    }
    labels
}

#[cfg(test)]
mod tests;
