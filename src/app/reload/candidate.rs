//! What becomes of another configuration: which keys differ, which of them wait for a restart, and what counts then. Pure.

use std::collections::BTreeMap;

use crate::config::{Config, Field, Live, Loaded};
use crate::llm::{IdentityChange, LlmConfig};
use crate::telemetry::metrics::ConfigFault;

/// The configuration that would count.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) config: Config,
    pub(super) fields: Vec<Field>,
    /// Paths of keys whose shown value differs and counts.
    pub(super) changed: Vec<String>,
    /// Paths of keys whose shown value differs and does not count before a restart.
    pub(super) needs_restart: Vec<String>,
    /// Paths of keys that changed in a file and are set by something that wins over it.
    pub(super) shadowed: Vec<String>,
    /// Another model, where the active configuration allows none.
    forbidden_identity: Option<String>,
}

impl Candidate {
    /// What `loaded` changes where `active` counts.
    pub(super) fn of(active: &Loaded, loaded: &Loaded) -> Self {
        let config = live_over(&active.config, &loaded.config);
        let (fields, changed, needs_restart) = merged(&active.fields, &loaded.fields);
        let is_fixed = |llm: &LlmConfig| llm.identity_change == IdentityChange::Restart;
        let changes = changes(active.config.llm.as_ref(), config.llm.as_ref());
        let forbidden = changes.first().filter(|_| active.config.llm.as_ref().is_some_and(is_fixed));
        let forbidden_identity = forbidden.map(|(old, new)| {
            format!("llm.identity_change is `restart`: {old} cannot become {new} without one; nothing is taken over")
        });
        let is_new = |hidden: &&(String, String)| !active.shadowed.contains(hidden);
        let shadowed = loaded.shadowed.iter().filter(is_new).map(|(path, _)| path.clone()).collect();
        Self { config, fields, changed, needs_restart, shadowed, forbidden_identity }
    }

    /// # Errors
    /// Why it must not count.
    pub(super) fn check(&self) -> Result<(), (ConfigFault, String)> {
        if let Some(reason) = &self.forbidden_identity {
            return Err((ConfigFault::Identity, reason.clone()));
        }
        // What waits for a restart may contradict what does not.
        self.config.check().map_err(|reason| (ConfigFault::Invalid, reason))
    }

    /// Whether the model of the active configuration serves on as it is.
    pub(super) fn keeps_model(&self, active: &Config) -> bool {
        self.config.model() == active.model()
    }

    /// Old and new provider and model, for the section and for each phase.
    pub(super) fn identity_changes(&self, active: &Config) -> Vec<(String, String)> {
        changes(active.llm.as_ref(), self.config.llm.as_ref())
    }
}

/// The active configuration with everything that needs no restart from the other one.
fn live_over(active: &Config, other: &Config) -> Config {
    let mut config = active.clone();
    config.environment.clone_from(&other.environment);
    config.logging.level = other.logging.level;
    let running = active.session.max_concurrent_investigations;
    config.session = other.session.clone();
    config.session.max_concurrent_investigations = running;
    config.investigation = other.investigation.clone();
    config.investigation.timeout_seconds = active.investigation.timeout_seconds;
    config.investigation.max_tokens_total = active.investigation.max_tokens_total;
    (config.prompt, config.redact, config.injection) = (other.prompt, other.redact, other.injection);
    config.toolsets = other.toolsets.clone();
    config.readiness = other.readiness;
    config.metrics.per_tool = other.metrics.per_tool;
    config.mcp_servers = other.mcp_servers.clone();
    config.llm = other.llm.clone();
    if let (Some(llm), Some(active)) = (&mut config.llm, &active.llm) {
        llm.identity_change = active.identity_change;
        llm.shared_ca_file.clone_from(&active.shared_ca_file);
    }
    config
}

/// The fields that count, the paths that changed, and the paths that wait.
fn merged(active: &[Field], other: &[Field]) -> (Vec<Field>, Vec<String>, Vec<String>) {
    let mut earlier: BTreeMap<&str, &Field> = active.iter().map(|field| (field.path.as_str(), field)).collect();
    let (mut fields, mut changed, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for field in other {
        let was = earlier.remove(field.path.as_str());
        let is_new = was.is_none_or(|was| was.value != field.value);
        match (is_new, field.live) {
            (true, Live::Restart) => {
                waiting.push(field.path.clone());
                fields.extend(was.cloned());
                continue;
            }
            (true, Live::NextInvestigation | Live::Now) => changed.push(field.path.clone()),
            (false, _) => {}
        }
        fields.push(field.clone());
    }
    for (path, field) in earlier {
        match field.live {
            Live::Restart => {
                waiting.push(path.to_owned());
                fields.push(field.clone());
            }
            Live::NextInvestigation | Live::Now => changed.push(path.to_owned()),
        }
    }
    (fields, changed, waiting)
}

/// Provider and model of the section and of each phase that has its own, where they differ.
fn changes(old: Option<&LlmConfig>, new: Option<&LlmConfig>) -> Vec<(String, String)> {
    let (old, new) = (identity(old), identity(new));
    old.into_iter().zip(new).filter(|(old, new)| old != new).collect()
}

fn identity(llm: Option<&LlmConfig>) -> Vec<String> {
    let Some(llm) = llm else { return vec!["none".to_owned(); 4] };
    let own = format!("{}/{}", llm.provider.as_str(), llm.model);
    let phases = [&llm.phase_models.rca, &llm.phase_models.workflow_discovery, &llm.phase_models.validation];
    let of_phase = |profile: &Option<crate::llm::config::ProfileConfig>| match profile {
        None => own.clone(),
        Some(profile) => {
            let provider = profile.provider.unwrap_or(llm.provider);
            format!("{}/{}", provider.as_str(), profile.model.as_deref().unwrap_or(&llm.model))
        }
    };
    std::iter::once(own.clone()).chain(phases.into_iter().map(of_phase)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Loader, Variables};

    fn loaded(text: &str) -> Loaded {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, text).unwrap();
        Loader::new(&path, Variables::default()).load().unwrap_or_else(|error| panic!("{error}"))
    }

    const ACTIVE: &str = "llm: {provider: mock, model: a}\nserver: {port: 1}\nsession: {queue_limit: 1}\n\
                          investigation: {timeout_seconds: 60, engine: auto}\nlogging: {level: INFO, format: text}\n";

    #[test]
    fn live_keys_count_and_others_wait() {
        let active = loaded(ACTIVE);
        let other = loaded(
            "llm: {provider: mock, model: b, max_retries: 9}\nserver: {port: 2}\nsession: {queue_limit: 2}\n\
             investigation: {timeout_seconds: 90, engine: model}\nlogging: {level: DEBUG, format: json}\n",
        );
        let candidate = Candidate::of(&active, &other);
        assert_eq!(candidate.check(), Ok(()));
        assert_eq!(
            candidate.changed,
            ["logging.level", "session.queue_limit", "investigation.engine", "llm.model", "llm.max_retries"]
        );
        assert_eq!(candidate.needs_restart, ["logging.format", "server.port", "investigation.timeout_seconds"]);
        let config = &candidate.config;
        assert_eq!((config.server.port, config.session.queue_limit, config.investigation.timeout_seconds), (1, 2, 60));
        assert_eq!(config.llm.as_ref().map(|llm| (llm.model.as_str(), llm.max_retries)), Some(("b", 9)));
        let port = candidate.fields.iter().find(|field| field.path == "server.port").unwrap();
        assert_eq!(port.value, "1");
        let changes = candidate.identity_changes(&active.config);
        assert_eq!(changes[0], ("mock/a".to_owned(), "mock/b".to_owned()));
        assert!(!candidate.keeps_model(&active.config));
        assert!(Candidate::of(&active, &loaded(ACTIVE)).keeps_model(&active.config));
    }

    #[test]
    fn what_a_variable_hides_is_told_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Loader::new(&path, Variables::of(&[("LOG_LEVEL", "WARN")])).load().unwrap()
        };
        let active = load("logging: {level: INFO}\n");
        assert_eq!(Candidate::of(&active, &load("logging: {level: INFO}\n")).shadowed, Vec::<String>::new());
        let candidate = Candidate::of(&active, &load("logging: {level: DEBUG}\n"));
        assert_eq!((candidate.shadowed, candidate.changed), (vec!["logging.level".to_owned()], vec![]));
    }

    #[test]
    fn of_metrics_and_readiness_only_the_old_names_wait() {
        let active = loaded("metrics: {legacy_names: []}\nreadiness: {llm: start}\n");
        let other = loaded("metrics: {legacy_names: [holmesgpt], per_tool: false}\nreadiness: {llm: required}\n");
        let candidate = Candidate::of(&active, &other);
        assert_eq!(candidate.changed, ["metrics.per_tool", "readiness.llm"]);
        assert_eq!(candidate.needs_restart, ["metrics.legacy_names"]);
        let (metrics, readiness) = (&candidate.config.metrics, candidate.config.readiness);
        assert_eq!((metrics.per_tool, metrics.legacy_names.len()), (false, 0));
        assert_eq!(readiness, other.config.readiness);
    }

    #[test]
    fn a_summarizer_is_part_of_the_model_that_is_built() {
        let with = |more: &str| loaded(&format!("llm: {{provider: mock, model: a}}\n{more}"));
        let summed = with("investigation: {summarizer_model: small}\n");
        let named = |loaded: &Loaded| loaded.config.llm.as_ref().and_then(|llm| llm.summary_model.clone());
        assert_eq!(named(&summed).as_deref(), Some("small"));
        assert!(!Candidate::of(&with(""), &summed).keeps_model(&with("").config));
        assert!(Candidate::of(&summed, &summed).keeps_model(&summed.config));
        assert_eq!(named(&with("investigation: {summarizer_model: small, summarizer_threshold_chars: 0}\n")), None);
    }

    #[test]
    fn another_model_may_be_forbidden() {
        let fixed = "llm: {provider: mock, model: a, identity_change: restart}\n";
        let active = loaded(fixed);
        for (text, is_forbidden) in [
            ("llm: {provider: mock, model: b, identity_change: live}\n", true),
            ("llm: {provider: ollama, model: a}\n", true),
            ("llm: {provider: mock, model: a, phase_models: {rca: {model: b}}}\n", true),
            ("logging: {level: INFO}\n", true),
            ("llm: {provider: mock, model: a, max_retries: 1}\n", false),
        ] {
            let checked = Candidate::of(&active, &loaded(text)).check();
            assert_eq!(checked.is_err_and(|(fault, _)| fault == ConfigFault::Identity), is_forbidden, "{text}");
        }
    }

    #[test]
    fn what_waits_may_contradict_what_does_not() {
        let active = loaded("toolsets: {}\ncluster: {source: live}\nsession: {ttl_minutes: 30}\n");
        let gone = Candidate::of(&active, &loaded("session: {ttl_minutes: 5, max_age_minutes: 6}\n"));
        assert_eq!(gone.check(), Ok(()));
        assert_eq!(gone.changed, ["session.ttl_minutes", "session.max_age_minutes"]);
    }
}
