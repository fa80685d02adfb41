//! The files of Amazon's command line: `credentials` and `config`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;

use super::super::{Environment, read_file};
use crate::llm::sigv4::Keys;

/// What a profile says, as far as it counts here.
#[derive(Default)]
pub(super) struct Profile {
    pub(super) keys: Option<Keys>,
    pub(super) region: Option<String>,
    pub(super) role_arn: Option<String>,
    pub(super) web_identity_token_file: Option<String>,
}

impl Profile {
    /// The profile `AWS_PROFILE`, else `default`; empty where there is no file.
    pub(super) fn chosen(environment: &Environment) -> Self {
        let name = environment.variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
        let own = |file: &str| environment.home().map(|home| home.join(".aws").join(file));
        let place =
            |variable: &str, file: &str| environment.variable(variable).map(PathBuf::from).or_else(|| own(file));
        let text = |path: Option<PathBuf>| path.and_then(|path| read_file(&path).ok()).unwrap_or_default();
        let config = text(place("AWS_CONFIG_FILE", "config"));
        let credentials = text(place("AWS_SHARED_CREDENTIALS_FILE", "credentials"));
        let long = format!("profile {name}");
        let mut members = section(&config, &[name.as_str(), long.as_str()]);
        members.extend(section(&credentials, &[name.as_str()]));
        Self::of(members)
    }

    fn of(mut members: BTreeMap<String, String>) -> Self {
        let mut take = |name: &str| members.remove(name).filter(|value| !value.is_empty());
        let session_token = take("aws_session_token").map(SecretString::from);
        let pair = take("aws_access_key_id").zip(take("aws_secret_access_key"));
        let keys = pair.map(|(access_key, secret)| Keys { access_key, secret_key: secret.into(), session_token });
        Self {
            keys,
            region: take("region"),
            role_arn: take("role_arn"),
            web_identity_token_file: take("web_identity_token_file"),
        }
    }
}

/// Members of the sections with one of these names.
fn section(text: &str, names: &[&str]) -> BTreeMap<String, String> {
    let mut is_inside = false;
    let mut members = BTreeMap::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            is_inside = names.contains(&name.split_whitespace().collect::<Vec<_>>().join(" ").as_str());
        } else if is_inside
            && !line.starts_with(['#', ';'])
            && let Some((name, value)) = line.split_once('=')
        {
            members.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    members
}
