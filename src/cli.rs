//! The command line: thin subcommands over the library, and the terminal report.

mod report;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use tokio_util::sync::CancellationToken;

use crate::analyser::{Analyser, GatherLimits};
use crate::api::incident::{AnalyzeBody, IncidentResponse};
use crate::cluster::Cluster as _;
use crate::cluster::bundle::{BundleCluster, BundleLimits};
use crate::domain::{Incident, Investigation};
use crate::investigation::{Investigator, ProgressSender, RunContext};

/// Largest incident file read, in bytes.
const INCIDENT_BYTES_MAX: u64 = 1024 * 1024;
/// Wall-clock budget of one investigation.
const TIMEOUT: Duration = Duration::from_mins(9);

/// Finds out why something broke in Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "holmesgpt-api", version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("HOLMESGPT_API_REVISION"), ")"), arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Diagnose one incident and print a report.
    Investigate {
        /// Incident file: the body of POST /api/v1/incident/analyze.
        incident: PathBuf,
        /// Recorded cluster; defaults to the folder `bundle` beside the incident.
        #[arg(long, value_name = "DIR")]
        bundle: Option<PathBuf>,
        /// `report` for people, `json` for the result as the API answers it.
        #[arg(long, value_enum, default_value = "report")]
        output: Output,
    },
    /// Print the `OpenAPI` document of the HTTP API.
    Openapi,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Report,
    Json,
}

/// Runs the command line and returns the process exit code: 0 ok, 1 runtime fault, 2 usage or bad input, 3 a person
/// must look.
pub fn run() -> u8 {
    match Arguments::parse().command {
        Command::Openapi => print(&crate::api::openapi()),
        Command::Investigate { incident, bundle, output } => match investigate(&incident, bundle, output) {
            Ok(code) => code,
            Err(failure) => {
                complain(&format!("error: {:#}", failure.error));
                failure.code
            }
        },
    }
}

struct Failure {
    code: u8,
    error: anyhow::Error,
}

fn bad_input(error: impl Into<anyhow::Error>) -> Failure {
    Failure { code: 2, error: error.into() }
}

fn fault(error: impl Into<anyhow::Error>) -> Failure {
    Failure { code: 1, error: error.into() }
}

fn investigate(path: &Path, bundle: Option<PathBuf>, output: Output) -> Result<u8, Failure> {
    let incident = read_incident(path).map_err(bad_input)?;
    let directory = bundle.unwrap_or_else(|| path.parent().unwrap_or(Path::new("")).join("bundle"));
    let cluster = BundleCluster::open(&directory, &BundleLimits::default()).map_err(bad_input)?;
    let cluster = Arc::new(cluster);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(fault)?;
    let investigator = Investigator::new(Arc::clone(&cluster) as _, Analyser::new(GatherLimits::default()));
    let investigation = runtime.block_on(async {
        let (progress, _) = ProgressSender::channel();
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        let run = RunContext { deadline, cancel: CancellationToken::new(), progress };
        investigator.investigate(&incident, &run).await
    });
    let investigation = investigation.map_err(fault)?;
    let text = match output {
        Output::Json => {
            let response = IncidentResponse::render(&investigation, incident.shape);
            serde_json::to_string_pretty(&response).map_err(fault)? + "\n"
        }
        Output::Report => render(&incident, &investigation, cluster.description()),
    };
    let printed = print(&text);
    Ok(if printed == 0 && investigation.review.is_some() { 3 } else { printed })
}

fn read_incident(path: &Path) -> anyhow::Result<Incident> {
    use anyhow::Context as _;
    let named = || path.display().to_string();
    let size = std::fs::metadata(path).with_context(named)?.len();
    anyhow::ensure!(size <= INCIDENT_BYTES_MAX, "{}: {size} bytes, the most is {INCIDENT_BYTES_MAX}", named());
    let bytes = std::fs::read(path).with_context(named)?;
    let body = AnalyzeBody::parse(&bytes).map_err(|error| anyhow::anyhow!("{}: {error}", named()))?;
    Incident::try_from(body).map_err(|error| anyhow::anyhow!("{}: {error}", named()))
}

fn render(incident: &Incident, investigation: &Investigation, cluster: String) -> String {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let style = report::Style { colour, columns: 100 };
    let context = report::Context { cluster, problems: Vec::new() };
    report::render(incident, investigation, &context, style)
}

/// A reader that closes the pipe early is no fault.
fn print(text: &str) -> u8 {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => 0,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
        Err(_) => 1,
    }
}

fn complain(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}
