//! `mcp_servers`: both shapes, names of others, and placeholders in headers (operations §1.3.4).

use std::path::PathBuf;

use serde_json::Value;

use super::Config;
use super::environment::{self, Variables};
use super::inspection::Findings;
use super::node::{Content, Node};
use super::problem::Problem;

const SECTION: &str = "mcp_servers";
/// What one server may have.
const KNOWN: [&str; 9] = [
    "url",
    "mode",
    "headers",
    "description",
    "llm_instructions",
    "enabled",
    "allowed_tools",
    "read_only_tools",
    "timeout_seconds",
];
/// Variables that name further certificates to trust.
const BUNDLES: [&str; 3] = ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "TLS_CA_FILE"];

/// Brings every server into one shape. What else stands there is allowed and told (operations §1.8).
pub(super) fn settle(root: &mut Node, variables: &Variables, findings: &mut Findings) {
    let directory = environment::credentials_dir(root);
    let Some(section) = root.child_mut(SECTION) else { return };
    let Content::Map(servers) = &mut section.content else { return };
    let lookup = |name: &str| {
        let in_directory = || Some(environment::in_directory(&directory, name)?.to_value().as_str()?.to_owned());
        variables.get(name).map(str::to_owned).or_else(in_directory)
    };
    for server in servers {
        flatten(&mut server.node);
        prune(&server.name, &mut server.node, findings);
        let is_off = server.node.child("enabled").is_some_and(|on| on.to_value() == Value::Bool(false));
        if !is_off {
            resolve(&server.name, &mut server.node, &lookup, findings);
        }
    }
}

/// What stands below `config` counts where nothing stands beside it; `transport` is the successor's word for `mode`.
fn flatten(server: &mut Node) {
    if server.child("config").is_some_and(|config| matches!(config.content, Content::Map(_)))
        && let Some(config) = server.take(&["config"])
        && let Content::Map(entries) = config.node.content
    {
        for entry in entries.into_iter().filter(|entry| KNOWN.contains(&entry.name.as_str())) {
            if server.child(&entry.name).is_none() {
                server.put(&[&entry.name], entry.node);
            }
        }
    }
    if let Some(transport) = server.take(&["transport"])
        && server.child("mode").is_none()
    {
        server.put(&["mode"], transport.node);
    }
    // The successor's list was made a map by it.
    server.take(&["name"]);
}

fn prune(name: &str, server: &mut Node, findings: &mut Findings) {
    let Content::Map(entries) = &mut server.content else { return };
    entries.retain(|entry| {
        let is_known = KNOWN.contains(&entry.name.as_str());
        if !is_known {
            let path = [SECTION.to_owned(), name.to_owned(), entry.name.clone()];
            findings.ignore(&path, "nothing of this version reads it");
        }
        is_known
    });
}

/// Puts values in the place of `{{ env.NAME }}` in headers.
fn resolve(name: &str, server: &mut Node, lookup: &dyn Fn(&str) -> Option<String>, findings: &mut Findings) {
    let Some(Content::Map(headers)) = server.child_mut("headers").map(|headers| &mut headers.content) else { return };
    headers.retain_mut(|header| {
        let Content::Scalar(Value::String(text)) = &header.node.content else { return true };
        match filled(text, lookup) {
            Ok(value) => {
                header.node.content = Content::Scalar(value.into());
                true
            }
            Err(reason) => {
                let path = format!("{SECTION}.{name}.headers.{}", header.name);
                findings.wrong.push(Problem::new(&header.node.origin, &path, reason));
                false
            }
        }
    });
}

/// The text with its placeholders filled.
fn filled(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (inside, behind) = after.split_once("}}").ok_or("has `{{` without `}}`")?;
        let variable = inside.trim().strip_prefix("env.").filter(|variable| is_name(variable));
        let variable = variable.ok_or("only `{{ env.NAME }}` is understood in braces")?;
        let value = lookup(variable).ok_or_else(|| format!("the variable {variable} is not set"))?;
        done.push_str(before);
        done.push_str(&value);
        rest = behind;
    }
    done.push_str(rest);
    Ok(done)
}

/// Letters, digits and underscores: nothing that leads out of a directory.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Certificate bundles that variables name.
pub(super) fn bundles(variables: &Variables) -> Vec<PathBuf> {
    BUNDLES.iter().filter_map(|name| variables.get(name)).map(PathBuf::from).collect()
}

impl Config {
    /// Certificates that count for every outgoing call count for MCP servers as well.
    pub(super) fn trust_for_tool_servers(&mut self, named: &[PathBuf]) {
        let shared = self.tls.ca_file.clone().filter(|path| path.is_file());
        let bundles: Vec<PathBuf> = named.iter().cloned().chain(shared).collect();
        self.mcp_servers.trust(&bundles);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Loaded, Loader, Variables};

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        std::fs::create_dir(folder.path().join("credentials")).unwrap();
        std::fs::write(folder.path().join("credentials/FROM_FILE"), "from-file\n").unwrap();
        std::fs::write(&path, format!("{text}\nllm: {{model: m, provider: mock, credentials_dir: credentials}}\n"))
            .unwrap();
        Loader::new(&path, Variables::of(variables)).load().map_err(|error| error.to_string())
    }

    #[test]
    fn both_shapes_mean_the_same() {
        let settings = "url: 'http://m/mcp', mode: sse, headers: {X-Team: a}";
        let flat = load(&format!("mcp_servers: {{a: {{{settings}, allowed_tools: [x]}}}}"), &[]).unwrap();
        let nested = load(&format!("mcp_servers: {{a: {{config: {{{settings}}}, allowed_tools: [x]}}}}"), &[]).unwrap();
        let successor = load("mcp_servers: {a: {name: a, url: 'http://m/mcp', transport: sse}}", &[]).unwrap();
        assert_eq!(flat.config.mcp_servers, nested.config.mcp_servers);
        let mode = |loaded: &Loaded| loaded.config.mcp_servers.iter().next().unwrap().1.mode;
        assert_eq!(mode(&successor), mode(&flat));
        assert!(flat.ignored.is_empty() && successor.ignored.is_empty(), "{:?}", successor.ignored);
        let both =
            load("mcp_servers: {a: {url: 'http://flat', config: {url: 'http://nested', icon: x}}}", &[]).unwrap();
        assert_eq!(both.config.mcp_servers.iter().next().unwrap().1.url, "http://flat");
    }

    #[test]
    fn other_keys_are_allowed_and_told() {
        let loaded = load("mcp_servers: {a: {url: 'http://m', verify_ssl: true, icon_url: x}}", &[]).unwrap();
        let paths: Vec<&str> = loaded.ignored.iter().map(|key| key.path.as_str()).collect();
        assert_eq!(paths, ["mcp_servers.a.verify_ssl", "mcp_servers.a.icon_url"]);
        assert!(loaded.notices.iter().any(|told| told.starts_with("mcp_servers.a has no allowed_tools")));
    }

    #[test]
    fn placeholders_are_filled_or_refused_and_never_shown() {
        let server = |header: &str| {
            let text = format!("mcp_servers: {{a: {{url: 'http://m', headers: {{Authorization: '{header}'}}}}}}");
            load(&text, &[("TOKEN", "s3cret"), ("KUBE", "k8s")])
        };
        for (header, same) in [
            ("Bearer {{ env.TOKEN }}", "Bearer s3cret"),
            ("{{env.TOKEN}}-{{  env.KUBE }}.", "s3cret-k8s."),
            ("{{ env.FROM_FILE }}", "from-file"),
            ("{ env.TOKEN }", "{ env.TOKEN }"),
        ] {
            let (given, same) = (server(header).unwrap(), server(same).unwrap());
            assert_eq!(given.config.mcp_servers, same.config.mcp_servers, "{header}");
            assert!(!format!("{:?}{:?}", given.config, given.fields).contains("s3cret"), "{header}");
        }
        for (header, told) in [
            ("{{ env.ABSENT }}", "mcp_servers.a.headers.Authorization: the variable ABSENT is not set"),
            ("{{ env.TOKEN", "has `{{` without `}}`"),
            ("{{ env.../../etc/passwd }}", "only `{{ env.NAME }}` is understood"),
            ("{{ request.headers.x }}", "only `{{ env.NAME }}` is understood"),
        ] {
            let error = server(header).unwrap_err();
            assert!(error.contains(told), "{header}: {error}");
        }
        let off = "mcp_servers: {a: {enabled: false, headers: {A: '{{ env.ABSENT }}'}}}";
        assert!(load(off, &[]).is_ok());
    }

    #[test]
    fn tools_of_servers_cannot_be_confined_to_namespaces() {
        let text = |allowed: &str| {
            format!(
                "investigation: {{namespaces: {{allow: [shop]}}}}\nmcp_servers: {{a: {{url: 'http://m', allowed_tools: {allowed}}}}}"
            )
        };
        let error = load(&text("[x]"), &[]).unwrap_err();
        assert!(error.contains("mcp_servers"), "{error}");
        assert!(load(&text("[]"), &[]).is_ok());
    }
}
