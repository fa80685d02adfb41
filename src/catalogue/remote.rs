//! The catalogue of `DataStorage`: three steps over HTTP, each with the signal context (datastorage §5).
//!
//! Lists are remembered for a short time. Whether a workflow may be used is always asked anew, with the same filters for a
//! look and for a validation, so that what the server hides from the model cannot be chosen by guessing its id.

mod records;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use super::signal::Signal;
use super::{ActionType, Candidates, Catalogue, CatalogueError, Found, Listed, MatchContext, Workflow, matching};
use crate::datastorage::{CallError, DataStorage, PAGE_ENTRIES_MAX, Page, SignalContext};

/// Pages read of one list; a thousand entries are more than anybody can choose from.
const PAGES_MAX: u32 = 10;
/// Workflows read in full for a choice without a model, the best first.
const CANDIDATES_MAX: usize = 8;
/// Of those, how many at the same time.
const READS_IN_FLIGHT_MAX: usize = 4;
/// Longest name of an action type that is asked for, in bytes: it becomes part of an address.
const ACTION_TYPE_BYTES_MAX: usize = 100;
/// Lists remembered.
const LISTS_MAX: usize = 256;

/// Workflows that `DataStorage` keeps.
#[derive(Debug)]
pub struct RemoteCatalogue {
    client: DataStorage,
    actions: Remembered<SignalContext, Vec<ActionType>>,
    lists: Remembered<(String, SignalContext), Vec<Listed>>,
    answered_at: Mutex<Option<Instant>>,
}

impl RemoteCatalogue {
    /// Lists are remembered for `cache_ttl`; zero asks every time.
    pub fn new(client: DataStorage, cache_ttl: Duration) -> Self {
        Self {
            client,
            actions: Remembered::new(cache_ttl),
            lists: Remembered::new(cache_ttl),
            answered_at: Mutex::default(),
        }
    }

    fn answered(&self) {
        *self.answered_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// What the server's answer means here. No addresses and none of its words: this is shown to callers.
    fn failed(&self, error: &CallError) -> CatalogueError {
        tracing::warn!(event = "catalogue_unavailable", %error, "DataStorage did not answer about workflows");
        CatalogueError::Unavailable(match error {
            CallError::NotSent(_) => "DataStorage cannot be reached".to_owned(),
            CallError::Lost(_) => "DataStorage did not answer".to_owned(),
            CallError::Status { .. } | CallError::Malformed => error.to_string(),
        })
    }

    /// Every entry of a list, page by page.
    async fn whole<T, F>(&self, page: impl Fn(u32) -> F) -> Result<Vec<T>, CatalogueError>
    where
        F: Future<Output = Result<Page<T>, CallError>>,
    {
        let mut entries = Vec::new();
        for number in 0..PAGES_MAX {
            let read = page(number * PAGE_ENTRIES_MAX).await.map_err(|error| self.failed(&error))?;
            entries.extend(read.entries);
            if !read.has_more {
                self.answered();
                return Ok(entries);
            }
        }
        self.answered();
        tracing::warn!(event = "catalogue_list_cut", entries = entries.len(), "a list of the catalogue is too long");
        Ok(entries)
    }

    /// Step 3. What is not active, not the latest version, or not what was asked for counts as absent (datastorage §5.3).
    async fn record(&self, id: &str, context: Option<&SignalContext>) -> Result<Workflow, CatalogueError> {
        let absent = || CatalogueError::NotFound(id.to_owned());
        let wanted = Uuid::parse_str(id).map_err(|_| absent())?;
        let record = match self.client.workflow(wanted, context).await {
            Ok(record) => record,
            Err(CallError::Status { status: 404, .. }) => {
                self.answered();
                return Err(absent());
            }
            Err(error) => return Err(self.failed(&error)),
        };
        self.answered();
        let reason = match () {
            () if Uuid::parse_str(&record.workflow_id).ok() != Some(wanted) => "another workflow was answered",
            () if record.status != "Active" => "not active",
            () if !record.is_latest_version => "not the latest version",
            () => return Ok(records::workflow(record)),
        };
        let status = record.status.as_str();
        tracing::info!(event = "workflow_not_usable", workflow_id = %wanted, status, reason, "counts as not found");
        Err(absent())
    }
}

#[async_trait]
impl Catalogue for RemoteCatalogue {
    async fn action_types(&self, context: &MatchContext) -> Result<Vec<ActionType>, CatalogueError> {
        let Signal { context, substitutions } = Signal::of(context);
        if !substitutions.is_empty() {
            let remediation_id = context.remediation_id.as_deref();
            let substitutions = substitutions.join(" ");
            tracing::info!(
                event = "catalogue_filter_substituted",
                remediation_id,
                substitutions,
                "other filters are sent"
            );
        }
        if let Some(known) = self.actions.get(&context) {
            return Ok(known);
        }
        let entries = self.whole(|offset| self.client.action_types(&context, offset)).await?;
        let actions: Vec<ActionType> = entries.into_iter().map(records::action_type).collect();
        self.actions.put(context, actions.clone());
        Ok(actions)
    }

    async fn listed(&self, action_type: &str, context: &MatchContext) -> Result<Vec<Listed>, CatalogueError> {
        // A model may ask for anything. What cannot be one segment of an address names nothing.
        if action_type.len() > ACTION_TYPE_BYTES_MAX || matches!(action_type, "" | "." | "..") {
            return Ok(Vec::new());
        }
        let key = (action_type.to_owned(), Signal::of(context).context);
        if let Some(known) = self.lists.get(&key) {
            return Ok(known);
        }
        let entries = self.whole(|offset| self.client.workflows(action_type, &key.1, offset)).await?;
        let listed: Vec<Listed> = entries.into_iter().map(records::listed).collect();
        self.lists.put(key, listed.clone());
        Ok(listed)
    }

    async fn candidates(&self, action_type: &str, context: &MatchContext) -> Result<Candidates, CatalogueError> {
        let best = self.listed(action_type, context).await?.into_iter().take(CANDIDATES_MAX);
        let signal = Signal::of(context).context;
        let reads = best.map(|listed| self.candidate(listed.id, &signal));
        let found = futures_util::stream::iter(reads).buffered(READS_IN_FLIGHT_MAX);
        let matching: Vec<_> = found.try_filter_map(|found| std::future::ready(Ok(found))).try_collect().await?;
        Ok(Candidates { matching, ..Candidates::default() })
    }

    async fn workflow(&self, id_or_name: &str, context: &MatchContext) -> Result<Found, CatalogueError> {
        let workflow = self.record(id_or_name, Some(&Signal::of(context).context)).await?;
        Ok(Found { workflow, misfits: Vec::new() })
    }

    async fn withheld(&self, id: &str, context: &MatchContext) -> Result<Found, CatalogueError> {
        let signal = Signal::of(context);
        let workflow = self.record(id, None).await?;
        let mut misfits = matching::misfits(&workflow, &signal.applied_to(context));
        if misfits.is_empty() {
            misfits
                .push("the catalogue leaves it out for this severity, component, environment and priority".to_owned());
        }
        Ok(Found { workflow, misfits })
    }

    fn substitutions(&self, context: &MatchContext) -> Vec<String> {
        Signal::of(context).substitutions
    }

    fn age(&self) -> Option<Duration> {
        self.answered_at.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }

    fn description(&self) -> String {
        "catalogue of DataStorage".to_owned()
    }
}

impl RemoteCatalogue {
    /// A listed workflow in full; nothing when it went away meanwhile.
    async fn candidate(&self, id: String, signal: &SignalContext) -> Result<Option<Workflow>, CatalogueError> {
        match self.record(&id, Some(signal)).await {
            Ok(workflow) => Ok(Some(workflow)),
            Err(CatalogueError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Answers of the last moments by question. The question names the remediation: the server records who asked, so an answer
/// to one remediation never stands in for that to another.
#[derive(Debug)]
struct Remembered<K, V> {
    ttl: Duration,
    answers: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K: std::hash::Hash + Eq + Clone, V: Clone> Remembered<K, V> {
    fn new(ttl: Duration) -> Self {
        Self { ttl, answers: Mutex::default() }
    }

    fn get(&self, key: &K) -> Option<V> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = answers.get(key).filter(|(at, _)| at.elapsed() < self.ttl)?;
        let age_ms = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(event = "catalogue_answer_remembered", age_ms, "not asked again");
        Some(answer.clone())
    }

    fn put(&self, key: K, answer: V) {
        if self.ttl.is_zero() {
            return;
        }
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= LISTS_MAX {
            answers.retain(|_, (at, _)| at.elapsed() < self.ttl);
        }
        if answers.len() >= LISTS_MAX
            && let Some(oldest) = answers.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone())
        {
            answers.remove(&oldest);
        }
        answers.insert(key, (Instant::now(), answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_remembered_for_a_while_and_never_too_many() {
        let remembered = Remembered::new(Duration::from_mins(1));
        for key in 0..LISTS_MAX + 5 {
            remembered.put(key, key);
        }
        assert_eq!(remembered.answers.lock().unwrap().len(), LISTS_MAX);
        assert_eq!((remembered.get(&0), remembered.get(&(LISTS_MAX + 4))), (None, Some(LISTS_MAX + 4)));
        let forgetful = Remembered::new(Duration::ZERO);
        forgetful.put(1, 1);
        assert_eq!((forgetful.get(&1), forgetful.answers.lock().unwrap().len()), (None, 0));
    }
}
