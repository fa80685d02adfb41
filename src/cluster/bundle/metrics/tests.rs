use super::*;

fn indexed(text: &str) -> (Metrics, Vec<String>, Option<Timestamp>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("memory.json");
    std::fs::write(&path, text).unwrap();
    let bytes = text.len() as u64;
    let role = super::super::walk::Role::Metrics;
    let file = FoundFile { path, shown: "metrics/memory.json".to_owned(), bytes, modified: None, role };
    let mut problems = Problems::new(10);
    let mut metrics = Metrics::default();
    let newest = metrics.add_file(&file, &BundleLimits::default(), &mut problems);
    (metrics, problems.texts(), newest, directory)
}

#[test]
fn series_are_found_by_name_and_labels() {
    let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"__name__":"container_memory_working_set_bytes","namespace":"shop","pod":"a"},"values":[[1700000060,"2"],[1700000000,"1"],[1700000120,"NaN"]]},
        {"metric":{"__name__":"container_memory_working_set_bytes","namespace":"shop","pod":"b"},"values":[]},
        {"metric":{"pod":"c"},"value":[1700000300.5,"+Inf"]},
        {"metric":{"pod":"d"},"values":[["x"]]},
        {"metric":{"pod":"e"}}
    ]}}"#;
    let (metrics, problems, newest, _directory) = indexed(text);
    assert_eq!(
        problems,
        vec![
            "metrics/memory.json: a series without labels or points as Prometheus prints them; save its answer unchanged";
            2
        ]
    );
    assert_eq!(newest.unwrap().to_string(), "2023-11-14T22:18:20.5Z");
    let query = |name: Option<&str>, labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        metrics.query(&MetricQuery { name: name.map(str::to_owned), labels }).unwrap()
    };
    let memory = Some("container_memory_working_set_bytes");
    assert_eq!(query(memory, &[]).len(), 2);
    let a = query(memory, &[("pod", "a"), ("namespace", "shop")]);
    assert_eq!(a[0].points[..2], [(1_700_000_000.0, 1.0), (1_700_000_060.0, 2.0)]);
    assert!(a[0].points[2].1.is_nan());
    assert!(!a[0].labels.contains_key("__name__"));
    assert_eq!(query(Some("memory"), &[])[0].points, [(1_700_000_300.5, f64::INFINITY)], "nameless: named by the file");
    assert!(query(memory, &[("pod", "z")]).is_empty());
    assert_eq!(query(None, &[]).len(), 3);
}

#[test]
fn other_answers_are_problems() {
    for (text, problem) in [
        (r#"{"status":"error","data":{"result":[]}}"#, "Prometheus answered with an error; ask it again"),
        ("{}", "line 1: not an answer of Prometheus"),
        ("", "not an answer of Prometheus"),
        ("\n\n[1]", "line 3: not an answer of Prometheus"),
    ] {
        let (metrics, problems, newest, _directory) = indexed(text);
        assert!(metrics.is_empty() && newest.is_none());
        assert!(problems[0].contains(problem), "{problems:?}");
    }
}
