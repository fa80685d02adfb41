//! What the command line looks like.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::audit::AuditCommand;
use super::doctor::{DoctorOptions, Patience};

const EXAMPLES: &str = "\
Examples:
  holmesgpt-api investigate examples/oom-cart-api/incident.json
  holmesgpt-api investigate deployment/cart-api -n checkout
  holmesgpt-api serve --config examples/standalone.yaml --port 8080
  holmesgpt-api audit list --since 24h --type aiagent.response.complete
  holmesgpt-api doctor --config /etc/holmesgpt/config.yaml
  holmesgpt-api check-config --config /etc/holmesgpt/config.yaml

Exit codes: 0 ok, 1 runtime fault, 2 usage or bad input, 3 a person must look (investigate), 64 bad configuration.";

/// Finds out why something broke in Kubernetes and chooses the remediation workflow.
///
/// `serve` answers incidents over HTTP; `investigate` does the same job once, in the terminal. Both work without an API
/// key, a cluster or a database: a recorded cluster (a bundle), the compiled-in workflow catalogue and a deterministic
/// analyser stand in for what is not configured.
#[derive(Debug, Parser)]
#[command(
    name = "holmesgpt-api",
    version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("HOLMESGPT_API_REVISION"), ")"),
    arg_required_else_help = true,
    after_help = EXAMPLES
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Answer incidents over HTTP until SIGTERM.
    Serve(ServeOptions),
    /// Diagnose one incident, or one object, and print a report.
    Investigate(InvestigateOptions),
    /// Look at the audit trail, and put refused events back for delivery.
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Run a recorded investigation again, without a network: exit 0 when the result is the same, 1 when it is not.
    Replay(ReplayOptions),
    /// Check the configuration and the catalogue it names, and say what would run and where every value comes from.
    CheckConfig(CheckConfigOptions),
    /// Print the reference of all configuration keys, in Markdown.
    #[command(hide = true)]
    ConfigKeys,
    /// Look at everything the service depends on, and say what is wrong and how to mend it.
    Doctor(DoctorOptions),
    /// Ask a running service whether it is alive: exit 0 or 1 (for container health checks).
    Healthcheck(HealthcheckOptions),
    /// Print the `OpenAPI` document of the HTTP API.
    Openapi,
}

/// Which files, and how strictly they are read.
#[derive(Debug, Default, Args)]
pub(super) struct ConfigFiles {
    /// Configuration file [env: `CONFIG_FILE`] [default: /etc/holmesgpt/config.yaml].
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// File of models and tools, laid over the first [env: `SDK_CONFIG_FILE`].
    #[arg(long, value_name = "FILE")]
    pub(super) sdk_config: Option<PathBuf>,
    /// What becomes of keys that nobody knows [env: `CONFIG_UNKNOWN_KEYS`] [default: error].
    #[arg(long, value_name = "POLICY")]
    pub(super) unknown_keys: Option<UnknownKeysPolicy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum UnknownKeysPolicy {
    Error,
    Warn,
}

#[derive(Debug, Args)]
pub(super) struct ServeOptions {
    #[command(flatten)]
    pub(super) files: ConfigFiles,
    /// Least important level that is logged [env: `LOG_LEVEL`].
    #[arg(long, value_name = "LEVEL")]
    pub(super) log_level: Option<String>,
    /// Address and port to listen on, `:PORT` for the port alone.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "port")]
    pub(super) addr: Option<String>,
    /// Port to listen on [env: `API_PORT`]; 0 picks a free one and the log line `service_started` tells it as `listen`.
    #[arg(long, value_name = "N")]
    pub(super) port: Option<u16>,
    /// Callers, one `<user>:<token>` per line, mode 0600; made with one random token when missing.
    #[arg(long, value_name = "PATH")]
    pub(super) token_file: Option<PathBuf>,
    /// Where sessions and audit events are kept.
    #[arg(long, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
    /// Recorded cluster to answer from.
    #[arg(long, value_name = "DIR")]
    pub(super) bundle: Option<PathBuf>,
    /// Record every investigation there, one file each, without secrets; `replay` runs them again.
    #[arg(long, value_name = "DIR")]
    pub(super) record: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct InvestigateOptions {
    /// Incident file (the body of POST /api/v1/incident/analyze; `-` reads standard input), or an object as KIND/NAME.
    #[arg(value_name = "INCIDENT|KIND/NAME")]
    pub(super) subject: String,
    /// Recorded cluster [default: what the configuration file names, else the folder `bundle` beside the incident file, else
    /// the live cluster].
    #[arg(long, value_name = "DIR")]
    pub(super) bundle: Option<PathBuf>,
    /// Namespace of the object.
    #[arg(short, long, requires = "subject")]
    pub(super) namespace: Option<String>,
    /// Name of the alert about the object [default: the reason of its newest warning event].
    #[arg(long, value_name = "NAME")]
    pub(super) signal: Option<String>,
    /// critical, high, medium, low or unknown [default: unknown].
    #[arg(long, value_name = "S")]
    pub(super) severity: Option<String>,
    /// Configuration file: a model, a catalogue, a live cluster.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Keep the session and its audit events there [default: a temporary directory].
    #[arg(long, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
    /// Record the investigation there, in one file without secrets; `replay` runs it again.
    #[arg(long, value_name = "DIR")]
    pub(super) record: Option<PathBuf>,
    /// `report` for people, `json` for the result as the API answers it.
    #[arg(long, value_enum, default_value = "report")]
    pub(super) output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    Report,
    Json,
}

#[derive(Debug, Args)]
pub(super) struct ReplayOptions {
    /// Recording, as `--record DIR` of `serve` and `investigate` writes it.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Ask a real model over the recorded tool results: `llm` (also when the value is left out), `fallbacks[N]`,
    /// `phase_models.rca` or `phase_models.workflow_discovery` of the configuration.
    #[arg(long, value_name = "PROFILE", num_args = 0..=1, default_missing_value = "llm")]
    pub(super) with_model: Option<String>,
    /// Configuration file with that model [env: `CONFIG_FILE`].
    #[arg(long, value_name = "FILE", requires = "with_model")]
    pub(super) config: Option<PathBuf>,
    /// `report` for people, `json` for the result as the API answers it.
    #[arg(long, value_enum, default_value = "report")]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct CheckConfigOptions {
    #[command(flatten)]
    pub(super) files: ConfigFiles,
    /// `report` for people, `json` for programs.
    #[arg(long, value_enum, default_value = "report")]
    pub(super) output: Output,
    /// Ask everything the configuration names as well, as `doctor` does.
    #[arg(long)]
    pub(super) online: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Debug, Args)]
pub(super) struct HealthcheckOptions {
    /// Address of the probe [default: /health on this machine, port from `API_PORT` or 8080].
    #[arg(long)]
    pub(super) url: Option<String>,
}

/// Translates the forms earlier containers were started with: `-config P` and `-config=P` for `--config`, `-llm-runtime` for
/// `--sdk-config`, `-addr` for `--addr`, and flags without a subcommand for `serve`.
pub(super) fn in_our_form(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    const NOT_SERVE: &[&str] = &["-h", "--help", "-V", "--version"];
    let mut ours: Vec<OsString> = arguments.into_iter().map(double_dash).collect();
    let first = ours.get(1).and_then(|first| first.to_str());
    if first.is_some_and(|first| first.starts_with('-') && !NOT_SERVE.contains(&first)) {
        ours.insert(1, "serve".into());
    }
    ours
}

fn double_dash(argument: OsString) -> OsString {
    const FORMS: [(&str, &str); 3] = [("-config", "--config"), ("-llm-runtime", "--sdk-config"), ("-addr", "--addr")];
    let text = argument.to_str().unwrap_or_default();
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    match (FORMS.iter().find(|(theirs, _)| *theirs == name), value) {
        (Some((_, ours)), None) => ours.into(),
        (Some((_, ours)), Some(value)) => format!("{ours}={value}").into(),
        (None, _) => argument,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn forms_of_earlier_containers_are_understood() {
        let cases: [(&[&str], &[&str]); 9] = [
            (
                &["-config=a.yaml", "-llm-runtime", "b.yaml", "-addr=:8443"],
                &["serve", "--config=a.yaml", "--sdk-config", "b.yaml", "--addr=:8443"],
            ),
            (&["--sdk-config=b.yaml"], &["serve", "--sdk-config=b.yaml"]),
            (&["-config", "a.yaml"], &["serve", "--config", "a.yaml"]),
            (&["-config=a.yaml"], &["serve", "--config=a.yaml"]),
            (&["--config", "a.yaml", "--port", "1"], &["serve", "--config", "a.yaml", "--port", "1"]),
            (&["check-config", "-config", "a.yaml"], &["check-config", "--config", "a.yaml"]),
            (&["--help"], &["--help"]),
            (&["openapi"], &["openapi"]),
            (&[], &[]),
        ];
        for (theirs, ours) in cases {
            let words = |words: &[&str]| ["holmesgpt-api"].iter().chain(words).map(OsString::from).collect::<Vec<_>>();
            assert_eq!(in_our_form(words(theirs)), words(ours));
        }
    }
}
