//! What a run takes from outside itself and nobody else hands it: time, chance, the model's replies, the answers of tools.
//!
//! An investigation asks [`Outside`] for all of it, so that a run can be recorded and played again (`recording`). How long
//! something took, for metrics and audit, is no part of a result and is measured by the real clock. Production uses
//! [`Reality`].

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use crate::domain::Cost;
use crate::llm::{ChatReply, ChatRequest, LlmError, Seat};
use crate::metering::Level;
use crate::tools::mcp::{McpServers, Served};
use crate::tools::{Invocation, Tool, ToolOutput};

/// Time, chance, model and tools as one run sees them. `what` says what the time is for; for one such word, calls come one
/// after the other, so that a recording can give the same answers again.
#[async_trait]
pub trait Outside: Send + Sync + fmt::Debug {
    /// The time of day.
    fn now(&self, what: &str) -> Timestamp;

    /// The moment, for budgets.
    fn instant(&self, what: &str) -> Instant;

    /// The end of the budget, which prices and settings outside the run may have moved.
    fn deadline(&self, real: Instant) -> Instant {
        real
    }

    /// What an answer of the model cost, by the prices of then.
    fn cost(&self, real: Cost) -> Cost {
        real
    }

    /// How far the budgets were used.
    fn level(&self, real: Level) -> Level {
        real
    }

    /// Key of the placeholders of this run; unpredictable.
    fn redaction_key(&self) -> [u8; 32];

    /// Token of the delimiters of this run; unpredictable.
    fn delimiter(&self) -> [u8; 16];

    /// Ends when the moment has come.
    async fn until(&self, moment: Instant);

    /// Longest one call of the tool may take.
    fn patience(&self, tool: &dyn Tool) -> Duration;

    /// One call of the model, in a phase.
    async fn chat(&self, phase: &'static str, seat: &Seat, request: &ChatRequest<'_>) -> Result<ChatReply, LlmError>;

    /// One call of a tool, neither redacted nor shortened.
    async fn call(&self, tool: &dyn Tool, call: Invocation<'_>) -> ToolOutput;

    /// What MCP servers offer now.
    async fn served(&self, servers: &McpServers) -> Vec<Served>;
}

/// The real clock, real chance, whoever is configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reality;

#[async_trait]
impl Outside for Reality {
    fn now(&self, _what: &str) -> Timestamp {
        Timestamp::now()
    }

    fn instant(&self, _what: &str) -> Instant {
        Instant::now()
    }

    fn redaction_key(&self) -> [u8; 32] {
        random()
    }

    fn delimiter(&self) -> [u8; 16] {
        let bytes = random();
        std::array::from_fn(|index| bytes.get(index).copied().unwrap_or_default())
    }

    async fn until(&self, moment: Instant) {
        tokio::time::sleep_until(moment).await;
    }

    fn patience(&self, tool: &dyn Tool) -> Duration {
        tool.timeout()
    }

    async fn chat(&self, _phase: &'static str, seat: &Seat, request: &ChatRequest<'_>) -> Result<ChatReply, LlmError> {
        seat.chat(request).await
    }

    async fn call(&self, tool: &dyn Tool, call: Invocation<'_>) -> ToolOutput {
        tool.call(call).await
    }

    async fn served(&self, servers: &McpServers) -> Vec<Served> {
        servers.served().await
    }
}

/// 256 unpredictable bits: the randomness of several version 4 UUIDs.
fn random() -> [u8; 32] {
    let mut hash = Sha256::new();
    for _ in 0..3 {
        hash.update(Uuid::new_v4().as_bytes());
    }
    hash.finalize().into()
}
