//! House rules checked by reading the sources and the dependency graph.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rooms from the outermost to the innermost; a room may use only rooms of later rows.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["app"],
    &["config"],
    &["api"],
    &["sessions"],
    &["recording"],
    &["investigation"],
    &["analyser", "tools"],
    &["enrichment"],
    &["catalogue"],
    &["metering"],
    &["cluster", "audit", "auth", "llm"],
    &["datastorage", "store"],
    &["service_account"],
    &["redaction", "retry", "settings", "telemetry"],
    &["domain"],
];

/// Which rooms may name which crate.
const CRATE_OWNERS: &[(&str, &[&str])] = &[
    ("axum", &["api"]),
    ("utoipa", &["api"]),
    ("kube", &["cluster", "auth"]),
    ("k8s_openapi", &["cluster", "auth"]),
    ("sqlx", &["store"]),
    ("anyhow", &["main", "cli"]),
    ("clap", &["main", "cli"]),
    ("prometheus", &["telemetry"]),
];

/// Files that do no I/O and take the clock as an argument.
const PURE: &[&str] = &[
    "src/domain/",
    "src/redaction/",
    "src/redaction.rs",
    "src/retry.rs",
    "src/retry/",
    "src/audit/circuit.rs",
    "src/audit/classify.rs",
    "src/audit/parcel.rs",
    "src/audit/schedule.rs",
    "src/audit/schedule/",
    "src/analyser/signatures/",
    "src/analyser/ranking.rs",
    "src/catalogue/matching.rs",
    "src/catalogue/signal.rs",
    "src/catalogue/remote/records.rs",
    "src/audit/content.rs",
    "src/audit/envelope.rs",
    "src/audit/event.rs",
    "src/audit/profile.rs",
    "src/audit/response.rs",
    "src/audit/rules",
    "src/enrichment/spec_hash.rs",
    "src/enrichment/spec_hash/",
    "src/enrichment/history.rs",
    "src/enrichment/history/",
    "src/enrichment/render.rs",
    "src/investigation/decision.rs",
    "src/investigation/answer.rs",
    "src/investigation/answer/",
    "src/investigation/submit.rs",
    "src/llm/codec/",
    "src/metering/book.rs",
    "src/metering/budget.rs",
    "src/tools/mcp/list.rs",
    "src/tools/mcp/message.rs",
    "src/tools/mcp/offer.rs",
    "src/tools/mcp/result.rs",
    "src/tools/prometheus/promql",
    "src/tools/prometheus/rules.rs",
    "src/tools/prometheus/series.rs",
    "src/tools/prometheus/summary",
    "src/tools/prometheus/times.rs",
];

struct SourceFile {
    path: PathBuf,
    room: String,
    /// Without comments and without `#[cfg(test)] mod` bodies in files of their own.
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<SourceFile> {
    let mut paths = Vec::new();
    rust_files(&root().join("src"), &mut paths);
    paths.sort();
    let file = |path: PathBuf| {
        let relative = path.strip_prefix(root().join("src")).unwrap().to_path_buf();
        let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let room = first.trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        SourceFile { path: Path::new("src").join(relative), room, code }
    };
    paths.into_iter().map(file).collect()
}

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

/// Rooms named after `crate::` (or `holmesgpt_api::` in the binary).
fn rooms_used(code: &str) -> BTreeSet<String> {
    let pattern = regex::Regex::new(r"\b(?:crate|holmesgpt_api)::(\{[^}]*\}|\w+)").unwrap();
    let names = regex::Regex::new(r"\w+").unwrap();
    let mut rooms = BTreeSet::new();
    for found in pattern.captures_iter(code) {
        let target = &found[1];
        let first_words = target.trim_matches(['{', '}']).split(',').filter_map(|part| names.find(part));
        rooms.extend(first_words.map(|word| word.as_str().to_owned()));
    }
    rooms
}

#[test]
fn edges_between_rooms_are_one_way() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.room != "lib") {
        let Some(from) = layer(&source.room) else {
            wrong.push(format!("{}: room `{}` is not on the map", source.path.display(), source.room));
            continue;
        };
        for used in rooms_used(&source.code) {
            match layer(&used) {
                Some(_) if used == source.room => {}
                Some(to) if to > from => {}
                Some(_) => wrong.push(format!("{}: `{}` may not use `{used}`", source.path.display(), source.room)),
                None => {}
            }
        }
    }
    let config_users: Vec<String> = sources()
        .iter()
        .filter(|source| !["config", "app", "cli", "main", "lib"].contains(&source.room.as_str()))
        .filter(|source| rooms_used(&source.code).contains("config"))
        .map(|source| format!("{}: only cli and app import config", source.path.display()))
        .collect();
    wrong.extend(config_users);
    assert!(wrong.is_empty(), "edges against the map:\n{}", wrong.join("\n"));
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, owners) in CRATE_OWNERS {
            // A module of ours may have the name of a crate: `self::prometheus::`.
            let pattern = regex::Regex::new(&format!(r"(?:^|[^:\w]|(?:^|[^\w>])::){name}::")).unwrap();
            if pattern.is_match(&source.code) && !owners.contains(&source.room.as_str()) {
                wrong.push(format!("{}: only {owners:?} may use {name}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_cores_do_no_io_and_read_no_clock() {
    let forbidden = regex::Regex::new(
        r"tokio::(fs|net|time|spawn)|std::(fs|net|process|env)\b|reqwest|Timestamp::now\(|Instant::now\(|SystemTime|async fn",
    )
    .unwrap();
    let mut wrong = Vec::new();
    for source in sources() {
        let path = source.path.to_string_lossy().into_owned();
        if PURE.iter().any(|pure| path.starts_with(pure)) && !path.ends_with("tests.rs") {
            let code = source.code.split("#[cfg(test)]").next().unwrap_or_default();
            if let Some(found) = forbidden.find(code) {
                wrong.push(format!("{path}: {}", found.as_str()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_main_ends_the_process_and_nothing_is_mutable_and_static() {
    let exit = regex::Regex::new(r"process::exit\(|process::abort\(").unwrap();
    let mutable = regex::Regex::new(r"static mut |LazyLock<Mutex|OnceLock<Mutex|lazy_static!").unwrap();
    for source in sources() {
        assert!(!exit.is_match(&source.code), "{} ends the process", source.path.display());
        assert!(!mutable.is_match(&source.code), "{} holds mutable global state", source.path.display());
    }
}

#[test]
fn metric_names_and_layout_stay_in_their_places() {
    let metric = regex::Regex::new(r#""(aiagent|holmesgpt)_[a-z_]+"|"audit_events_dropped_total""#).unwrap();
    for source in sources() {
        let path = source.path.to_string_lossy().into_owned();
        assert!(!path.ends_with("mod.rs"), "{path}: write foo.rs beside foo/");
        let file = source.path.file_stem().unwrap().to_string_lossy().into_owned();
        for vague in ["utils", "helpers", "common", "manager", "misc"] {
            assert_ne!(file, vague, "{path}: name the thing");
        }
        if !path.starts_with("src/telemetry/metrics") {
            assert!(!metric.is_match(&source.code), "{path} names a metric");
        }
    }
}

/// One package of the graph that is really built for this platform: name, version, licence expression.
/// `cargo tree` and not `cargo metadata`: the latter also lists optional dependencies nobody switched on.
fn built_packages() -> BTreeSet<(String, String, String)> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}|{l}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let package = |line: &str| {
        let (id, licence) = line.split_once('|')?;
        let (name, rest) = id.split_once(" v")?;
        let version = rest.split(' ').next().unwrap_or(rest);
        Some((name.to_owned(), version.to_owned(), licence.trim_end_matches(" (*)").to_owned()))
    };
    text.lines().filter_map(package).filter(|(name, ..)| name != env!("CARGO_PKG_NAME")).collect()
}

fn licence_is_acceptable(expression: &str, accepted: &[&str]) -> bool {
    let part_ok = |part: &str| {
        let part = part.trim().trim_matches(['(', ')']);
        accepted.contains(&part.split(" WITH ").next().unwrap_or(part).trim())
    };
    expression.replace('/', " OR ").split(" OR ").any(|choice| choice.split(" AND ").all(part_ok))
}

#[test]
fn dependencies_keep_one_tls_stack_and_permissive_licences() {
    const BANNED: &[&str] = &["ring", "openssl", "openssl-sys", "native-tls", "chrono", "serde_yaml", "lazycell"];
    const LICENCES: &[&str] = &[
        "MIT",
        "Apache-2.0",
        "BSD-3-Clause",
        "BSD-2-Clause",
        "ISC",
        "Unicode-3.0",
        "Zlib",
        "MIT-0",
        "CC0-1.0",
        "0BSD",
        "OpenSSL",
        "BSL-1.0",
        "Unlicense",
        "CDLA-Permissive-2.0",
        "MPL-2.0",
    ];
    const ONE_VERSION: &[&str] = &["rustls", "hyper", "tokio", "aws-lc-rs", "reqwest", "http", "k8s-openapi"];
    let packages = built_packages();
    assert!(packages.len() > 100, "the graph was not read: {} packages", packages.len());
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, version, licence) in &packages {
        versions.entry(name).or_default().insert(version);
        if BANNED.contains(&name.as_str()) {
            wrong.push(format!("{name} is banned"));
        }
        if !licence_is_acceptable(licence, LICENCES) {
            wrong.push(format!("{name}: licence {licence:?}"));
        }
    }
    for name in ONE_VERSION {
        if let Some(versions) = versions.get(name).filter(|versions| versions.len() > 1) {
            wrong.push(format!("{name} in several versions: {versions:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
