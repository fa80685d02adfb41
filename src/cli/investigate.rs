//! `investigate`: one incident from a file or one object by name, answered in the terminal. The same session machinery as
//! the service, over a store that is thrown away unless `--state-dir` keeps it.

mod subject;

use std::io::IsTerminal as _;
use std::time::Duration;

use super::arguments::{InvestigateOptions, Output};
use super::{Failure, complain, install_logging, print, report, runtime};
use crate::api::incident::IncidentResponse;
use crate::app::Core;
use crate::audit::AuditSink;
use crate::config::{CatalogueConfig, CatalogueSource, ClusterConfig, ClusterSource, Config};
use crate::domain::{Cost, Incident, Investigation};
use crate::sessions::{SessionId, SessionState, Sessions};
use crate::store::StoreLocation;
use crate::telemetry::logging::{self, Format, Level, LoggingConfig};
use subject::Subject;

/// Whose sessions these are in the audit trail.
const CALLER: &str = "command-line";
/// Between two looks at the progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(50);

pub(super) fn investigate(options: InvestigateOptions) -> Result<u8, Failure> {
    let subject = Subject::read(&options)?;
    let config = configuration(&options, &subject)?;
    let quiet = LoggingConfig { level: Level::Warn, format: Format::Text, ..config.logging };
    install_logging(&config, Some(quiet), logging::Output::Stderr)?;
    let location = match &options.state_dir {
        Some(directory) => StoreLocation::in_directory(directory),
        None => StoreLocation::Temporary,
    };
    let (incident, investigation, context) = runtime()?.block_on(run(config, &location, subject))?;
    let text = match options.output {
        Output::Json => json(&incident, &investigation, context.cost)? + "\n",
        Output::Report => render(&incident, &investigation, context),
    };
    print(&text)?;
    Ok(if investigation.review.is_some() { 3 } else { 0 })
}

/// The file's configuration when there is one, with the cluster that a flag names, or the bundle beside the incident when
/// the file says nothing about the cluster.
fn configuration(options: &InvestigateOptions, subject: &Subject) -> Result<Config, Failure> {
    let mut config = match &options.config {
        Some(path) => Config::load(path)?,
        None => Config::standalone(ClusterConfig::default()),
    };
    config.record.clone_from(&options.record);
    // The session belongs to this run alone.
    config.audit.sink = AuditSink::Local;
    // A file that says nothing about a catalogue or its server leaves the compiled-in workflows.
    if config.data_storage.is_none() && config.catalogue == CatalogueConfig::default() {
        config.catalogue.source = Some(CatalogueSource::Directory);
    }
    let beside = match subject {
        Subject::Incident { bundle, .. } => bundle.clone().filter(|_| !config.names_cluster),
        Subject::Object { .. } => None,
    };
    if let Some(directory) = options.bundle.clone().or(beside) {
        config.cluster.source = ClusterSource::Bundle;
        config.cluster.bundle = Some(directory);
    }
    config.check().map_err(|reason| Failure::configuration(anyhow::anyhow!(reason)))?;
    Ok(config)
}

async fn run(
    config: Config,
    location: &StoreLocation,
    subject: Subject,
) -> Result<(Incident, Investigation, report::Context), Failure> {
    let core = Core::build(&config, location).await.map_err(|error| match error {
        // The folder was named on the command line.
        crate::app::AppError::Bundle(error) => Failure::bad_input(error),
        error => error.into(),
    })?;
    let incident = subject.incident(core.cluster.as_ref()).await?;
    let outcome = answer(&core.sessions, &incident).await;
    let cluster = core.cluster.description();
    if let Err(error) = core.store.close().await {
        complain(&format!("warning: the state store did not close cleanly: {error}"));
    }
    let (investigation, cost) = outcome?;
    Ok((incident, investigation, report::Context { cluster, problems: Vec::new(), cost }))
}

/// Submits, shows progress, waits; the answer and what the model cost.
async fn answer(sessions: &Sessions, incident: &Incident) -> Result<(Investigation, Option<Cost>), Failure> {
    let id = sessions.submit(incident.clone(), CALLER).await.map_err(Failure::fault)?;
    let finished = tokio::select! {
        finished = sessions.finished(id) => finished,
        never = show_progress(sessions, id) => match never {},
    };
    let record = finished.map_err(Failure::fault)?;
    let record = record.ok_or_else(|| Failure::fault(anyhow::anyhow!("the session was forgotten before it ended")))?;
    match (record.state, record.result) {
        (SessionState::Completed, Some(result)) => Ok(((*result).clone(), record.standing.cost)),
        (_, _) => Err(Failure::fault(anyhow::anyhow!(record.error.unwrap_or_else(|| record.state.to_string())))),
    }
}

/// One line on standard error per phase.
async fn show_progress(sessions: &Sessions, id: SessionId) -> std::convert::Infallible {
    let mut shown = "";
    loop {
        if let Ok(Some(record)) = sessions.get(&id.to_string()).await
            && let Some(phase) = record.progress.filter(|phase| !phase.is_empty() && *phase != shown)
        {
            complain(&format!("… {phase}"));
            shown = phase;
        }
        tokio::time::sleep(PROGRESS_INTERVAL).await;
    }
}

/// The answer as over the wire, and what the model used.
fn json(incident: &Incident, investigation: &Investigation, cost: Option<Cost>) -> Result<String, Failure> {
    let mut answer =
        serde_json::to_value(IncidentResponse::render(investigation, incident.shape)).map_err(Failure::fault)?;
    if let (Some(members), Some(usage)) = (answer.as_object_mut(), report::costs::usage(investigation, cost)) {
        members.insert("usage".to_owned(), usage);
    }
    serde_json::to_string_pretty(&answer).map_err(Failure::fault)
}

fn render(incident: &Incident, investigation: &Investigation, context: report::Context) -> String {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    report::render(incident, investigation, &context, report::Style { colour, columns: 100 })
}
