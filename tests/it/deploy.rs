//! What is shipped around the binary: the chart and the manifests rendered from it, alerts and dashboards, the image, the bill
//! of materials, and the entry point of images with a shell.

mod chart;
mod manifest;
mod metrics;
mod sandbox;
mod sbom;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use self::manifest::{documents, problems};
use crate::process::{holmesgpt, root};

fn manifests() -> PathBuf {
    root().join("deploy/kubernetes")
}

/// Every object of the plain manifests.
fn plain() -> Vec<Value> {
    let entries = fs::read_dir(manifests()).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| !path.ends_with("kustomization.yaml") && !path.ends_with("config.yaml"));
    files.flat_map(|path| documents(&fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn configuration_of_the_manifests_is_accepted() {
    let file = manifests().join("config.yaml");
    let output = holmesgpt().args(["check-config", "--config"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn manifests_are_what_kubernetes_knows_and_complete() {
    let objects = plain();
    for object in &objects {
        assert_eq!(problems(object), Vec::<String>::new(), "{}", object["metadata"]["name"]);
        assert_eq!(object["metadata"]["labels"].get("app.kubernetes.io/managed-by"), None);
    }
    let kinds: BTreeSet<&str> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    let expected = [
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
        "NetworkPolicy",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    ];
    assert_eq!(kinds, expected.into());
}

#[test]
fn kustomization_names_every_manifest() {
    let text = fs::read_to_string(manifests().join("kustomization.yaml")).unwrap();
    let kustomization: Value = serde_saphyr::from_str(&text).unwrap();
    let listed = |pointer: &str| -> Vec<String> {
        let names = kustomization.pointer(pointer).and_then(Value::as_array).unwrap();
        names.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    let mut named = listed("/resources");
    named.extend(listed("/configMapGenerator/0/files"));
    named.push("kustomization.yaml".to_owned());
    named.sort();
    let entries = fs::read_dir(manifests()).unwrap();
    let mut present: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    present.sort();
    assert_eq!(named, present);
}

#[test]
fn kustomize_builds_the_manifests() {
    let Ok(output) = Command::new("kubectl").arg("kustomize").arg(manifests()).output() else {
        eprintln!("skipped: no `kubectl` on the PATH");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let built = documents(&String::from_utf8(output.stdout).unwrap());
    // The ConfigMap comes from config.yaml.
    assert_eq!(built.len(), plain().len() + 1);
    for object in &built {
        assert_eq!(problems(object), Vec::<String>::new(), "{}", object["metadata"]["name"]);
        let is_of_the_cluster = object["kind"].as_str().unwrap().starts_with("Cluster");
        assert!(is_of_the_cluster || object["metadata"]["namespace"] == "kubernaut-system", "{object}");
    }
    let config = built.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
    assert_eq!(config["metadata"]["name"], "holmesgpt-api-config");
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

/// Bad input would be exit code 2.
#[test]
fn the_incident_of_the_installation_page_is_one() {
    let page = fs::read_to_string(root().join("docs/install.md")).unwrap();
    let incident = page.split("/incident/analyze -d '").nth(1).unwrap().split("}'").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("incident.json");
    fs::write(&file, format!("{incident}}}")).unwrap();
    let mut command = holmesgpt();
    let output =
        command.arg("investigate").arg(&file).args(["--bundle", "examples/oom-cart-api/bundle"]).output().unwrap();
    // Nobody knows its Deployment there, so a person must look.
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Digests are put in place of the defaults for a release; both files must start from the same bases.
#[test]
fn the_bake_file_and_the_dockerfile_name_the_same_bases() {
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let bake = fs::read_to_string(root().join("deploy/docker-bake.hcl")).unwrap();
    for base in ["RUST_IMAGE", "RUNTIME_IMAGE", "SHELL_IMAGE"] {
        let default = dockerfile.lines().find_map(|line| line.strip_prefix(&format!("ARG {base}="))).unwrap();
        assert!(bake.contains(&format!("variable \"{base}\" {{ default = \"{default}\" }}")), "{base} {default}");
    }
    for target in ["service", "shell"] {
        assert!(dockerfile.contains(&format!(" AS {target}\n")) && bake.contains(&format!("target   = \"{target}\"")));
    }
}

/// Labels stand in both stages of the Dockerfile, since a stage cannot include them.
#[test]
fn both_images_have_the_labels_registries_ask_for() {
    const LABELS: [&str; 19] = [
        "org.opencontainers.image.title",
        "org.opencontainers.image.description",
        "org.opencontainers.image.source",
        "org.opencontainers.image.vendor",
        "org.opencontainers.image.version",
        "org.opencontainers.image.revision",
        "org.opencontainers.image.created",
        " name",
        " vendor",
        " version",
        " release",
        " summary",
        " description",
        " maintainer",
        " component",
        " part-of",
        "io.k8s.display-name",
        "io.k8s.description",
        "io.openshift.tags",
    ];
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).unwrap();
    for stage in ["shell", "service"] {
        let text = dockerfile.split(&format!(" AS {stage}\n")).nth(1).unwrap().split("\nFROM ").next().unwrap();
        for label in LABELS {
            assert!(text.contains(&format!("{label}=\"")), "{stage} has no label {label}");
        }
        assert!(text.contains("\nUSER 1001:0\n") && text.contains("\"healthcheck\"]"), "{stage}");
    }
}
