//! Sessions: admission, one owned task per accepted incident, states, lifetimes, restart and drain (http-api §4).
//!
//! A session is durable before its submitter hears of it. Its task waits for a slot, runs the investigation in a task of
//! its own, and stores the final state together with the one terminal audit event; only then is the state shown. States
//! are looked up in memory, whatever the load; results that left memory come back from the store. A panic, a deadline or
//! a failing store ends the session it happens to and nothing else.

mod conclusion;
mod config;
mod entry;
mod error;
mod follow;
mod lifecycle;
mod record;
mod restart;
mod slots;
mod submission;
mod table;
mod task;

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

pub use config::SessionsConfig;
pub use error::{CancelError, Drained, SessionsError, SubmitError, Waited};
pub use follow::{Follower, Step};
pub use record::{SessionId, SessionKind, SessionRecord, SessionState};
pub use submission::{Accepted, Attendance, Presence, Submission};

use crate::audit::AuditTrail;
use crate::domain::{Incident, Investigation};
use crate::investigation::{InvestigationError, Investigator, RunContext, Standing};
use crate::metering::Metering;
use crate::settings::{Changes, Setting};
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::SessionOutcome;
use crate::telemetry::spans::{self, SessionFacts};
use crate::telemetry::trace;
use conclusion::Conclusion;
use entry::{Ending, Stop};
use slots::Slots;
use submission::{Claim, Fingerprint};
use table::{Admission, Refusal, Table};
use task::Admitted;

type WorkFuture = Pin<Box<dyn Future<Output = Result<Investigation, InvestigationError>> + Send>>;

/// What a session does with its incident.
#[derive(Clone)]
pub struct Work(Arc<dyn Fn(Arc<Incident>, RunContext) -> WorkFuture + Send + Sync>);

impl Work {
    /// Any asynchronous function; tests script their runs with it.
    pub fn new<F, R>(work: F) -> Self
    where
        F: Fn(Arc<Incident>, RunContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Investigation, InvestigationError>> + Send + 'static,
    {
        Self(Arc::new(move |incident, context| Box::pin(work(incident, context))))
    }
}

impl From<Investigator> for Work {
    fn from(investigator: Investigator) -> Self {
        Self::new(move |incident, context| {
            let investigator = investigator.clone();
            async move { investigator.investigate(&incident, &context).await }
        })
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

/// What [`Sessions::open`] needs.
#[derive(Debug)]
pub struct SessionsParts {
    pub config: SessionsConfig,
    /// `investigation.timeout_seconds`: wall-clock budget from acceptance, queue time included (decision 13).
    pub timeout: Duration,
    pub store: Store,
    pub audit: AuditTrail,
    pub metrics: Metrics,
    /// Says who may begin, and counts what each run spends.
    pub metering: Metering,
    pub work: Work,
}

/// Handle to all sessions of the process. Clones share them.
#[derive(Debug, Clone)]
pub struct Sessions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    times: Setting<Times>,
    store: Store,
    audit: AuditTrail,
    metrics: Metrics,
    metering: Metering,
    work: Work,
    table: Mutex<Table>,
    slots: Slots,
    tasks: TaskTracker,
    /// Drain began: housekeeping ends.
    draining: CancellationToken,
    /// Drain is over: what still runs or waits is left for the next start.
    parked: CancellationToken,
}

/// What sessions go by that the table does not need.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// Between two looks for what is over.
    sweep: Duration,
    /// Of sessions accepted from now on: from acceptance to the deadline.
    budget: Duration,
    /// How long a run may take to notice its deadline.
    overrun_max: Duration,
}

impl Times {
    fn of(config: &SessionsConfig, budget: Duration) -> Self {
        Self { sweep: config.ttl / 2, budget, overrun_max: config.overrun_max }
    }
}

impl Inner {
    /// Held for moments only, never across an await.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Last resort for a session whose own task panicked: its caller learns of it now, its audit trail with the next
    /// start, which finds the row unfinished.
    fn lose(&self, id: SessionId) {
        let end = Conclusion::broken("");
        tracing::error!(event = "session_failed", session_id = %id, "the task of the session panicked");
        let ending = Ending {
            state: end.state(),
            completed_at: now_in_microseconds(),
            error: end.error(),
            result: None,
            standing: Standing::default(),
            stored: false,
        };
        self.table().finish(id, ending, Instant::now());
    }

    /// Removes forgotten sessions from the store. What cannot be removed now goes with the next start.
    async fn erase(&self, forgotten: Vec<SessionId>) {
        for id in forgotten {
            tracing::info!(event = "session_expired", session_id = %id, "session forgotten");
            if let Err(error) = self.store.remove_session(&id.to_string()).await {
                tracing::warn!(event = "session_write_failed", session_id = %id, error = %error, "forgotten session stays stored");
            }
        }
    }
}

impl Sessions {
    /// Loads what an earlier process left: finished sessions stay readable, unfinished ones write their terminal audit
    /// event and are forgotten (decision 14). Starts the sweep.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn open(parts: SessionsParts) -> Result<Self, SessionsError> {
        let SessionsParts { config, timeout, store, audit, metrics, metering, work } = parts;
        let inner = Arc::new(Inner {
            slots: Slots::new(config.max_concurrent_investigations),
            times: Setting::new(Times::of(&config, timeout)),
            table: Mutex::new(Table::new(config, metrics.clone())),
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            parked: CancellationToken::new(),
            store,
            audit,
            metrics,
            metering,
            work,
        });
        inner.take_over().await?;
        inner.tasks.spawn(sweep(Arc::downgrade(&inner), inner.times.changes(), inner.draining.clone()));
        Ok(Self(inner))
    }

    /// Other lifetimes, limits and budget from now on (operations §2.5). Nothing that was accepted is taken back: sessions keep
    /// their deadline, those that have ended the time they were given, and too many that run are not stopped.
    pub fn set_limits(&self, config: &SessionsConfig, budget: Duration) {
        self.0.table().set_limits(config);
        self.0.slots.resize(config.max_concurrent_investigations);
        self.0.times.set(Times::of(config, budget));
    }

    /// Accepts an incident of a caller that comes back for the answer. When this returns, the session survives a crash of
    /// the process; it lives on even if the caller stops waiting.
    ///
    /// # Errors
    /// See [`SubmitError`]; nothing is stored then.
    pub async fn submit(&self, incident: Incident, caller: &str) -> Result<SessionId, SubmitError> {
        let submission = Submission { incident, caller: caller.to_owned(), key: None, presence: Presence::Returns };
        self.accept(submission).await.map(|accepted| accepted.id)
    }

    /// Accepts a submission, or finds the session of an earlier one that it repeats (http-api §4.7). Durable like
    /// [`Sessions::submit`].
    ///
    /// # Errors
    /// See [`SubmitError`]; nothing is stored then.
    pub async fn accept(&self, submission: Submission) -> Result<Accepted, SubmitError> {
        self.0.audit.admits().map_err(|full| {
            self.0.metrics.session_finished(SessionOutcome::Rejected, Duration::ZERO);
            tracing::warn!(event = "session_rejected", reason = %full, "no room for another audit trail");
            SubmitError::AuditFull
        })?;
        let Submission { incident, caller, key, presence } = submission;
        let fingerprint = Fingerprint::of(&incident);
        let is_shared = presence.grace().is_some() && key.is_none();
        let claim = Claim { caller, key, fingerprint, is_shared };
        let id = SessionId::random();
        let budget = self.0.metering.admits(&claim.caller);
        let admitted = self.0.table().admit(id, &claim, presence, budget, Instant::now());
        match admitted.map_err(|refusal| self.refused(refusal))? {
            Admission::Known { mut found, mut attendance } => {
                if !found.is_stored().await {
                    return Err(SubmitError::Store(StoreError::Closed));
                }
                if attendance.is_none() && presence.grace().is_some() {
                    let attended = self.0.table().attend(found.id);
                    attendance = attended.map_err(|refusal| self.refused(refusal))?;
                }
                tracing::info!(event = "session_found", session_id = %found.id, "the submission repeats an earlier one");
                Ok(Accepted { id: found.id, attendance })
            }
            Admission::New { forgotten, stored } => {
                let (incident, grace) = (Arc::new(incident), presence.grace());
                let (at, accepted) = (now_in_microseconds(), Instant::now());
                let budget = self.0.times.get().budget;
                self.begin(Admitted { id, incident, claim, grace, at, accepted, budget, stored }, forgotten).await
            }
        }
    }

    fn refused(&self, refusal: Refusal) -> SubmitError {
        let error = match refusal {
            Refusal::Full => SubmitError::QueueFull,
            Refusal::Draining => SubmitError::Draining,
            Refusal::Spent(exhausted) => SubmitError::BudgetSpent(exhausted),
            // The caller's mistake, and no session that could have been.
            Refusal::KeyTaken => return SubmitError::KeyTaken,
        };
        self.0.metrics.session_finished(SessionOutcome::Rejected, Duration::ZERO);
        tracing::info!(event = "session_rejected", reason = ?refusal, "no place for another session");
        error
    }

    /// Hands a new session to a task of its own and waits until it is durable.
    async fn begin(&self, session: Admitted, forgotten: Vec<SessionId>) -> Result<Accepted, SubmitError> {
        let (id, incident) = (session.id, &session.incident);
        let carried = trace::carried();
        let span = spans::session(SessionFacts {
            session_id: &id.to_string(),
            incident_id: &incident.incident_id,
            remediation_id: &incident.remediation_id,
            signal_name: &incident.signal_name,
            traceparent: carried.as_ref().map(|carried| carried.parent.as_str()),
            tracestate: carried.as_ref().and_then(|carried| carried.state.as_deref()),
        });
        let (reply, answer) = oneshot::channel();
        let inner = Arc::clone(&self.0);
        let owner = async move {
            inner.erase(forgotten).await;
            let owned = AssertUnwindSafe(Arc::clone(&inner).own(session, reply)).catch_unwind().await;
            if owned.is_err() {
                inner.lose(id);
            }
        };
        self.0.tasks.spawn(owner.instrument(span));
        answer.await.unwrap_or(Err(SubmitError::Store(StoreError::Closed)))
    }

    /// Whether new submissions are refused because the process is going down.
    pub fn is_draining(&self) -> bool {
        self.0.table().is_draining()
    }

    /// Stops a session that has no final state yet (http-api §8.7). Returns when the state is final.
    ///
    /// # Errors
    /// See [`CancelError`].
    pub async fn cancel(&self, id: SessionId) -> Result<(), CancelError> {
        /// For the commit of the final state.
        const COMMIT_MAX: Duration = Duration::from_secs(2);
        let stopped = self.0.table().stop(id, Stop::Requested);
        match stopped {
            None => return Err(CancelError::Unknown),
            Some(false) => return Err(CancelError::Over),
            Some(true) => {}
        }
        match self.finished_within(id, Instant::now() + COMMIT_MAX).await? {
            Waited::Finished(record) if record.state == SessionState::Cancelled => Ok(()),
            // It ended by itself at the same moment.
            Waited::Finished(_) => Err(CancelError::Over),
            Waited::Forgotten => Err(CancelError::Unknown),
            Waited::Parked => Err(CancelError::Draining),
            // The disk is slow; the run is stopped all the same.
            Waited::Late => Ok(()),
        }
    }

    /// The incident of a session, as it was accepted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn incident(&self, id: SessionId) -> Result<Option<Incident>, SessionsError> {
        let Some(json) = self.0.store.session_incident(&id.to_string()).await? else { return Ok(None) };
        let damaged =
            |error: serde_json::Error| SessionsError::Damaged { id: id.to_string(), reason: error.to_string() };
        serde_json::from_str(&json).map(Some).map_err(damaged)
    }

    /// The session as it is now; `None` when the id is malformed, unknown, expired or evicted.
    ///
    /// # Errors
    /// The stored result cannot be read.
    pub async fn get(&self, id: &str) -> Result<Option<SessionRecord>, SessionsError> {
        let Some(id) = SessionId::parse(id) else { return Ok(None) };
        let record = self.0.table().record(id, Instant::now());
        let Some(mut record) = record else { return Ok(None) };
        if record.state == SessionState::Completed && record.result.is_none() {
            // The sweep may have removed the session since it was looked up.
            let Some(result) = self.load_result(id).await? else { return Ok(None) };
            record.result = Some(result);
        }
        Ok(Some(record))
    }

    /// A result that is no longer in memory.
    async fn load_result(&self, id: SessionId) -> Result<Option<Arc<Investigation>>, SessionsError> {
        let Some(json) = self.0.store.session_result(&id.to_string()).await? else { return Ok(None) };
        let damaged =
            |error: serde_json::Error| SessionsError::Damaged { id: id.to_string(), reason: error.to_string() };
        let result = Arc::new(serde_json::from_str::<Investigation>(&json).map_err(damaged)?);
        self.0.table().cache(id, Arc::clone(&result));
        Ok(Some(result))
    }

    /// Waits until the session has a final state, then answers like [`Sessions::get`].
    ///
    /// # Errors
    /// The stored result cannot be read.
    pub async fn finished(&self, id: SessionId) -> Result<Option<SessionRecord>, SessionsError> {
        let watcher = self.0.table().watch(id);
        let Some(mut watcher) = watcher else { return Ok(None) };
        // An error means that the session was forgotten meanwhile; `get` says so.
        let _ = watcher.wait_for(|state| state.is_terminal()).await;
        drop(watcher);
        self.get(&id.to_string()).await
    }

    /// Waits for a final state, but not longer than `until`, and not beyond a drain that leaves the session to the next start.
    ///
    /// # Errors
    /// The stored result cannot be read.
    pub async fn finished_within(&self, id: SessionId, until: Instant) -> Result<Waited, SessionsError> {
        tokio::select! {
            biased;
            record = self.finished(id) => {
                Ok(record?.map_or(Waited::Forgotten, |record| Waited::Finished(Box::new(record))))
            }
            () = self.0.parked.cancelled() => Ok(Waited::Parked),
            () = tokio::time::sleep_until(until) => Ok(Waited::Late),
        }
    }

    /// Follows what a session does, from behind the event with the id `after` on; `None` when it is unknown.
    pub fn follow(&self, id: SessionId, after: u64) -> Option<Follower> {
        let followed = self.0.table().follow(id, after)?;
        Some(Follower::new(followed, self.0.parked.clone()))
    }

    /// Stops admitting, lets running and queued work finish until `deadline`, then parks the rest: cancelled, state
    /// unchanged, no terminal event; the next start deals with them (decision 14). Reads keep working.
    pub async fn drain(&self, deadline: Instant) -> Drained {
        /// For the commits of those that ended at the last moment.
        const COMMITS_MAX: Duration = Duration::from_secs(5);
        let inner = &self.0;
        let before = {
            let mut table = inner.table();
            table.refuse_all();
            table.unfinished()
        };
        inner.draining.cancel();
        inner.tasks.close();
        if timeout_at(deadline, inner.tasks.wait()).await.is_err() {
            inner.parked.cancel();
            let _ = timeout(COMMITS_MAX, inner.tasks.wait()).await;
        }
        let parked = inner.table().unfinished();
        Drained { finished: before.saturating_sub(parked), parked }
    }
}

/// Forgets what is over, until drain begins or every handle is gone.
async fn sweep(inner: Weak<Inner>, mut changes: Changes<Times>, ending: CancellationToken) {
    loop {
        let Some(every) = inner.upgrade().map(|inner| inner.times.get().sweep) else { return };
        tokio::select! {
            () = ending.cancelled() => return,
            () = sleep(every) => {}
            // Lifetimes may be shorter now.
            _ = changes.next() => continue,
        }
        let Some(inner) = inner.upgrade() else { return };
        let forgotten = inner.table().forget_expired(Instant::now());
        inner.erase(forgotten).await;
    }
}

/// As the store keeps it, so that a session shows the same instant before and after a restart.
fn now_in_microseconds() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
