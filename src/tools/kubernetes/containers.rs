//! Containers of a pod, spec and status together, init and ephemeral ones included. Pure.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::age::{age, span};
use crate::domain::Object;
use crate::domain::object::{at, text};

/// One container. Either side may be missing.
#[derive(Debug, Clone, Copy)]
pub(in crate::tools) struct Container<'a> {
    pub(in crate::tools) name: &'a str,
    /// `init`, `sidecar`, `ephemeral`; empty for an ordinary one.
    pub(super) role: &'static str,
    pub(super) spec: &'a Value,
    pub(super) status: Option<&'a Value>,
}

/// Most containers of one pod looked at.
const CONTAINERS_MAX: usize = 40;

/// Init containers first, ephemeral ones last.
pub(in crate::tools) fn containers(pod: &Object) -> Vec<Container<'_>> {
    let groups = [
        ("init", "spec.initContainers", "status.initContainerStatuses"),
        ("", "spec.containers", "status.containerStatuses"),
        ("ephemeral", "spec.ephemeralContainers", "status.ephemeralContainerStatuses"),
    ];
    let all = groups.into_iter().flat_map(|(role, specs, statuses)| {
        pod.list_at(specs).map(move |spec| {
            let name = text(spec, "name");
            let sidecar = role == "init" && text(spec, "restartPolicy") == "Always";
            let status = pod.list_at(statuses).find(|status| text(status, "name") == name);
            Container { name, role: if sidecar { "sidecar" } else { role }, spec, status }
        })
    });
    all.filter(|container| !container.name.is_empty()).take(CONTAINERS_MAX).collect()
}

impl<'a> Container<'a> {
    /// Counts for READY and for requests: runs as long as the pod does.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self.role, "" | "sidecar")
    }

    pub(super) fn is_ready(&self) -> bool {
        self.status.and_then(|status| at(status, "ready")).and_then(Value::as_bool) == Some(true)
    }

    pub(super) fn restarts(&self) -> i64 {
        self.status.and_then(|status| at(status, "restartCount")).and_then(Value::as_i64).unwrap_or(0)
    }

    pub(super) fn status_text(&self, path: &str) -> &'a str {
        self.status.map(|status| text(status, path)).unwrap_or_default()
    }

    pub(super) fn status_at(&self, path: &str) -> Option<&'a Value> {
        self.status.and_then(|status| at(status, path))
    }

    /// `running for 5d`, `waiting: CrashLoopBackOff (back-off 5m0s …)`, `terminated: OOMKilled, exit code 137, …`.
    pub(in crate::tools) fn state(&self, now: Timestamp) -> String {
        match self.status {
            None => "no status yet".to_owned(),
            Some(status) => at(status, "state").map_or_else(|| "unknown".to_owned(), |state| state_text(state, now)),
        }
    }

    /// Role, image, readiness, restarts, state, last end and resources in one small object.
    pub(super) fn summary(&self, now: Timestamp) -> Value {
        let mut summary = Map::new();
        let mut say = |key: &str, value: Value| _ = summary.insert(key.to_owned(), value);
        say("name", self.name.into());
        if !self.role.is_empty() {
            say("role", self.role.into());
        }
        say("state", self.state(now).into());
        say("ready", self.is_ready().into());
        say("restarts", self.restarts().into());
        let last =
            self.status.and_then(|status| at(status, "lastState")).filter(|last| at(last, "terminated").is_some());
        if let Some(last) = last {
            say("last_state", state_text(last, now).into());
        }
        say("image", text(self.spec, "image").into());
        for kind in ["requests", "limits"] {
            let set = at(self.spec, "resources").and_then(|resources| resources.get(kind));
            if let Some(set) = set.filter(|set| set.as_object().is_some_and(|set| !set.is_empty())) {
                say(kind, set.clone());
            }
        }
        Value::Object(summary)
    }
}

fn state_text(state: &Value, now: Timestamp) -> String {
    let time = |path: &str| text(state, path).parse::<Timestamp>().ok();
    let with_message = |head: String, path: &str| match text(state, path).trim() {
        "" => head,
        message => format!("{head} ({message})"),
    };
    if at(state, "waiting").is_some_and(|waiting| !waiting.is_null()) {
        return with_message(format!("waiting: {}", or(text(state, "waiting.reason"), "no reason")), "waiting.message");
    }
    if at(state, "terminated").is_some_and(|terminated| !terminated.is_null()) {
        let code = at(state, "terminated.exitCode").map(|code| format!(", exit code {code}")).unwrap_or_default();
        let ended = time("terminated.finishedAt");
        let ran = time("terminated.startedAt").zip(ended).map(|(from, to)| to.as_second() - from.as_second());
        let ran = ran.map(|seconds| format!(" after {}", span(seconds))).unwrap_or_default();
        let when = ended.map(|_| format!(", ended {} ago{ran}", age(ended, now))).unwrap_or_default();
        let head = format!("terminated: {}{code}{when}", or(text(state, "terminated.reason"), "no reason"));
        return with_message(head, "terminated.message");
    }
    match time("running.startedAt") {
        started @ Some(_) => format!("running for {}", age(started, now)),
        None if at(state, "running").is_some() => "running".to_owned(),
        None => "waiting".to_owned(),
    }
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// All containers, summarised.
pub(super) fn container_states(pod: &Object, now: Timestamp) -> Value {
    json!(containers(pod).iter().map(|container| container.summary(now)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_say_why_and_when() {
        let now: Timestamp = "2026-05-04T10:00:00Z".parse().unwrap();
        let ended = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137, "startedAt": "2026-05-04T09:50:00Z",
            "finishedAt": "2026-05-04T09:55:00Z", "message": "heap\n"}});
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}});
        let table = [
            (waiting, "waiting: CrashLoopBackOff (back-off 5m0s)"),
            (ended, "terminated: OOMKilled, exit code 137, ended 5m ago after 5m (heap)"),
            (json!({"running": {"startedAt": "2026-05-04T09:00:00Z"}}), "running for 60m"),
            (json!({"running": {}}), "running"),
            (json!({"waiting": null, "terminated": {"exitCode": 0}}), "terminated: no reason, exit code 0"),
            (json!({}), "waiting"),
        ];
        for (state, shown) in table {
            assert_eq!(state_text(&state, now), shown, "{state}");
        }
    }

    #[test]
    fn every_kind_of_container_is_there_in_order() {
        let pod = Object::new(json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {
            "containers": [{"name": "web", "image": "w:1", "resources": {"limits": {"memory": "1Gi"}, "requests": {}}}],
            "initContainers": [{"name": "seed"}, {"name": "proxy", "restartPolicy": "Always"}],
            "ephemeralContainers": [{"name": "debug"}, {"image": "nameless"}]},
            "status": {"containerStatuses": [{"name": "web", "ready": true, "restartCount": 2, "state": {"running": {}}}]}}))
        .unwrap();
        let found: Vec<_> = containers(&pod).iter().map(|container| (container.name, container.role)).collect();
        assert_eq!(found, [("seed", "init"), ("proxy", "sidecar"), ("web", ""), ("debug", "ephemeral")]);
        assert_eq!(
            containers(&pod)[2].summary(Timestamp::UNIX_EPOCH),
            json!({"name": "web", "state": "running", "ready": true, "restarts": 2, "image": "w:1", "limits": {"memory": "1Gi"}})
        );
    }
}
