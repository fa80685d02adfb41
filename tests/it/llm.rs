//! The exchange with model providers, over real sockets: every dialect, credentials, faults, failover.

mod built_in;
mod credentials;
mod exchange;
mod failover;
mod peers;
mod replies;
mod tls;

use std::path::Path;

use holmesgpt_api::llm::{
    ChatReply, ChatRequest, Environment, Llm, LlmBuildError, LlmConfig, LlmError, Message, ModelPhase, Seat, TextForm,
    ToolChoice,
};
use serde_json::{Value, json};

/// A section over defaults that keep tests short.
fn section(members: Value) -> LlmConfig {
    let mut section = json!({"model": "m", "retry_base_ms": 1, "max_retries": 2, "credentials_dir": "/nonexistent"});
    section.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    serde_json::from_value(section).unwrap()
}

fn environment(variables: &[(&str, &str)], directory: &Path) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())), directory)
}

fn build(members: Value, variables: &[(&str, &str)]) -> Result<Llm, LlmBuildError> {
    Llm::build_in(&section(members), &environment(variables, Path::new("/nonexistent")))
}

fn seat(members: Value, variables: &[(&str, &str)]) -> Seat {
    build(members, variables).unwrap().seat(ModelPhase::Rca)
}

fn messages() -> Vec<Message> {
    vec![Message::System("rules".into()), Message::User("incident".into())]
}

fn request(messages: &[Message]) -> ChatRequest<'_> {
    ChatRequest { messages, tools: &[], tool_choice: ToolChoice::Auto, output_tokens_max: None, form: TextForm::Free }
}

async fn ask(seat: &Seat) -> Result<ChatReply, LlmError> {
    seat.chat(&request(&messages())).await
}
