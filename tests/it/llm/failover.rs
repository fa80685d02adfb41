//! Who answers when the first model does not, and which model answers which phase.

use holmesgpt_api::llm::{AssistantMessage, ErrorKind, Message, ModelPhase, ToolCall};
use serde_json::json;

use super::replies::fine;
use super::{build, messages, request};
use crate::stubs::provider::{Answer, Provider};

fn with_reasoning(issuer: &str) -> Vec<Message> {
    let call = ToolCall { id: "c1".into(), name: "kubectl_describe".into(), arguments: "{}".into() };
    let said = AssistantMessage {
        text: "Looking.".into(),
        tool_calls: vec![call],
        opaque: Some(json!([{"type": "thinking", "thinking": "hm", "signature": "signed"}, "text", "call"])),
        issuer: issuer.into(),
    };
    let mut messages = messages();
    messages.extend([Message::Assistant(said), Message::result("c1", "Pod web")]);
    messages
}

#[tokio::test]
async fn the_next_model_goes_on_from_the_transcript_without_what_the_first_signed_for_itself() {
    let first = Provider::start(|_, _| Answer::text(503, "{}")).await;
    let second = Provider::start(|asked, _| fine(asked)).await;
    let third = Provider::start(|asked, _| fine(asked)).await;
    let fallback = json!({"provider": "openai_compatible", "model": "b", "endpoint": second.address});
    let last = json!({"model": "c", "endpoint": third.address});
    let members = json!({"provider": "anthropic", "model": "a", "endpoint": first.address, "max_retries": 0,
                         "fallbacks": [fallback, last]});
    let llm = build(members, &[("ANTHROPIC_API_KEY", "k")]).unwrap();
    let seat = llm.seat(ModelPhase::Rca);
    let own = with_reasoning("anthropic/a");
    let error = seat.chat(&request(&own)).await.unwrap_err();
    assert!(first.asked()[0].text.contains("signed"), "its own reasoning goes back to it");
    assert_eq!((seat.provider(), seat.model()), ("anthropic", "a"));
    assert!(seat.fail_over(&error));
    assert_eq!((seat.provider(), seat.model()), ("openai_compatible", "b"));
    assert_eq!(seat.chat(&request(&own)).await.unwrap().message.text, "fine");
    let asked = &second.asked()[0];
    assert!(asked.text.contains("Looking.") && asked.text.contains("Pod web") && !asked.text.contains("signed"));
    assert_eq!(asked.header("x-api-key"), "", "the first provider's key stays there");
    // Another investigation begins with the first model again.
    assert_eq!(llm.seat(ModelPhase::Rca).model(), "a");
    // A profile without a provider of its own is one of the section's.
    assert!(seat.fail_over(&error) && seat.provider() == "anthropic" && seat.model() == "c");
    seat.chat(&request(&own)).await.unwrap();
    assert!(!third.asked()[0].text.contains("signed"), "another model of the same provider");
    assert!(!seat.fail_over(&error), "nobody is left");
}

#[tokio::test]
async fn a_conversation_that_is_too_long_is_nobody_elses_turn() {
    let members = json!({"provider": "mock", "endpoint": "http://x", "fallbacks": [{"model": "b", "context_window_tokens": 8_000}]});
    let seat = build(members, &[]).unwrap().seat(ModelPhase::Rca);
    let error = |kind: ErrorKind| holmesgpt_api::llm::LlmError { kind, sentence: String::new(), retries: 0 };
    assert!(!seat.fail_over(&error(ErrorKind::ContextLength)));
    assert_eq!(seat.context_window_tokens(), 8_000, "everybody who may have to answer can take it in");
    assert!(seat.fail_over(&error(ErrorKind::BreakerOpen)));
}

#[test]
fn phases_may_have_models_of_their_own() {
    let members = json!({"provider": "mock", "model": "big", "endpoint": "http://x", "fallbacks": [{"model": "spare"}],
                         "phase_models": {"workflow_discovery": {"model": "small"}, "validation": {"model": "ignored"}}});
    let llm = build(members, &[]).unwrap();
    let models = [ModelPhase::Rca, ModelPhase::WorkflowDiscovery].map(|phase| {
        let seat = llm.seat(phase);
        let first = seat.model().to_owned();
        assert!(seat.fail_over(&holmesgpt_api::llm::LlmError {
            kind: ErrorKind::Server,
            sentence: String::new(),
            retries: 0
        }));
        assert_eq!(seat.model(), "spare");
        first
    });
    assert_eq!(models, ["big", "small"]);
}
