//! The transport of revision 2024-11-05: answers come on one long stream of events, messages go to an address that the stream
//! names. A stream carries one question at a time; whoever asks takes one for itself, so that nothing has to be told apart
//! and no task reads in the background.

use reqwest::Url;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::exchange::{Http, Line, McpError};
use super::inbox::Inbox;
use super::{message, session};

/// An open stream.
#[derive(Debug)]
pub(super) struct Stream {
    inbox: Inbox,
    post_to: Url,
    pub(super) used_at: Instant,
}

impl Http {
    /// Opens a stream at the configured address, or below it at `sse`, where earlier versions looked.
    pub(super) async fn open_stream(&self, id: u64) -> Result<Stream, McpError> {
        let opened = match (self.listen(&self.url).await, below(&self.url)) {
            (Err(McpError::Refused { .. } | McpError::Protocol(_)), Some(below)) => self.listen(&below).await,
            (opened, _) => opened,
        };
        let mut inbox = opened?;
        let post_to = self.address(&mut inbox).await?;
        let mut stream = Stream { inbox, post_to, used_at: Instant::now() };
        let hello = self.ask_on(&mut stream, id, "initialize", message::hello()).await?;
        session::revision(&hello)?;
        let line = Line { url: &stream.post_to, session: None };
        self.post(line, &message::notification("notifications/initialized", json!({}))).await?;
        Ok(stream)
    }

    /// Where messages go: the first thing a stream says. Credentials go along, so that it must be the same server.
    async fn address(&self, inbox: &mut Inbox) -> Result<Url, McpError> {
        let no = |told: &str| McpError::Protocol(told.to_owned());
        let first = inbox.next().await?.ok_or(McpError::Broken)?;
        if first.event != "endpoint" {
            return Err(no("the stream does not begin with an address"));
        }
        let url = self.url.join(first.data.trim()).map_err(|_| no("the stream names no address"))?;
        if url.origin() == self.url.origin() { Ok(url) } else { Err(no("messages would go to another server")) }
    }

    /// One question on a stream. The answer may come before the request is acknowledged.
    pub(super) async fn ask_on(
        &self,
        stream: &mut Stream,
        id: u64,
        method: &str,
        params: Value,
    ) -> Result<Value, McpError> {
        stream.inbox.begin();
        let line = Line { url: &stream.post_to, session: None };
        let question = message::request(id, method, params);
        let (_, answer) = futures_util::try_join!(
            async { self.post(line, &question).await.map(drop) },
            self.await_answer(&mut stream.inbox, id, line),
        )?;
        stream.used_at = Instant::now();
        Ok(answer)
    }
}

/// `…/sse`, unless the address ends so already.
fn below(url: &Url) -> Option<Url> {
    let mut below = url.clone();
    let ends_so = url.path().trim_end_matches('/').ends_with("/sse");
    let mut path = below.path_segments_mut().ok().filter(|_| !ends_so)?;
    path.pop_if_empty().push("sse");
    drop(path);
    Some(below)
}
