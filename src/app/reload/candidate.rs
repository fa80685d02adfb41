//! What becomes of another configuration: what it changes, and whether it may. Pure.

use crate::config::{Config, Loaded, Takeover};
use crate::llm::{IdentityChange, LlmConfig};
use crate::telemetry::metrics::ConfigFault;

/// The configuration that would count.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) takeover: Takeover,
    /// Old and new provider and model, for the section and for each phase, where they differ.
    pub(super) identity_changes: Vec<(String, String)>,
}

impl Candidate {
    /// What `loaded` changes where `active` counts.
    ///
    /// # Errors
    /// Why it must not count, one sentence each.
    pub(super) fn of(active: &Loaded, loaded: &Loaded) -> Result<Self, (ConfigFault, Vec<String>)> {
        let takeover = loaded.under(active).map_err(|problems| (ConfigFault::Invalid, problems))?;
        let old = active.config.llm.as_ref();
        let identity_changes = changes(old, takeover.counting.config.llm.as_ref());
        let is_fixed = old.is_some_and(|llm| llm.identity_change == IdentityChange::Restart);
        match identity_changes.first().filter(|_| is_fixed) {
            None => Ok(Self { takeover, identity_changes }),
            Some((old, new)) => Err((ConfigFault::Identity, vec![forbidden(old, new)])),
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.takeover.counting.config
    }

    /// Whether the model of the active configuration serves on as it is.
    pub(super) fn keeps_model(&self, active: &Config) -> bool {
        self.config().model() == active.model()
    }
}

fn forbidden(old: &str, new: &str) -> String {
    format!("llm.identity_change is `restart`: {old} cannot become {new} without one; nothing is taken over")
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

    fn of(active: &Loaded, text: &str) -> Candidate {
        Candidate::of(active, &loaded(text)).unwrap_or_else(|refused| panic!("{text}: {refused:?}"))
    }

    #[test]
    fn live_keys_count_and_others_wait() {
        let active = loaded(ACTIVE);
        let candidate = of(
            &active,
            "llm: {provider: mock, model: b, max_retries: 9}\nserver: {port: 2}\nsession: {queue_limit: 2}\n\
             investigation: {timeout_seconds: 90, engine: model}\nlogging: {level: DEBUG, format: json}\n",
        );
        let Takeover { changed, needs_restart, counting, .. } = &candidate.takeover;
        assert_eq!(
            *changed,
            [
                "logging.level",
                "session.queue_limit",
                "investigation.engine",
                "investigation.timeout_seconds",
                "llm.model",
                "llm.max_retries"
            ]
        );
        assert_eq!(*needs_restart, ["logging.format", "server.port"]);
        let config = candidate.config();
        assert_eq!((config.server.port, config.session.queue_limit, config.investigation.timeout_seconds), (1, 2, 90));
        assert_eq!(config.llm.as_ref().map(|llm| (llm.model.as_str(), llm.max_retries)), Some(("b", 9)));
        let port = counting.fields.iter().find(|field| field.path == "server.port").unwrap();
        assert_eq!(port.value, "1");
        assert_eq!(candidate.identity_changes[0], ("mock/a".to_owned(), "mock/b".to_owned()));
        assert!(!candidate.keeps_model(&active.config));
        let same = of(&active, ACTIVE);
        assert!(same.keeps_model(&active.config) && same.takeover.changed.is_empty(), "{same:?}");
        assert_eq!((&same.takeover.counting.config, same.identity_changes.len()), (&active.config, 0));
    }

    #[test]
    fn another_secret_is_told_and_not_shown() {
        let text = |key: &str, header: &str| {
            format!(
                "llm: {{provider: mock, model: a, api_key: {key}, custom_headers: [{{name: X, value: {header}}}]}}\n"
            )
        };
        let candidate = of(&loaded(&text("one", "two")), &text("three", "four"));
        assert_eq!(candidate.takeover.changed, ["llm.api_key", "llm.custom_headers.0.value"]);
        assert!(!format!("{:?}", candidate.takeover.counting.fields).contains("three"));
    }

    #[test]
    fn sections_that_come_and_go() {
        let plain = "logging: {level: INFO}\n";
        let model = format!("{plain}llm: {{provider: mock, model: a, identity_change: live}}\n");
        let gone = of(&loaded(&model), plain);
        assert_eq!((&gone.config().llm, gone.identity_changes[0].1.as_str()), (&None, "none"));
        let come = of(&loaded(plain), &model.replace("live", "restart"));
        assert_eq!(come.config().llm.as_ref().map(|llm| llm.identity_change), Some(IdentityChange::Restart));
        assert_eq!(come.takeover.needs_restart, Vec::<String>::new());

        let local = "catalogue: {source: directory}\naudit: {sink: local}\n";
        let storage = format!("{local}data_storage: {{url: 'http://x', timeout: 7}}\n");
        let come = of(&loaded(local), &storage);
        assert_eq!((come.config().data_storage(), come.takeover.changed.len()), (None, 0), "{come:?}");
        assert_eq!(come.takeover.needs_restart, ["data_storage.url", "data_storage.timeout"]);
        let gone = of(&loaded(&storage), local);
        let section = gone.config().data_storage().map(|section| (section.url, section.timeout));
        assert_eq!(section, Some(("http://x".into(), 10)), "the client stays");
        assert_eq!(gone.takeover.changed, ["data_storage.timeout"]);
        assert_eq!(gone.takeover.needs_restart, ["data_storage.url"]);
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
        let told = |text: &str| Candidate::of(&active, &load(text)).unwrap().takeover;
        assert_eq!(told("logging: {level: INFO}\n").shadowed, Vec::<String>::new());
        let takeover = told("logging: {level: DEBUG}\n");
        assert_eq!((takeover.shadowed, takeover.changed), (vec!["logging.level".to_owned()], vec![]));
    }

    #[test]
    fn of_metrics_and_readiness_only_the_old_names_wait() {
        let active = loaded("metrics: {legacy_names: []}\nreadiness: {llm: start}\n");
        let other = loaded("metrics: {legacy_names: [holmesgpt], per_tool: false}\nreadiness: {llm: required}\n");
        let candidate = Candidate::of(&active, &other).unwrap();
        assert_eq!(candidate.takeover.changed, ["metrics.per_tool", "readiness.llm"]);
        assert_eq!(candidate.takeover.needs_restart, ["metrics.legacy_names"]);
        let (metrics, readiness) = (&candidate.config().metrics, candidate.config().readiness);
        assert_eq!((metrics.per_tool, metrics.legacy_names.len()), (false, 0));
        assert_eq!(readiness, other.config.readiness);
    }

    #[test]
    fn a_summarizer_is_part_of_the_model_that_is_built() {
        let with = |more: &str| loaded(&format!("llm: {{provider: mock, model: a}}\n{more}"));
        let summed = with("investigation: {summarizer_model: small}\n");
        let named = |loaded: &Loaded| loaded.config.llm.as_ref().and_then(|llm| llm.summary_model.clone());
        assert_eq!(named(&summed).as_deref(), Some("small"));
        assert!(!Candidate::of(&with(""), &summed).unwrap().keeps_model(&with("").config));
        assert!(Candidate::of(&summed, &summed).unwrap().keeps_model(&summed.config));
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
            let refused = Candidate::of(&active, &loaded(text)).err();
            assert_eq!(refused.is_some_and(|(fault, _)| fault == ConfigFault::Identity), is_forbidden, "{text}");
        }
    }
}
