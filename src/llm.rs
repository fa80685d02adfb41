//! The language model: neutral chat types, one pure codec per dialect, one exchange that retries, classifies and
//! bounds. Nothing here knows what is being investigated.
//!
//! [`Llm`] holds every configured profile; a [`Seat`] is who answers one phase of one investigation, and who takes over. A
//! profile is a route (where, in which dialect), credentials, and an exchange with its breaker and its pace.

pub mod chat;
mod client;
pub mod codec;
pub mod config;
mod credentials;
mod delays;
mod exchange;
mod failure;
mod mock;
mod pace;
mod roster;
mod route;
mod seat;
mod sigv4;

pub use chat::{
    AnswerSchema, AssistantMessage, ChatReply, ChatRequest, FinishReason, Message, TextForm, ToolCall, ToolChoice,
    ToolDefinition, Usage,
};
pub use client::ClientError;
pub use config::{IdentityChange, LlmConfig, StructuredOutput};
pub use credentials::{CredentialError, Environment};
pub use exchange::{Listener, LlmBuildError, Obedience, Profile, Reached, Unreached};
pub use failure::{ErrorKind, LlmError};
pub use roster::{ModelFacts, Roster};
pub use route::RouteError;
pub use seat::{Llm, ModelPhase, Seat};
