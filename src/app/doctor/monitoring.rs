//! Prometheus and Alertmanager, where their tools are switched on.

use std::time::Duration;

use tokio::time::Instant;

use super::Examination;
use super::report::{Area, Check};
use super::rows::{Finding, Rows};
use crate::tools::EndpointError;
use crate::tools::alertmanager::AlertmanagerClient;
use crate::tools::prometheus::PrometheusClient;

/// For the cheapest query.
const QUERY_PATIENCE: Duration = Duration::from_secs(5);
const LATE: &str = "See whether the server is under load, and whether the address leads to it.";

pub(super) async fn check(examination: &Examination, until: Instant) -> Vec<Check> {
    let toolsets = &examination.config.toolsets;
    let mut rows = Rows::of(Area::Monitoring, until);
    match toolsets.prometheus().map(PrometheusClient::build) {
        None => rows.note("Prometheus", Finding::skipped("its tools are off (toolsets.\"prometheus/metrics\")")),
        Some(Err(error)) => {
            rows.note("Prometheus", Finding::failed(error.to_string(), "Correct the toolset's config."));
        }
        Some(Ok(client)) => prometheus(&client, &mut rows).await,
    }
    match toolsets.alertmanager().map(AlertmanagerClient::build) {
        None => rows.note("Alertmanager", Finding::skipped("its tools are off (toolsets.alertmanager)")),
        Some(Err(error)) => {
            rows.note("Alertmanager", Finding::failed(error.to_string(), "Correct the toolset's config."));
        }
        Some(Ok(client)) => {
            let judge = |version: &Result<_, _>| told(version, "alertmanager_url", Finding::failed);
            rows.ask("Alertmanager", LATE, client.version(), judge).await;
        }
    }
    rows.into_checks()
}

async fn prometheus(client: &PrometheusClient, rows: &mut Rows) {
    let judge = |answer: &Result<(), EndpointError>| match answer {
        Ok(()) => Finding::ok("answers queries"),
        Err(error) => refused(error, "prometheus_url", Finding::failed),
    };
    rows.ask("Prometheus", LATE, client.answers(QUERY_PATIENCE), judge).await;
    if rows.are_well() {
        // Servers that only speak its language have no such page.
        let judge = |version: &Result<_, _>| match version {
            Err(EndpointError::Refused { status: 404 | 405, .. }) => Finding::skipped("the server tells no version"),
            version => told(version, "prometheus_url", Finding::warning),
        };
        rows.ask("Prometheus version", LATE, client.version(), judge).await;
    }
}

/// How bad it is that there is no answer.
type Weight = fn(String, String) -> Finding;

fn told(version: &Result<Option<String>, EndpointError>, key: &str, weight: Weight) -> Finding {
    match version {
        Ok(Some(version)) => Finding::ok(format!("version {version}")),
        Ok(None) => Finding::ok("answers without a version"),
        Err(error) => refused(error, key, weight),
    }
}

fn refused(error: &EndpointError, key: &str, weight: Weight) -> Finding {
    let (seen, mend) = match error {
        EndpointError::Unreachable { server, reason } if reason.contains("certificate") => (
            format!("{server} cannot be reached: {reason}"),
            "Name the authority that signed its certificate in the toolset's CA file.".to_owned(),
        ),
        EndpointError::Unreachable { server, reason } => (
            format!("{server} cannot be reached: {reason}"),
            format!("Correct {key}, or let the NetworkPolicy pass it."),
        ),
        EndpointError::Credentials { server, status } => (
            format!("{server} refuses this service's credentials (HTTP {status})"),
            "Name a token in bearer_token_file, or the header it wants in headers; on OpenShift bind \
             cluster-monitoring-view."
                .to_owned(),
        ),
        EndpointError::Redirect { server, status } => (
            format!("{server} redirects (HTTP {status}), which is not followed"),
            format!("Name the target in {key}: a login page or another scheme usually stands before it."),
        ),
        EndpointError::Timeout { server, seconds } => {
            (format!("{server} did not answer within {seconds} s"), LATE.to_owned())
        }
        EndpointError::Broken { server } => (format!("the connection to {server} broke"), LATE.to_owned()),
        EndpointError::Malformed { server } | EndpointError::TooLarge { server } => (
            format!("what answers is not {server}"),
            format!("Correct {key}, with the path prefix where the server has one."),
        ),
        EndpointError::Refused { server, status, message } => (
            format!("{server} answers HTTP {status}: {message}"),
            format!("Correct {key}, with the path prefix where the server has one."),
        ),
    };
    weight(seen, mend)
}
