//! `DataStorage`: it is there, takes our token and lets us read. Writing is not tried: events cannot be taken back.

use std::time::{Duration, Instant as Clock};

use tokio::time::Instant;

use super::Examination;
use super::clients::Clients;
use super::report::{Area, Check};
use super::rows::{Finding, Rows};
use crate::datastorage::{CallError, DataStorage, Generation};

/// An answer to a knock that takes longer is told.
const SLOW: Duration = Duration::from_secs(1);
const LATE: &str = "See whether DataStorage and its database are under load; data_storage.timeout bounds a question.";

pub(super) async fn check(examination: &Examination, clients: &Clients, until: Instant) -> Vec<Check> {
    let mut rows = Rows::of(Area::DataStorage, until);
    let client = match &clients.data_storage {
        Some(Ok(client)) => client,
        Some(Err(reason)) => {
            rows.note(
                "client",
                Finding::failed(reason.clone(), "Correct the section data_storage, or put the file there."),
            );
            return rows.into_checks();
        }
        None => {
            rows.note("health", Finding::skipped("not used: workflows and audit events have other places"));
            return rows.into_checks();
        }
    };
    let probe = async {
        let began = Clock::now();
        (client.probe().await, began.elapsed())
    };
    rows.ask("health", LATE, probe, |(answer, took)| health(client, answer, *took)).await;
    let path = examination.config.data_storage().map(|section| section.token_path.display().to_string());
    let path = path.unwrap_or_default();
    if rows.are_well() {
        rows.ask("token and rights", LATE, client.reads_events(), |answer| rights(answer, &path)).await;
    } else {
        rows.note("token and rights", Finding::skipped("not asked: DataStorage is not ready"));
    }
    rows.into_checks()
}

fn health(client: &DataStorage, answer: &Result<(), CallError>, took: Duration) -> Finding {
    let generation = match client.generation() {
        Some(Generation::April) => ", of the generation of April",
        Some(Generation::August) => ", of the generation of August",
        None => "",
    };
    match answer {
        Ok(()) if took > SLOW => Finding::warning(format!("ready after {} ms{generation}", took.as_millis()), LATE),
        Ok(()) => Finding::ok(format!("ready after {} ms{generation}", took.as_millis())),
        Err(error @ (CallError::NotSent(cause) | CallError::Lost(cause))) => {
            let is_tls = cause.contains("certificate") || cause.to_ascii_lowercase().contains("tls");
            let mend = if is_tls {
                "Name the authority that signed its certificate in data_storage.ca_file."
            } else {
                "Correct data_storage.url, start DataStorage, or let the NetworkPolicy pass it."
            };
            Finding::failed(error.to_string(), mend)
        }
        Err(error @ CallError::Status { status: 404, .. }) => Finding::failed(
            format!("{error} to every question about its health"),
            "Something else answers there, or a generation this service does not know: set data_storage.health_url.",
        ),
        Err(error) => Finding::failed(
            format!("{error}: it is not ready"),
            "See the log of DataStorage: its database is usually what is missing.",
        ),
    }
}

fn rights(answer: &Result<(), CallError>, token_path: &str) -> Finding {
    match answer {
        Ok(()) => Finding::ok("the token is taken and audit events can be read"),
        Err(error @ CallError::Status { status: 401, .. }) => Finding::failed(
            format!("{error}: the token in {token_path} is not taken"),
            "Mount a ServiceAccount token of the audience DataStorage expects at data_storage.token_path.",
        ),
        Err(error @ CallError::Status { status: 403, .. }) => Finding::failed(
            format!("{error}: the token is good and has no right"),
            "Bind the Role holmesgpt-api-data-storage (or data-storage-client) to this ServiceAccount in the namespace of \
             DataStorage.",
        ),
        Err(error @ CallError::NotSent(_)) => Finding::failed(
            error.to_string(),
            "Put a token into data_storage.token_path: in a pod it is mounted with the ServiceAccount.",
        ),
        Err(error) => {
            Finding::failed(error.to_string(), "See the log of DataStorage; the request was a GET of one event.")
        }
    }
}
