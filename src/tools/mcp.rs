//! Tools of MCP servers (operations §1.3.4, investigation §4.6; protocol revision 2025-06-18).
//!
//! # Trust
//!
//! A server is software of somebody else. Only tools on the operator's allow list are offered; one whose server says it may
//! write needs the operator's word as well ([`offer`]). What a server writes about its tools is shortened, redacted, freed of
//! lines that look like instructions, and said to be the server's own words; its own `instructions` are not read. Results
//! are data like those of every tool. A server that is down loses its tools for the investigation, with a warning.
//!
//! # Life
//!
//! [`McpPool`] builds the servers of a configuration and gives those that did not change to the next one, so that an
//! investigation keeps what it began with and a connection ends with its last user. What a server offers is asked when an
//! investigation begins ([`McpServers::served`]) and is part of a recording.
//!
//! # Why no crate
//!
//! `rmcp` has no HTTP+SSE of the older revision, which existing files name with `mode: sse`; it reads answers without a
//! bound in bytes, keeps a task for each connection and brings a second date library. What is needed of the protocol are
//! four methods over the HTTP client that is here anyway.

mod config;
mod exchange;
mod inbox;
mod list;
mod message;
pub mod offer;
mod result;
mod server;
mod session;
mod stream;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::{Map, Value};
use tokio_util::task::TaskTracker;

pub use config::{McpMode, McpServerConfig, McpServersConfig};
pub use exchange::McpError;
pub use list::{Annotations, ListedTool};
pub use offer::{Offer, Served, ServedTool};
use server::Server;

use super::{BuildError, Invocation, Tool, ToolOutput};
use crate::llm::ToolDefinition;

/// What the group of such a tool begins with; the server's name follows.
pub const GROUP: &str = "mcp/";
/// What the turn loop waits longer than a call may take, so that the server is told that nobody waits.
const GRACE: Duration = Duration::from_secs(2);

/// Whether tools of this group are those of a server.
pub fn is_served(toolset: &str) -> bool {
    toolset.starts_with(GROUP)
}

/// Builds servers and remembers those that are in use.
#[derive(Debug, Clone, Default)]
pub struct McpPool(Arc<Pool>);

#[derive(Debug, Default)]
struct Pool {
    living: Mutex<Vec<Weak<Server>>>,
    /// Last words to servers whose sessions are no longer used; each ends by itself.
    farewells: TaskTracker,
}

impl McpPool {
    /// The servers that are switched on and may offer anything; one that is in use and did not change is given again. Reads
    /// files; asks nobody.
    ///
    /// # Errors
    /// An address, a header or a file that cannot work.
    pub fn servers(&self, config: &McpServersConfig) -> Result<McpServers, BuildError> {
        let mut living = self.0.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.retain(|server| server.strong_count() > 0);
        let mut servers = Vec::new();
        for (name, config) in config.asked() {
            let known = living.iter().filter_map(Weak::upgrade).find(|server| server.is(name, config));
            servers.push(match known {
                Some(server) => server,
                None => {
                    let server = Arc::new(Server::build(name, config, self.0.farewells.clone())?);
                    living.push(Arc::downgrade(&server));
                    server
                }
            });
        }
        Ok(McpServers(servers.into()))
    }
}

/// The servers of one configuration. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct McpServers(Arc<[Arc<Server>]>);

impl McpServers {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What every server offers now, side by side, in the order of their names. What was asked a moment ago is not asked
    /// again.
    pub async fn served(&self) -> Vec<Served> {
        join_all(
            self.0.iter().map(|server| async { offer::served(server.name(), server.config(), server.tools().await) }),
        )
        .await
    }

    fn find(&self, name: &str) -> Option<Arc<Server>> {
        self.0.iter().find(|server| server.name() == name).map(Arc::clone)
    }
}

/// What a server shows of itself to whoever examines the configuration.
///
/// # Errors
/// A configuration that cannot work, or why the server does not answer.
pub async fn examine(name: &str, config: &McpServerConfig) -> Result<Vec<ListedTool>, Examined> {
    let server = Server::build(name, config, TaskTracker::new()).map_err(Examined::Build)?;
    server.tools().await.map(|tools| tools.to_vec()).map_err(Examined::Silent)
}

/// Why a server showed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Examined {
    #[error(transparent)]
    Build(BuildError),
    #[error(transparent)]
    Silent(McpError),
}

/// One tool of a server.
#[derive(Debug)]
struct McpTool {
    definition: ToolDefinition,
    /// [`GROUP`] and the server's name.
    group: String,
    server_name: String,
    /// As the server calls it.
    own_name: String,
    timeout: Duration,
    /// Absent where a recording answers.
    server: Option<Arc<Server>>,
}

#[async_trait]
impl Tool for McpTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn toolset(&self) -> &str {
        &self.group
    }

    fn timeout(&self) -> Duration {
        self.timeout + GRACE
    }

    fn is_time_dependent(&self) -> bool {
        true
    }

    async fn call(&self, call: Invocation<'_>) -> ToolOutput {
        let Some(server) = &self.server else {
            return ToolOutput::error("there is no connection to the server of this tool; go on without it");
        };
        let arguments: Map<String, Value> = call.arguments.clone();
        match server.call(&self.own_name, arguments).await {
            Ok(result) => result::output(&result),
            Err(error) => ToolOutput::error(format!("MCP server `{}` {error}; {}", self.server_name, error.advice())),
        }
    }
}
