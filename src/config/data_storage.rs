//! Where `DataStorage` is: the file's section, keys of earlier versions, and the environment, which wins (operations §1.3.3,
//! §1.9).

use std::path::PathBuf;

use serde::Deserialize;

use super::{CatalogueSource, Config};
use crate::audit::AuditSink;
use crate::datastorage::DataStorageConfig;

/// `tls`: certificates of earlier versions, for calls to `DataStorage`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM certificates that count beside the system's. A missing file is only a notice, as it always was;
    /// `data_storage.ca_file` wins.
    pub ca_file: Option<PathBuf>,
}

impl Config {
    /// The server to be used: the one that is named, or the usual one when the catalogue or the audit needs it.
    pub fn data_storage(&self) -> Option<DataStorageConfig> {
        let is_needed =
            self.catalogue.source() == CatalogueSource::DataStorage || self.audit.sink == AuditSink::DataStorage;
        self.data_storage.clone().or_else(|| is_needed.then(DataStorageConfig::default))
    }

    /// What an operator should know about how the configuration is understood, one sentence each.
    pub fn notices(&self) -> Vec<String> {
        let mut notices = self.old_words.clone();
        let is_assumed = |section: &DataStorageConfig| section.url == DataStorageConfig::URL_DEFAULT;
        if self.data_storage().as_ref().is_some_and(is_assumed) {
            notices.push(format!("nothing sets data_storage.url: {} is asked", DataStorageConfig::URL_DEFAULT));
        }
        notices.extend(self.audit.notices());
        notices
    }

    /// Takes over what stands outside the section.
    ///
    /// # Errors
    /// A variable that cannot be read, in one sentence naming it.
    pub(super) fn settle_data_storage(&mut self, environment: impl Fn(&str) -> Option<String>) -> Result<(), String> {
        let variable = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        let alias = variable("DATASTORAGE_URL");
        if alias.is_some() {
            self.old_words.push("DATASTORAGE_URL is an old name of DATA_STORAGE_URL".to_owned());
        }
        if let Some(url) = variable("DATA_STORAGE_URL").or(alias) {
            self.named_data_storage().url = url;
        } else if let Some(url) = self.data_storage_url.clone() {
            self.old_words.push("data_storage_url is an old name of data_storage.url".to_owned());
            let section = self.named_data_storage();
            if section.url == DataStorageConfig::URL_DEFAULT {
                section.url = url;
            }
        }
        if let Some(text) = variable("DATA_STORAGE_TIMEOUT") {
            let seconds = text.trim().parse();
            let seconds = seconds.map_err(|_| format!("DATA_STORAGE_TIMEOUT {text:?} is no number of seconds"))?;
            self.where_used(|section| section.timeout = seconds);
        }
        if let Some(path) = variable("TLS_CA_FILE") {
            self.where_used(|section| section.ca_file = Some(PathBuf::from(path)));
        }
        self.settle_ca_file();
        Ok(())
    }

    /// `tls.ca_file` counts beside the system's certificates, unless the section names its own.
    fn settle_ca_file(&mut self) {
        let Some(path) = self.tls.ca_file.clone() else { return };
        if self.data_storage().is_none_or(|section| section.ca_file.is_some()) {
            return;
        }
        if !path.is_file() {
            self.old_words
                .push(format!("tls.ca_file {} does not exist: the system's certificates count", path.display()));
            return;
        }
        self.where_used(|section| {
            section.ca_file = Some(path);
            section.system_roots = section.system_roots.or(Some(true));
        });
    }

    /// Changes the section, unless nothing uses it: a variable alone does not bring the server into play.
    fn where_used(&mut self, change: impl FnOnce(&mut DataStorageConfig)) {
        self.data_storage = self.data_storage().map(|mut section| {
            change(&mut section);
            section
        });
    }

    fn named_data_storage(&mut self) -> &mut DataStorageConfig {
        self.data_storage.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let mut config: Config = serde_saphyr::from_str(text).unwrap();
        let variable =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        config.settle_data_storage(variable).map(|()| config)
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
            (both, &[("DATASTORAGE_URL", "http://alias")], Some("http://alias"), 1),
            (both, &[("DATASTORAGE_URL", "http://alias"), ("DATA_STORAGE_URL", "http://e")], Some("http://e"), 1),
            (LOCAL, &[("DATA_STORAGE_URL", "http://e"), ("DATA_STORAGE_TIMEOUT", " ")], Some("http://e"), 0),
        ];
        for (text, environment, url, notices) in cases {
            let config = settled(text, environment).unwrap();
            let got = config.data_storage().map(|section| section.url);
            assert_eq!((got.as_deref(), config.notices().len()), (url, notices), "{text} {environment:?}");
        }
    }

    #[test]
    fn waiting_time_and_certificates_come_from_either_place() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, "").unwrap();
        let shown = ca.display();
        let section =
            |text: String, environment: &[(&str, &str)]| settled(&text, environment).unwrap().data_storage().unwrap();
        assert_eq!(section("data_storage: {timeout: 60}".into(), &[("DATA_STORAGE_TIMEOUT", "7")]).timeout, 7);
        assert!(settled(LOCAL, &[("DATA_STORAGE_TIMEOUT", "soon")]).unwrap_err().contains("no number of seconds"));
        let old = section(format!("tls: {{ca_file: {shown}}}"), &[]);
        assert_eq!((old.ca_file.as_ref(), old.system_roots), (Some(&ca), Some(true)));
        let own = section(format!("tls: {{ca_file: {shown}}}\ndata_storage: {{ca_file: /own}}"), &[]);
        assert_eq!((own.ca_file, own.system_roots), (Some("/own".into()), None));
        let variable = section("data_storage: {ca_file: /own}".into(), &[("TLS_CA_FILE", "/variable")]);
        assert_eq!(variable.ca_file, Some("/variable".into()));
        let missing = settled("tls: {ca_file: /missing/ca.pem}", &[]).unwrap();
        assert!(missing.data_storage().unwrap().ca_file.is_none() && missing.notices()[0].contains("does not exist"));
    }
}
