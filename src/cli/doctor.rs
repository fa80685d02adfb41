//! `doctor`: what is wrong with an installation and how to mend it; `check-config --online` asks the same questions.

mod render;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::{Failure, configuration_file, environment, install_logging, port_of_environment, print, runtime};
use crate::app::doctor::{Examination, Report, Status};
use crate::app::location;
use crate::config::{ClusterConfig, Config};
use crate::telemetry::logging::{self, Format, LoggingConfig};

/// Exit code of a configuration that cannot be used.
const UNUSABLE: u8 = 64;

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorOptions {
    /// Configuration file [env: `CONFIG_FILE`] [default: /etc/holmesgpt/config.yaml, else what works without one].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where sessions and audit events are kept.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// One JSON document instead of a table; the same as `--output json`.
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// `table` for people, `json` for programs.
    #[arg(long, value_enum, default_value = "table")]
    output: Form,
    #[command(flatten)]
    patience: Patience,
}

/// How long everything together may take.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Patience {
    /// For all online checks together, in seconds, 1 to 600.
    #[arg(long = "timeout", value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Table,
    Json,
}

/// `doctor`. Works without any configuration.
pub(super) fn doctor(options: &DoctorOptions) -> Result<u8, Failure> {
    let form = if options.json { Form::Json } else { options.output };
    let named = options.config.clone().or_else(|| environment("CONFIG_FILE").map(PathBuf::from));
    // Nothing named and nothing mounted is no mistake here.
    let file = if named.is_some() { named } else { configuration_file(None).ok() };
    let config = match &file {
        Some(file) => Config::load(file).map_err(|error| error.to_string()),
        None => Ok(Config::standalone(ClusterConfig::default())),
    };
    let report = match config {
        Ok(config) => examine(config, file, options.state_dir.as_deref(), options.patience)?,
        Err(reason) => Report::unusable(file.as_deref(), &reason),
    };
    tell(&report, form)
}

/// The online half of `check-config`: the table of `doctor`, its exit code.
pub(super) fn online(config: Config, file: &Path, patience: Patience) -> Result<u8, Failure> {
    let report = examine(config, Some(file.to_owned()), None, patience)?;
    tell(&report, Form::Table)
}

fn examine(
    mut config: Config,
    file: Option<PathBuf>,
    state_dir: Option<&Path>,
    Patience { seconds }: Patience,
) -> Result<Report, Failure> {
    // What rooms and libraries would log is in the table, in better words; whoever sets a level wants it all the same.
    if environment("LOG_LEVEL").is_some() {
        let readable = LoggingConfig { format: Format::Text, ..config.logging };
        install_logging(&config, Some(readable), logging::Output::Stderr)?;
    }
    if let Some(port) = port_of_environment()? {
        config.server.port = port;
    }
    let location = location(&config.store, state_dir).map_err(|error| error.to_string());
    let examination = Examination { config, file, location, patience: Duration::from_secs(seconds) };
    Ok(runtime()?.block_on(examination.run()))
}

fn tell(report: &Report, form: Form) -> Result<u8, Failure> {
    let text = match form {
        Form::Json => serde_json::to_string_pretty(report).map_err(Failure::fault)? + "\n",
        Form::Table => render::table(report, has_colour()),
    };
    print(&text)?;
    Ok(match report.status {
        _ if report.unusable => UNUSABLE,
        Status::Failed => 1,
        Status::Warning | Status::Ok | Status::Skipped => 0,
    })
}

fn has_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
