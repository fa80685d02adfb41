//! One YAML file, read whole, as a tree (operations §1.1).

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};
use sha2::{Digest as _, Sha256};

use super::node::{Content, Entry, Node, Origin, Source};
use super::problem::Problem;

/// Largest configuration file read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most values of one file, those that aliases repeat included.
const NODES_MAX: usize = 100_000;

/// A file as it was when it was read.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) root: Node,
    /// SHA-256 of its bytes, 64 hexadecimal digits.
    pub(super) hash: String,
}

/// The bytes of a file of bounded size.
///
/// # Errors
/// It cannot be read, or is too large.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let unreadable = |reason: String| Problem::of_file(path, format!("cannot be read: {reason}"));
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable(format!("{size} bytes, the most is {FILE_BYTES_MAX}")));
    }
    std::fs::read(path).map_err(|error| unreadable(error.to_string()))
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
        text
    })
}

impl Document {
    /// # Errors
    /// What makes the text no configuration at all: one problem with its place.
    pub(super) fn parse(bytes: &[u8], path: &Path, source: Source) -> Result<Self, Problem> {
        let text = std::str::from_utf8(bytes).map_err(|_| Problem::of_file(path, "cannot be read: not UTF-8 text"))?;
        if text.trim().is_empty() {
            return Err(Problem::of_file(path, "the file is empty"));
        }
        let place: Arc<str> = path.display().to_string().into();
        let raw: Spanned<Raw> =
            serde_saphyr::from_str_with_options(text, options()).map_err(|error| unreadable_yaml(path, &error))?;
        let root = raw.value.located(&place, source, raw.referenced);
        match root.content {
            Content::Map(_) => Ok(Self { root, hash: hash(bytes) }),
            Content::Scalar(Value::Null) => Err(Problem::of_file(path, "the file is empty")),
            Content::Scalar(_) | Content::List(_) => {
                Err(Problem::new(&root.origin, "", "the file must be a map of sections".to_owned()))
            }
        }
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        // The words of YAML 1.1 stay texts: whether `off` is one is for the key to say.
        strict_booleans: true,
        budget: serde_saphyr::budget! { max_nodes: NODES_MAX },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: NODES_MAX },
    }
}

fn unreadable_yaml(path: &Path, error: &serde_saphyr::Error) -> Problem {
    let (line, column) = error.location().map_or((0, 0), |location| (location.line(), location.column()));
    let message = error.without_snippet().to_string();
    let message = message.lines().next().unwrap_or_default();
    let reason = message.split(" at line ").next().unwrap_or(message).to_owned();
    let origin = Origin { line, column, ..Origin::named(Source::Main, &path.display().to_string()) };
    Problem::new(&origin, "", reason)
}

/// A value as YAML says it.
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl Raw {
    fn located(self, place: &Arc<str>, source: Source, at: Location) -> Node {
        let origin = |at: Location| Origin {
            source,
            place: Arc::clone(place),
            line: at.line(),
            column: at.column(),
            written: None,
        };
        let below = |item: Spanned<Self>| item.value.located(place, source, item.referenced);
        let content = match self {
            Self::Scalar(value) => Content::Scalar(value),
            Self::List(items) => Content::List(items.into_iter().map(below).collect()),
            Self::Map(entries) => Content::Map(
                entries
                    .into_iter()
                    .map(|(name, item)| Entry { name: name.value, origin: origin(name.referenced), node: below(item) })
                    .collect(),
            ),
        };
        Node { origin: origin(at), content }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Raw, E> {
        let number = serde_json::Number::from_f64(value).map(Value::Number).map(Raw::Scalar);
        number.ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Node, String> {
        let document = Document::parse(text.as_bytes(), Path::new("c.yaml"), Source::Main);
        document.map(|document| document.root).map_err(|problem| problem.to_string())
    }

    #[test]
    fn every_key_and_value_knows_its_place() {
        let root = parsed("a:\n  b: 1\nlist: [x, {k: off}]\nbig: 0.5\nnothing:\n").unwrap();
        let at = |origin: &Origin| (origin.line, origin.column);
        let entry = &root.entries()[0].node.entries()[0];
        assert_eq!((entry.name.as_str(), at(&entry.origin), at(&entry.node.origin)), ("b", (2, 3), (2, 6)));
        let leaves: Vec<_> =
            root.leaves().into_iter().map(|(path, node)| (path.join("."), node.to_value(), at(&node.origin))).collect();
        let expected = [
            ("a.b", Value::from(1), (2, 6)),
            ("list.0", "x".into(), (3, 8)),
            ("list.1.k", "off".into(), (3, 15)),
            ("big", 0.5.into(), (4, 6)),
            ("nothing", Value::Null, (5, 9)),
        ];
        assert_eq!(leaves.len(), expected.len());
        for ((path, value, at), (expected_path, expected_value, expected_at)) in leaves.iter().zip(&expected) {
            assert_eq!((path.as_str(), value), (*expected_path, expected_value));
            assert!(at == expected_at || path == "nothing", "{path} {at:?}");
        }
    }

    #[test]
    fn what_is_no_configuration_is_told_with_its_place() {
        let bomb: String = (1..12)
            .map(|level| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", ")))
            .collect();
        let bomb = format!("a0: &a0 [x]\n{bomb}");
        for (text, told) in [
            ("", "c.yaml: the file is empty"),
            (" \n# only a remark\n", "c.yaml: the file is empty"),
            ("- a\n", "c.yaml:1:1: the file must be a map of sections"),
            ("text\n", "c.yaml:1:1: the file must be a map of sections"),
            ("a: 1\nb: 2\na: 3\n", "c.yaml:3:1: duplicate"),
            ("a: [\n", "c.yaml:"),
            ("a: .inf\n", "c.yaml:1:4: non-finite"),
            (bomb.as_str(), "c.yaml:"),
        ] {
            let problem = parsed(text).unwrap_err();
            assert!(problem.starts_with(told), "{text:.40}: {problem}");
            assert_eq!(problem.lines().count(), 1, "{problem}");
        }
    }

    #[test]
    fn aliases_and_merges_are_followed() {
        let root = parsed("a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\n").unwrap();
        assert_eq!(
            root.to_value(),
            serde_json::json!({"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}, "c": {"x": 1, "y": 3}})
        );
    }
}
