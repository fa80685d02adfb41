//! The task that owns one session from its admission to its end.

use std::convert::Infallible;
use std::future::{Future as _, pending};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use super::conclusion::Conclusion;
use super::entry::{Ending, Entry, Identity, Stop};
use super::record::{SessionId, SessionKind, SessionState};
use super::slots::Slot;
use super::submission::{Accepted, Attendance, Claim, Storing};
use super::{Inner, SubmitError};
use crate::audit::{AuditError, AuditEvent};
use crate::domain::Incident;
use crate::investigation::{FailureCode, ProgressSender, Reality, RunContext};
use crate::metering::RunMeter;
use crate::store::{FinalState, NewSession, StoreError};
use crate::telemetry::spans;

/// Attempts to store a final state before it is shown without being stored.
const WRITES_MAX: u32 = 3;
/// A run that is called off stops at its next wait and may write down how far it came.
const LAST_WORDS_MAX: Duration = Duration::from_millis(300);
/// Wait after a failed attempt.
const WRITE_RETRY_WAIT: Duration = Duration::from_millis(200);

/// An admitted incident.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) id: SessionId,
    pub(super) incident: Arc<Incident>,
    pub(super) claim: Claim,
    /// Set when somebody waits for the answer: how long the run outlives the last who does.
    pub(super) grace: Option<Duration>,
    pub(super) at: Timestamp,
    pub(super) accepted: Instant,
    /// From then to the deadline, whatever the configuration says later.
    pub(super) budget: Duration,
    /// Told when the session is durable.
    pub(super) stored: watch::Sender<Storing>,
}

/// What the owner of a session shares with the table.
struct Ties {
    progress: ProgressSender,
    stop: watch::Receiver<Option<Stop>>,
    waiters: watch::Receiver<usize>,
}

/// How the live part of a session went.
enum Life {
    Over {
        conclusion: Conclusion,
        started: Option<Instant>,
    },
    /// Left for the next start of the service.
    Parked,
}

impl Inner {
    /// Stores the session, answers the submitter, waits for a slot, runs, stores the end.
    pub(super) async fn own(self: Arc<Self>, session: Admitted, reply: oneshot::Sender<Result<Accepted, SubmitError>>) {
        let stored = match self.new_row(&session) {
            Ok(row) => self.store.insert_session(row).await,
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            self.table().withdraw(session.id, &session.claim);
            tracing::error!(event = "session_rejected", error = %error, "the session could not be stored");
            let _ = reply.send(Err(SubmitError::Store(error)));
            return;
        }
        let (ties, attendance) = self.enter(&session);
        session.stored.send_replace(Storing::Stored);

        // Asked for once before the submitter hears of the session: the queue keeps the order of submission.
        let mut slot = pin!(self.slots.clone().take());
        let early = std::future::poll_fn(|context| match slot.as_mut().poll(context) {
            Poll::Ready(slot) => Poll::Ready(slot),
            Poll::Pending => Poll::Ready(None),
        })
        .await;
        // A submitter that left takes its attendance along.
        let _ = reply.send(Ok(Accepted { id: session.id, attendance }));
        self.tell_start(&session).await;

        let slot = match early {
            Some(slot) => Ok(slot),
            None => tokio::select! {
                biased;
                () = self.parked.cancelled() => Err(Life::Parked),
                why = self.called_off(&session, &ties) => Err(Life::over(Conclusion::stopped(why))),
                () = sleep_until(session.accepted + session.budget) => Err(Life::over(Conclusion::starved(session.budget))),
                slot = slot.as_mut() => slot.ok_or(Life::Parked),
            },
        };
        let life = match slot {
            Ok(slot) => self.live(&session, slot, &ties).await,
            Err(life) => life,
        };
        match life {
            Life::Over { conclusion, started } => self.conclude(&session, &ties, &conclusion, started).await,
            Life::Parked => tracing::info!(event = "session_parked", "session left for the next start"),
        }
    }

    fn new_row(&self, session: &Admitted) -> Result<NewSession, StoreError> {
        let incident = &session.incident;
        let timeout = SignedDuration::try_from(session.budget).unwrap_or(SignedDuration::MAX);
        let unencodable = |_| StoreError::Value { column: "incident" };
        Ok(NewSession {
            id: session.id.to_string(),
            caller: session.claim.caller.clone(),
            shape: super::restart::shape_text(incident.shape),
            incident_id: incident.incident_id.clone(),
            created_at: session.at,
            deadline_at: session.at.checked_add(timeout).unwrap_or(Timestamp::MAX),
            incident: serde_json::to_string(incident).map_err(unencodable)?,
            kind: SessionKind::of(incident).as_str(),
            idempotency_key: session.claim.key.clone(),
            request_sha256: session.claim.fingerprint.bytes(),
        })
    }

    /// Makes the stored session known.
    fn enter(&self, session: &Admitted) -> (Ties, Option<Attendance>) {
        let caller = &session.claim.caller;
        let identity = Identity::of(&session.incident, caller, session.at);
        let (max_age, _) = self.table().lifetimes();
        let mut entry = Entry::new(identity, session.accepted + max_age);
        entry.claim = Some(session.claim.clone());
        let attendance = session.grace.and_then(|_| Attendance::begin(&entry.waiters));
        let progress = entry.progress.clone().unwrap_or_default();
        let ties = Ties { progress, stop: entry.stop.subscribe(), waiters: entry.waiters.subscribe() };
        let queue_depth = {
            let mut table = self.table();
            table.enter(session.id, entry);
            table.unfinished()
        };
        tracing::info!(event = "session_created", queue_depth, caller, "session created");
        (ties, attendance)
    }

    /// Ends when the session is called off, and says why.
    async fn called_off(&self, session: &Admitted, ties: &Ties) -> Stop {
        let mut stop = ties.stop.clone();
        let stopped = async move {
            let why = stop.wait_for(Option::is_some).await.ok().and_then(|why| *why);
            match why {
                Some(why) => why,
                None => pending().await,
            }
        };
        tokio::select! {
            why = stopped => why,
            never = self.abandon_when_alone(session, ties) => match never {},
        }
    }

    /// Calls a session off that somebody waited for, once nobody has for the grace time.
    async fn abandon_when_alone(&self, session: &Admitted, ties: &Ties) -> Infallible {
        let Some(grace) = session.grace else { return pending().await };
        let mut waiters = ties.waiters.clone();
        while waiters.wait_for(|count| *count == 0).await.is_ok() {
            if timeout(grace, waiters.wait_for(|count| *count > 0)).await.is_err() {
                self.table().abandon(session.id);
                // Either the session is called off now, or somebody came at the last moment.
                if waiters.wait_for(|count| *count > 0).await.is_err() {
                    break;
                }
            }
        }
        pending().await
    }

    /// From the slot to the end of the run. The slot is given back on return.
    async fn live(&self, session: &Admitted, _slot: Slot, ties: &Ties) -> Life {
        let _room = self.audit.reserve();
        let started = Instant::now();
        let queued = started - session.accepted;
        self.table().investigating(session.id);
        self.metrics.session_started(&session.incident.signal_name, session.incident.severity.as_str(), queued);
        tracing::info!(event = "session_started", queued_ms = millis(queued), "investigation started");
        // The mark is for a later reader of the database; the run does not wait for it.
        let mark = async {
            if let Err(error) = self.store.start_session(&session.id.to_string(), Timestamp::now()).await {
                tracing::warn!(event = "session_write_failed", error = %error, "start of the session not stored");
            }
        };
        let meter = self.metering.begin(&session.claim.caller);
        let ((), conclusion) = tokio::join!(mark, self.run(session, ties, meter.clone()));
        meter.settle().await;
        match conclusion {
            Some(conclusion) => Life::Over { conclusion, started: Some(started) },
            None => Life::Parked,
        }
    }

    /// Runs the work in a task of its own, so that a panic or a blocked thread stays there. `None` when parked.
    async fn run(&self, session: &Admitted, ties: &Ties, meter: RunMeter) -> Option<Conclusion> {
        let deadline = session.accepted + session.budget;
        let overrun_max = self.times.get().overrun_max;
        let progress = ties.progress.clone();
        let context = RunContext {
            deadline,
            cancel: CancellationToken::new(),
            progress,
            meter,
            session: session.id.to_string(),
            outside: Arc::new(Reality),
        };
        let cancel = context.cancel.clone();
        let _cancelled = context.cancel.clone().drop_guard();
        let (work, incident) = (self.work.clone(), Arc::clone(&session.incident));
        let run = async move { (work.0)(incident, context).await };
        let mut run = AbortOnDropHandle::new(self.tasks.spawn(run.instrument(Span::current())));
        let ended = tokio::select! {
            biased;
            ended = &mut run => ended,
            () = self.parked.cancelled() => return None,
            why = self.called_off(session, ties) => {
                cancel.cancel();
                let _ = timeout(LAST_WORDS_MAX, &mut run).await;
                return Some(Conclusion::stopped(why));
            }
            () = sleep_until(deadline + overrun_max) => {
                return Some(Conclusion::overrun(session.budget, ties.progress.words()));
            }
        };
        Some(match ended {
            Ok(Ok(investigation)) => Conclusion::completed(investigation, &session.incident),
            Ok(Err(error)) => Conclusion::Failed(error),
            Err(lost) => {
                tracing::error!(
                    event = "investigation_panicked",
                    error = panic_text(lost),
                    "the investigation panicked"
                );
                Conclusion::broken(ties.progress.words())
            }
        })
    }

    /// Stores final state and terminal event together, then shows the state. A store that takes neither does not take
    /// the result away from whoever waits for it.
    async fn conclude(&self, session: &Admitted, ties: &Ties, conclusion: &Conclusion, started: Option<Instant>) {
        let completed_at = super::now_in_microseconds();
        let standing = ties.progress.standing();
        let event = AuditEvent::new(&session.incident, conclusion.payload()).took(session.accepted.elapsed());
        let result = conclusion.result().and_then(|result| serde_json::to_string(result.as_ref()).ok());
        let stored = result.is_some() == conclusion.result().is_some();
        let end = FinalState {
            id: session.id.to_string(),
            state: conclusion.state().as_str(),
            completed_at,
            error: conclusion.error(),
            result,
            standing: serde_json::to_string(&standing).ok(),
        };
        let stored = stored && self.write_end(&end, &event).await;
        self.tell_end(event.subject, &end.id, conclusion).await;
        self.table().finish(
            session.id,
            Ending {
                state: conclusion.state(),
                completed_at,
                error: end.error.clone(),
                result: conclusion.result().cloned(),
                standing,
                stored,
            },
            Instant::now(),
        );
        let took = started.map_or(Duration::ZERO, |started| started.elapsed());
        self.metrics.session_finished(conclusion.outcome(), took);
        self.metrics.investigation_finished(conclusion.status(), took);
        let duration_ms = millis(session.accepted.elapsed());
        match conclusion.state() {
            SessionState::Completed => {
                tracing::info!(event = "session_completed", duration_ms, "session completed");
            }
            state => {
                let error = end.error.as_deref().unwrap_or_default();
                spans::failed(&Span::current(), FailureCode::of_line(error).as_str());
                tracing::info!(event = "session_failed", duration_ms, state = state.as_str(), error, "session failed");
            }
        }
    }

    async fn write_end(&self, end: &FinalState, event: &AuditEvent) -> bool {
        for attempt in 1..=WRITES_MAX {
            match self.audit.finish_session(end.clone(), event.clone()).await {
                Ok(_) => return true,
                Err(AuditError::Store(error)) => {
                    tracing::error!(event = "audit_write_failed", attempt, error = %error, "final state and terminal audit event not stored");
                    sleep(WRITE_RETRY_WAIT).await;
                }
                Err(error) => {
                    // The event itself is at fault: the state must not suffer for it.
                    tracing::error!(event = "audit_event_dropped", error = %error, "terminal audit event lost");
                    self.metrics.audit_dropped(crate::telemetry::metrics::DropReason::Rejected);
                    return self.write_end_alone(end).await;
                }
            }
        }
        self.metrics.audit_dropped(crate::telemetry::metrics::DropReason::RetriesExhausted);
        false
    }

    async fn write_end_alone(&self, end: &FinalState) -> bool {
        let Ok(permit) = self.store.permit().await else { return false };
        permit.finish_session(end.clone(), None).committed().await.is_ok()
    }
}

impl Life {
    fn over(conclusion: Conclusion) -> Self {
        Self::Over { conclusion, started: None }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn panic_text(lost: JoinError) -> String {
    let Ok(payload) = lost.try_into_panic() else { return "the task was aborted".to_owned() };
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}
