//! What is shipped around the binary: the entry point of images with a shell, and the manifests.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::process::{holmesgpt, root};

fn manifests() -> PathBuf {
    root().join("deploy/kubernetes")
}

/// Every document of every manifest, with the file it stands in.
fn documents() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(manifests()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        for part in text.split("\n---\n") {
            let value: Value = serde_saphyr::from_str(part).unwrap_or_else(|error| panic!("{name}: {error}"));
            all.push((name.clone(), value));
        }
    }
    all
}

fn only(kind: &str) -> Value {
    let mut found = documents().into_iter().filter(|(_, document)| document["kind"] == kind);
    let (_, document) = found.next().unwrap_or_else(|| panic!("no {kind} in deploy/kubernetes"));
    assert!(found.next().is_none(), "several of kind {kind}");
    document
}

#[test]
fn configuration_of_the_manifests_is_accepted() {
    let file = manifests().join("config.yaml");
    let output = holmesgpt().args(["check-config", "--config"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn pod_is_locked_down_and_probed_where_it_listens() {
    let deployment = only("Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(pod["securityContext"]["runAsUser"], 1001);
    assert_eq!(pod["securityContext"]["runAsGroup"], 0);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    for (probe, path) in [("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/ready")] {
        assert_eq!(container[probe]["httpGet"]["path"], path, "{probe}");
        assert_eq!(container[probe]["httpGet"]["port"], container["ports"][0]["name"], "{probe}");
    }
    assert_eq!(only("Service")["spec"]["ports"][0]["targetPort"], container["ports"][0]["name"]);
}

#[test]
fn pod_outlives_the_drain() {
    let grace = only("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
    let shutdown = holmesgpt_api::config::ShutdownConfig::default();
    assert!(grace > shutdown.endpoint_delay_seconds + shutdown.drain_seconds + shutdown.flush_seconds);
}

#[test]
fn investigator_role_reads_and_nothing_else() {
    let roles = documents().into_iter().map(|(_, document)| document);
    let role = roles
        .filter(|document| document["kind"] == "ClusterRole")
        .find(|role| role["metadata"]["name"] == "holmesgpt-api-investigator")
        .unwrap();
    for rule in role["rules"].as_array().unwrap() {
        for verb in rule["verbs"].as_array().unwrap() {
            assert!(["get", "list", "watch"].contains(&verb.as_str().unwrap()), "{rule}");
        }
    }
}

#[test]
fn kustomization_names_every_manifest() {
    let kustomization = only("Kustomization");
    let listed = |pointer: &str| -> Vec<String> {
        kustomization
            .pointer(pointer)
            .and_then(Value::as_array)
            .unwrap()
            .iter()
            .map(|value| value.as_str().unwrap().to_owned())
            .collect()
    };
    let mut named = listed("/resources");
    named.extend(listed("/configMapGenerator/0/files"));
    named.push("kustomization.yaml".to_owned());
    let mut present: Vec<String> = documents().into_iter().map(|(name, _)| name).collect();
    present.dedup();
    named.sort();
    present.sort();
    present.dedup();
    assert_eq!(named, present);
}

/// Runs `entrypoint.sh` with a program in place of the binary that prints its arguments and `API_PORT`.
fn entrypoint(arguments: &[&str], port: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    fs::write(&program, "#!/bin/sh\necho \"$API_PORT $*\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("/bin/sh");
    command.arg(root().join("entrypoint.sh")).args(arguments).env_clear().env("HOLMESGPT_API_BINARY", &program);
    command.envs(port.map(|port| ("API_PORT", port)));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn entrypoint_understands_every_form_of_its_arguments() {
    let cases: [(&[&str], Option<&str>, &str); 6] = [
        (&[], None, "8080 serve"),
        (&["-config", "/a.yaml"], None, "8080 serve -config /a.yaml"),
        (&["-config=/a.yaml"], Some("9090"), "9090 serve -config=/a.yaml"),
        (&["--config", "/a b.yaml"], Some(""), "8080 serve --config /a b.yaml"),
        (&["--config=/a.yaml", "--port", "1"], None, "8080 serve --config=/a.yaml --port 1"),
        (&["check-config", "--config", "/a.yaml"], None, "8080 check-config --config /a.yaml"),
    ];
    for (arguments, port, expected) in cases {
        assert_eq!(entrypoint(arguments, port), expected);
    }
}

/// The image's builder sees only what the Dockerfile copies, and cargo looks for targets without a path in their usual
/// folders, which are not among that.
#[test]
fn every_target_names_its_path_so_that_the_image_builds_without_the_rest() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let sections: Vec<&str> = manifest.split("\n[").skip(1).collect();
    let targets = sections.iter().filter(|section| section.starts_with("[bench]]") || section.starts_with("[test]]"));
    let unnamed: Vec<&&str> = targets.clone().filter(|section| !section.contains("\npath = ")).collect();
    assert!(targets.count() >= 2 && unnamed.is_empty(), "{unnamed:?}");
}
