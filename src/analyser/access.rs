//! Requests the API server refused, as log lines and events report them, and whether Roles and bindings allow them now.

use serde_json::Value;

use super::Observed;
use crate::domain::object::text;
use crate::domain::{Object, ResourceRef};

/// What a ServiceAccount asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    pub account_namespace: String,
    pub account: String,
    pub verb: String,
    /// Plural, with its subresource: `pods`, `pods/log`.
    pub resource: String,
    /// Empty for the core group.
    pub group: String,
    /// `None`: at the cluster scope.
    pub namespace: Option<String>,
    /// Of the object, for requests that name one.
    pub name: Option<String>,
}

impl Request {
    /// Reads `configmaps "settings" is forbidden: User "system:serviceaccount:ns:sa" cannot get resource "configmaps" in
    /// API group "" in the namespace "ns"`, also with quotes escaped as in JSON. `None` for other users and refusals.
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.replace('\\', "");
        let (before, rest) = line.split_once("User \"system:serviceaccount:")?;
        let (account, rest) = rest.split_once('"')?;
        let (account_namespace, account) = account.split_once(':')?;
        let rest = rest.trim_start().strip_prefix("cannot ")?;
        let (verb, rest) = rest.split_once(" resource \"")?;
        let (resource, rest) = rest.split_once('"')?;
        let group = quoted_after(rest, "API group ").unwrap_or_default();
        let namespace = quoted_after(rest, "in the namespace ");
        let named = before.trim_end().strip_suffix("is forbidden:").map(str::trim_end);
        let name = named.and_then(|named| named.strip_suffix('"')).and_then(|named| named.rsplit_once('"'));
        Some(Self {
            account_namespace: account_namespace.to_owned(),
            account: account.to_owned(),
            verb: verb.trim().to_owned(),
            resource: resource.to_owned(),
            group: group.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.map(|(_, name)| name.to_owned()),
        })
    }

    pub fn service_account(&self) -> ResourceRef {
        ResourceRef::namespaced("ServiceAccount", &self.account_namespace, &self.account).with_api_version("v1")
    }

    /// `configmaps`, `deployments.apps`.
    pub fn resource_in_words(&self) -> String {
        if self.group.is_empty() { self.resource.clone() } else { format!("{}.{}", self.resource, self.group) }
    }

    /// `in namespace shop`, `at the cluster scope`.
    pub fn place_in_words(&self) -> String {
        self.namespace.as_ref().map_or_else(|| "at the cluster scope".to_owned(), |name| format!("in namespace {name}"))
    }
}

fn quoted_after<'a>(text: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(marker)?;
    Some(rest.strip_prefix('"')?.split_once('"')?.0)
}

/// Whether the cluster allows a request, as far as it could be read.
#[derive(Debug, Clone, PartialEq)]
pub enum Access<'a> {
    Allowed {
        binding: &'a Object,
    },
    /// `bindings` name the account with a role that does not say so, or that does not exist.
    Denied {
        bindings: Vec<&'a Object>,
    },
    /// Some Roles or bindings were not read, and none of the others allows it.
    Unknown,
}

/// Judges a request by the Roles and bindings of the snapshot.
pub fn access<'a>(observed: &'a Observed, request: &Request) -> Access<'a> {
    let namespace = request.namespace.as_deref();
    let in_namespace = observed.of_kind("RoleBinding").filter(|binding| binding.namespace() == namespace);
    let local = in_namespace.filter(|_| namespace.is_some());
    let bindings = local.chain(observed.of_kind("ClusterRoleBinding"));
    let own: Vec<&Object> = bindings.filter(|binding| binds(binding, request)).collect();
    let allows = |binding: &&&Object| role_of(observed, binding).is_some_and(|role| permits(role, request));
    if let Some(binding) = own.iter().find(allows) {
        return Access::Allowed { binding };
    }
    let local_complete = namespace
        .is_none_or(|_| observed.is_complete("Role", namespace) && observed.is_complete("RoleBinding", namespace));
    let complete =
        local_complete && observed.is_complete("ClusterRole", None) && observed.is_complete("ClusterRoleBinding", None);
    if complete { Access::Denied { bindings: own } } else { Access::Unknown }
}

/// The Role or ClusterRole a binding refers to, when it exists and was read.
pub fn role_of<'a>(observed: &'a Observed, binding: &Object) -> Option<&'a Object> {
    let name = binding.str_at("roleRef.name")?;
    match binding.str_at("roleRef.kind") {
        Some("Role") => observed.get("Role", binding.namespace(), name),
        _ => observed.get("ClusterRole", None, name),
    }
}

/// A subject of the binding is the account, or a group every account of its namespace, or every account, is in.
fn binds(binding: &Object, request: &Request) -> bool {
    let groups = [
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{}", request.account_namespace),
        "system:authenticated".to_owned(),
    ];
    let user = format!("system:serviceaccount:{}:{}", request.account_namespace, request.account);
    binding.list_at("subjects").any(|subject| match text(subject, "kind") {
        "ServiceAccount" => {
            let namespace = text(subject, "namespace");
            let namespace = if namespace.is_empty() { binding.namespace().unwrap_or_default() } else { namespace };
            text(subject, "name") == request.account && namespace == request.account_namespace
        }
        "Group" => groups.iter().any(|group| text(subject, "name") == group),
        "User" => text(subject, "name") == user,
        _ => false,
    })
}

fn permits(role: &Object, request: &Request) -> bool {
    let subresource = request.resource.split_once('/').map(|(_, subresource)| subresource);
    role.list_at("rules").any(|rule| {
        let has = |member: &str, wanted: &dyn Fn(&str) -> bool| {
            let listed = rule.get(member).and_then(Value::as_array).into_iter().flatten();
            listed.filter_map(Value::as_str).any(|value| value == "*" || wanted(value))
        };
        let names = rule.get("resourceNames").and_then(Value::as_array).filter(|names| !names.is_empty());
        let named = names.is_none_or(|names| {
            request.name.as_deref().is_some_and(|wanted| names.iter().any(|name| name.as_str() == Some(wanted)))
        });
        let matches_resource = |value: &str| match value.split_once('/') {
            Some(("*", wanted)) => subresource == Some(wanted),
            _ => value == request.resource,
        };
        has("verbs", &|value| value == request.verb)
            && has("apiGroups", &|value| value == request.group)
            && has("resources", &matches_resource)
            && named
    })
}

#[cfg(test)]
mod tests;
