//! Where state lives when nobody says so (architecture §6).

use std::env;
use std::path::{Path, PathBuf};

use super::AppError;
use crate::store::{StoreConfig, StoreLocation};

const IN_CLUSTER: &str = "/var/lib/holmesgpt-api";

/// `--state-dir`, then `store.url`, then the default for this machine.
///
/// # Errors
/// A `store.url` that cannot be used, or no home directory to fall back to.
pub fn location(config: &StoreConfig, state_dir: Option<&Path>) -> Result<StoreLocation, AppError> {
    if let Some(directory) = state_dir {
        return Ok(StoreLocation::in_directory(directory));
    }
    if let Some(url) = &config.url {
        return Ok(StoreLocation::from_url(url)?);
    }
    let directory = default_directory(|name| env::var_os(name).map(PathBuf::from)).ok_or_else(|| {
        AppError::Configuration("no state directory: set store.url, --state-dir, XDG_STATE_HOME or HOME".to_owned())
    })?;
    Ok(StoreLocation::in_directory(&directory))
}

fn default_directory(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|path| !path.as_os_str().is_empty());
    if set("KUBERNETES_SERVICE_HOST").is_some() {
        return Some(IN_CLUSTER.into());
    }
    let state_home = set("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let state_home = state_home.or_else(|| set("HOME").map(|home| home.join(".local/state")));
    state_home.map(|home| home.join("holmesgpt-api"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_depends_on_where_the_process_runs() {
        type Variables = &'static [(&'static str, &'static str)];
        let cases: [(Variables, Option<&str>); 5] = [
            (&[("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("HOME", "/root")], Some("/var/lib/holmesgpt-api")),
            (&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")], Some("/s/holmesgpt-api")),
            (&[("XDG_STATE_HOME", "relative"), ("HOME", "/h")], Some("/h/.local/state/holmesgpt-api")),
            (&[("HOME", "")], None),
            (&[], None),
        ];
        for (variables, expected) in cases {
            let variable =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
            assert_eq!(default_directory(variable), expected.map(PathBuf::from), "{variables:?}");
        }
    }
}
