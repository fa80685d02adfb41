//! Where `DataStorage` is, and certificates of earlier versions (operations §1.3.3).

use std::path::PathBuf;

use serde::Deserialize;

use super::{CatalogueSource, Config};
use crate::audit::AuditSink;
use crate::datastorage::DataStorageConfig;

/// How long the calling controller waits for a result, seconds.
const CALLER_PATIENCE_SECONDS: u64 = 600;

/// `tls`: certificates of earlier versions, for calls to `DataStorage` and to the model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM certificates that count beside the system's. A missing file is only a notice, as it always was;
    /// `data_storage.ca_file` wins.
    pub ca_file: Option<PathBuf>,
}

impl Config {
    /// Tells sections what they need to know of others.
    pub(super) fn settle(&mut self, bundles: &[PathBuf]) {
        self.settle_ca_file();
        self.settle_summarizer();
        self.trust_for_tool_servers(bundles);
    }

    /// The server to be used: the one that is named, or the usual one when the catalogue or the audit needs it.
    pub fn data_storage(&self) -> Option<DataStorageConfig> {
        let is_needed =
            self.catalogue.source() == CatalogueSource::DataStorage || self.audit.sink == AuditSink::DataStorage;
        self.data_storage.clone().or_else(|| is_needed.then(DataStorageConfig::default))
    }

    /// What an operator should know about how the configuration is understood, one sentence each.
    pub fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        let is_assumed = |section: &DataStorageConfig| section.url == DataStorageConfig::URL_DEFAULT;
        if self.data_storage().as_ref().is_some_and(is_assumed) {
            notices.push(format!("nothing sets data_storage.url: {} is asked", DataStorageConfig::URL_DEFAULT));
        }
        if let Some(path) = &self.absent_ca_file {
            notices.push(format!("tls.ca_file {} does not exist: the system's certificates count", path.display()));
        }
        if self.investigation.timeout_seconds > CALLER_PATIENCE_SECONDS {
            let seconds = self.investigation.timeout_seconds;
            notices.push(format!(
                "investigation.timeout_seconds is {seconds}: the calling controller gives up after {CALLER_PATIENCE_SECONDS}"
            ));
        }
        notices.extend(self.mcp_servers.notices());
        notices.extend(self.audit.notices());
        notices.extend(self.server.notice());
        notices
    }

    /// `tls.ca_file` counts beside the system's certificates for everybody who names no own ones.
    fn settle_ca_file(&mut self) {
        let Some(path) = self.tls.ca_file.clone() else { return };
        if !path.is_file() {
            self.absent_ca_file = Some(path);
            return;
        }
        if let Some(llm) = &mut self.llm {
            llm.shared_ca_file = Some(path.clone());
        }
        self.where_used(|section| {
            if section.ca_file.is_none() {
                section.ca_file = Some(path);
                section.system_roots = section.system_roots.or(Some(true));
            }
        });
    }

    /// The model's section tells who sums up long results: connections are built from it.
    fn settle_summarizer(&mut self) {
        if let Some(llm) = &mut self.llm {
            llm.summary_model = self.investigation.summarizer().map(str::to_owned);
        }
    }

    /// Changes the section, unless nothing uses it: a variable alone does not bring the server into play.
    fn where_used(&mut self, change: impl FnOnce(&mut DataStorageConfig)) {
        self.data_storage = self.data_storage().map(|mut section| {
            change(&mut section);
            section
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Loaded, Loader, Variables};

    fn settled(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, text).unwrap();
        Loader::new(&path, Variables::of(environment)).load().map_err(|error| error.to_string())
    }

    const LOCAL: &str = "catalogue: {source: directory}\naudit: {sink: local}\n";

    #[test]
    fn the_environment_wins_over_the_section_and_the_section_over_the_old_key() {
        let both = "data_storage: {url: 'http://section'}\ndata_storage_url: http://old\n";
        type Case = (&'static str, &'static [(&'static str, &'static str)], Option<&'static str>, usize);
        let cases: [Case; 8] = [
            ("logging: {}\n", &[], Some("http://data-storage:8080"), 1),
            (LOCAL, &[], None, 0),
            ("data_storage: {url: 'http://section'}\n", &[], Some("http://section"), 0),
            ("data_storage_url: http://old\n", &[], Some("http://old"), 1),
            (both, &[], Some("http://section"), 1),
            (both, &[("DATASTORAGE_URL", "http://alias")], Some("http://alias"), 2),
            (both, &[("DATASTORAGE_URL", "http://alias"), ("DATA_STORAGE_URL", "http://e")], Some("http://e"), 2),
            (LOCAL, &[("DATA_STORAGE_URL", "http://e"), ("DATA_STORAGE_TIMEOUT", " ")], Some("http://e"), 0),
        ];
        for (text, environment, url, notices) in cases {
            let loaded = settled(text, environment).unwrap();
            let got = loaded.config.data_storage().map(|section| section.url);
            assert_eq!((got.as_deref(), loaded.notices.len()), (url, notices), "{text} {environment:?}");
        }
    }

    #[test]
    fn waiting_time_and_certificates_come_from_either_place() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, "").unwrap();
        let shown = ca.display();
        let section = |text: String, environment: &[(&str, &str)]| {
            settled(&text, environment).unwrap().config.data_storage().unwrap()
        };
        assert_eq!(section("data_storage: {timeout: 60}".into(), &[("DATA_STORAGE_TIMEOUT", "7")]).timeout, 7);
        assert!(settled("logging: {}", &[("DATA_STORAGE_TIMEOUT", "soon")]).unwrap_err().contains("whole number"));
        assert!(settled(LOCAL, &[("DATA_STORAGE_TIMEOUT", "7")]).unwrap().config.data_storage().is_none());
        let old = section(format!("tls: {{ca_file: {shown}}}"), &[]);
        assert_eq!((old.ca_file.as_ref(), old.system_roots), (Some(&ca), Some(true)));
        let own = section(format!("tls: {{ca_file: {shown}}}\ndata_storage: {{ca_file: /own}}"), &[]);
        assert_eq!((own.ca_file, own.system_roots), (Some("/own".into()), None));
        let variable = section("data_storage: {ca_file: /own}".into(), &[("TLS_CA_FILE", "/variable")]);
        assert_eq!(variable.ca_file, Some("/variable".into()));
        let missing = settled("tls: {ca_file: /missing/ca.pem}", &[]).unwrap();
        assert!(missing.config.data_storage().unwrap().ca_file.is_none());
        assert!(missing.notices.iter().any(|notice| notice.contains("does not exist")), "{:?}", missing.notices);
    }
}
