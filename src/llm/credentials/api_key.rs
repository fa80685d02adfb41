//! One key, from wherever operators put it (operations §1.10).

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use super::{CredentialError, Environment, read_file};
use crate::llm::config::{InlineSecret, LlmConfig, Provider};
use crate::service_account::SecretFile;

/// Counts for every provider.
const GENERIC: &str = "LLM_API_KEY";
/// Names of files that count for every provider.
const GENERIC_FILES: [&str; 3] = ["api_key", "api-key", GENERIC];

/// The key as last read.
pub(in crate::llm) struct ApiKey {
    sources: Sources,
    current: Mutex<Option<SecretString>>,
}

struct Sources {
    environment: Environment,
    provider: Provider,
    file: Option<PathBuf>,
    secrets_file: Option<PathBuf>,
    inline: Option<InlineSecret>,
}

impl ApiKey {
    /// Reads it. Finding none is no error here.
    ///
    /// # Errors
    /// A file that is named and holds no key.
    pub(in crate::llm) fn open(
        config: &LlmConfig,
        provider: Provider,
        environment: &Environment,
    ) -> Result<Self, CredentialError> {
        let sources = Sources {
            environment: environment.clone(),
            provider,
            file: config.api_key_file.clone(),
            secrets_file: config.secrets_file.clone(),
            inline: config.api_key.clone(),
        };
        let current = Mutex::new(sources.find()?);
        Ok(Self { sources, current })
    }

    pub(in crate::llm) fn is_set(&self) -> bool {
        self.get().is_some()
    }

    pub(in crate::llm) fn get(&self) -> Option<SecretString> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads everything again; true when there is another key now. What cannot be read changes nothing.
    pub(in crate::llm) fn changed(&self) -> bool {
        let Ok(Some(fresh)) = self.sources.find() else { return false };
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = current.as_ref().is_some_and(|current| current.expose_secret() == fresh.expose_secret());
        if !is_same {
            *current = Some(fresh);
        }
        !is_same
    }
}

impl Sources {
    fn find(&self) -> Result<Option<SecretString>, CredentialError> {
        let names = self.provider.key_names();
        let environment = &self.environment;
        // Servers on one's own machine and stand-ins want none that was meant for somebody else.
        let is_keyless = matches!(self.provider, Provider::Ollama | Provider::Mock);
        let variables = names.iter().chain((!is_keyless).then_some(&GENERIC));
        if let Some(key) = variables.copied().find_map(|name| environment.variable(name)) {
            return key_of(key, "the key in the environment").map(Some);
        }
        if self.file.is_some() {
            return Ok(SecretFile::open(self.file.clone())?.get());
        }
        if is_keyless {
            return Ok(self.inline.as_ref().map(|key| key.reveal().to_owned().into()));
        }
        let files = names.iter().chain(&GENERIC_FILES).copied();
        let found = files.clone().find_map(|name| environment.file(name));
        let found = match found {
            None => self.in_secrets_file()?,
            found => found,
        };
        let found = found.or_else(|| self.inline.as_ref().map(|key| key.reveal().to_owned()));
        // Bedrock signs requests where it has no key: any other file there is for that.
        let may_guess = self.provider != Provider::Bedrock;
        let found = found.or_else(|| environment.only_file().filter(|_| may_guess));
        found.map(|key| key_of(key, "the key found for llm")).transpose()
    }

    /// `api_key` or `<provider>_api_key` of `llm.secrets_file`; empty texts mean absent.
    fn in_secrets_file(&self) -> Result<Option<String>, CredentialError> {
        let Some(path) = self.secrets_file.as_ref().filter(|path| path.exists()) else { return Ok(None) };
        let unusable = || CredentialError::Unusable(format!("llm.secrets_file {} is no map of texts", path.display()));
        let members: Map<String, Value> = serde_saphyr::from_str(&read_file(path)?).map_err(|_| unusable())?;
        let own = format!("{}_api_key", self.provider.as_str());
        let value = [own.as_str(), "api_key"].iter().find_map(|name| {
            members.get(*name).and_then(Value::as_str).map(str::trim).filter(|value| !value.is_empty())
        });
        Ok(value.map(str::to_owned))
    }
}

fn key_of(text: String, whose: &str) -> Result<SecretString, CredentialError> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.into())
    } else {
        Err(CredentialError::Unusable(format!("{whose} must be exactly one key or token")))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn found(section: Value, variables: &[(&str, &str)], directory: &Path) -> Result<Option<String>, CredentialError> {
        let config: LlmConfig = serde_json::from_value(section).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment = Environment::new(variables, directory);
        let key = ApiKey::open(&config, config.provider, &environment)?;
        Ok(key.get().map(|key| key.expose_secret().to_owned()))
    }

    /// Each source alone wins over all after it.
    #[test]
    fn sources_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let directory = at("credentials");
        std::fs::create_dir(&directory).unwrap();
        let section = |members: Value| {
            let mut section = json!({"model": "m"});
            section.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            section
        };
        let none = || section(json!({}));
        assert_eq!(found(none(), &[], &directory), Ok(None));
        std::fs::write(directory.join(".hidden"), "no").unwrap();
        std::fs::write(directory.join("whatever"), " only\n").unwrap();
        assert_eq!(found(none(), &[], &directory), Ok(Some("only".into())));
        let inline = section(json!({"api_key": "inline"}));
        assert_eq!(found(inline, &[], &directory), Ok(Some("inline".into())));
        std::fs::write(at("secrets.yaml"), "api_key: ''\nopenai_api_key: from-yaml\n").unwrap();
        let members = json!({"api_key": "inline", "secrets_file": at("secrets.yaml")});
        assert_eq!(found(section(members.clone()), &[], &directory), Ok(Some("from-yaml".into())));
        std::fs::write(directory.join("OPENAI_API_KEY"), "from-directory\n").unwrap();
        assert_eq!(found(section(members), &[], &directory), Ok(Some("from-directory".into())));
        std::fs::write(at("key"), "from-file\n").unwrap();
        let file = section(json!({"api_key_file": at("key")}));
        assert_eq!(found(file.clone(), &[], &directory), Ok(Some("from-file".into())));
        let variables = [("OPENAI_API_KEY", "from-environment"), ("LLM_API_KEY", "generic")];
        assert_eq!(found(file.clone(), &variables, &directory), Ok(Some("from-environment".into())));
        assert_eq!(found(file, &variables[1..], &directory), Ok(Some("generic".into())));
        let ollama = json!({"provider": "ollama", "model": "m"});
        assert_eq!(found(ollama, &variables, &directory), Ok(None));
    }

    #[test]
    fn a_rotated_key_is_found_and_a_broken_one_named_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ANTHROPIC_API_KEY");
        std::fs::write(&file, "first").unwrap();
        let config: LlmConfig = serde_json::from_value(json!({"provider": "anthropic", "model": "m"})).unwrap();
        let environment = Environment::new([], folder.path());
        let key = ApiKey::open(&config, Provider::Anthropic, &environment).unwrap();
        assert!(!key.changed());
        std::fs::write(&file, "second").unwrap();
        assert!(key.changed() && !key.changed());
        assert_eq!(key.get().unwrap().expose_secret(), "second");
        std::fs::write(&file, "two words").unwrap();
        assert!(!key.changed());
        let error = ApiKey::open(&config, Provider::Anthropic, &environment).err().unwrap().to_string();
        assert!(!error.contains("words"), "{error}");
    }
}
