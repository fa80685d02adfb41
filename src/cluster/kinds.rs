//! What people and models call a kind, resolved against the kinds a cluster has (investigation §4.3).
//!
//! Accepted: Kind, plural, singular, short name, `name.group` and `name.version.group`, in any case. Short names count
//! only when nothing matches by Kind, plural or singular. A kind in several groups is ambiguous unless an API version
//! (or a bare group) says which; groups that show another group's objects again ([`MIRROR_GROUPS`]) do not count.

pub(crate) mod standard;

use super::{ApiKind, ClusterError};

/// Groups that repeat or shadow kinds of other groups: they are meant only when named.
const MIRROR_GROUPS: &[&str] = &["events.k8s.io", "extensions", "metrics.k8s.io"];

/// Longest name of a kind looked up (bytes); longer ones are unknown.
const KIND_NAME_BYTES_MAX: usize = 320;

/// Most near names in [`ClusterError::UnknownKind`].
const SUGGESTIONS_MAX: usize = 3;

/// Least Jaro-Winkler similarity of a suggestion.
const SUGGESTION_SIMILARITY_MIN: f64 = 0.83;

/// One kind of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownKind {
    /// Empty for the core group.
    pub(crate) group: String,
    /// Preferred first; never empty.
    pub(crate) versions: Vec<String>,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) namespaced: bool,
}

impl KnownKind {
    /// A kind of which only an object was seen: names are guessed.
    pub(crate) fn guessed(group: &str, version: &str, kind: &str, namespaced: bool) -> Self {
        Self {
            group: group.to_owned(),
            versions: vec![version.to_owned()],
            kind: kind.to_owned(),
            plural: plural_of(kind),
            singular: kind.to_lowercase(),
            short_names: Vec::new(),
            namespaced,
        }
    }

    /// As this kind in `version`, or in the preferred one when it is not served there.
    pub(crate) fn api_kind(&self, version: Option<&str>) -> ApiKind {
        let served = version.filter(|version| self.versions.iter().any(|known| known == version));
        let version = served.or_else(|| self.versions.first().map(String::as_str)).unwrap_or_default();
        ApiKind {
            api_version: join_api_version(&self.group, version),
            kind: self.kind.clone(),
            plural: self.plural.clone(),
            namespaced: self.namespaced,
        }
    }

    fn is_called(&self, name: &str) -> bool {
        [&self.kind, &self.plural, &self.singular].iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    fn is_short(&self, name: &str) -> bool {
        self.short_names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// `Pod`, `Certificate.cert-manager.io`.
    fn qualified(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }
}

/// The kinds of one cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct KindIndex {
    kinds: Vec<KnownKind>,
}

/// A kind that fits a name, and the version it was asked for in.
pub(crate) type Candidate<'a> = (&'a KnownKind, Option<String>);

impl KindIndex {
    pub(crate) fn new(kinds: impl IntoIterator<Item = KnownKind>) -> Self {
        Self { kinds: kinds.into_iter().filter(|kind| !kind.versions.is_empty()).collect() }
    }

    /// The one kind this name means.
    ///
    /// # Errors
    /// `UnknownKind`, `AmbiguousKind`.
    pub(crate) fn resolve(&self, name: &str, api_version: Option<&str>) -> Result<ApiKind, ClusterError> {
        match self.candidates(name, api_version)?.as_slice() {
            [(kind, version)] => Ok(kind.api_kind(version.as_deref())),
            several => Err(ambiguous(name, several.iter().map(|(kind, version)| kind.api_kind(version.as_deref())))),
        }
    }

    /// Every kind this name can mean, one per group; never empty.
    ///
    /// # Errors
    /// `UnknownKind` with near names.
    pub(crate) fn candidates(&self, name: &str, api_version: Option<&str>) -> Result<Vec<Candidate<'_>>, ClusterError> {
        let asked = AskedKind::parse(name, api_version);
        let mut found = self.matching(&asked, KnownKind::is_called);
        if found.is_empty() {
            found = self.matching(&asked, KnownKind::is_short);
        }
        if found.len() > 1 && asked.group.is_none() {
            let primary = |kind: &&KnownKind| !MIRROR_GROUPS.contains(&kind.group.as_str());
            if found.iter().any(primary) {
                found.retain(primary);
            }
        }
        if found.is_empty() {
            return Err(ClusterError::UnknownKind { name: name.chars().take(80).collect(), known: self.near(&asked) });
        }
        Ok(found.into_iter().map(|kind| (kind, asked.version.map(str::to_owned))).collect())
    }

    fn matching(&self, asked: &AskedKind<'_>, fits: fn(&KnownKind, &str) -> bool) -> Vec<&KnownKind> {
        if asked.name.is_empty() || asked.name.len() > KIND_NAME_BYTES_MAX {
            return Vec::new();
        }
        let in_group = |kind: &KnownKind| asked.group.is_none_or(|group| kind.group.eq_ignore_ascii_case(group));
        self.kinds.iter().filter(|kind| fits(kind, asked.name) && in_group(kind)).collect()
    }

    /// Kinds with this name in other groups, else kinds whose name is close.
    fn near(&self, asked: &AskedKind<'_>) -> Vec<String> {
        let wanted: String = asked.name.chars().take(KIND_NAME_BYTES_MAX).collect::<String>().to_ascii_lowercase();
        let similarity = |kind: &KnownKind| {
            let names = [&kind.singular, &kind.plural].into_iter().chain(&kind.short_names);
            names.map(|known| strsim::jaro_winkler(known, &wanted)).fold(0.0, f64::max)
        };
        let mut scored: Vec<(f64, &KnownKind)> = self.kinds.iter().map(|kind| (similarity(kind), kind)).collect();
        scored.retain(|(score, _)| *score >= SUGGESTION_SIMILARITY_MIN);
        scored.sort_by(|(a, first), (b, second)| b.total_cmp(a).then_with(|| first.kind.cmp(&second.kind)));
        scored.into_iter().take(SUGGESTIONS_MAX).map(|(_, kind)| kind.qualified()).collect()
    }
}

/// The error for a name that several groups know.
pub(crate) fn ambiguous(name: &str, kinds: impl IntoIterator<Item = ApiKind>) -> ClusterError {
    let groups = kinds.into_iter().map(|kind| kind.api_version).collect();
    ClusterError::AmbiguousKind { name: name.chars().take(80).collect(), groups }
}

/// A name taken apart.
struct AskedKind<'a> {
    name: &'a str,
    /// `Some("")` is the core group.
    group: Option<&'a str>,
    version: Option<&'a str>,
}

impl<'a> AskedKind<'a> {
    fn parse(name: &'a str, api_version: Option<&'a str>) -> Self {
        let name = name.trim();
        let (name, suffix) = name.split_once('.').map_or((name, None), |(name, rest)| (name, Some(rest)));
        let mut asked = Self { name, group: None, version: None };
        if let Some(suffix) = suffix {
            let (first, rest) = suffix.split_once('.').unwrap_or((suffix, ""));
            (asked.group, asked.version) =
                if is_version(first) { (Some(rest), Some(first)) } else { (Some(suffix), None) };
        }
        if let Some(api_version) = api_version.map(str::trim).filter(|text| !text.is_empty()) {
            let (group, version) = split_group(api_version);
            (asked.group, asked.version) = (Some(group), version);
        }
        asked
    }
}

/// `apps/v1` → (`apps`, `v1`), `v1` → (core, `v1`), `apps` → (`apps`, none).
fn split_group(api_version: &str) -> (&str, Option<&str>) {
    match api_version.split_once('/') {
        Some((group, version)) => (group, Some(version)),
        None if is_version(api_version) => ("", Some(api_version)),
        None => (api_version, None),
    }
}

/// Group and version of an object's `apiVersion`.
pub(crate) fn group_and_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

pub(crate) fn join_api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// `v1`, `v2beta3`: what Kubernetes calls a version.
fn is_version(text: &str) -> bool {
    version_rank(text).is_some()
}

/// Orders versions of a group as Kubernetes does: stable over beta over alpha, then by number. `None` for other texts.
pub(crate) fn version_rank(version: &str) -> Option<(u8, u32, u32)> {
    let rest = version.strip_prefix('v')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, stage) = rest.split_at_checked(digits)?;
    let major = major.parse().ok()?;
    let staged = |level, number: &str| Some((level, major, number.parse().ok()?));
    match stage {
        "" => Some((2, major, 0)),
        _ => stage
            .strip_prefix("beta")
            .and_then(|number| staged(1, number))
            .or_else(|| stage.strip_prefix("alpha").and_then(|number| staged(0, number))),
    }
}

/// The usual plural of a kind: `Rollout` → `rollouts`, `Policy` → `policies`, `Gateway` → `gateways`.
pub(crate) fn plural_of(kind: &str) -> String {
    let kind = kind.to_lowercase();
    let hissing = ["s", "x", "z", "ch", "sh"].iter().any(|ending| kind.ends_with(ending));
    let vowel_before_y = ["ay", "ey", "iy", "oy", "uy"].iter().any(|ending| kind.ends_with(ending));
    match kind.strip_suffix('y') {
        Some(stem) if !vowel_before_y => format!("{stem}ies"),
        _ if hissing => format!("{kind}es"),
        _ => format!("{kind}s"),
    }
}

/// Whether a text can be the name of an object or namespace and so one segment of a path.
pub(crate) fn is_object_name(name: &str) -> bool {
    const NAME_BYTES_MAX: usize = 253;
    let letter = |c: char| c.is_ascii_alphanumeric() || "-._:~@".contains(c);
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(letter) && name != "." && name != ".."
}

#[cfg(test)]
mod tests;
