//! The bill of materials that `deploy/sbom` prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::process::root;

/// Checksum of every crate of the lock file, by package address.
fn locked() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let field = |part: &str, name: &str| -> Option<String> {
        let line = part.lines().find_map(|line| line.strip_prefix(&format!("{name} = \"")))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let parts = text.split("\n[[package]]\n").skip(1);
    let entry = |part: &str| {
        let address = format!("pkg:cargo/{}@{}", field(part, "name")?, field(part, "version")?);
        Some((address, field(part, "checksum")?))
    };
    parts.filter_map(entry).collect()
}

/// Names under a heading of Cargo.toml.
fn declared(heading: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split(&format!("\n[{heading}]\n")).nth(1).unwrap().split("\n[").next().unwrap();
    let lines = section.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).collect()
}

#[test]
fn names_every_linked_crate_with_the_checksum_of_the_lock_file() {
    const PYTHON: &str = "import tomllib";
    if !Command::new("python3").args(["-c", PYTHON]).output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no python3 of at least 3.11 on the PATH");
        return;
    }
    let run =
        || Command::new("python3").arg(root().join("deploy/sbom")).env("CARGO_NET_OFFLINE", "true").output().unwrap();
    let output = run();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(run().stdout == output.stdout, "two runs differ");
    let bill: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((bill["bomFormat"].as_str(), bill["specVersion"].as_str()), (Some("CycloneDX"), Some("1.5")));
    assert_eq!(bill["metadata"]["component"]["name"], "holmesgpt-api");

    let locked = locked();
    let components = bill["components"].as_array().unwrap();
    let mut linked = BTreeSet::new();
    let mut addresses = BTreeSet::from(["pkg:cargo/holmesgpt-api@".to_owned() + env!("CARGO_PKG_VERSION")]);
    for component in components {
        let address = component["purl"].as_str().unwrap();
        assert!(addresses.insert(address.to_owned()), "{address} twice");
        assert_eq!(component["hashes"][0]["content"].as_str(), locked.get(address).map(String::as_str), "{address}");
        assert!(component["licenses"][0]["expression"].is_string(), "{address} has no licence");
        if component["scope"] == "required" {
            linked.insert(component["name"].as_str().unwrap().to_owned());
        }
    }
    // Crates of macros run while the binary is built and are not in it.
    let macros = BTreeSet::from(["async-trait".to_owned()]);
    let missing: Vec<String> = declared("dependencies").difference(&linked).cloned().collect();
    assert_eq!(BTreeSet::from_iter(missing), macros);
    let of_tests: Vec<String> = declared("dev-dependencies").intersection(&linked).cloned().collect();
    assert!(
        !of_tests.iter().any(|name| ["insta", "proptest", "serde_ignored"].contains(&name.as_str())),
        "{of_tests:?}"
    );
    for entry in bill["dependencies"].as_array().unwrap() {
        for address in std::iter::once(&entry["ref"]).chain(entry["dependsOn"].as_array().unwrap()) {
            assert!(addresses.contains(address.as_str().unwrap()), "{address} is no component");
        }
    }
}
