//! Section `metrics`, and what moves January's families where they are asked for (operations §4.5).
//!
//! They move at the same moments as the present ones, with January's labels: paths with `{id}` for what differs from request to
//! request, the name of a ServiceAccount for a user. Nothing here counts anything else.

use serde::Deserialize;

use super::families::LegacyFamilies;
use super::{InFlight, LlmCall, Metrics, OTHER, TokenType, known_method};

/// Distinct values of the `username` label of old families; later ones are counted as `other`.
pub const USER_LABELS_MAX: usize = 50;
/// Beginning of the paths whose answers January called investigations.
const API: &str = "/api/v1/";
/// Beginning of the name of a ServiceAccount as Kubernetes tells it; namespace and name follow.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Section `metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Under which old prefixes January's families are exported as well. Default none.
    pub legacy_names: Vec<LegacyPrefix>,
    /// Whether tools are told apart; else their labels say `all`. Default true.
    pub per_tool: bool,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { legacy_names: Vec::new(), per_tool: true }
    }
}

/// Prefix of old families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegacyPrefix {
    /// What January exported.
    HolmesgptApi,
    /// What January's dashboards and alerts asked for.
    Holmesgpt,
}

impl LegacyPrefix {
    pub const ALL: &'static [Self] = &[Self::HolmesgptApi, Self::Holmesgpt];
    /// As the configuration names them.
    pub const WORDS: &'static [&'static str] = &[Self::HolmesgptApi.as_str(), Self::Holmesgpt.as_str()];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HolmesgptApi => "holmesgpt_api",
            Self::Holmesgpt => "holmesgpt",
        }
    }
}

impl Metrics {
    fn old(&self) -> impl Iterator<Item = &LegacyFamilies> {
        self.0.families.legacy.iter()
    }

    pub(super) fn old_llm_call(&self, call: LlmCall<'_>, provider: &str, model: &str) {
        for old in self.old() {
            old.llm_calls.with_label_values(&[provider, model, call.status.as_str()]).inc();
            old.llm_call_seconds.with_label_values(&[provider, model]).observe(call.duration.as_secs_f64());
            let tokens = [(TokenType::Prompt, call.prompt_tokens), (TokenType::Completion, call.completion_tokens)];
            for (kind, count) in tokens.into_iter().filter(|(_, count)| *count > 0) {
                old.llm_token_usage.with_label_values(&[provider, model, kind.as_str()]).inc_by(count);
            }
        }
    }

    pub(super) fn old_request_started(&self, endpoint: &str, method: &str) -> InFlight {
        let labels =
            (!self.0.families.legacy.is_empty()).then(|| [known_method(method).to_owned(), template(endpoint)]);
        if let Some(labels) = &labels {
            self.old().for_each(|old| old.active_requests.with_label_values(labels).inc());
        }
        InFlight { metrics: self.clone(), labels }
    }

    pub(super) fn old_request_ended(&self, labels: &[String; 2]) {
        self.old().for_each(|old| old.active_requests.with_label_values(labels).dec());
    }

    pub(super) fn old_request_finished(&self, endpoint: &str, method: &str, status: &str, seconds: f64) {
        for old in self.old() {
            let endpoint = &template(endpoint);
            old.http_requests.with_label_values(&[method, endpoint, status]).inc();
            old.http_request_seconds.with_label_values(&[method, endpoint]).observe(seconds);
            if endpoint.starts_with(API) {
                old.investigations.with_label_values(&[method, endpoint, status]).inc();
                old.investigation_seconds.with_label_values(&[method, endpoint]).observe(seconds);
            }
        }
    }

    pub(super) fn old_config_taken_over(&self, at: i64) {
        for old in self.old() {
            old.config_reloads.inc();
            old.config_last_reload.set(at);
        }
    }

    pub(super) fn old_config_rejected(&self) {
        self.old().for_each(|old| old.config_reload_errors.inc());
    }

    /// A caller was let in.
    pub fn caller_accepted(&self, user: &str) {
        for old in self.old() {
            let (name, role) = match user.strip_prefix(SERVICE_ACCOUNT).and_then(|rest| rest.split_once(':')) {
                Some((_, name)) => (name, "service_account"),
                None => (user, "user"),
            };
            old.auth_success.with_label_values(&[&*self.0.users.value(name), role]).inc();
        }
    }

    /// A caller was refused on a route, for a reason in January's words.
    pub fn caller_refused(&self, endpoint: &str, reason: &str) {
        self.old().for_each(|old| old.auth_failures.with_label_values(&[reason, &template(endpoint)]).inc());
    }

    /// A problem document was sent. `error_type` is from a closed list.
    pub fn problem_told(&self, status: u16, error_type: &str) {
        self.old().for_each(|old| old.problems.with_label_values(&[&status.to_string(), error_type]).inc());
    }
}

/// A route as January wrote it: whatever differs from request to request is `{id}`.
fn template(route: &str) -> String {
    let segment = |segment: &str| if segment.starts_with('{') { "{id}".to_owned() } else { segment.to_owned() };
    let text = route.split('/').map(segment).collect::<Vec<_>>().join("/");
    if text.is_empty() { OTHER.to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::metrics::{ConfigFault, ConfigSource, LlmStatus, ReloadResult};

    fn metrics(names: &[LegacyPrefix]) -> Metrics {
        Metrics::build_with(&MetricsConfig { legacy_names: names.to_vec(), per_tool: true }).unwrap()
    }

    fn old_lines(metrics: &Metrics, prefix: &str) -> Vec<String> {
        let text = metrics.encode();
        text.lines().filter(|line| line.contains(prefix)).map(str::to_owned).collect()
    }

    /// Everything that moves an old family.
    fn work(metrics: &Metrics) {
        let route = "/api/v1/incident/session/{session_id}";
        let second = Duration::from_secs(1);
        // It is still being answered.
        std::mem::forget(metrics.http_request_started(route, "POST"));
        metrics.http_request_finished(route, "GET", 404, second);
        metrics.http_request_finished("/ready", "BREW", 200, second);
        metrics.problem_told(404, "not-found");
        metrics.caller_accepted("system:serviceaccount:kubernaut-system:controller");
        metrics.caller_accepted("operator");
        metrics.caller_refused(route, "missing_auth_header");
        let (provider, model, status) = ("openai", "gpt-4o", LlmStatus::Success);
        let call = LlmCall { provider, model, status, duration: second, prompt_tokens: 7, completion_tokens: 5 };
        metrics.llm_call(call);
        metrics.config_looked_at(ConfigSource::Main, ReloadResult::Unchanged, 0);
        metrics.config_looked_at(ConfigSource::Main, ReloadResult::Applied, 1_780_000_000);
        metrics.config_rejected(ConfigSource::Sdk, ConfigFault::Parse);
    }

    #[test]
    fn every_old_family_moves_and_is_the_golden_one() {
        let metrics = metrics(&[LegacyPrefix::HolmesgptApi]);
        work(&metrics);
        let lines = old_lines(&metrics, "holmesgpt_api_");
        for family in metrics.described().iter().filter(|family| family.name.starts_with("holmesgpt_api_")) {
            let moved = |line: &&String| line.starts_with(&family.name) && !line.ends_with(" 0");
            assert!(lines.iter().any(|line| moved(&line)), "{} does not move", family.name);
        }
        insta::assert_snapshot!("old_names", lines.join("\n"));
    }

    #[test]
    fn both_prefixes_say_the_same_and_none_is_there_unasked() {
        let both = metrics(&[LegacyPrefix::Holmesgpt, LegacyPrefix::HolmesgptApi, LegacyPrefix::Holmesgpt]);
        work(&both);
        let lines = old_lines(&both, "holmesgpt_");
        let mut january: Vec<String> = lines.iter().filter(|line| line.contains("holmesgpt_api_")).cloned().collect();
        let renamed = lines.iter().filter(|line| !line.contains("holmesgpt_api_"));
        let mut renamed: Vec<String> = renamed.map(|line| line.replace("holmesgpt_", "holmesgpt_api_")).collect();
        renamed.sort();
        january.sort();
        assert_eq!(renamed, january);
        let none = metrics(&[]);
        work(&none);
        assert_eq!(old_lines(&none, "holmesgpt_"), [] as [&str; 0]);
    }

    #[test]
    fn users_are_capped_and_requests_end() {
        let metrics = metrics(&[LegacyPrefix::HolmesgptApi]);
        for index in 0..USER_LABELS_MAX + 3 {
            metrics.caller_accepted(&format!("user-{index}"));
        }
        let running = metrics.http_request_started("/metrics", "GET");
        drop(running);
        let lines = old_lines(&metrics, "holmesgpt_api_");
        assert!(lines.contains(&r#"holmesgpt_api_auth_success_total{role="user",username="other"} 3"#.to_owned()));
        assert!(lines.contains(&r#"holmesgpt_api_active_requests{endpoint="/metrics",method="GET"} 0"#.to_owned()));
    }

    #[test]
    fn without_names_of_tools_there_is_one_series_and_what_was_before_ends() {
        let metrics = metrics(&[]);
        let call =
            || metrics.tool_call("kubernetes/core", "kubectl_get", super::super::ToolStatus::Success, Duration::ZERO);
        call();
        metrics.label_tools(true);
        assert!(metrics.encode().contains(r#"aiagent_investigation_tool_calls_total{tool_name="kubectl_get"} 1"#));
        metrics.label_tools(false);
        call();
        metrics.tool_denied("kubernetes/core", "kubectl_get");
        let text = metrics.encode();
        assert!(!text.contains("kubectl_get"), "{text}");
        for series in [
            r#"aiagent_investigation_tool_calls_total{tool_name="all"} 1"#,
            r#"aiagent_api_tool_calls_total{status="success",tool="all",toolset="kubernetes/core"} 1"#,
            r#"aiagent_api_tool_calls_total{status="denied",tool="all",toolset="kubernetes/core"} 1"#,
            r#"aiagent_api_tool_call_duration_seconds_count{tool="all",toolset="kubernetes/core"} 1"#,
        ] {
            assert!(text.contains(series), "{series}");
        }
    }
}
