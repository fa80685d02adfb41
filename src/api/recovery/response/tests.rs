//! The table of http-api §5.7.

use serde_json::json;

use super::*;
use crate::api::recovery::request::decode;
use crate::domain::{Engine, ResourceRef, RootCause, SelectedWorkflow, Severity};

fn incident() -> Incident {
    let body = json!({
        "incident_id": "inc-17", "remediation_id": "rr-1", "is_recovery_attempt": true, "recovery_attempt_number": 2,
        "previous_execution": {
            "workflow_execution_ref": "we-1",
            "original_rca": {"summary": "s", "signal_type": "OOMKilled", "severity": "high"},
            "selected_workflow": {"workflow_id": "memory-bump", "version": "1", "container_image": "q/x:1", "rationale": "r"},
            "failure": {"failed_step_index": 2, "failed_step_name": "apply-patch", "reason": "Forbidden", "message": "no",
                        "failed_at": "2026-01-30T10:12:44Z", "execution_time": "48s"},
        },
        "signal_type": "OOMKilled",
    });
    decode(body.to_string().as_bytes()).unwrap()
}

fn investigation(confidence: f64) -> Investigation {
    Investigation {
        incident_id: "inc-17".into(),
        analysis: "The executor may not patch.".into(),
        root_cause: RootCause {
            summary: "No permission".into(),
            severity: Severity::High,
            signal_name: Some("OOMKilled".into()),
            cause_class: None,
            contributing_factors: vec![],
            target: Some(ResourceRef::namespaced("Deployment", "shop", "pricing")),
            causal_chain: vec![],
            due_diligence: std::collections::BTreeMap::new(),
            evidence: vec![],
        },
        selected_workflow: Some(SelectedWorkflow {
            workflow_id: "scale-replicas".into(),
            workflow_name: "scale-replicas".into(),
            action_type: "ScaleReplicas".into(),
            version: "2.0.0".into(),
            execution_bundle: Some("quay.io/acme/wf-scale@sha256:77aa".into()),
            execution_bundle_digest: Some("sha256:77aa".into()),
            execution_engine: "tekton".into(),
            service_account_name: None,
            engine_config: None,
            confidence,
            rationale: "No write access to limits is needed".into(),
            parameters: Map::new(),
        }),
        confidence,
        completed_at: "2026-01-30T10:20:41.250Z".parse().unwrap(),
        review: None,
        actionable: None,
        warnings: vec![],
        alternatives: vec![],
        validation_attempts: vec![],
        engine: Engine::Analyser { because: None },
        excluded: vec![],
        not_checked: vec![],
        detected_labels: None,
        confidence_basis: None,
    }
}

fn render(investigation: &Investigation) -> Value {
    let incident = incident();
    let frame = Frame {
        incident: &incident,
        accepted: "2026-01-30T10:20:00Z".parse().unwrap(),
        ended: "2026-01-30T10:20:41.250Z".parse().unwrap(),
        severities: SeverityVocabulary::Auto,
    };
    serde_json::to_value(RecoveryResponse::render(investigation, frame)).unwrap()
}

#[test]
fn a_workflow_that_can_recover() {
    let body = render(&investigation(0.78));
    assert_eq!(
        body["strategies"],
        json!([{ "action_type": "scale-replicas", "confidence": 0.78, "rationale": "No write access to limits is needed",
                 "estimated_risk": "medium", "prerequisites": [], "kubectl_command": null }])
    );
    assert_eq!(body["primary_recommendation"], "scale-replicas");
    assert_eq!(
        body["metadata"],
        json!({ "analysis_time_ms": 41_250, "is_recovery_attempt": true, "recovery_attempt_number": 2 })
    );
    let workflow = &body["selected_workflow"];
    assert_eq!(workflow["container_image"], workflow["execution_bundle"]);
    assert_eq!(workflow["container_digest"], "sha256:77aa");
    let analysis = &body["recovery_analysis"];
    assert_eq!((&analysis["state_changed"], &analysis["current_signal_type"]), (&json!(false), &json!("OOMKilled")));
    let assessment = &analysis["previous_attempt_assessment"];
    assert_eq!(assessment["failure_understood"], true);
    assert_eq!(assessment["failure_reason_analysis"], "Step 2 (apply-patch) of memory-bump ended with Forbidden: no");
    for same in ["state_changed", "current_signal_type"] {
        assert_eq!(assessment[same], analysis[same], "{same} stands in both places");
    }
}

#[test]
fn the_table_of_outcomes() {
    type Change = fn(&mut Investigation);
    let none: Change = |_| {};
    let no_workflow: Change = |found| found.selected_workflow = None;
    let gone: Change = |found| {
        found.selected_workflow = None;
        found.warnings.push("Problem self-resolved - no remediation required".into());
    };
    let unreadable: Change = |found| {
        found.selected_workflow = None;
        found.review = Some(ReviewReason::LlmParsingError);
    };
    let incomplete: Change = |found| {
        found.selected_workflow = None;
        found.review = Some(ReviewReason::RcaIncomplete);
    };
    for (name, confidence, change, can_recover, reason, strategies) in [
        ("sure", 0.5, none, true, json!(null), 1),
        ("unsure", 0.49, none, true, json!("low_confidence"), 1),
        ("no workflow", 0.9, no_workflow, false, json!("no_matching_workflows"), 0),
        ("problem gone", 0.9, gone, false, json!(null), 0),
        ("unreadable", 0.9, unreadable, true, json!("llm_parsing_error"), 0),
        // January's clients know no such reason.
        ("cause unknown", 0.9, incomplete, false, json!("investigation_inconclusive"), 0),
    ] {
        let mut found = investigation(confidence);
        change(&mut found);
        let body = render(&found);
        assert_eq!(body["can_recover"], can_recover, "{name}");
        assert_eq!(body["human_review_reason"], reason, "{name}");
        assert_eq!(body["needs_human_review"], !reason.is_null(), "{name}");
        assert_eq!(body["strategies"].as_array().unwrap().len(), strategies, "{name}");
        assert_eq!(body["selected_workflow"].is_null(), strategies == 0, "{name}");
        assert_eq!(
            !reason.is_null(),
            !body["warnings"].as_array().unwrap().is_empty() && name != "problem gone",
            "{name}"
        );
    }
    assert_eq!(
        render(&investigation(0.49))["warnings"][0],
        "Low confidence selection (49%) - manual review recommended"
    );
}

#[test]
fn a_signal_that_changed_and_a_previous_attempt_nobody_described() {
    let mut found = investigation(0.8);
    found.root_cause.signal_name = Some("Evicted".into());
    assert_eq!(render(&found)["recovery_analysis"]["state_changed"], true);
    let recovery = Recovery { is_attempt: true, attempt_number: None, previous_execution: None };
    let assessed = Value::Object(analysis(Some(&recovery), true, "OOMKilled"));
    assert_eq!(assessed["state_changed"], json!(null));
    assert_eq!(assessed["previous_attempt_assessment"]["failure_understood"], false);
}
