//! `serve`: the service until a signal.

use super::arguments::ServeOptions;
use super::{Failure, configuration_file, install_logging, port_of_environment, runtime};
use crate::app::{App, Exit, Signals, location};
use crate::auth::AuthMode;
use crate::config::{ClusterSource, Config};
use crate::telemetry::logging::Output;

pub(super) fn serve(options: ServeOptions) -> Result<u8, Failure> {
    let path = configuration_file(options.config.clone())?;
    let mut config = Config::load(&path)?;
    install_logging(&config, None, Output::Stdout)?;
    tracing::info!(event = "config_loaded", path = %path.display(), "configuration read");
    let state_dir = options.state_dir.clone();
    apply(&mut config, options)?;
    config.check().map_err(|reason| Failure::configuration(anyhow::anyhow!(reason)))?;
    let location = location(&config.store, state_dir.as_deref())?;
    let exit = runtime()?.block_on(async {
        let signals = Signals::install().map_err(Failure::fault)?;
        let app = App::build(config, &location).await?;
        Ok::<_, Failure>(app.run(signals).await)
    })?;
    Ok(match exit {
        Exit::Drained => 0,
        Exit::Abandoned => 1,
    })
}

/// Flags and environment win over the file.
fn apply(config: &mut Config, options: ServeOptions) -> Result<(), Failure> {
    if let Some(port) = options.port.map_or_else(port_of_environment, |port| Ok(Some(port)))? {
        config.server.port = port;
    }
    if let Some(path) = options.token_file {
        config.auth.mode = AuthMode::Token;
        config.auth.token_file = Some(path);
    }
    config.record = options.record;
    if let Some(directory) = options.bundle {
        config.cluster.source = ClusterSource::Bundle;
        config.cluster.bundle = Some(directory);
    }
    Ok(())
}
