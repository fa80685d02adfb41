//! Writing audit events and asking which of them are stored (datastorage §3). No retries here: the shipper owns them.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::DataStorage;
use super::transport::{Answer, Call, CallError, Lane};

/// The server may take 30 s for a batch.
const WRITE_TIMEOUT: Duration = Duration::from_secs(35);
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Most events of one request, and its largest body in bytes: what late servers take (datastorage §1.4). Beyond either the
/// request is answered here as the server would.
const BATCH_EVENTS_MAX: usize = 500;
const BATCH_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Events in one page of an answer.
const PAGE_EVENTS_MAX: usize = 1_000;
/// Pages read for one question.
const PAGES_MAX: usize = 100;

/// What became of one request with events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// Committed by the server.
    Stored,
    /// 202: taken, perhaps kept (datastorage §3.4).
    Accepted,
    Refused(Refused),
    /// Nothing reached the server.
    NotSent(String),
    /// The server may have stored the events.
    Ambiguous(String),
}

/// An answer that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    /// The server's words, at most 2 KiB. May quote the event: for the quarantine, not for logs.
    pub detail: String,
    pub retry_after: Option<Duration>,
}

/// Which stored events are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventWindow {
    pub correlation_id: String,
    pub since: Timestamp,
    pub until: Timestamp,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    data: Vec<Value>,
    #[serde(default)]
    pagination: Pagination,
}

#[derive(Default, Deserialize)]
struct Pagination {
    #[serde(default)]
    has_more: bool,
}

impl DataStorage {
    /// One POST: to the single endpoint for one event, to the batch endpoint for more. Each body is the exact JSON of an
    /// event. The order is kept.
    pub async fn post_events(&self, bodies: &[&str]) -> Delivery {
        let (operation, path, body): (_, &[&str], _) = match bodies {
            [single] => ("audit_write", &["api", "v1", "audit", "events"], (*single).to_owned()),
            _ => ("audit_write_batch", &["api", "v1", "audit", "events", "batch"], format!("[{}]", bodies.join(","))),
        };
        if bodies.len() > BATCH_EVENTS_MAX || body.len() > BATCH_BYTES_MAX {
            let detail = format!("{} events of {} bytes", bodies.len(), body.len());
            return Delivery::Refused(Refused { status: 413, detail, retry_after: None });
        }
        let call = Call {
            operation,
            lane: Lane::Audit,
            method: Method::POST,
            path,
            query: &[],
            body: Some(body),
            timeout: WRITE_TIMEOUT,
        };
        match self.0.transport.call(&call).await {
            Ok(answer) => delivery(&answer),
            Err(CallError::NotSent(reason)) => Delivery::NotSent(reason),
            Err(error) => Delivery::Ambiguous(error.to_string()),
        }
    }

    /// The `event_data.event_id` of every stored event of a correlation within a span of time.
    ///
    /// # Errors
    /// No usable answer.
    pub async fn stored_event_ids(&self, window: &EventWindow) -> Result<HashSet<String>, CallError> {
        let mut found = HashSet::new();
        for page in 0..PAGES_MAX {
            let query = [
                ("correlation_id", window.correlation_id.clone()),
                ("since", window.since.to_string()),
                ("until", window.until.to_string()),
                ("limit", PAGE_EVENTS_MAX.to_string()),
                ("offset", (page * PAGE_EVENTS_MAX).to_string()),
            ];
            let call = Call {
                operation: "audit_query",
                lane: Lane::Audit,
                method: Method::GET,
                path: &["api", "v1", "audit", "events"],
                query: &query,
                body: None,
                timeout: READ_TIMEOUT,
            };
            let answer = self.0.transport.call(&call).await?;
            let page: Page = answer.read()?;
            let ids = page.data.iter().filter_map(|event| event.pointer("/event_data/event_id")?.as_str());
            found.extend(ids.map(str::to_owned));
            if !page.pagination.has_more {
                break;
            }
        }
        Ok(found)
    }
}

fn delivery(answer: &Answer) -> Delivery {
    match answer.status.as_u16() {
        202 => Delivery::Accepted,
        200..=299 => Delivery::Stored,
        status => Delivery::Refused(Refused { status, detail: answer.detail(), retry_after: answer.retry_after }),
    }
}
