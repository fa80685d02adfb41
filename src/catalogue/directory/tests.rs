use proptest::prelude::*;

use super::*;

const WORKFLOW: &str = r#"
apiVersion: kubernaut.ai/v1alpha1
kind: RemediationWorkflow
metadata: {name: restart}
spec:
  version: 1.0.0
  actionType: RestartWorkload
  description: {what: Restarts., whenToUse: It hangs.}
  labels: {severity: [critical], environment: production, component: ["*"], priority: "*"}
  execution: {engine: job, bundle: "r.example/a@sha256:00"}
  parameters: [{name: TARGET_RESOURCE_NAME, type: string, required: true, description: d}]
"#;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn open(files: &[(&str, &str)]) -> DirectoryCatalogue {
    DirectoryCatalogue::open(folder(files).path()).unwrap()
}

fn problems(catalogue: &DirectoryCatalogue) -> Vec<String> {
    catalogue.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn built_in_workflows_are_complete_and_without_a_blemish() {
    let catalogue = DirectoryCatalogue::built_in();
    assert_eq!(problems(&catalogue), Vec::<String>::new());
    let (workflows, action_types) = catalogue.counts();
    assert!(workflows >= 20 && action_types >= 12, "{workflows} workflows, {action_types} action types");
}

#[test]
fn compiled_in_files_are_those_of_the_examples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/catalogue");
    let catalogue = DirectoryCatalogue::open(&folder).unwrap();
    let ids = |catalogue: &DirectoryCatalogue| {
        catalogue.collection.workflows().map(|workflow| workflow.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&catalogue), ids(&DirectoryCatalogue::built_in()));
    let on_disk = fs::read_dir(&folder).unwrap().count();
    assert_eq!(on_disk, built_in::FILES.len(), "every file of examples/catalogue is compiled in");
}

#[test]
fn ids_are_stable_and_change_with_the_content() {
    let id = |text: &str| open(&[("a.yaml", text)]).collection.entries[0].workflow.id.clone();
    let first = id(WORKFLOW);
    assert_eq!(first, id(&format!("---\n{WORKFLOW}\n---\nkind: ServiceAccount\n")));
    let reordered = WORKFLOW
        .replace("{severity: [critical], environment: production,", "{environment: production, severity: [critical],");
    assert_eq!(first, id(&reordered));
    assert_ne!(first, id(&WORKFLOW.replace("It hangs", "It stands")));
    assert_eq!(uuid::Uuid::parse_str(&first).unwrap().get_version_num(), 5);
}

#[test]
fn a_broken_document_costs_only_itself_and_says_where() {
    let second =
        WORKFLOW.replace("name: restart", "name: other").replace("actionType: RestartWorkload", "actionType: restart");
    let catalogue =
        open(&[("a/w.yaml", &format!("{WORKFLOW}---{second}")), ("b.yaml", "kind: [\n"), ("note.txt", "x")]);
    assert_eq!(catalogue.counts(), (1, 1));
    let problems = problems(&catalogue);
    assert!(
        problems
            .iter()
            .any(|problem| problem.starts_with("a/w.yaml: document at line") && problem.contains("PascalCase")),
        "{problems:?}"
    );
    assert!(problems.iter().any(|problem| problem.starts_with("b.yaml")), "{problems:?}");
}

#[test]
fn oddities_are_told() {
    let odd = WORKFLOW
        .replace("@sha256:00", ":latest")
        .replace("severity: [critical]", "severity: [awful]")
        .replace("component: [\"*\"]", "component: [a/b/c/Pod]")
        .replace("version: 1.0.0", "version: 1.0.0\n  colour: red")
        .replace(
            "description: d}]",
            "description: d}, {name: N, type: integer, required: false, description: d, default: 1, minimum: 2, dependsOn: [N]}]",
        );
    let problems = problems(&open(&[("a.yaml", &odd)])).join("\n");
    for expected in [
        "not pinned by digest",
        "severity \"awful\"",
        "labels.severity names no severity",
        "no incident is about \"a/b/c/Pod\"",
        "unknown field spec.colour",
        "breaks its own rule",
        "in a circle",
    ] {
        assert!(problems.contains(expected), "{expected} in {problems}");
    }
}

#[test]
fn the_highest_version_counts_and_a_second_same_one_is_told() {
    let newer = WORKFLOW.replace("version: 1.0.0", "version: 1.2.0");
    let catalogue = open(&[("a.yaml", WORKFLOW), ("b.yaml", &newer)]);
    assert_eq!(
        catalogue.collection.entries.iter().map(|entry| entry.workflow.version.as_str()).collect::<Vec<_>>(),
        ["1.2.0"]
    );
    let same = open(&[("a.yaml", WORKFLOW), ("b.yaml", &WORKFLOW.replace("It hangs", "It stands"))]);
    assert!(problems(&same).join("\n").contains("is already in a.yaml"));
}

#[test]
fn links_out_of_the_directory_are_not_followed() {
    let outside = folder(&[("secret.yaml", &WORKFLOW.replace("name: restart", "name: outside"))]);
    let inside = folder(&[("a.yaml", WORKFLOW)]);
    std::os::unix::fs::symlink(outside.path().join("secret.yaml"), inside.path().join("b.yaml")).unwrap();
    let catalogue = DirectoryCatalogue::open(inside.path()).unwrap();
    assert_eq!(catalogue.counts().0, 1);
    assert!(problems(&catalogue).join("\n").contains("leads out of the directory"));
}

#[test]
fn a_directory_without_workflows_is_an_error() {
    let error = DirectoryCatalogue::open(folder(&[("a.yaml", "kind: Other\n")]).path()).unwrap_err();
    assert!(error.to_string().contains("no workflow in it"), "{error}");
    assert!(DirectoryCatalogue::open(Path::new("/nonexistent")).is_err());
}

#[tokio::test]
async fn action_types_and_lookups() {
    let catalogue = DirectoryCatalogue::built_in();
    let types = catalogue.action_types(&MatchContext::default()).await.unwrap();
    assert!(types.iter().any(|action| action.name == "IncreaseMemoryLimits" && action.workflows > 0));
    assert!(types.iter().map(|action| &action.name).is_sorted());
    let candidates = catalogue.candidates("IncreaseMemoryLimits", &MatchContext::default()).await.unwrap();
    let first = &candidates.matching[0];
    let context = MatchContext::default();
    for id_or_name in [&first.id, &first.name] {
        let found = catalogue.workflow(id_or_name, &context).await.unwrap();
        assert_eq!((&found.workflow, found.misfits), (first, vec![]));
    }
    assert!(matches!(catalogue.workflow("nope", &context).await, Err(CatalogueError::NotFound(_))));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC*(\n\\PC*){0,6}", tail in "[ -~\n]{0,200}") {
        let mut catalogue = DirectoryCatalogue::empty("test".to_owned());
        catalogue.add_file("a.yaml", &text);
        catalogue.add_file("b.yaml", &format!("kind: RemediationWorkflow\n{tail}"));
        catalogue.add_file("c.yaml", &format!("{WORKFLOW}{tail}"));
        let _ = catalogue.finish();
    }
}
