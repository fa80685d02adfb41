//! One event of every type.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::audit::{AccessRefusal, AuditEvent, Excerpt, Payload, RcaFinding, SessionEnd};
use crate::domain::{
    AlternativeWorkflow, Engine, Evidence, Incident, Investigation, RequestShape, ResourceRef, RootCause,
    SelectedWorkflow, Severity, SignalMode, ValidationAttempt,
};

const SESSION: &str = "76c68781-b1a8-497e-8b52-91623006ce82";

pub(super) fn incident() -> Incident {
    Incident {
        incident_id: "inc-42".to_owned(),
        remediation_id: "rr-payments-7f3a".to_owned(),
        signal_name: "KubePodCrashLooping".to_owned(),
        severity: Severity::High,
        signal_source: "kubernaut".to_owned(),
        resource: ResourceRef::namespaced("Deployment", "payments", "checkout"),
        error_message: String::new(),
        description: None,
        environment: "production".to_owned(),
        priority: "P1".to_owned(),
        risk_tolerance: "medium".to_owned(),
        business_category: "standard".to_owned(),
        cluster_name: "default".to_owned(),
        signal_mode: SignalMode::Reactive,
        is_duplicate: false,
        occurrence_count: 1,
        deduplication_window_minutes: None,
        firing_time: None,
        received_time: None,
        first_seen: None,
        last_seen: None,
        signal_labels: BTreeMap::new(),
        signal_annotations: BTreeMap::new(),
        custom_labels: BTreeMap::new(),
        shape: RequestShape::April,
        interactive: false,
        recovery: None,
    }
}

pub(super) fn investigation() -> Investigation {
    Investigation {
        incident_id: "inc-42".to_owned(),
        analysis: "Containers exceed their limit.".to_owned(),
        root_cause: RootCause {
            summary: "Memory limit below working set".to_owned(),
            severity: Severity::High,
            signal_name: Some("OOMKilled".to_owned()),
            cause_class: None,
            contributing_factors: vec!["limit 256Mi".to_owned(), "working set 310Mi".to_owned()],
            target: Some(ResourceRef::namespaced("Deployment", "payments", "checkout")),
            causal_chain: vec!["limit too low".to_owned(), "killed".to_owned()],
            due_diligence: BTreeMap::from([
                ("causal_completeness".to_owned(), "complete".to_owned()),
                ("target_accuracy".to_owned(), "the owner was checked".to_owned()),
                ("a dimension of later days".to_owned(), "is left out".to_owned()),
            ]),
            evidence: vec![Evidence::absent("x", ResourceRef::cluster_scoped("Node", "n"), "y")],
        },
        selected_workflow: Some(SelectedWorkflow {
            workflow_id: "7d1f6a52-9c0e-5b7a-8b54-0d7f4a1c9e11".to_owned(),
            workflow_name: "raise-memory".to_owned(),
            action_type: "IncreaseMemoryLimits".to_owned(),
            version: "1.0.0".to_owned(),
            execution_bundle: Some("registry.example/raise-memory@sha256:ab".to_owned()),
            execution_bundle_digest: None,
            execution_engine: "tekton".to_owned(),
            service_account_name: Some("runner".to_owned()),
            engine_config: None,
            confidence: 0.86,
            rationale: "Matches OOM\non a stateless Deployment".to_owned(),
            parameters: json!({ "MEMORY_LIMIT_NEW": "512Mi" }).as_object().cloned().unwrap_or_default(),
        }),
        confidence: 0.86,
        completed_at: "2026-04-07T10:16:02.12Z".parse().unwrap(),
        review: None,
        actionable: None,
        warnings: Vec::new(),
        alternatives: vec![AlternativeWorkflow {
            workflow_id: "9e0b1c7d-0000-5000-8000-000000000001".to_owned(),
            workflow_name: "restart".to_owned(),
            execution_bundle: Some("registry.example/restart@sha256:cd".to_owned()),
            confidence: 0.2,
            rationale: "Restart only hides it".to_owned(),
        }],
        validation_attempts: vec![ValidationAttempt {
            attempt: 1,
            workflow_id: None,
            is_valid: true,
            errors: Vec::new(),
            timestamp: "2026-04-07T10:16:01Z".parse().unwrap(),
        }],
        engine: Engine::Model {
            model: "m".to_owned(),
            turns: 3,
            tool_calls: 5,
            prompt_tokens: 41_210,
            completion_tokens: 1_875,
            phases: Vec::new(),
        },
        excluded: Vec::new(),
        not_checked: Vec::new(),
        confidence_basis: None,
    }
}

pub(super) fn catalogue() -> Vec<AuditEvent> {
    let incident = incident();
    let payloads = [
        Payload::LlmRequest {
            model: "m-1".to_owned(),
            prompt: Excerpt::of("Why?"),
            toolsets: vec!["kubernetes".to_owned()],
            mcp_servers: Vec::new(),
            tokens_max: None,
        },
        Payload::LlmResponse {
            analysis: "The limit is too low.".to_owned(),
            tokens_used: Some(12),
            tool_call_count: 1,
        },
        Payload::ToolCall {
            index: 0,
            tool: "kubectl_describe".to_owned(),
            arguments: json!({ "kind": "pod" }).as_object().cloned().unwrap_or_default(),
            result: json!({ "status": "success", "data": "OOMKilled" }),
            failed: false,
        },
        Payload::ValidationAttempt {
            attempt: 1,
            attempts_max: 3,
            is_valid: false,
            errors: vec!["parameter MEMORY_LIMIT_NEW is required".to_owned(), "second".to_owned()],
            workflow_id: Some("w-1".to_owned()),
            workflow_name: Some("raise-memory".to_owned()),
            review_reason: None,
            is_final: false,
        },
        Payload::EnrichmentCompleted {
            root_owner: ResourceRef::namespaced("Deployment", "payments", "checkout"),
            owner_chain_length: 2,
            detected_labels: Some(json!({ "hpaEnabled": true }).as_object().cloned().unwrap_or_default()),
            failed_detections: None,
            remediation_history_fetched: true,
        },
        Payload::EnrichmentFailed {
            reason: "rca_incomplete".to_owned(),
            detail: "no owner".to_owned(),
            affected: ResourceRef::cluster_scoped("Node", "worker-1"),
        },
        Payload::ResponseComplete { investigation: Arc::new(investigation()) },
        Payload::ResponseFailed { error_message: "internal: x".to_owned(), phase: "rca" },
        Payload::RcaComplete(Box::new(RcaFinding {
            root_cause: investigation().root_cause,
            analysis: "Containers exceed their limit.".to_owned(),
            confidence: 0.8,
            found_at: "2026-04-07T10:15:59Z".parse().unwrap(),
            prompt_tokens: 30_000,
            completion_tokens: 900,
        })),
        Payload::SessionStarted {
            session_id: SESSION.to_owned(),
            signal_name: "KubePodCrashLooping".to_owned(),
            severity: Severity::Medium,
            created_by: "system:serviceaccount:kubernaut-system:aianalysis-controller".to_owned(),
        },
        Payload::SessionEnded { session_id: SESSION.to_owned(), end: SessionEnd::Completed },
        Payload::SessionEnded { session_id: SESSION.to_owned(), end: SessionEnd::Cancelled },
        Payload::SessionEnded { session_id: SESSION.to_owned(), end: SessionEnd::Failed("internal: x".to_owned()) },
        Payload::InvestigationCancelled { phase: "rca", turn: 3, prompt_tokens: 9_000, completion_tokens: 400 },
        refused(false, "invalid_token"),
        refused(true, "authorization_denied"),
    ];
    payloads.into_iter().map(|payload| AuditEvent::new(&incident, payload).took(Duration::from_millis(1_840))).collect()
}

fn refused(is_known: bool, reason: &str) -> Payload {
    Payload::AccessRefused(AccessRefusal {
        is_known,
        source_ip: "10.0.0.7".to_owned(),
        method: "POST".to_owned(),
        path: "/api/v1/incident/analyze".to_owned(),
        reason: reason.to_owned(),
    })
}
