//! What lies on disk, as hashes: enough to know that something changed.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::config::{Config, Hashes, Loader};
use crate::llm::LlmConfig;
use crate::telemetry::metrics::ConfigSource;

/// Most files of one directory that are looked at.
const FILES_MAX: usize = 256;
/// Largest file that is read whole; of larger ones only the size counts, for nobody would read them.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Hashes of all files that a configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    main: String,
    sdk: Option<String>,
    /// Of everything a model's credentials are read from.
    credentials: Option<String>,
}

impl Contents {
    /// What is looked at here.
    pub(super) const SOURCES: [ConfigSource; 3] = [ConfigSource::Main, ConfigSource::Sdk, ConfigSource::Credentials];

    /// Reads everything. What cannot be read has a hash of its own.
    pub(super) fn of(loader: &Loader, config: &Config) -> Self {
        let digest = |path: &Path| hex(Sha256::new().chain_update(content(path)));
        let mut contents = Self {
            main: digest(loader.main_file()),
            sdk: loader.sdk_file().filter(|path| path.exists()).map(digest),
            credentials: None,
        };
        contents.look_at_credentials(config);
        contents
    }

    /// With the configuration files as they were when they were loaded: what changed since is a change.
    pub(super) fn with_loaded(self, hashes: &Hashes) -> Self {
        Self { main: hashes.main.clone(), sdk: hashes.sdk.clone(), ..self }
    }

    /// Everything that is looked at, by path.
    pub(super) fn files(loader: &Loader, config: &Config) -> Vec<PathBuf> {
        let mut files = vec![loader.main_file().to_owned()];
        files.extend(loader.sdk_file().map(Path::to_owned));
        files.extend(config.llm.iter().flat_map(credential_files));
        files
    }

    /// The credentials that another configuration names.
    pub(super) fn look_at_credentials(&mut self, config: &Config) {
        self.credentials = config.llm.as_ref().map(|llm| {
            let files = credential_files(llm);
            let add = |digest: Sha256, path: &PathBuf| {
                digest.chain_update(path.as_os_str().as_encoded_bytes()).chain_update(Sha256::digest(content(path)))
            };
            hex(files.iter().fold(Sha256::new(), add))
        });
    }

    pub(super) fn hashes(&self) -> impl Iterator<Item = (ConfigSource, &str)> {
        Self::SOURCES.iter().filter_map(|source| self.hash(*source).map(|hash| (*source, hash)))
    }

    pub(super) fn hash(&self, source: ConfigSource) -> Option<&str> {
        match source {
            ConfigSource::Main => Some(&self.main),
            ConfigSource::Sdk => self.sdk.as_deref(),
            ConfigSource::Credentials => self.credentials.as_deref(),
            ConfigSource::Tls => None,
        }
    }

    pub(super) fn changed_since(&self, earlier: &Self) -> Vec<ConfigSource> {
        Self::SOURCES.iter().copied().filter(|source| self.hash(*source) != earlier.hash(*source)).collect()
    }

    /// One hash for the configuration files.
    pub(super) fn whole(&self) -> String {
        Hashes { main: self.main.clone(), sdk: self.sdk.clone() }.whole()
    }
}

/// Everything that keys, tokens and headers of a model are read from, in a fixed order.
fn credential_files(llm: &LlmConfig) -> Vec<PathBuf> {
    let mut files = directory(&llm.credentials_dir);
    files.extend(llm.oauth2.credentials_dir.iter().flat_map(|path| directory(path)));
    files.extend(llm.secrets_file.iter().chain(&llm.api_key_file).cloned());
    files.extend(llm.custom_headers.iter().filter_map(|header| header.file_path.clone()));
    let phases = [&llm.phase_models.rca, &llm.phase_models.workflow_discovery, &llm.phase_models.validation];
    let profiles = phases.into_iter().flatten().chain(&llm.fallbacks);
    files.extend(profiles.filter_map(|profile| profile.api_key_file.clone()));
    files
}

/// Names that begin with a dot are the kubelet's.
fn directory(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).take(FILES_MAX).collect();
    files.retain(|path| !is_hidden(path) && path.is_file());
    files.sort();
    files
}

fn content(path: &Path) -> Vec<u8> {
    let size = std::fs::metadata(path).map(|metadata| metadata.len());
    match size {
        Ok(size) if size <= FILE_BYTES_MAX => {
            std::fs::read(path).unwrap_or_else(|error| format!("unreadable: {}", error.kind()).into_bytes())
        }
        Ok(size) => format!("large: {size}").into_bytes(),
        Err(error) => format!("unreadable: {}", error.kind()).into_bytes(),
    }
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
