//! What is known of one object or list while its members go by.

use std::ops::Range;

use crate::redaction::arguments::Arguments;
use crate::redaction::counts::Class;
use crate::redaction::secrets::Field;

/// A scalar: the inside of a string, or a bare word.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) range: Range<usize>,
    /// The quote around it; `None` for a bare word.
    pub(super) quote: Option<u8>,
}

/// The name of the member whose value comes next.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) start: usize,
    pub(super) is_quoted: bool,
}

/// A value that is a secret if its object turns out to be one: `kind` stands behind `data`.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) leaf: Leaf,
    pub(super) field: Field,
    pub(super) name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unknown,
    Secret,
    SecretList,
    Other,
}

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) is_map: bool,
    pub(super) key: Option<Key>,
    pub(super) last_comma: Option<usize>,
    pub(super) kind: Kind,
    pub(super) has_secret_type: bool,
    /// The object whose `data` or `stringData` this belongs to.
    pub(super) owner: Option<(usize, Field)>,
    /// A list under `items`, or an object in one.
    pub(super) is_under_items: bool,
    pub(super) candidates: Vec<Candidate>,
    /// Candidates of the objects under `items`, for a list that says its kind last.
    pub(super) item_candidates: Vec<Candidate>,
    pub(super) pair_name: Option<String>,
    pub(super) pair_value: Option<Leaf>,
    pub(super) arguments: Arguments,
    /// The class of all elements, when the name of the list says it.
    pub(super) elements: Option<Class>,
}

impl Frame {
    pub(super) fn new(is_map: bool) -> Self {
        Self {
            is_map,
            key: None,
            last_comma: None,
            kind: Kind::Unknown,
            has_secret_type: false,
            owner: None,
            is_under_items: false,
            candidates: Vec::new(),
            item_candidates: Vec::new(),
            pair_name: None,
            pair_value: None,
            arguments: Arguments::default(),
            elements: None,
        }
    }

    pub(super) fn is_secret(&self) -> bool {
        self.kind == Kind::Secret || (self.kind == Kind::Unknown && self.has_secret_type)
    }
}
