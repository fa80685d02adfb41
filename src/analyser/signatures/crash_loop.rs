//! Programs that end again and again: by their configuration, a thing they depend on, or their own error.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::analyser::draft::{draft, enumerate, parameters, pods_and_owners};
use crate::analyser::last_words::{LastWords, Says};
use crate::analyser::pods::{Container, Termination, ago, is_stable, running_containers};
use crate::analyser::routing::is_live;
use crate::analyser::suspects::{RecentRollout, dependency};
use crate::analyser::{Observed, Signature};
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object, ResourceRef};

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    id: "crash_loop",
    title: "A program ends again and again, told apart by its exit code and its last words",
    detect,
}];

/// An end longer ago than this is history.
const RECENT: SignedDuration = SignedDuration::from_hours(2);

fn detect(observed: &Observed) -> Vec<Finding> {
    let pods = observed.of_kind("Pod").filter(|pod| is_live(pod));
    let crashes =
        pods.flat_map(|pod| running_containers(pod).filter_map(|container| Crash::of(observed, container)).collect::<Vec<_>>());
    let mut groups: Vec<Vec<Crash<'_>>> = Vec::new();
    for crash in crashes {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| first.is_same(observed, &crash))) {
            Some(group) => group.push(crash),
            None => groups.push(vec![crash]),
        }
    }
    groups.iter().filter_map(|group| finding(observed, group)).collect()
}

/// A container whose last end was its own doing and that has not recovered since.
struct Crash<'a> {
    container: Container<'a>,
    ended: Termination<'a>,
    last_words: Option<LastWords<'a>>,
}

impl<'a> Crash<'a> {
    fn of(observed: &'a Observed, container: Container<'a>) -> Option<Self> {
        let ended = container.latest_termination()?;
        let loops = container.waits_for(&["CrashLoopBackOff"]).is_some();
        // A Job's pod or one that ends well has done its work; a server that ends well over and over has not.
        let failed = ended.exit_code != 0 || (loops && container.restart_count() > 1);
        let killed = ended.reason == "OOMKilled" || is_killed_by_probe(observed, &container, &ended);
        let current = observed.is_recent(ended.finished_at, RECENT) && !is_stable(observed, &container);
        let last_words = LastWords::of(observed, &container, &ended);
        (failed && !killed && current).then_some(Self { container, ended, last_words })
    }

    fn pod(&self) -> &'a Object {
        self.container.pod
    }

    fn is_same(&self, observed: &Observed, other: &Self) -> bool {
        self.container.name == other.container.name
            && observed.root_owner(self.pod()) == observed.root_owner(other.pod())
    }

    fn evidence(&self, observed: &Observed) -> Vec<Evidence> {
        let claim = format!("ended {}: {}", ago(observed, self.ended.finished_at), in_words(self.ended.exit_code));
        let exit = Evidence::field(
            claim,
            self.pod().reference(),
            format!("{}.exitCode", self.ended.path),
            self.ended.exit_code.to_string(),
        );
        let mut evidence = vec![exit, self.container.status_evidence("restartCount", "how often it was started again")];
        evidence.extend(self.last_words.iter().flat_map(LastWords::evidence));
        if !self.ended.message.is_empty() {
            let path = format!("{}.message", self.ended.path);
            evidence.push(Evidence::field("its termination message", self.pod().reference(), path, self.ended.message));
        }
        evidence
    }
}

/// The kubelet's signals after a failed probe: the program did not choose to end.
fn is_killed_by_probe(observed: &Observed, container: &Container<'_>, ended: &Termination<'_>) -> bool {
    let killing = |event: &&crate::analyser::observed::Event| {
        event.reason == "Killing"
            && event.message.contains("failed")
            && event.message.contains("probe")
            && event.message.contains(container.name)
    };
    matches!(ended.exit_code, 137 | 143)
        && observed.events_about(&container.pod.reference()).iter().any(killing)
}

fn in_words(exit_code: i64) -> &'static str {
    match exit_code {
        0 => "exit 0, although it should keep running",
        2 => "exit 2, often a misuse of its arguments",
        126 => "exit 126, the command cannot be executed",
        127 | 128 => "the command was not found or could not be started",
        134 => "SIGABRT, the program aborted itself",
        137 => "SIGKILL",
        139 => "SIGSEGV, an invalid memory access",
        143 => "SIGTERM",
        _ => "an error of its own",
    }
}

fn finding(observed: &Observed, group: &[Crash<'_>]) -> Option<Finding> {
    let worst = group.iter().max_by_key(|crash| (crash.last_words.is_some(), crash.container.restart_count()))?;
    let root = observed.root_owner(worst.pod());
    let cause = Cause::of(observed, worst, &root);
    let mut names: Vec<&str> = group.iter().map(|crash| crash.pod().name()).collect();
    names.sort_unstable();
    let mut evidence = worst.evidence(observed);
    let rollout = RecentRollout::behind(observed, worst.pod()).filter(|_| cause.target.same_object(&root));
    let blamed = rollout.as_ref().map_or_else(String::new, |rollout| format!("; since {}", rollout.what));
    let (action_type, hints) = match rollout {
        Some(rollout) => {
            evidence.extend(rollout.evidence);
            (Some("RollbackDeployment"), vec![("ROLLBACK_TO_REVISION", json!(rollout.previous))])
        }
        None => (None, Vec::<(&str, Value)>::new()),
    };
    let container = worst.container.name;
    Some(Finding {
        summary: format!("Container {container} of {root} crashes: {}{blamed}", cause.what),
        affects: pods_and_owners(observed, group.iter().map(Crash::pod)),
        action_type: action_type.map(str::to_owned),
        parameters: parameters(hints),
        causal_chain: vec![
            format!("{}{blamed}", cause.what),
            format!("container {container} ends: {}", in_words(worst.ended.exit_code)),
            format!("the kubelet restarts it with growing delays on {}", enumerate(&names, 3)),
        ],
        evidence,
        strength: cause.strength,
        disposition: if action_type.is_some() { Disposition::Act } else { Disposition::Escalate },
        ..draft("crash_loop", cause.class, &worst.pod().reference(), cause.target)
    })
}

/// Why the program ends.
struct Cause {
    class: CauseClass,
    what: String,
    target: ResourceRef,
    strength: f64,
}

impl Cause {
    fn of(observed: &Observed, crash: &Crash<'_>, root: &ResourceRef) -> Self {
        let own = |class: CauseClass, what: String, strength: f64| Self { class, what, target: root.clone(), strength };
        let Some(words) = &crash.last_words else {
            return match crash.ended.exit_code {
                126..=128 => own(CauseClass::ApplicationConfig, in_words(crash.ended.exit_code).to_owned(), 0.75),
                code => own(CauseClass::ApplicationError, format!("it ends with exit {code} and its log does not tell why"), 0.45),
            };
        };
        match &words.says {
            Says::Configuration => own(CauseClass::ApplicationConfig, format!("it rejects its configuration: {}", words.quote()), 0.9),
            Says::NotPermitted => own(CauseClass::ApplicationConfig, format!("it is not permitted what it needs: {}", words.quote()), 0.8),
            Says::Error => own(CauseClass::ApplicationError, format!("it gives up: {}", words.quote()), 0.75),
            Says::Dependency(address) => {
                let namespace = crash.pod().namespace().unwrap_or_default();
                let target = address.as_ref().and_then(|address| dependency(observed, namespace, address));
                Self {
                    class: CauseClass::DependencyUnavailable,
                    what: format!("something it depends on does not answer: {}", words.quote()),
                    strength: if target.is_some() { 0.8 } else { 0.65 },
                    target: target.unwrap_or_else(|| root.clone()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
