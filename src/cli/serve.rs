//! `serve`: the service until a signal.

use super::arguments::ServeOptions;
use super::telemetry::{Telemetry, flush};
use super::{Failure, configuration_file, port_of_environment, runtime};
use crate::app::{App, Exit, Signals, location};
use crate::auth::AuthMode;
use crate::config::{ClusterSource, Config};
use crate::telemetry::Build;

pub(super) fn serve(options: ServeOptions) -> Result<u8, Failure> {
    let path = configuration_file(options.config.clone())?;
    let mut config = Config::load(&path)?;
    let telemetry = Telemetry::install(&config)?;
    tracing::info!(
        event = "service_starting",
        commit = Build::CURRENT.commit,
        rust_version = Build::CURRENT.rust_version,
        "starting"
    );
    tracing::info!(event = "config_loaded", path = %path.display(), "configuration read");
    let state_dir = options.state_dir.clone();
    apply(&mut config, options)?;
    config.check().map_err(|reason| Failure::configuration(anyhow::anyhow!(reason)))?;
    let location = location(&config.store, state_dir.as_deref())?;
    let exit = runtime()?.block_on(async {
        let signals = Signals::install().map_err(Failure::fault)?;
        let app = App::build_logged(config, &location, Some(telemetry.logging.clone())).await?;
        let exporter = telemetry.start(app.metrics());
        let exit = app.run(signals).await;
        flush(exporter).await;
        Ok::<_, Failure>(exit)
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
