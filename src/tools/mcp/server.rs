//! One server: what it offers, asked anew after a while; calls, with a new session where the old one is gone; a farewell when
//! its last user is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::config::{McpMode, McpServerConfig};
use super::exchange::{Http, McpError};
use super::list::{ListedTool, PAGES_MAX, TOOLS_MAX, page};
use super::session::Session;
use super::stream::Stream;
use crate::tools::BuildError;

/// How long a list of tools is believed.
const LIST_FRESH: Duration = Duration::from_secs(60);
/// How long a server that did not answer is left alone: a storm of incidents asks it once.
const SILENCE_FRESH: Duration = Duration::from_secs(5);
/// Longest wait for a list of tools, the first hello included: every investigation waits for it.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait until a server has heard that nobody waits any more, or that a session is over.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Streams kept for the next call, and for how long: what a server writes on one meanwhile is read by nobody.
const IDLE_STREAMS_MAX: usize = 4;
const IDLE_MAX: Duration = Duration::from_secs(60);

/// What a server offered, or why nobody knows.
type Tools = Result<Arc<[ListedTool]>, McpError>;

/// A server of the configuration. Ends its session when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    name: String,
    config: McpServerConfig,
    http: Arc<Http>,
    farewells: TaskTracker,
    /// Of the next request.
    id: AtomicU64,
    /// How the server is spoken to, where the configuration does not say.
    learned: Mutex<Option<McpMode>>,
    session: AsyncMutex<Option<Arc<Session>>>,
    streams: Mutex<Vec<Stream>>,
    listed: AsyncMutex<Option<(Instant, Tools)>>,
}

impl Server {
    pub(super) fn build(name: &str, config: &McpServerConfig, farewells: TaskTracker) -> Result<Self, BuildError> {
        let named = |problem| BuildError::Server { server: name.to_owned(), problem: Box::new(problem) };
        Ok(Self {
            name: name.to_owned(),
            http: Arc::new(Http::build(config).map_err(named)?),
            config: config.clone(),
            farewells,
            id: AtomicU64::new(1),
            learned: Mutex::default(),
            session: AsyncMutex::default(),
            streams: Mutex::default(),
            listed: AsyncMutex::default(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn config(&self) -> &McpServerConfig {
        &self.config
    }

    /// Whether this is what would be built.
    pub(super) fn is(&self, name: &str, config: &McpServerConfig) -> bool {
        self.name == name && self.config == *config
    }

    /// The tools it has now.
    ///
    /// # Errors
    /// Why it does not answer.
    pub(super) async fn tools(&self) -> Tools {
        let mut listed = self.listed.lock().await;
        if let Some((at, tools)) = listed.as_ref() {
            let believed = if tools.is_ok() { LIST_FRESH } else { SILENCE_FRESH };
            if at.elapsed() < believed {
                return tools.clone();
            }
        }
        let patience = LIST_TIMEOUT.min(self.config.timeout());
        let tools = timeout(patience, self.list()).await.unwrap_or(Err(late(patience)));
        if tools.is_err() {
            // Whatever answers next time may be another version of it.
            *lock(&self.learned) = None;
        }
        *listed = Some((Instant::now(), tools.clone()));
        tools
    }

    async fn list(&self) -> Tools {
        let mut tools: Vec<ListedTool> = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let params = cursor.as_ref().map_or_else(|| json!({}), |cursor| json!({"cursor": cursor}));
            let (found, next) = page(self.asked(self.next_id(), "tools/list", params).await?)?;
            tools.extend(found);
            if tools.len() >= TOOLS_MAX || next.is_none() || next == cursor {
                break;
            }
            cursor = next;
        }
        tools.truncate(TOOLS_MAX);
        Ok(tools.into())
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// Why there is no answer. A tool that failed has one.
    pub(super) async fn call(&self, tool: &str, arguments: Map<String, Value>) -> Result<Value, McpError> {
        let id = self.next_id();
        let asked = self.asked(id, "tools/call", json!({"name": tool, "arguments": arguments}));
        match timeout(self.config.timeout(), asked).await {
            Ok(answer) => answer,
            Err(_) => {
                self.give_up(id).await;
                Err(late(self.config.timeout()))
            }
        }
    }

    async fn asked(&self, id: u64, method: &str, params: Value) -> Result<Value, McpError> {
        match self.mode().await? {
            McpMode::StreamableHttp => self.in_session(id, method, params).await,
            McpMode::Sse => self.on_stream(id, method, params).await,
        }
    }

    /// The configured transport, else the one that worked, else the current one, else the older one (2025-06-18, Backwards
    /// Compatibility).
    async fn mode(&self) -> Result<McpMode, McpError> {
        let known = self.config.mode.or(*lock(&self.learned));
        if let Some(mode) = known {
            return Ok(mode);
        }
        let mode = match self.session().await {
            Ok(_) => McpMode::StreamableHttp,
            Err(McpError::Refused { status: 400..=499, .. }) => {
                let stream = self.http.open_stream(self.next_id()).await?;
                self.keep(stream);
                McpMode::Sse
            }
            Err(error) => return Err(error),
        };
        *lock(&self.learned) = Some(mode);
        Ok(mode)
    }

    /// A session that is gone is opened anew, once.
    async fn in_session(&self, id: u64, method: &str, params: Value) -> Result<Value, McpError> {
        let session = self.session().await?;
        match self.http.ask(&session, id, method, params.clone()).await {
            Err(McpError::SessionLost) => {
                self.forget(&session).await;
                let session = self.session().await?;
                self.http.ask(&session, id, method, params).await
            }
            answer => answer,
        }
    }

    /// The session everybody shares; whoever comes first opens it.
    async fn session(&self) -> Result<Arc<Session>, McpError> {
        let mut session = self.session.lock().await;
        if let Some(session) = session.as_ref() {
            return Ok(Arc::clone(session));
        }
        let opened = Arc::new(self.http.open_session(self.next_id()).await?);
        *session = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Unless somebody else opened another one meanwhile.
    async fn forget(&self, lost: &Arc<Session>) {
        let mut session = self.session.lock().await;
        if session.as_ref().is_some_and(|session| Arc::ptr_eq(session, lost)) {
            *session = None;
        }
    }

    /// A stream that lay idle may be broken: then a fresh one is tried.
    async fn on_stream(&self, id: u64, method: &str, params: Value) -> Result<Value, McpError> {
        if let Some(mut stream) = self.idle_stream() {
            match self.http.ask_on(&mut stream, id, method, params.clone()).await {
                Err(McpError::Broken | McpError::Unreachable { .. } | McpError::Refused { .. }) => {}
                answer => return self.kept(stream, answer),
            }
        }
        let mut stream = self.http.open_stream(self.next_id()).await?;
        let answer = self.http.ask_on(&mut stream, id, method, params).await;
        self.kept(stream, answer)
    }

    /// A stream that brought an answer serves again.
    fn kept(&self, stream: Stream, answer: Result<Value, McpError>) -> Result<Value, McpError> {
        if matches!(answer, Ok(_) | Err(McpError::Rejected { .. })) {
            self.keep(stream);
        }
        answer
    }

    fn keep(&self, stream: Stream) {
        let mut streams = lock(&self.streams);
        if streams.len() < IDLE_STREAMS_MAX {
            streams.push(stream);
        }
    }

    fn idle_stream(&self) -> Option<Stream> {
        let mut streams = lock(&self.streams);
        streams.retain(|stream| stream.used_at.elapsed() < IDLE_MAX);
        streams.pop()
    }

    /// Tells the server that nobody waits for this answer. A stream of the older transport was closed with its question.
    async fn give_up(&self, id: u64) {
        let session = self.session.try_lock().ok().and_then(|session| session.clone());
        let Some(session) = session else { return };
        let params = json!({"requestId": id, "reason": "no answer in time"});
        let told = timeout(LAST_WORDS, self.http.notify(&session, "notifications/cancelled", params)).await;
        if !matches!(told, Ok(Ok(()))) {
            tracing::debug!(event = "mcp_call_not_cancelled", server = self.name, "the server was not told to stop");
        }
    }

    fn next_id(&self) -> u64 {
        self.id.fetch_add(1, Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let session = self.session.get_mut().take().filter(|session| session.has_id());
        let (Some(session), Ok(runtime)) = (session, tokio::runtime::Handle::try_current()) else { return };
        let http = Arc::clone(&self.http);
        self.farewells.spawn_on(async move { drop(timeout(LAST_WORDS, http.end(&session)).await) }, &runtime);
    }
}

fn late(patience: Duration) -> McpError {
    McpError::Timeout { seconds: patience.as_secs() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
