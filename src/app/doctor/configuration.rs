//! The configuration itself: that it holds together, and what it says in words that are going away.

use tokio::time::Instant;

use super::Examination;
use super::report::{Area, Check};
use super::rows::{Finding, Rows};

pub(super) fn check(examination: &Examination, until: Instant) -> Vec<Check> {
    let config = &examination.config;
    let mut rows = Rows::of(Area::Configuration, until);
    rows.note(
        "file",
        match (&examination.file, config.check()) {
            (Some(file), Ok(())) => Finding::ok(format!("{}: every key is known", file.display())),
            (None, Ok(())) => Finding::ok(
                "nothing is configured: the analyser answers without a model, the workflows are the compiled-in ones, \
                 audit events stay on this machine",
            ),
            (_, Err(reason)) => Finding::failed(reason, "Correct the keys named."),
        },
    );
    for notice in config.notices() {
        rows.note(
            "notice",
            Finding::warning(notice, "Nothing breaks today; write what the notice says, or leave the key out."),
        );
    }
    if config.llm.as_ref().is_some_and(|llm| llm.api_key.is_some()) {
        rows.note(
            "key in the file",
            Finding::warning(
                "llm.api_key holds the key itself, and configuration files are not secret",
                "Put the key into a file of its own and name that in llm.api_key_file.",
            ),
        );
    }
    rows.into_checks()
}
