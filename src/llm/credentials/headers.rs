//! Headers the operator adds (operations §7.7).

use std::path::PathBuf;

use reqwest::header::{HeaderName, HeaderValue};

use super::{CredentialError, Environment, read_file, sensitive};
use crate::llm::config::{CustomHeader, LlmConfig};

/// Ours, or the transport's.
const REFUSED: [&str; 6] = ["content-type", "accept", "host", "user-agent", "content-length", "connection"];

/// Headers of every call of a profile.
#[derive(Debug)]
pub(in crate::llm) struct CustomHeaders(Vec<(HeaderName, Source)>);

#[derive(Debug)]
enum Source {
    /// Marked as sensitive: its `Debug` shows nothing.
    Value(HeaderValue),
    File(PathBuf),
}

impl CustomHeaders {
    /// Checks names and sources. Secrets of the environment are taken now.
    ///
    /// # Errors
    /// A header that cannot be sent, in words for the operator.
    pub(in crate::llm) fn of(config: &LlmConfig, environment: &Environment) -> Result<Self, CredentialError> {
        let mut headers: Vec<(HeaderName, Source)> = Vec::new();
        for header in &config.custom_headers {
            let problem = |text: &str| {
                let shown: String = header.name.chars().take(60).collect();
                CredentialError::Unusable(format!("llm.custom_headers: {shown:?} {text}"))
            };
            let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| problem("is no header name"))?;
            let is_ours = REFUSED.contains(&name.as_str()) || (config.oauth2.enabled && name == "authorization");
            if is_ours {
                return Err(problem("is set by the service itself"));
            }
            if headers.iter().any(|(known, _)| *known == name) {
                return Err(problem("is given twice"));
            }
            headers.push((name, source(header, environment).map_err(|text| problem(&text))?));
        }
        Ok(Self(headers))
    }

    /// Puts them on a request. Files are read each time.
    ///
    /// # Errors
    /// A file that cannot be read or holds what cannot be sent.
    pub(in crate::llm) fn put(&self, request: &mut reqwest::Request) -> Result<(), CredentialError> {
        for (name, source) in &self.0 {
            let value = match source {
                Source::Value(value) => value.clone(),
                Source::File(path) => sensitive(read_file(path)?.trim())?,
            };
            request.headers_mut().insert(name.clone(), value);
        }
        Ok(())
    }
}

fn source(header: &CustomHeader, environment: &Environment) -> Result<Source, String> {
    let cannot_be_sent = |_| "has a value that cannot be sent".to_owned();
    match (&header.value, &header.secret_key_ref, &header.file_path) {
        (Some(value), None, None) => sensitive(value.reveal()).map(Source::Value).map_err(cannot_be_sent),
        (None, Some(variable), None) => {
            let value = environment.variable(variable);
            let value = value.ok_or_else(|| format!("names the variable {variable:?}, which is not set"))?;
            sensitive(&value).map(Source::Value).map_err(cannot_be_sent)
        }
        (None, None, Some(path)) => Ok(Source::File(path.clone())),
        _ => Err("needs exactly one of value, secret_key_ref and file_path".to_owned()),
    }
}
