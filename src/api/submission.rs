//! Submitting (http-api §1.4, §1.6, §1.9, §4.7): one way in for incidents and recoveries, answered with a session or with
//! the result.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, Request};
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::Instant;
use tracing::info;
use utoipa::ToSchema;

use super::access::Place;
use super::fields::{FieldError, Step};
use super::json::Invalid;
use super::mode::{Choice, Form, Mode, Preferences, choose};
use super::problem::Problem;
use super::session::{Outcome, error_text, outcome};
use super::{AppState, Modes, body, incident, recovery};
use crate::auth::Caller;
use crate::domain::{Incident, RequestShape};
use crate::sessions::{Presence, SessionId, SessionKind, SessionRecord, SessionState, Submission, Waited};

/// When the first look at a new session is worth it.
const FIRST_POLL_SECONDS: u32 = 1;
/// Longest key of a caller.
const KEY_BYTES_MAX: usize = 255;
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The session of an accepted incident.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnalyzeAccepted {
    /// UUIDv4, lower case.
    #[schema(format = "uuid")]
    session_id: String,
}

/// What a request says beside its body.
struct Asked {
    form: Result<Option<Form>, Invalid>,
    preferences: Preferences,
    key: Result<Option<String>, Invalid>,
}

impl Asked {
    fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let prefer = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        Self { form: form(uri), preferences: Preferences::read(prefer), key: key(headers) }
    }
}

/// `mode=sync` or `mode=async`; the first of several counts.
fn form(uri: &Uri) -> Result<Option<Form>, Invalid> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default();
    match pairs.iter().find(|(name, _)| name == "mode").map(|(_, value)| value.as_str()) {
        None => Ok(None),
        Some("sync") => Ok(Some(Form::Sync)),
        Some("async") => Ok(Some(Form::Async)),
        Some(_) => Err(invalid("query", "mode", "enum", "Input should be 'sync' or 'async'")),
    }
}

/// 1 to 255 visible ASCII characters.
fn key(headers: &HeaderMap) -> Result<Option<String>, Invalid> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (first, second) = (values.next(), values.next());
    let Some(first) = first else { return Ok(None) };
    let is_visible =
        |text: &&str| (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let text = first.to_str().ok().filter(|_| second.is_none()).filter(is_visible);
    let msg = "Input should be 1 to 255 visible ASCII characters";
    text.map(|text| Some(text.to_owned())).ok_or_else(|| invalid("header", "Idempotency-Key", "value_error", msg))
}

fn invalid(place: &str, name: &str, kind: &'static str, msg: &str) -> Invalid {
    let loc = [place, name].map(|step| Step::Name(step.to_owned())).to_vec();
    Invalid::first_of(vec![FieldError { loc, kind, msg: msg.to_owned() }])
}

/// Takes a submission in. The checks follow the order of http-api §1.6.
pub(super) async fn submit(
    state: &Arc<AppState>,
    caller: Caller,
    kind: SessionKind,
    request: Request,
) -> Result<Response, Problem> {
    if state.sessions.is_draining() {
        return Err(Problem::shutting_down());
    }
    let asked = Asked::of(request.uri(), request.headers());
    let place = request.extensions().get::<Place>().cloned();
    let bytes = body::json_bytes(request, &state.limits).await?;
    let incident = match kind {
        SessionKind::Incident => incident::decode(&bytes)?,
        SessionKind::Recovery => recovery::decode(&bytes)?,
    };
    let modes = state.modes.get();
    let otherwise = otherwise(&modes, kind, incident.shape);
    let choice = choose(asked.form?, asked.preferences, otherwise, modes.wait_max);
    info!(event = "incident_analysis_requested", incident_id = incident.incident_id, kind = kind.as_str(), "received");
    let presence = match choice.mode {
        Mode::Async | Mode::Hybrid { .. } => Presence::Returns,
        Mode::Sync { .. } => Presence::Waits { grace: modes.detach_grace },
    };
    let submission = Submission { incident: incident.clone(), caller: caller.user, key: asked.key?, presence };
    // Kept until the answer is there: while it exists, somebody waits.
    let accepted = state.sessions.accept(submission).await?;
    let Choice { mode, applied } = choice;
    let answer = Answer { state, kind, id: accepted.id, incident: &incident, place };
    let mut response = match mode {
        Mode::Async => answer.session(),
        Mode::Sync { wait } => answer.result(wait).await?,
        Mode::Hybrid { wait } => answer.result_or_session(wait).await?,
    };
    if let Some(applied) = applied.and_then(|applied| HeaderValue::from_str(&applied).ok()) {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    Ok(response)
}

/// What the body asks for (http-api §1.4, rows 5 to 8).
fn otherwise(modes: &Modes, kind: SessionKind, shape: RequestShape) -> Form {
    let is_january = shape == RequestShape::January;
    match kind {
        SessionKind::Incident if is_january && modes.sync_for_signal_type => Form::Sync,
        SessionKind::Incident => modes.default_form,
        SessionKind::Recovery if is_january => Form::Sync,
        SessionKind::Recovery => Form::Async,
    }
}

struct Answer<'a> {
    state: &'a AppState,
    kind: SessionKind,
    id: SessionId,
    incident: &'a Incident,
    place: Option<Place>,
}

impl Answer<'_> {
    fn session(&self) -> Response {
        let session_id = self.id.to_string();
        let path = format!("/api/v1/{}/session/{session_id}", self.kind.as_str());
        let headers = [(LOCATION, path), (RETRY_AFTER, FIRST_POLL_SECONDS.to_string())];
        (StatusCode::ACCEPTED, headers, Json(AnalyzeAccepted { session_id })).into_response()
    }

    async fn wait(&self, wait: Duration) -> Result<Waited, Problem> {
        // Whoever waits takes no place from those who ask for a moment only.
        if let Some(place) = &self.place {
            place.give_back();
        }
        Ok(self.state.sessions.finished_within(self.id, Instant::now() + wait).await?)
    }

    async fn result(&self, wait: Duration) -> Result<Response, Problem> {
        match self.wait(wait).await? {
            Waited::Finished(record) => self.render(&record),
            Waited::Late => Err(Problem::gateway_timeout(wait)),
            Waited::Parked => Err(Problem::shutting_down()),
            Waited::Forgotten => Err(Problem::no_session(&self.id.to_string())),
        }
    }

    /// What is not there in time, or failed, is left to polling.
    async fn result_or_session(&self, wait: Duration) -> Result<Response, Problem> {
        match self.wait(wait).await? {
            Waited::Finished(record) if record.state != SessionState::Failed => self.render(&record),
            Waited::Finished(_) | Waited::Late | Waited::Parked | Waited::Forgotten => Ok(self.session()),
        }
    }

    fn render(&self, record: &SessionRecord) -> Result<Response, Problem> {
        let failed = || Problem::run_failed(&error_text(record));
        if record.state == SessionState::Failed {
            return Err(failed());
        }
        match self.kind {
            SessionKind::Incident => match outcome(record, self.state.severities) {
                Outcome::Result(result) => Ok(Json(result).into_response()),
                Outcome::NotCompleted(_) | Outcome::Failed(_) => Err(failed()),
            },
            SessionKind::Recovery => match recovery::outcome(record, self.incident, self.state.severities) {
                Outcome::Result(result) => Ok(Json(result).into_response()),
                Outcome::NotCompleted(_) | Outcome::Failed(_) => Err(failed()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_ascii() {
        let read = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
            }
            key(&headers).map_err(|invalid| invalid.detail)
        };
        assert_eq!(read(&[]), Ok(None));
        let longest = "k".repeat(255);
        for good in ["a", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "~!", &longest] {
            assert_eq!(read(&[good.as_bytes()]), Ok(Some(good.to_owned())));
        }
        let too_long = "k".repeat(256);
        for bad in [&[b"".as_slice()][..], &[b"a b"], &["ü".as_bytes()], &[too_long.as_bytes()], &[b"a", b"b"]] {
            let detail = read(bad).unwrap_err();
            assert!(detail.starts_with("Validation error: Field 'Idempotency-Key': "), "{detail}");
        }
    }
}
