//! The command line: thin subcommands over the library, and the terminal report.

mod arguments;
mod audit;
mod check_config;
mod doctor;
mod healthcheck;
mod investigate;
mod replay;
mod report;
mod serve;
mod telemetry;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser as _;

use crate::app::AppError;
use crate::config::{Config, ConfigError, Loader, MAIN_FILE, UnknownKeys, Variables};
use crate::telemetry::logging::{LoggingConfig, LoggingError, Output};
use arguments::{Arguments, Command, ConfigFiles, UnknownKeysPolicy};

/// Runs the command line and returns the process exit code: 0 ok, 1 runtime fault, 2 usage or bad input, 3 a person must
/// look, 64 bad configuration.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let parsed = match Arguments::try_parse_from(arguments::in_our_form(arguments)) {
        Ok(parsed) => parsed,
        Err(told) => {
            // `--help` and `--version` come this way too.
            let _ = told.print();
            return if told.use_stderr() { 2 } else { 0 };
        }
    };
    let outcome = match parsed.command {
        Command::Serve(options) => serve::serve(options),
        Command::Investigate(options) => investigate::investigate(options),
        Command::Audit { command } => audit::audit(command),
        Command::Replay(options) => replay::replay(&options),
        Command::CheckConfig(options) => check_config::check_config(&options),
        Command::ConfigKeys => print(&crate::config::reference()),
        Command::Doctor(options) => doctor::doctor(&options),
        Command::Healthcheck(options) => healthcheck::healthcheck(&options),
        Command::Openapi => print(&crate::api::openapi()),
    };
    outcome.unwrap_or_else(|failure| {
        complain(&format!("error: {:#}", failure.error));
        failure.code
    })
}

/// Why a command did not succeed, with its exit code.
struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    fn bad_input(error: impl Into<anyhow::Error>) -> Self {
        Self { code: 2, error: error.into() }
    }

    fn fault(error: impl Into<anyhow::Error>) -> Self {
        Self { code: 1, error: error.into() }
    }

    fn configuration(error: impl Into<anyhow::Error>) -> Self {
        Self { code: 64, error: error.into() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::configuration(error)
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        if error.is_configuration() { Self::configuration(error) } else { Self::fault(error) }
    }
}

impl From<LoggingError> for Failure {
    fn from(error: LoggingError) -> Self {
        Self::fault(error)
    }
}

/// A variable of the environment that is set and not blank.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The port that `API_PORT` names.
fn port_of_environment() -> Result<Option<u16>, Failure> {
    let Some(text) = environment("API_PORT") else { return Ok(None) };
    let port = text.trim().parse();
    port.map(Some).map_err(|_| Failure::configuration(anyhow::anyhow!("API_PORT {text:?} is not a port (0 to 65535)")))
}

/// The configuration file to use: the flag, then `CONFIG_FILE`, then the place it is mounted at in a container.
fn configuration_file(flag: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let named = flag.or_else(|| environment("CONFIG_FILE").or_else(|| environment("CONFIG_PATH")).map(PathBuf::from));
    if let Some(path) = named {
        return Ok(path);
    }
    let mounted = Path::new(MAIN_FILE);
    if mounted.exists() {
        return Ok(mounted.to_owned());
    }
    Err(Failure::configuration(anyhow::anyhow!(
        "no configuration: pass --config FILE, set CONFIG_FILE or mount one at {MAIN_FILE}; \
         examples/standalone.yaml runs on one machine with nothing else"
    )))
}

/// Where the configuration comes from, as far as the flags of every command say.
fn loader(files: &ConfigFiles) -> Result<Loader, Failure> {
    let main = configuration_file(files.config.clone())?;
    let policy = files.unknown_keys.map(|policy| match policy {
        UnknownKeysPolicy::Error => UnknownKeys::Error,
        UnknownKeysPolicy::Warn => UnknownKeys::Warn,
    });
    Ok(Loader::new(&main, Variables::of_process()).with_sdk(files.sdk_config.clone()).with_unknown_keys(policy))
}

/// Installs the log subscriber; `LOG_LEVEL` wins over the file.
fn install_logging(config: &Config, quietest: Option<LoggingConfig>, output: Output) -> Result<(), Failure> {
    telemetry::install_logging(config, quietest.unwrap_or(config.logging), output)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::fault)
}

/// Writes to standard output. A reader that closes the pipe early is no fault.
fn print(text: &str) -> Result<u8, Failure> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(0),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        Err(error) => Err(Failure::fault(error)),
    }
}

/// Writes one line to standard error.
fn complain(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}
