//! Pages towards the model (investigation §4.2.1): cursors, no total counts. Pure.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::tools::Invocation;

/// Entries of a page when the model names no number.
const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: usize = 100;

/// Part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    offset: usize,
    limit: usize,
    total: usize,
}

/// What a cursor says.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    o: i64,
    l: i64,
}

impl Page {
    /// From a cursor, else offset and limit; what cannot be read means the first page.
    pub(super) fn of(call: Invocation<'_>, total: usize) -> Self {
        let number = |name: &str| call.number(name).and_then(|number| usize::try_from(number).ok());
        let (offset, limit) = match call.text("cursor") {
            Some(cursor) => decode(cursor).unwrap_or((0, LIMIT_DEFAULT)),
            None => (number("offset").unwrap_or(0), number("limit").unwrap_or(LIMIT_DEFAULT)),
        };
        Self { offset: offset.min(total), limit: limit.clamp(1, LIMIT_MAX), total }
    }

    pub(super) fn slice<'a, T>(&self, all: &'a [T]) -> &'a [T] {
        let end = self.offset.saturating_add(self.limit).min(all.len());
        all.get(self.offset..end).unwrap_or_default()
    }

    /// Adds `pagination`, unless there is only one page.
    pub(super) fn add_to(&self, answer: &mut Value) {
        let has_next = self.offset.saturating_add(self.limit) < self.total;
        let has_previous = self.offset > 0;
        let Some(members) = answer.as_object_mut().filter(|_| has_next || has_previous) else { return };
        let mut pagination = Map::new();
        pagination.insert("hasNext".to_owned(), has_next.into());
        pagination.insert("hasPrevious".to_owned(), has_previous.into());
        if has_next {
            let next = self.cursor(self.offset.saturating_add(self.limit));
            pagination.insert("nextCursor".to_owned(), next.into());
        }
        if has_previous {
            let previous = self.cursor(self.offset.saturating_sub(self.limit));
            pagination.insert("previousCursor".to_owned(), previous.into());
        }
        members.insert("pagination".to_owned(), Value::Object(pagination));
    }

    fn cursor(&self, offset: usize) -> String {
        let text = json!({"o": offset, "l": self.limit}).to_string();
        Base64UrlUnpadded::encode_string(text.as_bytes())
    }
}

fn decode(cursor: &str) -> Option<(usize, usize)> {
    let bytes = Base64UrlUnpadded::decode_vec(cursor).ok()?;
    let Cursor { o, l } = serde_json::from_slice(&bytes).ok()?;
    let limit = usize::try_from(l).ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).unwrap_or(LIMIT_DEFAULT);
    Some((usize::try_from(o).unwrap_or(0), limit))
}
