//! `serve`: the service until a signal.

use std::sync::Arc;

use super::arguments::ServeOptions;
use super::telemetry::{Telemetry, flush};
use super::{Failure, install_logging, loader, runtime};
use crate::app::{App, Exit, Reloading, Signals, location};
use crate::config::{Config, ConfigError, Loader};
use crate::telemetry::Build;
use crate::telemetry::logging::Output;

pub(super) fn serve(options: ServeOptions) -> Result<u8, Failure> {
    let (state_dir, record) = (options.state_dir.clone(), options.record.clone());
    let loader = with_flags(loader(&options.files)?, options)?;
    let mut loaded = loader.load().map_err(refused)?;
    loaded.config.record = record;
    let telemetry = Telemetry::install(&loaded.config)?;
    tracing::info!(
        event = "service_starting",
        commit = Build::CURRENT.commit,
        rust_version = Build::CURRENT.rust_version,
        "starting"
    );
    loaded.announce(&loader);
    let location = location(&loaded.config.store, state_dir.as_deref())?;
    let exit = runtime()?.block_on(async {
        let signals = Signals::install().map_err(Failure::fault)?;
        let logging = telemetry.logging.clone();
        let app = App::build_logged(loaded.config.clone(), &location, Some(logging)).await?;
        let exporter = telemetry.start(app.metrics());
        let look_now = Arc::clone(&signals.reload);
        app.reload_with(Reloading { loader, loaded, look_now });
        let exit = app.run(signals).await;
        flush(exporter).await;
        Ok::<_, Failure>(exit)
    })?;
    Ok(match exit {
        Exit::Drained => 0,
        Exit::Abandoned => 1,
    })
}

/// Flags win over variables and files.
fn with_flags(mut loader: Loader, options: ServeOptions) -> Result<Loader, Failure> {
    if let Some(level) = options.log_level {
        loader = loader.with_flag("--log-level", &["logging", "level"], level);
    }
    if let Some(port) = options.port {
        loader = loader.with_flag("--port", &["server", "port"], port);
    }
    if let Some(address) = options.addr {
        let wrong = || Failure::bad_input(anyhow::anyhow!("--addr {address:?} is not HOST:PORT"));
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        loader = loader.with_flag("--addr", &["server", "port"], port.parse::<u16>().map_err(|_| wrong())?);
        if !host.is_empty() {
            loader = loader.with_flag("--addr", &["server", "host"], host);
        }
    }
    if let Some(path) = options.token_file {
        loader = loader.with_flag("--token-file", &["auth", "mode"], "token");
        loader = loader.with_flag("--token-file", &["auth", "token_file"], path.display().to_string());
    }
    if let Some(directory) = options.bundle {
        loader = loader.with_flag("--bundle", &["cluster", "source"], "bundle");
        loader = loader.with_flag("--bundle", &["cluster", "bundle"], directory.display().to_string());
    }
    Ok(loader)
}

/// Also one log record, for whoever reads only those.
fn refused(error: ConfigError) -> Failure {
    if install_logging(&Config::default(), None, Output::Stdout).is_ok() {
        error.announce();
    }
    Failure::configuration(error)
}
