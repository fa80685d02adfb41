//! What must never leave: secrets are taken out of everything on its way to a model, a store or a log (investigation §8).
//!
//! # How
//!
//! A text is looked at in one pass ([`pass`]): `keywords` finds the places worth a look, `braces` reads JSON and its
//! relatives by structure, `lines` reads YAML by indentation, `pem` reads keys and certificates, `patterns` and
//! `assignments` look at what is left, line by line. Each reports [`span`]s of the original text; what overlaps is replaced
//! as one. Passes repeat until nothing is found, which makes redaction idempotent. Parsed data is walked by `structure`
//! under the same rules.
//!
//! # What stays
//!
//! What diagnosis lives on: names of Secrets and of their keys, references to them, empty values, paths, images, digests,
//! addresses, and what error messages say about credentials. Placeholders compare: the same secret shows the same tag
//! within one investigation, whether it stood in a Secret in base64 or in an environment variable.
//!
//! Texts that try to give instructions are marked, not deleted: [`injection`].

pub mod annotations;
mod arguments;
mod assignments;
mod braces;
mod certificate;
mod counts;
mod escape;
pub mod injection;
mod keywords;
mod lines;
mod names;
mod pass;
mod patterns;
mod pem;
mod pii;
mod placeholder;
mod rules;
mod secrets;
mod span;
mod structure;
mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use counts::{Class, Counts};

use pass::Pass;
use placeholder::Tagger;

/// Most passes over one text. Two are usual: one that replaces, one that finds nothing more.
const PASSES_MAX: usize = 8;

/// Takes secrets out. One per investigation: its key makes placeholders comparable inside and meaningless outside.
#[derive(Debug, Clone)]
pub struct Redactor {
    tagger: Arc<Tagger>,
    personal_data: bool,
    replaced: Arc<AtomicU64>,
}

/// Section `redact` of the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedactConfig {
    /// Whether e-mail and IPv4 addresses are taken out of what a model sees. Default false: without them a network cannot
    /// be diagnosed.
    pub pii: bool,
}

/// A text without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    pub text: String,
    pub counts: Counts,
}

impl Redactor {
    pub fn new(key: [u8; 32]) -> Self {
        Self { tagger: Arc::new(Tagger::new(key)), personal_data: false, replaced: Arc::default() }
    }

    /// The same placeholders, counted apart.
    #[must_use]
    pub fn counted_apart(&self) -> Self {
        Self { replaced: Arc::default(), ..self.clone() }
    }

    /// How many values this redactor and its clones replaced so far.
    pub fn replaced(&self) -> u64 {
        self.replaced.load(Ordering::Relaxed)
    }

    /// Whether e-mail and IPv4 addresses go as well.
    #[must_use]
    pub fn with_personal_data(self, personal_data: bool) -> Self {
        Self { personal_data, ..self }
    }

    fn pass(&self) -> Pass<'_> {
        Pass::new(&self.tagger, self.personal_data)
    }

    /// Redacts data in place: Secrets in any nesting, name and value pairs, embedded manifests, every text by pattern.
    /// The annotation of the last applied manifest is removed.
    pub fn value(&self, value: &mut Value) -> Counts {
        let mut counts = Counts::default();
        for _ in 0..PASSES_MAX {
            let found = structure::redact(self.pass(), value);
            if found.is_empty() {
                break;
            }
            counts.merge(&found);
        }
        self.count(&counts);
        counts
    }

    /// Redacts a text of any kind: JSON (which stays valid), YAML, logs, and any of them inside another.
    pub fn text(&self, text: &str) -> Redacted {
        let mut redacted = Redacted { text: text.to_owned(), counts: Counts::default() };
        for _ in 0..PASSES_MAX {
            let Some((text, counts)) = self.pass().text(&redacted.text) else { break };
            redacted.text = text;
            redacted.counts.merge(&counts);
        }
        self.count(&redacted.counts);
        redacted
    }

    fn count(&self, counts: &Counts) {
        if !counts.is_empty() {
            self.replaced.fetch_add(counts.total(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
