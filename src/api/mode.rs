//! Whether a submission is answered with a session or with the result (http-api §1.4). Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The two forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// 202 and a session to poll.
    #[default]
    Async,
    /// 200 and the result.
    Sync,
}

/// What happens to one submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Async,
    Sync {
        wait: Duration,
    },
    /// The result when it is there in time, else the session.
    Hybrid {
        wait: Duration,
    },
}

/// The mode, and the preferences that decided it (`Preference-Applied`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) mode: Mode,
    pub(super) applied: Option<String>,
}

/// What `Prefer` asks for; what is not understood does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Preferences {
    respond_async: bool,
    wait_seconds: Option<u64>,
}

impl Preferences {
    /// Reads the values of all `Prefer` headers. The first of several equal names counts.
    pub(super) fn read<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut preferences = Self::default();
        for preference in values.flat_map(|value| value.split(',')) {
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            // Parameters of a preference follow a semicolon.
            let value = value.split(';').next().unwrap_or_default().trim().trim_matches('"');
            match name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
                "respond-async" => preferences.respond_async = true,
                "wait" => preferences.wait_seconds = preferences.wait_seconds.or(value.parse().ok()),
                _ => {}
            }
        }
        preferences
    }
}

/// The table of http-api §1.4. `otherwise` is what the body asks for; nobody waits longer than `wait_max`.
pub(super) fn choose(query: Option<Form>, preferences: Preferences, otherwise: Form, wait_max: Duration) -> Choice {
    let waiting = |seconds: u64| {
        let wait = Duration::from_secs(seconds).min(wait_max);
        (wait, format!("wait={}", seconds.min(wait_max.as_secs().max(1))))
    };
    let plain = |form: Form| match form {
        Form::Async => Mode::Async,
        Form::Sync => Mode::Sync { wait: wait_max },
    };
    let (mode, applied) = match (query, preferences.respond_async, preferences.wait_seconds) {
        (Some(form), ..) => (plain(form), None),
        (None, true, Some(seconds)) => {
            let (wait, applied) = waiting(seconds);
            (Mode::Hybrid { wait }, Some(format!("respond-async, {applied}")))
        }
        (None, true, None) => (Mode::Async, Some("respond-async".to_owned())),
        (None, false, Some(seconds)) => {
            let (wait, applied) = waiting(seconds);
            (Mode::Sync { wait }, Some(applied))
        }
        (None, false, None) => (plain(otherwise), None),
    };
    Choice { mode, applied }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn the_table_of_modes() {
        let seconds = Duration::from_secs;
        let sync = |wait| Mode::Sync { wait: seconds(wait) };
        let hybrid = |wait| Mode::Hybrid { wait: seconds(wait) };
        for (query, prefer, otherwise, mode, applied) in [
            (None, &[][..], Form::Async, Mode::Async, None),
            (None, &[], Form::Sync, sync(60), None),
            (Some(Form::Sync), &["respond-async"], Form::Async, sync(60), None),
            (Some(Form::Async), &["wait=5"], Form::Sync, Mode::Async, None),
            (None, &["respond-async, wait=5"], Form::Sync, hybrid(5), Some("respond-async, wait=5")),
            (None, &["wait=5", "Respond-Async"], Form::Sync, hybrid(5), Some("respond-async, wait=5")),
            (None, &["respond-async"], Form::Sync, Mode::Async, Some("respond-async")),
            (None, &["wait=5"], Form::Async, sync(5), Some("wait=5")),
            (None, &["wait=\"5\"; x=y"], Form::Async, sync(5), Some("wait=5")),
            (None, &["wait=7, wait=9"], Form::Async, sync(7), Some("wait=7")),
            (None, &["wait=999"], Form::Async, sync(60), Some("wait=60")),
            (None, &["wait=soon, handling=lenient, return=minimal"], Form::Async, Mode::Async, None),
            (None, &["wait=-1"], Form::Sync, sync(60), None),
        ] {
            let preferences = Preferences::read(prefer.iter().copied());
            let choice = choose(query, preferences, otherwise, LIMIT);
            assert_eq!((choice.mode, choice.applied.as_deref()), (mode, applied), "{query:?} {prefer:?}");
        }
    }
}
