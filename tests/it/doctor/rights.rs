//! The roles that are shipped against the list of rights in the code.

use std::collections::BTreeSet;

use holmesgpt_api::cluster::rights::{Purpose, Question, RIGHTS};
use serde_json::Value;

use crate::process::root;

/// Group, resource, name of the object and verb.
type Line = (String, String, String, String);

/// What a role may grant beyond the list: `watch`, as the platform's own role does (operations §6.4), and `list` of a part of
/// a resource, which means nothing.
fn is_idle(resource: &str, verb: &str) -> bool {
    verb == "watch" || (verb == "list" && resource.contains('/'))
}

fn role(name: &str) -> Value {
    let text = std::fs::read_to_string(root().join("deploy/kubernetes/roles.yaml")).unwrap();
    let mut documents = text.split("\n---\n").map(|part| serde_saphyr::from_str::<Value>(part).unwrap());
    let is_it = |role: &Value| role["metadata"]["name"] == name && role["rules"].is_array();
    documents.find(is_it).unwrap_or_else(|| panic!("no role {name}"))
}

fn granted(role: &Value) -> BTreeSet<Line> {
    let words = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let mut lines = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        let names = words(&rule["resourceNames"]);
        let names = if names.is_empty() { vec![String::new()] } else { names };
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                for name in &names {
                    let verbs = words(&rule["verbs"]).into_iter().filter(|verb| !is_idle(&resource, verb));
                    lines.extend(verbs.map(|verb| (group.clone(), resource.clone(), name.clone(), verb)));
                }
            }
        }
    }
    lines
}

fn listed(purpose: Purpose) -> BTreeSet<Line> {
    let questions = RIGHTS.iter().filter(|right| right.purpose == purpose).flat_map(|right| right.questions());
    let line = |Question { right, resource, verb }: Question| {
        (right.group.to_owned(), resource.to_owned(), right.name.unwrap_or_default().to_owned(), verb.to_owned())
    };
    questions.map(line).collect()
}

#[test]
fn roles_grant_exactly_what_the_code_lists() {
    for purpose in [Purpose::Investigate, Purpose::ReviewCallers, Purpose::TellEvents, Purpose::UseDataStorage] {
        let (granted, listed) = (granted(&role(purpose.role())), listed(purpose));
        let beyond: Vec<_> = granted.difference(&listed).collect();
        let missing: Vec<_> = listed.difference(&granted).collect();
        assert!(beyond.is_empty() && missing.is_empty(), "{}: beyond {beyond:?}, missing {missing:?}", purpose.role());
    }
}
