//! Which files of a bundle directory play which part.
//!
//! Names are taken from the path inside the bundle; contents from where it really leads. A symbolic link that leads out
//! of the bundle is reported and not followed; pipes, sockets and devices are never opened; hidden names (a mounted
//! ConfigMap's `..data`, `.git`) are skipped unless a link inside the bundle leads there.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::limits::BundleLimits;
use super::problems::Problems;

/// A file to read.
#[derive(Debug, Clone)]
pub(super) struct FoundFile {
    /// Where it really is: inside the bundle, without links.
    pub(super) path: PathBuf,
    /// Relative to the bundle, for people.
    pub(super) shown: String,
    pub(super) bytes: u64,
    pub(super) modified: Option<SystemTime>,
    pub(super) role: Role,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    Manifest,
    Objects,
    Metrics,
    Log(LogKey),
}

/// One container instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogKey {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) previous: bool,
}

struct Walk<'a> {
    root: &'a Path,
    limits: &'a BundleLimits,
    problems: &'a mut Problems,
    files: Vec<FoundFile>,
    /// Real paths of directories entered and object files taken: a link to one of them adds nothing.
    seen: HashSet<PathBuf>,
    looked_at: usize,
    object_bytes: u64,
}

/// All files of the bundle at `root` (a real path), in the order of their names.
pub(super) fn walk(root: &Path, limits: &BundleLimits, problems: &mut Problems) -> Vec<FoundFile> {
    let mut walk =
        Walk { root, limits, problems, files: Vec::new(), seen: HashSet::new(), looked_at: 0, object_bytes: 0 };
    walk.seen.insert(root.to_path_buf());
    walk.directory(root, &mut Vec::new());
    walk.files
}

impl Walk<'_> {
    /// `names` is the path inside the bundle; recursion is bounded by `directory_depth_max`.
    fn directory(&mut self, directory: &Path, names: &mut Vec<String>) {
        let shown = if names.is_empty() { ".".to_owned() } else { names.join("/") };
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => {
                return self
                    .problems
                    .add(&shown, format_args!("cannot be listed ({}); check its permissions", error.kind()));
            }
        };
        let room = self.limits.files_max.saturating_sub(self.looked_at).saturating_add(1);
        let names_here = entries.filter_map(Result::ok).take(room).map(|entry| entry.file_name());
        let mut names_here: Vec<_> = names_here.collect();
        names_here.sort();
        for name in names_here {
            let Some(name) = name.to_str() else {
                self.problems
                    .add(&shown, format_args!("{} has a name that is not UTF-8; rename it", name.to_string_lossy()));
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            self.looked_at += 1;
            if self.looked_at > self.limits.files_max {
                return self.problems.add(
                    &shown,
                    format_args!(
                        "more than {} files, the rest is not read; put more objects in a file",
                        self.limits.files_max
                    ),
                );
            }
            names.push(name.to_owned());
            self.entry(&directory.join(name), names);
            names.pop();
        }
    }

    fn entry(&mut self, path: &Path, names: &mut Vec<String>) {
        let shown = names.join("/");
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) => {
                return self.problems.add(
                    &shown,
                    format_args!("cannot be opened ({}); mend the link or its permissions", error.kind()),
                );
            }
        };
        if !real.starts_with(self.root) {
            return self
                .problems
                .add(&shown, "a link that leads out of the bundle is not followed; copy its target in");
        }
        match fs::metadata(&real) {
            Ok(metadata) if metadata.is_dir() => self.enter(real, &shown, names),
            Ok(metadata) if metadata.is_file() => self.file(real, shown, &metadata, names),
            Ok(_) => self.problems.add(&shown, "not a regular file; remove it"),
            Err(error) => self
                .problems
                .add(&shown, format_args!("cannot be opened ({}); mend the link or its permissions", error.kind())),
        }
    }

    fn enter(&mut self, real: PathBuf, shown: &str, names: &mut Vec<String>) {
        if names.len() > self.limits.directory_depth_max {
            let depth = self.limits.directory_depth_max;
            return self.problems.add(shown, format_args!("more than {depth} directories deep; move it up"));
        }
        if self.seen.insert(real.clone()) {
            self.directory(&real, names);
        }
    }

    fn file(&mut self, path: PathBuf, shown: String, metadata: &Metadata, names: &[String]) {
        let role = match role(names) {
            Ok(Some(role)) => role,
            Ok(None) => return,
            Err(reason) => return self.problems.add(&shown, reason),
        };
        let bytes = metadata.len();
        let bytes_max = match role {
            Role::Metrics => self.limits.metrics_file_bytes_max,
            Role::Manifest => self.limits.object_bytes_max,
            Role::Objects | Role::Log(_) => self.limits.file_bytes_max,
        };
        if bytes > bytes_max {
            return self
                .problems
                .add(&shown, format_args!("{bytes} bytes, at most {bytes_max} are read; divide or shorten it"));
        }
        if role == Role::Objects {
            if !self.seen.insert(path.clone()) {
                return;
            }
            self.object_bytes = self.object_bytes.saturating_add(bytes);
            if self.object_bytes > self.limits.bundle_bytes_max {
                return self.problems.add(
                    &shown,
                    "the object files are too large together, this one is not read; record fewer kinds or namespaces",
                );
            }
        }
        self.files.push(FoundFile { path, shown, bytes, modified: metadata.modified().ok(), role });
    }
}

/// The part a file plays; `None` for files that are none of ours.
fn role(names: &[String]) -> Result<Option<Role>, &'static str> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let extension = names.last().and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension);
    let extension = extension.unwrap_or_default().to_ascii_lowercase();
    match names.as_slice() {
        ["bundle.yaml" | "bundle.yml" | "bundle.json"] => Ok(Some(Role::Manifest)),
        ["logs", namespace, pod, file] if extension == "log" => Ok(log_key(namespace, pod, file).map(Role::Log)),
        ["logs", ..] if extension == "log" => Err("not read; name it logs/<namespace>/<pod>/<container>.log"),
        ["logs", _, ..] => Ok(None),
        ["metrics", _, ..] => Ok((extension == "json").then_some(Role::Metrics)),
        _ => Ok(matches!(extension.as_str(), "yaml" | "yml" | "json").then_some(Role::Objects)),
    }
}

fn log_key(namespace: &str, pod: &str, file: &str) -> Option<LogKey> {
    let stem = file.get(..file.len().checked_sub(".log".len())?)?;
    let (container, previous) = stem.strip_suffix(".previous").map_or((stem, false), |container| (container, true));
    let owned = str::to_owned;
    Some(LogKey { namespace: owned(namespace), pod: owned(pod), container: owned(container), previous })
}
