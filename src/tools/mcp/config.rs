//! `mcp_servers` of the configuration (operations §1.3.4).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

use super::offer;
use crate::tools::endpoint::ExtraHeaders;

/// Most servers that are switched on.
const SERVERS_MAX: usize = 16;
/// Longest name of a server, in characters.
const NAME_CHARS_MAX: usize = 40;
/// Most tools of one server that may be offered: each costs every turn its description.
const ALLOWED_MAX: usize = 64;
/// Longest text of the operator about a server, in characters.
const TEXT_CHARS_MAX: usize = 8_000;

/// The servers by name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct McpServersConfig(BTreeMap<String, McpServerConfig>);

/// One server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct McpServerConfig {
    /// The MCP endpoint. Required.
    pub url: String,
    /// Absent: found out, the current transport first.
    pub mode: Option<McpMode>,
    /// Sent with every request.
    pub headers: ExtraHeaders,
    /// What the server is for, told to the model.
    pub description: Option<String>,
    /// How its tools are to be used, told to the model.
    pub llm_instructions: Option<String>,
    /// Default true: a server that is named is wanted.
    pub enabled: bool,
    /// Names of the tools a model may call, as the server spells them. Default none.
    pub allowed_tools: Vec<String>,
    /// Of those, the ones that only read although their server says that they may write.
    pub read_only_tools: Vec<String>,
    /// One call, seconds. Default 30, 1 to 180.
    pub timeout_seconds: u64,
    /// Further certificates to trust, from elsewhere in the configuration and the environment.
    #[serde(skip)]
    pub trusted: Vec<PathBuf>,
}

impl Default for McpServerConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            mode: None,
            headers: ExtraHeaders::default(),
            description: None,
            llm_instructions: None,
            enabled: true,
            allowed_tools: Vec::new(),
            read_only_tools: Vec::new(),
            timeout_seconds: 30,
            trusted: Vec::new(),
        }
    }
}

/// How messages are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum McpMode {
    /// One address that takes messages and answers each, since revision 2025-03-26.
    StreamableHttp,
    /// A stream of events and an address for messages beside it, revision 2024-11-05.
    Sse,
}

impl McpMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StreamableHttp => "streamable-http",
            Self::Sse => "sse",
        }
    }
}

impl McpServersConfig {
    /// Those that are switched on.
    pub fn enabled(&self) -> impl Iterator<Item = (&str, &McpServerConfig)> {
        self.0.iter().filter(|(_, server)| server.enabled).map(|(name, server)| (name.as_str(), server))
    }

    /// Those an investigation asks: nobody is asked for tools that could not be offered.
    pub fn asked(&self) -> impl Iterator<Item = (&str, &McpServerConfig)> {
        self.enabled().filter(|(_, server)| !server.allowed_tools.is_empty())
    }

    /// Every one, switched on or not.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &McpServerConfig)> {
        self.0.iter().map(|(name, server)| (name.as_str(), server))
    }

    /// Further certificates count for every server.
    pub fn trust(&mut self, bundles: &[PathBuf]) {
        self.0.values_mut().for_each(|server| server.trusted = bundles.to_vec());
    }

    /// What an operator should know, one sentence each.
    pub fn notices(&self) -> Vec<String> {
        let silent = self.enabled().filter(|(_, server)| server.allowed_tools.is_empty());
        let told = |(name, _): (&str, _)| {
            format!("mcp_servers.{name} has no allowed_tools: none of its tools is offered; `doctor` lists them")
        };
        silent.map(told).collect()
    }

    /// # Errors
    /// What cannot work, in one sentence naming the key.
    pub fn check(&self) -> Result<(), String> {
        let count = self.enabled().count();
        if count > SERVERS_MAX {
            return Err(format!("mcp_servers has {count} servers, at most {SERVERS_MAX} may be switched on"));
        }
        let mut prefixes = BTreeMap::new();
        for (name, server) in self.enabled() {
            if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
                return Err(format!("mcp_servers.{name}: a name has 1 to {NAME_CHARS_MAX} characters"));
            }
            if let Some(other) = prefixes.insert(offer::acceptable(name).to_ascii_lowercase(), name) {
                return Err(format!("mcp_servers.{name} and mcp_servers.{other} look the same in names of tools"));
            }
            server.check(&format!("mcp_servers.{name}"))?;
        }
        Ok(())
    }
}

impl McpServerConfig {
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    fn check(&self, place: &str) -> Result<(), String> {
        if self.url.trim().is_empty() {
            return Err(format!("{place}.url is required"));
        }
        if endpoint(&self.url).is_none() {
            return Err(format!("{place}.url is not an absolute http(s) address without user name and fragment"));
        }
        if !(1..=180).contains(&self.timeout_seconds) {
            return Err(format!("{place}.timeout_seconds is {}, it must be 1 to 180", self.timeout_seconds));
        }
        self.headers.to_map().map_err(|error| format!("{place}: {error}"))?;
        if self.allowed_tools.len() > ALLOWED_MAX {
            let given = self.allowed_tools.len();
            return Err(format!("{place}.allowed_tools has {given} names, at most {ALLOWED_MAX} are offered"));
        }
        if let Some(stray) = self.read_only_tools.iter().find(|name| !self.allowed_tools.contains(name)) {
            return Err(format!("{place}.read_only_tools names {stray}, which is not in allowed_tools"));
        }
        let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().count() > TEXT_CHARS_MAX);
        if is_long(&self.description) || is_long(&self.llm_instructions) {
            return Err(format!("{place}: description and llm_instructions have at most {TEXT_CHARS_MAX} characters"));
        }
        Ok(())
    }
}

/// The address of a server. It may have a query, because some carry their key there.
pub(super) fn endpoint(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain).then_some(url)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> McpServersConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_cannot_work_is_told() {
        let many: serde_json::Map<String, Value> =
            (0..=SERVERS_MAX).map(|n| (format!("s{n}"), json!({"url": "http://m"}))).collect();
        let names: Vec<String> = (0..=ALLOWED_MAX).map(|n| n.to_string()).collect();
        for (given, told) in [
            (json!({"a": {}}), "mcp_servers.a.url is required"),
            (json!({"a": {"url": "ftp://m"}}), "mcp_servers.a.url is not an absolute"),
            (json!({"a": {"url": "http://u:p@m"}}), "mcp_servers.a.url is not an absolute"),
            (json!({"a": {"url": "http://m", "timeout_seconds": 0}}), "timeout_seconds is 0, it must be 1 to 180"),
            (json!({"a": {"url": "http://m", "allowed_tools": names}}), "allowed_tools has 65 names"),
            (json!({"a": {"url": "http://m", "read_only_tools": ["x"]}}), "names x, which is not in allowed_tools"),
            (json!({"a b": {"url": "http://m"}, "a_B": {"url": "http://m"}}), "look the same"),
            (json!({"a": {"url": "http://m", "llm_instructions": "x".repeat(8_001)}}), "at most 8000 characters"),
            (json!({"a": {"url": "http://m", "headers": {"A b": "c"}}}), "mcp_servers.a: header `A b` has a name"),
            (
                json!({"a": {"url": "http://m", "headers": {"A": "s3\ncret"}}}),
                "mcp_servers.a: header `A` has a name or a value",
            ),
            (Value::Object(many), "mcp_servers has 17 servers"),
        ] {
            let error = read(given.clone()).check().unwrap_err();
            assert!(error.contains(told) && !error.contains("cret"), "{given}: {error}");
        }
        for fine in [
            json!({}),
            json!({"a": {"url": "http://m/mcp?key=1", "allowed_tools": ["x"], "read_only_tools": ["x"]}}),
            json!({"a": {"enabled": false}, "b": {"enabled": false, "url": "nonsense"}}),
        ] {
            assert_eq!(read(fine.clone()).check(), Ok(()), "{fine}");
        }
    }

    #[test]
    fn a_server_without_allowed_tools_is_told_and_not_asked() {
        let config = read(json!({
            "none": {"url": "http://m"},
            "off": {"url": "http://m", "enabled": false},
            "some": {"url": "http://m", "allowed_tools": ["x"]},
        }));
        assert_eq!(config.asked().map(|(name, _)| name).collect::<Vec<_>>(), ["some"]);
        let notices = config.notices();
        assert!(notices.len() == 1 && notices[0].starts_with("mcp_servers.none has no allowed_tools"), "{notices:?}");
    }
}
