//! What the chart renders, case by case: tests/fixtures/chart has the values and what Helm's engine made of them
//! (tests/deploy/run compares).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use holmesgpt_api::config::Config;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::manifest::{documents, problems};
use crate::process::{holmesgpt, root};

fn folder() -> PathBuf {
    root().join("tests/fixtures/chart")
}

/// Case to objects.
fn cases() -> BTreeMap<String, Vec<Value>> {
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(case) = name.strip_suffix(".yaml").filter(|case| !case.ends_with(".values")) {
            cases.insert(case.to_owned(), documents(&fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(cases.len() >= 11, "{:?}", cases.keys());
    cases
}

pub(super) fn objects(case: &str) -> Vec<Value> {
    cases().remove(case).unwrap_or_else(|| panic!("no case {case}"))
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
}

fn get<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    find(objects, kind, name).unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn pod(objects: &[Value]) -> &Value {
    &get(objects, "Deployment", "holmesgpt-api")["spec"]["template"]["spec"]
}

fn volume<'a>(objects: &'a [Value], name: &str) -> Option<&'a Value> {
    pod(objects)["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == name)
}

fn configuration(objects: &[Value]) -> &str {
    get(objects, "ConfigMap", "holmesgpt-api-config")["data"]["config.yaml"].as_str().unwrap()
}

#[test]
fn renderings_belong_to_the_chart_as_it_is() {
    let list = fs::read_to_string(folder().join("rendered-from.sha256")).unwrap();
    let mut listed = 0;
    for line in list.lines() {
        let (expected, path) = line.split_once("  ").unwrap();
        let found: String =
            Sha256::digest(fs::read(root().join(path)).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, expected, "{path} has changed: run tests/deploy/run, then deploy/render");
        listed += usize::from(path.starts_with("deploy/helm/"));
    }
    assert_eq!(files_below(&root().join("deploy/helm")), listed, "a file of the chart came or went: run deploy/render");
}

fn files_below(folder: &std::path::Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

#[test]
fn every_object_is_what_kubernetes_knows() {
    for (case, objects) in cases() {
        for object in &objects {
            assert_eq!(
                problems(object),
                Vec::<String>::new(),
                "{case}: {} {}",
                object["kind"],
                object["metadata"]["name"]
            );
        }
        let mut names: Vec<String> =
            objects.iter().map(|object| format!("{} {}", object["kind"], object["metadata"]["name"])).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{case}: {names:?}");
    }
}

#[test]
fn every_configuration_is_accepted_and_fits_the_grace_period() {
    for (case, objects) in cases() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        // Where the Secret would be mounted.
        let pair = root().join("tests/it/server_tls/pairs");
        for (from, to) in [("first.pem", "tls.crt"), ("first.key", "tls.key")] {
            fs::copy(pair.join(from), folder.path().join(to)).unwrap();
        }
        let text = configuration(&objects).replace("/etc/holmesgpt/tls", folder.path().to_str().unwrap());
        fs::write(&file, text).unwrap();
        let mut command = holmesgpt();
        command.envs([("OPENAI_API_KEY", "k"), ("AZURE_API_KEY", "k")]).args(["check-config", "--config"]).arg(&file);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{case}: {}", String::from_utf8_lossy(&output.stderr));
        let shutdown = Config::load(&file).unwrap().shutdown;
        let drain = shutdown.endpoint_delay_seconds + shutdown.drain_seconds + shutdown.flush_seconds;
        let grace = pod(&objects)["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace >= drain + 15, "{case}: {grace}");
    }
}

#[test]
fn every_pod_is_locked_down_and_probed_where_it_listens() {
    for (case, objects) in cases() {
        let pod = pod(&objects);
        let container = &pod["containers"][0];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{case}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{case}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{case}");
        let expected = json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
        assert_eq!(container["securityContext"], expected, "{case}");
        assert_eq!(container["terminationMessagePolicy"], "FallbackToLogsOnError", "{case}");
        for (probe, path) in [("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/ready")] {
            let port = if case == "tls" { "health" } else { "http" };
            assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": port}), "{case} {probe}");
        }
        let service = get(&objects, "Service", "holmesgpt-api");
        if case != "tls" {
            assert_eq!(container["ports"], json!([{"name": "http", "containerPort": 8080}]), "{case}");
            assert_eq!(
                service["spec"]["ports"],
                json!([{"name": "http", "port": 8080, "targetPort": "http"}]),
                "{case}"
            );
        }
        let labels = &get(&objects, "Deployment", "holmesgpt-api")["spec"]["template"]["metadata"]["labels"];
        assert_eq!(labels["app"], service["spec"]["selector"]["app"], "{case}");
        assert_ne!(get(&objects, "Pod", "holmesgpt-api-trial")["metadata"]["labels"]["app"], labels["app"], "{case}");
        for mount in container["volumeMounts"].as_array().unwrap() {
            assert!(volume(&objects, mount["name"].as_str().unwrap()).is_some(), "{case}: {mount}");
        }
        assert_eq!(volume(&objects, "credentials").unwrap()["secret"]["optional"], true, "{case}");
    }
}

/// The store has one owner: a volume means one pod that ends before the next one begins, and one pod answers polls while it
/// drains.
#[test]
fn replicas_strategy_and_service_belong_together() {
    for (case, strategy, volume_kind, service) in [
        ("defaults", "RollingUpdate", "emptyDir", "publishNotReadyAddresses"),
        ("persistent", "Recreate", "persistentVolumeClaim", "publishNotReadyAddresses"),
        ("three-replicas", "RollingUpdate", "emptyDir", "sessionAffinityConfig"),
        ("everything", "RollingUpdate", "emptyDir", "sessionAffinityConfig"),
    ] {
        let objects = objects(case);
        assert_eq!(get(&objects, "Deployment", "holmesgpt-api")["spec"]["strategy"]["type"], strategy, "{case}");
        assert!(volume(&objects, "state").unwrap()[volume_kind].is_object(), "{case}");
        let spec = &get(&objects, "Service", "holmesgpt-api")["spec"];
        for key in ["publishNotReadyAddresses", "sessionAffinityConfig"] {
            assert_eq!(spec.get(key).is_some(), key == service, "{case} {key}");
        }
    }
    let persistent = objects("persistent");
    assert_eq!(pod(&persistent)["terminationGracePeriodSeconds"], 165);
    let claim = get(&persistent, "PersistentVolumeClaim", "holmesgpt-api-state");
    assert_eq!(claim["spec"]["accessModes"], json!(["ReadWriteOnce"]));
    assert!(find(&objects("three-replicas"), "PodDisruptionBudget", "holmesgpt-api").is_some());
    assert!(find(&objects("defaults"), "PodDisruptionBudget", "holmesgpt-api").is_none());
    assert!(get(&objects("everything"), "Deployment", "holmesgpt-api")["spec"].get("replicas").is_none());
}

#[test]
fn the_model_comes_from_where_the_values_say() {
    let section = |case: &str| -> Value {
        serde_saphyr::from_str::<Value>(configuration(&objects(case))).unwrap().get("llm").cloned().unwrap_or_default()
    };
    assert_eq!(section("defaults"), Value::Null);
    assert_eq!(section("quick-start"), json!({"provider": "openai", "model": "gpt-4o"}));
    let expected = json!({
        "provider": "openai_compatible", "model": "qwen3-32b", "endpoint": "http://vllm.models.svc:8000/v1",
        "timeout_seconds": 300,
    });
    assert_eq!(section("air-gapped"), expected);
    for (case, config_map) in [("sdk-content", "holmesgpt-sdk-config"), ("existing-config-map", "our-sdk-config")] {
        let objects = objects(case);
        assert_eq!(volume(&objects, "sdk-config").unwrap()["configMap"]["name"], config_map);
        assert_eq!(find(&objects, "ConfigMap", "holmesgpt-sdk-config").is_some(), case == "sdk-content");
        let mounts = pod(&objects)["containers"][0]["volumeMounts"].as_array().unwrap();
        let mount = mounts.iter().find(|mount| mount["name"] == "sdk-config").unwrap();
        assert_eq!(mount["mountPath"], "/etc/holmesgpt/sdk");
        assert_eq!(section(case), Value::Null, "the file wins over provider and model");
    }
}

#[test]
fn values_of_the_earlier_chart_do_what_they_did() {
    let objects = objects("quick-start");
    let pod = pod(&objects);
    assert_eq!(pod["containers"][0]["image"], "registry.example.com/team-holmesgpt-api:1.2.3");
    assert_eq!(pod["containers"][0]["args"], json!(["-config", "/etc/holmesgpt/config.yaml"]));
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "registry-key"}]));
    assert_eq!(pod["securityContext"]["runAsUser"], 2000);
    assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
    assert_eq!(volume(&objects, "prometheus-ca").unwrap()["configMap"]["name"], "corporate-ca");
    assert_eq!(get(&objects, "PodDisruptionBudget", "holmesgpt-api")["spec"]["minAvailable"], 1);
    let config: Value = serde_saphyr::from_str(configuration(&objects)).unwrap();
    assert_eq!(config["tls"]["ca_file"], "/etc/ssl/hapi/service-ca.crt");
    let toolset = &config["toolsets"]["prometheus/metrics"];
    assert_eq!(toolset["config"]["prometheus_url"], "http://prometheus.monitoring.svc:9090");
}

#[test]
fn openshift_chooses_the_user_and_fills_the_certificates() {
    let objects = objects("openshift");
    assert_eq!(pod(&objects)["securityContext"].get("runAsUser"), None);
    let map = get(&objects, "ConfigMap", "holmesgpt-api-service-ca");
    assert_eq!(map["metadata"]["annotations"]["service.beta.openshift.io/inject-cabundle"], "true");
    assert_eq!(volume(&objects, "prometheus-ca").unwrap()["configMap"]["name"], "holmesgpt-api-service-ca");
    let binding = get(&objects, "ClusterRoleBinding", "holmesgpt-api-monitoring-view");
    assert_eq!(binding["roleRef"]["name"], "cluster-monitoring-view");
}

/// Roles that only read say get and list: the service watches nothing.
#[test]
fn roles_grant_what_is_used_and_no_more() {
    let rules = |objects: &[Value], kind: &str, name: &str| -> Vec<(String, Vec<String>)> {
        let words =
            |value: &Value| value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        let rules = get(objects, kind, name)["rules"].as_array().unwrap().clone();
        rules.iter().map(|rule| (rule["resources"].to_string(), words(&rule["verbs"]))).collect()
    };
    for (case, objects) in cases() {
        for role in ["holmesgpt-api-investigator", "holmesgpt-api-investigator-extensions"] {
            for (resources, verbs) in rules(&objects, "ClusterRole", role) {
                let expected = if resources == r#"["pods/log"]"# { &["get"][..] } else { &["get", "list"] };
                assert_eq!(verbs, expected, "{case} {role} {resources}");
            }
        }
        let events = rules(&objects, "Role", "holmesgpt-api-events");
        assert_eq!(events, [(r#"["events"]"#.to_owned(), vec!["create".to_owned()])], "{case}");
        for (resources, verbs) in rules(&objects, "ClusterRole", "holmesgpt-api-reviewer") {
            assert_eq!(verbs, ["create"], "{case} {resources}");
        }
        let client = rules(&objects, "ClusterRole", "holmesgpt-api-client");
        assert_eq!(client, [(r#"["services"]"#.to_owned(), vec!["create".to_owned(), "get".to_owned()])]);
        let reads = rules(&objects, "ClusterRole", "holmesgpt-api-investigator");
        let reads_secrets = reads.iter().any(|(resources, _)| resources.contains("\"secrets\""));
        assert_eq!(reads_secrets, case != "everything", "{case}");
        for binding in objects.iter().filter(|object| object["kind"] == "ClusterRoleBinding") {
            let subject =
                json!([{"kind": "ServiceAccount", "name": "holmesgpt-api-sa", "namespace": "kubernaut-system"}]);
            assert_eq!(binding["subjects"], subject, "{case}");
        }
    }
    let everything = objects("everything");
    assert_eq!(get(&everything, "Role", "holmesgpt-api-data-storage")["metadata"]["namespace"], "data");
    assert_eq!(get(&everything, "RoleBinding", "console-holmesgpt-access")["subjects"][0]["namespace"], "ui");
    let more = get(&everything, "ClusterRoleBinding", "holmesgpt-api-kafka-reader");
    assert_eq!(more["roleRef"]["name"], "kafka-reader");
    assert!(find(&objects("trial"), "Role", "holmesgpt-api-data-storage").is_none());
}

#[test]
fn the_network_policy_lets_through_what_is_configured() {
    let egress = |case: &str| -> Vec<(String, Vec<u64>)> {
        let objects = objects(case);
        let rules = get(&objects, "NetworkPolicy", "holmesgpt-api")["spec"]["egress"].as_array().unwrap().clone();
        let cidr = |rule: &Value| rule["to"][0]["ipBlock"]["cidr"].as_str().unwrap_or_default().to_owned();
        let ports = |rule: &Value| {
            rule["ports"].as_array().unwrap().iter().map(|port| port["port"].as_u64().unwrap()).collect()
        };
        rules.iter().map(|rule| (cidr(rule), ports(rule))).collect()
    };
    let rule = |cidr: &str, ports: &[u64]| (cidr.to_owned(), ports.to_vec());
    let expected = [
        rule("", &[53, 53]),
        rule("192.0.2.10/32", &[6443]),
        rule("192.0.2.11/32", &[6443]),
        rule("", &[8080]),
        rule("0.0.0.0/0", &[443]),
        rule("", &[9090]),
        rule("", &[443, 8000]),
        rule("", &[8443]),
    ];
    assert_eq!(egress("network-policy"), expected);
    let expected =
        [rule("", &[53, 53]), rule("10.0.0.1/32", &[6443]), rule("", &[8080]), rule("10.20.0.0/16", &[8000])];
    assert_eq!(egress("air-gapped"), expected);
    let objects = objects("network-policy");
    let ingress = &get(&objects, "NetworkPolicy", "holmesgpt-api")["spec"]["ingress"][0];
    assert_eq!(ingress["from"][0]["podSelector"]["matchLabels"]["app"], "aianalysis-controller");
    assert_eq!(ingress["from"].as_array().unwrap().len(), 7);
}

#[test]
fn monitoring_finds_the_service_and_leaves_out_what_is_disabled() {
    for (case, label) in [("trial", "release"), ("everything", "app")] {
        let objects = objects(case);
        let monitor = get(&objects, "ServiceMonitor", "holmesgpt-api");
        assert!(monitor["metadata"]["labels"].get(label).is_some(), "{case}");
        let service = get(&objects, "Service", "holmesgpt-api");
        assert_eq!(monitor["spec"]["selector"]["matchLabels"]["app"], service["metadata"]["labels"]["app"], "{case}");
        assert_eq!(monitor["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"], "{case}");
        assert_eq!(monitor["spec"].get("jobLabel"), None, "the label job is the Service's name");
        let rules = get(&objects, "PrometheusRule", "holmesgpt-api").to_string();
        assert_eq!(rules.contains("HolmesgptApiCostSpike"), case == "everything", "{case}");
        let dashboards: Vec<&Value> =
            objects.iter().filter(|object| object["metadata"]["labels"]["grafana_dashboard"] == "1").collect();
        assert_eq!(dashboards.len(), 4, "{case}");
        for dashboard in dashboards {
            let (_, text) = dashboard["data"].as_object().unwrap().iter().next().unwrap();
            let decoded: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
            assert!(decoded["panels"].as_array().is_some_and(|panels| panels.len() > 5), "{case}");
        }
    }
}

#[test]
fn a_port_with_tls_brings_plain_ones_for_probes_and_metrics() {
    let objects = objects("tls");
    let config: Value = serde_saphyr::from_str(configuration(&objects)).unwrap();
    let expected = json!({
        "tls": {"cert_dir": "/etc/holmesgpt/tls"}, "tls_profile": "Modern",
        "health_addr": ":8081", "metrics_addr": ":9100",
    });
    assert_eq!(config["server"], expected);
    let container = &pod(&objects)["containers"][0];
    let mounts = container["volumeMounts"].as_array().unwrap();
    let mount = mounts.iter().find(|mount| mount["name"] == "server-tls").unwrap();
    let expected = json!({"name": "server-tls", "mountPath": "/etc/holmesgpt/tls", "readOnly": true});
    assert_eq!(mount, &expected, "a folder: with subPath it would never be updated");
    assert_eq!(volume(&objects, "server-tls").unwrap()["secret"]["secretName"], "holmesgpt-api-tls");
    let names = |ports: &Value, number: &str| -> Vec<(String, u64)> {
        let ports = ports.as_array().unwrap().iter();
        ports.map(|port| (port["name"].as_str().unwrap().to_owned(), port[number].as_u64().unwrap())).collect()
    };
    let expected = [("http", 8080), ("health", 8081), ("metrics", 9100)].map(|(name, port)| (name.to_owned(), port));
    assert_eq!(names(&container["ports"], "containerPort"), expected);
    let service = get(&objects, "Service", "holmesgpt-api");
    assert_eq!(names(&service["spec"]["ports"], "port"), expected);
    assert_eq!(service["spec"]["ports"][0]["appProtocol"], "https");
    let monitor = get(&objects, "ServiceMonitor", "holmesgpt-api");
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], "metrics");
    let annotations = &get(&objects, "Deployment", "holmesgpt-api")["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/port"], "9100");
    let ingress = &get(&objects, "NetworkPolicy", "holmesgpt-api")["spec"]["ingress"];
    let doors: Vec<&str> =
        ingress.as_array().unwrap().iter().map(|rule| rule["ports"][0]["port"].as_str().unwrap()).collect();
    assert_eq!(doors, ["http", "health", "metrics"]);
    assert_eq!(ingress[2]["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], "monitoring");
    let trial = get(&objects, "Pod", "holmesgpt-api-trial").to_string();
    assert!(trial.contains("http://holmesgpt-api.kubernaut-system.svc:8081/ready"), "{trial}");
}

/// `helm test` runs this binary on a recorded fault: it must find it.
#[test]
fn the_trial_of_the_chart_succeeds() {
    let objects = objects("trial");
    let data = &get(&objects, "ConfigMap", "holmesgpt-api-trial")["data"];
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    // As kubelet mounts a ConfigMap: files are links into a folder that is exchanged.
    fs::create_dir_all(bundle.join("..2026")).unwrap();
    fs::write(bundle.join("..2026/objects.yaml"), data["bundle.yaml"].as_str().unwrap()).unwrap();
    std::os::unix::fs::symlink("..2026", bundle.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/objects.yaml", bundle.join("objects.yaml")).unwrap();
    let incident = folder.path().join("incident.json");
    fs::write(&incident, data["incident.json"].as_str().unwrap()).unwrap();
    let mut command = holmesgpt();
    let output = command.arg("investigate").arg(&incident).arg("--bundle").arg(&bundle).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("IncreaseMemoryLimits"), "{told}");
}
