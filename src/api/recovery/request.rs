//! From the bytes of a recovery request to a domain [`Incident`] with what is known of the failed attempt (http-api §2.10).
//! Members that a later generation renamed are read by either name. Pure.

use crate::api::fields::{self, Fields};
use crate::api::incident::request::{custom_labels, remediation_id, severity};
use crate::api::json::{self, Invalid};
use crate::domain::{
    ExecutionFailure, Incident, OriginalRootCause, PreviousExecution, Recovery, RequestShape, ResourceRef, Severity,
    SignalMode, TriedWorkflow,
};

/// Stands for a signal nobody named.
const SIGNAL_UNKNOWN: &str = "unknown";
/// Current names before January's.
const SIGNAL: [&str; 2] = ["signal_name", "signal_type"];
const BUNDLE: [&str; 2] = ["execution_bundle", "container_image"];

/// Decodes a recovery request.
///
/// # Errors
/// Not JSON, not an object, or members that are missing or wrong.
pub(in crate::api) fn decode(bytes: &[u8]) -> Result<Incident, Invalid> {
    let body = json::parse(bytes)?;
    let object = json::object(&body)?;
    let mut errors = Vec::new();
    let incident = read(&mut Fields::of_body(object, &mut errors));
    if errors.is_empty() { Ok(incident) } else { Err(Invalid::first_of(errors)) }
}

fn read(body: &mut Fields<'_>) -> Incident {
    let shape = shape(body);
    let incident_id = body.required_text("incident_id");
    let remediation_id = body.required("remediation_id", remediation_id);
    let is_attempt = body.optional("is_recovery_attempt", fields::boolean).unwrap_or(false);
    let attempt_number = body.optional("recovery_attempt_number", |value| fields::count(value, 1));
    let previous_execution = body.nested("previous_execution").and_then(|mut part| previous(&mut part));
    let custom_labels = enrichment(body, shape);
    let signal_name = body.optional_text(body.spelling(SIGNAL));
    let severity = body.optional("severity", |value| severity(value, shape)).unwrap_or(Severity::Unknown);
    let mut named = |name: &str| body.optional_text(name).unwrap_or_default();
    let resource = ResourceRef::namespaced(named("resource_kind"), named("resource_namespace"), named("resource_name"));
    let environment = body.defaulted_text("environment", "unknown");
    let priority = body.defaulted_text("priority", "P2");
    let risk_tolerance = body.defaulted_text("risk_tolerance", "medium");
    let business_category = body.defaulted_text("business_category", "standard");
    let error_message = body.optional_text("error_message").unwrap_or_default();
    let cluster_name = body.optional_text("cluster_name").unwrap_or_default();
    let signal_source = body.optional_text("signal_source").unwrap_or_default();
    let of_attempt = || previous_execution.as_ref().map(|previous| previous.original_rca.signal_name.clone());
    let signal_name = signal_name.or_else(of_attempt).unwrap_or_else(|| SIGNAL_UNKNOWN.to_owned());
    Incident {
        incident_id,
        remediation_id,
        signal_name,
        severity,
        signal_source,
        resource,
        error_message,
        description: None,
        environment,
        priority,
        risk_tolerance,
        business_category,
        cluster_name,
        signal_mode: SignalMode::Reactive,
        is_duplicate: false,
        occurrence_count: 0,
        deduplication_window_minutes: None,
        firing_time: None,
        received_time: None,
        first_seen: None,
        last_seen: None,
        signal_labels: Default::default(),
        signal_annotations: Default::default(),
        custom_labels,
        shape,
        interactive: false,
        recovery: Some(Box::new(Recovery { is_attempt, attempt_number, previous_execution })),
    }
}

/// February's spelling of a member means a client that polls (http-api §1.4, row 6).
fn shape(body: &Fields<'_>) -> RequestShape {
    let inside = |part: &str, member: &str| {
        let previous = body.present("previous_execution");
        previous.and_then(|previous| previous.get(part)?.get(member)).is_some_and(|value| !value.is_null())
    };
    let is_renamed = body.present("signal_name").is_some()
        || inside("selected_workflow", "execution_bundle")
        || inside("original_rca", "signal_name");
    if is_renamed { RequestShape::April } else { RequestShape::January }
}

/// Free form for January; later a filter of the catalogue.
fn enrichment(body: &mut Fields<'_>, shape: RequestShape) -> std::collections::BTreeMap<String, Vec<String>> {
    if shape == RequestShape::January {
        body.optional("enrichment_results", fields::free_form);
        return Default::default();
    }
    body.nested("enrichment_results").map(|mut part| custom_labels(&mut part)).unwrap_or_default()
}

/// `None` when a part is missing, which is reported.
fn previous(part: &mut Fields<'_>) -> Option<PreviousExecution> {
    let workflow_execution_ref = part.required_text("workflow_execution_ref");
    let original_rca = part.required_nested("original_rca").map(|mut rca| OriginalRootCause {
        summary: rca.required_text("summary"),
        signal_name: rca.required_text(rca.spelling(SIGNAL)),
        severity: rca.required_text("severity"),
        contributing_factors: rca.text_list("contributing_factors"),
    });
    let selected_workflow = part.required_nested("selected_workflow").map(|mut workflow| TriedWorkflow {
        workflow_id: workflow.required_text("workflow_id"),
        version: workflow.required_text("version"),
        execution_bundle: workflow.required_text(workflow.spelling(BUNDLE)),
        parameters: workflow.text_map("parameters"),
        rationale: workflow.required_text("rationale"),
    });
    let failure = part.required_nested("failure").map(|mut failure| ExecutionFailure {
        failed_step_index: failure.required("failed_step_index", |value| fields::count(value, 0)),
        failed_step_name: failure.required_text("failed_step_name"),
        reason: failure.required_text("reason"),
        message: failure.required_text("message"),
        exit_code: failure.optional("exit_code", fields::integer),
        failed_at: failure.required_text("failed_at"),
        execution_time: failure.required_text("execution_time"),
    });
    let natural_language_summary = part.optional_text("natural_language_summary");
    Some(PreviousExecution {
        workflow_execution_ref,
        original_rca: original_rca?,
        selected_workflow: selected_workflow?,
        failure: failure?,
        natural_language_summary,
    })
}

#[cfg(test)]
mod tests;
