//! Failed connections in log lines: what went wrong, with whom, and which object of the cluster that is.

mod vocabulary;

use jiff::SignedDuration;
use serde_json::Value;

use super::Observed;
use super::observed::PodLog;
use crate::cluster::LogLine;
use crate::domain::Object;
use crate::domain::object::{text, text_map};
use vocabulary::{NAME, REFUSED, RESOLVER, RESOLVING, TIMEOUT, UNREACHABLE, Vocabulary};

/// How a connection failed, as far as the client's words tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing answered: packets vanish, or the peer hangs.
    Timeout,
    /// The peer's machine answered that nobody listens.
    Refused,
    /// No way to the address, or a firewall said so.
    Unreachable,
    /// The resolver says there is no such name.
    NameUnknown,
    /// The resolver itself did not answer.
    ResolverTimeout,
}

impl Failure {
    /// Reads one log line; `None` when it reports no failed connection.
    pub fn of_line(line: &str) -> Option<Self> {
        let said = Vocabulary::found_in(line);
        let timed_out = said.has(TIMEOUT);
        Some(if said.has(RESOLVER) || (timed_out && said.has(RESOLVING)) {
            Self::ResolverTimeout
        } else if said.has(NAME) {
            Self::NameUnknown
        } else if said.has(REFUSED) {
            Self::Refused
        } else if said.has(UNREACHABLE) {
            Self::Unreachable
        } else if timed_out {
            Self::Timeout
        } else {
            return None;
        })
    }
}

/// A host with the port named beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A DNS name or an IP address, as written.
    pub host: String,
    pub port: Option<u16>,
}

/// Addresses a text mentions, in order, without repetition: URLs, `host:port`, bare addresses and cluster names, and
/// the separate host and port of database clients and Python. At most [`ADDRESSES_MAX`].
pub fn addresses(line: &str) -> Vec<Address> {
    let mut found: Vec<Address> = Vec::new();
    let words: Vec<&str> = line.split(|c: char| !is_address_char(c)).filter(|word| !word.is_empty()).collect();
    for (index, word) in words.iter().enumerate() {
        let follows = |back: usize, wanted: &[&str]| {
            let before = index.checked_sub(back).and_then(|index| words.get(index));
            before.is_some_and(|before| {
                wanted.iter().any(|wanted| before.trim_end_matches(':').eq_ignore_ascii_case(wanted))
            })
        };
        let named = follows(1, &["host", "hostname", "lookup", "ENOTFOUND", "EAI_AGAIN", "addr"])
            || (follows(1, &["at"]) && follows(2, &["server"]))
            || (follows(1, &["name"]) && follows(2, &["host"]));
        if follows(1, &["port"]) && word.parse::<u16>().is_ok() {
            let port = word.parse().ok();
            found.iter_mut().filter(|address| address.port.is_none()).for_each(|address| address.port = port);
            continue;
        }
        if let Some(address) = address(word, named)
            && !found.contains(&address)
            && found.len() < ADDRESSES_MAX
        {
            found.push(address);
        }
    }
    found
}

/// Most addresses read from one line.
pub const ADDRESSES_MAX: usize = 8;

fn is_address_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/' | '@')
}

/// One word as an address. A bare name counts only when the words before it announce a host.
fn address(word: &str, named: bool) -> Option<Address> {
    let (is_url, rest) = word.split_once("://").map_or((false, word), |(_, rest)| (true, rest));
    if !is_url && rest.contains('/') {
        return None;
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default().trim_matches([':', '.', '-']);
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port.split(':').next()?.parse::<u16>().ok().filter(|port| *port > 0)?)),
        None => (authority, None),
    };
    let is_ip = host.parse::<std::net::IpAddr>().is_ok();
    let is_name = host.starts_with(|c: char| c.is_ascii_alphabetic())
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let in_cluster = host.ends_with(".svc") || host.contains(".svc.");
    let plausible = is_ip || (is_name && (is_url || named || port.is_some() || in_cluster));
    plausible.then(|| Address { host: host.to_ascii_lowercase(), port })
}

/// The port a server says it listens on: `listening on :8080`, `Tomcat started on port(s): 8081`, `Uvicorn running on
/// http://0.0.0.0:8000`.
pub fn listening_port(line: &str) -> Option<u16> {
    let lower = line.to_ascii_lowercase();
    let announces = LISTEN_WORDS.iter().any(|words| lower.contains(words));
    if !announces || Failure::of_line(line).is_some() || NOT_LISTENING_WORDS.iter().any(|word| lower.contains(word)) {
        return None;
    }
    let after = LISTEN_WORDS.iter().filter_map(|words| lower.split_once(words)).map(|(_, rest)| rest);
    let rest = after.min_by_key(|rest| std::cmp::Reverse(rest.len()))?;
    let words = rest.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '/'))).collect::<Vec<_>>();
    let number = |word: &&str| word.trim_matches([':', '.', '/']).parse::<u16>().ok().filter(|port| *port > 0);
    let with_host = words.iter().find_map(|word| {
        let authority = word.split_once("://").map_or(*word, |(_, rest)| rest).trim_end_matches(['/', '.']);
        authority.rsplit_once(':')?.1.parse::<u16>().ok().filter(|port| *port > 0)
    });
    let named = || words.iter().skip_while(|word| !word.contains("port")).skip(1).find_map(number);
    with_host.or_else(named).or_else(|| words.iter().take(LISTEN_WORDS_MAX).find_map(number))
}

const LISTEN_WORDS: &[&str] = &[
    "listening",
    "listen on",
    "started on port",
    "running on",
    "running at",
    "serving on",
    "serving http",
    "server started",
    "started server",
    "starting server",
    "starting http server",
    "started http server",
    "server is up",
    "bound to",
    "starting on",
];
const NOT_LISTENING_WORDS: &[&str] = &["not listening", "stopped listening", "address already in use"];
/// A bare number further from the announcement is something else.
const LISTEN_WORDS_MAX: usize = 6;

/// What an address stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Destination<'a> {
    Service(&'a Object),
    Pod(&'a Object),
}

/// Finds the Service or Pod behind a host name or IP as seen from a pod of `namespace`; `None` when it is outside the
/// cluster or was not gathered. An `ExternalName` Service is followed one step.
pub fn resolve<'a>(observed: &'a Observed, namespace: &str, host: &str) -> Option<Destination<'a>> {
    resolve_host(observed, namespace, host, true)
}

fn resolve_host<'a>(observed: &'a Observed, namespace: &str, host: &str, follow: bool) -> Option<Destination<'a>> {
    if host.parse::<std::net::IpAddr>().is_ok() {
        return resolve_ip(observed, host);
    }
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    let (before, is_full) = match labels.iter().position(|label| *label == "svc") {
        Some(position) => (labels.get(..position)?, true),
        None => (labels.as_slice(), false),
    };
    let service = match before {
        [name] => observed.get("Service", Some(namespace), name),
        [name, space] => observed.get("Service", Some(space), name),
        [_, name, space] if is_full => observed.get("Service", Some(space), name),
        _ => None,
    }?;
    let external = service.str_at("spec.externalName").filter(|_| service.str_at("spec.type") == Some("ExternalName"));
    match (external, follow) {
        (Some(name), true) => resolve_host(observed, service.namespace().unwrap_or(namespace), name, false),
        _ => Some(Destination::Service(service)),
    }
}

fn resolve_ip<'a>(observed: &'a Observed, ip: &str) -> Option<Destination<'a>> {
    let has_ip = |service: &&Object| {
        service.str_at("spec.clusterIP") == Some(ip)
            || service.list_at("spec.clusterIPs").any(|address| address.as_str() == Some(ip))
    };
    if let Some(service) = observed.of_kind("Service").find(has_ip) {
        return Some(Destination::Service(service));
    }
    let mut pods = observed.of_kind("Pod").filter(|pod| {
        pod.str_at("status.podIP") == Some(ip)
            && pod.bool_at("spec.hostNetwork") != Some(true)
            && !matches!(pod.str_at("status.phase"), Some("Succeeded" | "Failed"))
    });
    pods.next().map(Destination::Pod)
}

/// A failed connection found in a log.
#[derive(Debug, Clone)]
pub struct FailedConnection<'a> {
    pub client: &'a Object,
    pub log: &'a PodLog,
    pub line: &'a LogLine,
    pub failure: Failure,
    pub addresses: &'a [Address],
}

/// Failed connections in the logs of a pod within `window` before now, newest first. A line without a time counts as
/// recent when the log is of the running instance, or the pod has not become ready again.
pub fn failures_of<'a>(
    observed: &'a Observed,
    client: &'a Object,
    window: SignedDuration,
) -> Vec<FailedConnection<'a>> {
    let ready = client.condition_status("Ready") == Some("True");
    let mut found = Vec::new();
    for log in observed.logs_of(client) {
        for (line, failure, addresses) in log.failures() {
            let recent = line.time.map_or(!(log.previous && ready), |time| observed.is_recent(Some(time), window));
            if recent {
                found.push(FailedConnection { client, log, line, failure, addresses });
            }
        }
    }
    found.sort_by_key(|failed| std::cmp::Reverse(failed.line.time));
    found
}

/// Addresses a pod is configured with, and where: environment values (also through ConfigMaps) and mounted ConfigMaps.
pub fn configured_addresses<'a>(observed: &'a Observed, pod: &'a Object) -> Vec<ConfiguredAddress<'a>> {
    let namespace = pod.namespace();
    let config_map = |name: &str| observed.get("ConfigMap", namespace, name);
    let mut found = Vec::new();
    let mut read = |object: &'a Object, path: String, value: &'a str, bare_name: bool| {
        let mut mentioned = addresses(value);
        if mentioned.is_empty() && bare_name {
            mentioned.extend(address(value.trim(), true));
        }
        found.extend(mentioned.into_iter().map(|address| ConfiguredAddress {
            address,
            object,
            path: path.clone(),
            value,
        }));
    };
    for (index, container) in pod.list_at("spec.containers").enumerate() {
        for variable in members(container, "env") {
            let name = text(variable, "name");
            let is_host = name.to_ascii_uppercase().contains("HOST");
            if let Some(value) = variable.get("value").and_then(Value::as_str) {
                read(pod, format!("spec.containers[{index}].env[name={name}].value"), value, is_host);
            }
            let key = text(variable, "valueFrom.configMapKeyRef.key");
            if let Some(map) = config_map(text(variable, "valueFrom.configMapKeyRef.name"))
                && let Some(value) = map.at("data").and_then(|data| data.get(key)).and_then(Value::as_str)
            {
                read(map, format!("data.{key}"), value, is_host);
            }
        }
        for map in members(container, "envFrom").filter_map(|source| config_map(text(source, "configMapRef.name"))) {
            for (key, value) in text_map(map.at("data")) {
                read(map, format!("data.{key}"), value, key.to_ascii_uppercase().contains("HOST"));
            }
        }
    }
    for map in pod.list_at("spec.volumes").filter_map(|volume| config_map(text(volume, "configMap.name"))) {
        for (key, value) in text_map(map.at("data")) {
            value.lines().take(CONFIG_LINES_MAX).for_each(|line| read(map, format!("data.{key}"), line, false));
        }
    }
    found
}

/// Most lines read of one configuration file.
const CONFIG_LINES_MAX: usize = 2_000;

/// An address and the place it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfiguredAddress<'a> {
    pub address: Address,
    pub object: &'a Object,
    pub path: String,
    pub value: &'a str,
}

/// Pods whose configuration or logs name a Service, outside the pods behind it: who notices when it fails.
pub fn dependents<'a>(observed: &'a Observed, service: &Object) -> Vec<&'a Object> {
    let is_it = |namespace: &str, host: &str| matches!(resolve(observed, namespace, host), Some(Destination::Service(found)) if found.reference().same_object(&service.reference()));
    let selector = text_map(service.at("spec.selector"));
    let is_backend = |pod: &Object| {
        !selector.is_empty()
            && pod.namespace() == service.namespace()
            && selector.iter().all(|(key, value)| pod.label(key) == Some(*value))
    };
    let depends = |pod: &&Object| {
        let namespace = pod.namespace().unwrap_or_default();
        let configured = configured_addresses(observed, pod);
        configured.iter().any(|configured| is_it(namespace, &configured.address.host))
            || failures_of(observed, pod, DEPENDENT_WINDOW)
                .iter()
                .any(|failed| failed.addresses.iter().any(|address| is_it(namespace, &address.host)))
    };
    observed.of_kind("Pod").filter(|pod| !is_backend(pod)).filter(depends).collect()
}

const DEPENDENT_WINDOW: SignedDuration = SignedDuration::from_mins(60);

fn members<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests;
