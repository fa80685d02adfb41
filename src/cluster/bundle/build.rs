//! Builds the index: takes every file apart, parses each object once, keeps its entry and lets the object go.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::index::{Entry, EventEntry, Index, Location};
use super::kinds_seen::KindsSeen;
use super::limits::BundleLimits;
use super::observed::{last_seen, newest_time};
use super::parse::{Notation, ParseError, parse};
use super::problems::Problems;
use super::split::{Document, Format, Items, Piece, Split, split, split_yaml};
use super::walk::FoundFile;
use crate::cluster::kinds::group_and_version;
use crate::domain::object::{at, text, text_map};

/// Lists inside lists followed.
const LIST_DEPTH_MAX: usize = 4;

/// Bytes read at a time while a file is taken apart.
const READ_BYTES: usize = 256 * 1024;

/// Numbers for (group, kind).
#[derive(Debug, Default)]
pub(super) struct KindTable {
    ids: HashMap<(Arc<str>, Arc<str>), u32>,
}

impl KindTable {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn id(&self, group: &str, kind: &str) -> Option<u32> {
        self.ids.get(&(Arc::from(group), Arc::from(kind))).copied()
    }

    fn id_or_new(&mut self, group: Arc<str>, kind: Arc<str>) -> u32 {
        let next = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        *self.ids.entry((group, kind)).or_insert(next)
    }
}

/// Equal texts share one allocation.
#[derive(Debug, Default)]
struct Interner(HashSet<Arc<str>>);

impl Interner {
    fn intern(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = Arc::from(text);
        self.0.insert(new.clone());
        new
    }
}

/// The file a piece is in.
struct Source<'a> {
    id: u32,
    shown: &'a str,
    file: File,
}

/// An index under construction.
pub(super) struct Builder<'a> {
    limits: &'a BundleLimits,
    problems: &'a mut Problems,
    texts: Interner,
    table: KindTable,
    seen: KindsSeen,
    entries: Vec<Entry>,
    namespaces: BTreeSet<Arc<str>>,
    newest: Option<Timestamp>,
    full: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn new(limits: &'a BundleLimits, problems: &'a mut Problems) -> Self {
        Self {
            limits,
            problems,
            texts: Interner::default(),
            table: KindTable::default(),
            seen: KindsSeen::default(),
            entries: Vec::new(),
            namespaces: BTreeSet::new(),
            newest: None,
            full: false,
        }
    }

    pub(super) fn problems(&mut self) -> &mut Problems {
        self.problems
    }

    pub(super) fn saw_time(&mut self, time: Option<Timestamp>) {
        self.newest = self.newest.max(time);
    }

    pub(super) fn saw_namespace(&mut self, namespace: &str) {
        let namespace = self.texts.intern(namespace);
        self.namespaces.insert(namespace);
    }

    pub(super) fn build(self) -> Index {
        Index::new(self.entries, self.table, self.seen.into_index(), self.namespaces, self.newest)
    }

    /// Indexes the objects of one file.
    pub(super) fn add_file(&mut self, id: u32, found: &FoundFile) {
        if self.full {
            return;
        }
        match self.take_apart(found) {
            Ok((split, file)) => {
                let mut source = Source { id, shown: &found.shown, file };
                if let Some(problem) = &split.problem {
                    self.problems.add_at(&found.shown, problem.line, problem.reason);
                }
                split.documents.iter().for_each(|document| self.document(&mut source, document));
            }
            Err(error) => self
                .problems
                .add(&found.shown, format_args!("cannot be read ({}); check its permissions", error.kind())),
        }
    }

    fn take_apart(&self, found: &FoundFile) -> std::io::Result<(Split, File)> {
        let room = self.limits.objects_max.saturating_sub(self.entries.len());
        let mut file = File::open(&found.path)?;
        let mut divided = split(BufReader::with_capacity(READ_BYTES, file.try_clone()?), room)?;
        let is_json = |piece: &Piece| {
            let small = piece.bytes <= self.limits.object_bytes_max;
            small
                && read_piece(&mut file, piece.start, piece.bytes)
                    .is_ok_and(|text| parse(Notation::Json, &text).is_ok())
        };
        if !found.shown.ends_with(".json") && divided.is_only_like_json(is_json) {
            file.seek(SeekFrom::Start(0))?;
            divided = split_yaml(BufReader::with_capacity(READ_BYTES, file.try_clone()?), room)?;
        }
        Ok((divided, file))
    }

    fn document(&mut self, source: &mut Source<'_>, document: &Document) {
        let items = match &document.items {
            Items::Member(items) | Items::Sequence(items) if document.is_list() => items,
            _ => return self.whole_document(source, document),
        };
        let header = Header::of_list(document);
        let notation = match document.format {
            Format::Json => Notation::Json,
            Format::Yaml => Notation::YamlItem,
        };
        let mut broken = Vec::new();
        for item in items {
            match self.read(source, item, notation, self.limits.object_bytes_max) {
                Ok(value) => self.value(source, item, notation, &value, &header, &mut Vec::new()),
                // Anchors may be defined in another item: only the whole document tells.
                Err(error) if error.needs_context && self.fits_whole(document) => {
                    let first = self.entries.len();
                    self.whole_document(source, document);
                    return self.forget_repeated(source.id, document, first);
                }
                Err(error) => broken.push((*item, error)),
            }
        }
        for (item, error) in broken {
            self.report(source, &item, &error);
        }
    }

    /// Removes items of this document that were indexed before it was parsed as a whole.
    fn forget_repeated(&mut self, file: u32, document: &Document, whole_from: usize) {
        let inside = |entry: &Entry| {
            let start = entry.location.start;
            entry.location.file == file
                && start >= document.whole.start
                && start < document.whole.start + document.whole.bytes
        };
        let mut position = 0;
        self.entries.retain(|entry| {
            position += 1;
            position > whole_from || !inside(entry)
        });
    }

    fn fits_whole(&self, document: &Document) -> bool {
        document.whole.bytes <= self.limits.document_bytes_max
    }

    fn whole_document(&mut self, source: &mut Source<'_>, document: &Document) {
        let (notation, bytes_max) = match (document.format, &document.items) {
            (Format::Json, _) => (Notation::Json, self.limits.object_bytes_max),
            (Format::Yaml, Items::None) => (Notation::YamlDocument, self.limits.object_bytes_max),
            (Format::Yaml, _) => (Notation::YamlDocument, self.limits.document_bytes_max),
        };
        match self.read(source, &document.whole, notation, bytes_max) {
            Ok(Value::Null) => {}
            Ok(value) => {
                self.value(source, &document.whole, notation, &value, &Header::default(), &mut Vec::new());
            }
            Err(error) => self.report(source, &document.whole, &error),
        }
    }

    fn report(&mut self, source: &Source<'_>, piece: &Piece, error: &ParseError) {
        let line = piece.line + error.line.unwrap_or(1).saturating_sub(1);
        self.problems.add_at(source.shown, line, format_args!("{}; mend or record this object again", error.reason));
    }

    fn read(
        &self,
        source: &mut Source<'_>,
        piece: &Piece,
        notation: Notation,
        bytes_max: u64,
    ) -> Result<Value, ParseError> {
        let plain = |reason: String| ParseError { line: None, reason: reason.into(), needs_context: false };
        if piece.bytes > bytes_max {
            return Err(plain(format!(
                "{} bytes in one object, at most {bytes_max} are read; shorten it or leave it out",
                piece.bytes
            )));
        }
        let bytes = read_piece(&mut source.file, piece.start, piece.bytes);
        parse(
            notation,
            &bytes.map_err(|error| plain(format!("cannot be read ({}); check its permissions", error.kind())))?,
        )
    }

    /// Indexes a parsed value: an object, or a list of values.
    fn value(
        &mut self,
        source: &Source<'_>,
        piece: &Piece,
        notation: Notation,
        value: &Value,
        header: &Header,
        path: &mut Vec<u32>,
    ) {
        if let Some((items, header)) = list_items(value) {
            if path.len() >= LIST_DEPTH_MAX {
                return self.problems.add_at(
                    source.shown,
                    piece.line,
                    "lists inside lists, too deep; record plain lists",
                );
            }
            for (position, item) in (0_u32..).zip(items) {
                path.push(position);
                self.value(source, piece, notation, item, &header, path);
                path.pop();
            }
            return;
        }
        let location = Location {
            file: source.id,
            start: piece.start,
            bytes: u32::try_from(piece.bytes).unwrap_or(u32::MAX),
            line: piece.line,
            notation,
            path: path.as_slice().into(),
        };
        if let Err(reason) = self.object(value, header, location) {
            self.problems.add_at(source.shown, piece.line, reason);
        }
    }

    fn object(&mut self, value: &Value, header: &Header, location: Location) -> Result<(), &'static str> {
        if self.entries.len() >= self.limits.objects_max {
            let reason = "more objects than are read, the rest is skipped; record fewer kinds or namespaces";
            return if std::mem::replace(&mut self.full, true) { Ok(()) } else { Err(reason) };
        }
        let kind = non_empty(text(value, "kind"))
            .or(header.kind.as_deref())
            .ok_or("an object without kind; record it with kubectl get -o yaml, or remove the file")?;
        let name = non_empty(text(value, "metadata.name"))
            .ok_or("an object without metadata.name; record it with kubectl get -o yaml, or remove the file")?;
        let given = non_empty(text(value, "apiVersion")).or(header.api_version.as_deref());
        let api_version = given.or_else(|| self.seen.usual_api_version(kind)).unwrap_or_default().to_owned();
        let namespace = non_empty(text(value, "metadata.namespace"));
        self.seen.add_object(&api_version, kind, value);
        let entry = self.entry(value, kind, &api_version, namespace, name, location);
        self.newest = self.newest.max(newest_time(value));
        if let Some(namespace) = &entry.namespace {
            self.namespaces.insert(namespace.clone());
        } else if kind == "Namespace" && api_version == "v1" {
            self.namespaces.insert(entry.name.clone());
        }
        self.entries.push(entry);
        Ok(())
    }

    fn entry(
        &mut self,
        value: &Value,
        kind: &str,
        api_version: &str,
        namespace: Option<&str>,
        name: &str,
        location: Location,
    ) -> Entry {
        let texts = &mut self.texts;
        let (group, _) = group_and_version(api_version);
        let labels = text_map(at(value, "metadata.labels")).into_iter();
        let event = (kind == "Event").then(|| {
            let about = value.get("involvedObject").or_else(|| value.get("regarding")).unwrap_or(&Value::Null);
            Box::new(EventEntry {
                kind: texts.intern(&text(about, "kind").to_lowercase()),
                namespace: non_empty(text(about, "namespace")).map(|namespace| texts.intern(namespace)),
                name: texts.intern(text(about, "name")),
                last_seen: last_seen(value),
            })
        });
        Entry {
            kind: self.table.id_or_new(texts.intern(group), texts.intern(kind)),
            kind_name: texts.intern(kind),
            api_version: texts.intern(api_version),
            namespace: namespace.map(|namespace| texts.intern(namespace)),
            name: Arc::from(name),
            labels: labels.map(|(key, value)| (texts.intern(key), texts.intern(value))).collect(),
            location,
            resource_version: text(value, "metadata.resourceVersion").parse().unwrap_or(0),
            event,
        }
    }
}

/// What a list says about items that do not say it themselves (`PodList` from the raw API).
#[derive(Debug, Clone, Default)]
struct Header {
    kind: Option<String>,
    api_version: Option<String>,
}

impl Header {
    fn of_list(document: &Document) -> Self {
        Self::new(document.kind.as_deref(), document.api_version.as_deref())
    }

    fn new(kind: Option<&str>, api_version: Option<&str>) -> Self {
        let item_kind = kind.and_then(|kind| kind.strip_suffix("List")).filter(|kind| !kind.is_empty());
        let api_version = api_version.filter(|_| item_kind.is_some());
        Self { kind: item_kind.map(str::to_owned), api_version: api_version.map(str::to_owned) }
    }
}

/// Elements of a list value and what it says about them; `None` for objects.
fn list_items(value: &Value) -> Option<(&Vec<Value>, Header)> {
    if let Value::Array(items) = value {
        return Some((items, Header::default()));
    }
    let kind = value.get("kind").and_then(Value::as_str);
    let items = value.get("items")?.as_array()?;
    let is_list = kind.is_none_or(|kind| kind.ends_with("List"));
    is_list.then(|| (items, Header::new(kind, value.get("apiVersion").and_then(Value::as_str))))
}

/// The element that a [`Location::path`] leads to.
pub(super) fn follow(value: Value, path: &[u32]) -> Option<Value> {
    path.iter().try_fold(value, |value, position| {
        let items = match value {
            Value::Array(items) => items,
            Value::Object(mut members) => match members.swap_remove("items")? {
                Value::Array(items) => items,
                _ => return None,
            },
            _ => return None,
        };
        items.into_iter().nth(*position as usize)
    })
}

pub(super) fn read_piece(file: &mut File, start: u64, bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut buffer)?;
    Ok(buffer)
}

fn non_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
