//! Whatever an investigation holds, the events about it keep the rules.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::samples::investigation;
use super::{published, *};
use crate::audit::content::EVENT_DATA_BYTES_MAX;
use crate::audit::rules::check;
use crate::domain::{AlternativeWorkflow, Engine, Investigation, ReviewReason, RootCause, Severity};

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => ".{0,40}",
        1 => "[a\u{0}\n]{0,5}",
        1 => (0_usize..100_000).prop_map(|length| "\u{1}".repeat(length)),
        1 => (0_usize..100_000).prop_map(|length| "ü".repeat(length)),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(12, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,300}", inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((".{0,80}", any_json()), 0..4).prop_map(|pairs| pairs.into_iter().collect())
}

fn any_texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(any_text(), 0..5)
}

fn any_resource() -> impl Strategy<Value = ResourceRef> {
    (any_text(), any_text(), any_text())
        .prop_map(|(kind, namespace, name)| ResourceRef::namespaced(kind, namespace, name))
}

fn any_severity() -> impl Strategy<Value = Severity> {
    use Severity::{Critical, High, Low, Medium, Unknown};
    prop::sample::select(vec![Critical, High, Medium, Low, Unknown])
}

fn any_reason() -> impl Strategy<Value = ReviewReason> {
    use ReviewReason::{ImageMismatch, LlmParsingError, RcaIncomplete, WorkflowNotFound};
    prop::sample::select(vec![WorkflowNotFound, ImageMismatch, LlmParsingError, RcaIncomplete])
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![Just(Timestamp::MIN), Just(Timestamp::MAX), Just(Timestamp::UNIX_EPOCH), Just(Timestamp::now())]
}

prop_compose! {
    fn any_root_cause()(
        summary in any_text(), severity in any_severity(), factors in any_texts(), chain in any_texts(),
        target in prop::option::of(any_resource()), reviewed in any_text(),
    ) -> RootCause {
        RootCause {
            summary, severity, contributing_factors: factors, causal_chain: chain, target,
            due_diligence: [("proportionality".to_owned(), reviewed)].into(),
            ..investigation().root_cause
        }
    }
}

prop_compose! {
    fn any_investigation()(
        root_cause in any_root_cause(), analysis in any_text(), confidence in any::<f64>(), warnings in any_texts(),
        review in prop::option::of(any_reason()), actionable in any::<Option<bool>>(), completed_at in any_time(),
        parameters in any_object(), other in any_text(), tokens in any::<u64>(),
    ) -> Investigation {
        let mut made = investigation();
        let workflow = made.selected_workflow.as_mut().unwrap();
        (workflow.parameters, workflow.confidence) = (parameters, confidence);
        workflow.rationale.clone_from(&other);
        let engine = Engine::Model {
            model: String::new(), turns: 1, tool_calls: 1, prompt_tokens: tokens, completion_tokens: tokens,
            phases: Vec::new(),
        };
        let alternative = AlternativeWorkflow {
            workflow_id: other.clone(), workflow_name: other.clone(), execution_bundle: Some(other.clone()),
            confidence, rationale: other,
        };
        Investigation {
            root_cause, analysis, confidence, warnings, review, actionable, completed_at, engine,
            alternatives: vec![alternative],
            ..made
        }
    }
}

fn any_payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        (any_text(), any_text(), any_texts(), any::<Option<u64>>()).prop_map(|(model, prompt, lists, tokens_max)| {
            Payload::LlmRequest {
                model,
                prompt: Excerpt::of(&prompt),
                toolsets: lists.clone(),
                mcp_servers: lists,
                tokens_max,
            }
        }),
        (any_text(), any::<Option<u64>>(), any::<u64>()).prop_map(|(analysis, tokens_used, tool_call_count)| {
            Payload::LlmResponse { analysis, tokens_used, tool_call_count }
        }),
        (any::<u64>(), any_text(), any_object(), any_json(), any::<bool>()).prop_map(
            |(index, tool, arguments, result, failed)| Payload::ToolCall { index, tool, arguments, result, failed }
        ),
        (any::<u32>(), any::<bool>(), any_texts(), any::<bool>(), any_text()).prop_map(
            |(attempt, is_valid, errors, is_final, named)| Payload::ValidationAttempt {
                attempt,
                attempts_max: attempt,
                is_valid,
                errors,
                is_final,
                workflow_name: None,
                workflow_id: Some(named.clone()),
                review_reason: Some(named),
            }
        ),
        (any_resource(), any::<u32>(), prop::option::of(any_object()), prop::option::of(any_texts())).prop_map(
            |(root_owner, owner_chain_length, detected_labels, failed_detections)| Payload::EnrichmentCompleted {
                root_owner,
                owner_chain_length,
                detected_labels,
                failed_detections,
                remediation_history_fetched: true,
            }
        ),
        (any_text(), any_text(), any_resource())
            .prop_map(|(reason, detail, affected)| { Payload::EnrichmentFailed { reason, detail, affected } }),
        any_investigation().prop_map(|made| Payload::ResponseComplete { investigation: Arc::new(made) }),
        any_text().prop_map(|error_message| Payload::ResponseFailed { error_message, phase: "rca" }),
        (any_root_cause(), any_text(), any::<f64>(), any_time(), any::<u64>()).prop_map(
            |(root_cause, analysis, confidence, found_at, tokens)| Payload::RcaComplete(Box::new(RcaFinding {
                root_cause,
                analysis,
                confidence,
                found_at,
                prompt_tokens: tokens,
                completion_tokens: tokens,
            }))
        ),
        (any_text(), any_severity()).prop_map(|(text, severity)| Payload::SessionStarted {
            session_id: text.clone(),
            signal_name: text.clone(),
            severity,
            created_by: text,
        }),
        any_text().prop_map(|text| Payload::SessionEnded { session_id: text.clone(), end: SessionEnd::Failed(text) }),
        (any::<u32>(), any::<u64>()).prop_map(|(turn, tokens)| Payload::InvestigationCancelled {
            phase: "rca",
            turn,
            prompt_tokens: tokens,
            completion_tokens: tokens,
        }),
        (any_text(), any::<bool>()).prop_map(|(text, is_known)| Payload::AccessRefused(AccessRefusal {
            is_known,
            source_ip: text.clone(),
            method: text.clone(),
            path: text.clone(),
            reason: text,
        })),
    ]
}

prop_compose! {
    fn any_event()(
        payload in any_payload(), correlation_id in any_text(), incident_id in any_text(), resource in any_resource(),
        seconds in any::<Option<u64>>(),
    ) -> AuditEvent {
        let subject = AuditSubject { correlation_id, incident_id, resource };
        AuditEvent { subject, payload, duration: seconds.map(Duration::from_secs) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_event_keeps_the_rules(event in any_event()) {
        for profile in Profile::ALL.into_iter().filter(|profile| event.payload.kind().exists_in(*profile)) {
            let encoded = encode(&event, profile);
            prop_assert_eq!(check(&encoded, profile), Ok(()));
            prop_assert_eq!(published::refused(profile, &encoded), Vec::<String>::new());
            prop_assert!(encoded["event_data"].to_string().len() <= EVENT_DATA_BYTES_MAX);
            prop_assert!(!encoded.to_string().contains("\\u0000"));
            prop_assert!(depth(&encoded["event_data"]) <= 10);
            prop_assert_eq!(&encoded["event_data"]["event_id"], &json!(Uuid::nil().to_string()));
            prop_assert!(!encoded["event_data"].get("tool_result").is_some_and(Value::is_null));
        }
    }

    #[test]
    fn any_event_has_a_least_form(event in any_event()) {
        for profile in Profile::ALL.into_iter().filter(|profile| event.payload.kind().exists_in(*profile)) {
            let encoded = encode(&event, profile);
            let least: Value = serde_json::from_str(&rules::minimal(&encoded.to_string(), profile).unwrap()).unwrap();
            prop_assert_eq!(check(&least, profile), Ok(()));
            for kept in ["event_type", "event_timestamp", "correlation_id", "event_outcome"] {
                prop_assert_eq!(&least[kept], &encoded[kept]);
            }
            prop_assert_eq!(&least["event_data"]["event_id"], &encoded["event_data"]["event_id"]);
        }
    }
}
