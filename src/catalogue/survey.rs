//! Everything a catalogue has, read the way an investigation would: for people who check an installation.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};

use super::collection::Entry;
use super::{Catalogue, CatalogueError, MatchContext, Problem, Workflow, lint};
use crate::domain::Severity;

/// Workflows read in full; a catalogue of more is surveyed in part.
const WORKFLOWS_MAX: usize = 500;
/// Questions asked at the same time.
const QUESTIONS_IN_FLIGHT_MAX: usize = 4;

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Names of the action types that have a workflow.
    pub action_types: BTreeSet<String>,
    pub workflows: Vec<Workflow>,
    /// Workflows that are listed and cannot be had: name or id, and why.
    pub missing: Vec<(String, CatalogueError)>,
    /// What is odd about the workflows.
    pub odd: Vec<Problem>,
    /// There are more than were read.
    pub is_cut: bool,
}

/// Asks for each severity in turn, since a source may answer only for one, and reads every workflow that is listed.
///
/// # Errors
/// A list cannot be had. A single workflow that cannot be is part of the survey.
pub async fn survey(catalogue: &dyn Catalogue) -> Result<Survey, CatalogueError> {
    let mut found = Survey::default();
    let mut listed: BTreeMap<String, (String, MatchContext)> = BTreeMap::new();
    for context in contexts() {
        let actions = catalogue.action_types(&context).await?;
        let lists = stream::iter(actions.iter().map(|action| catalogue.listed(&action.name, &context)));
        let lists: Vec<_> = lists.buffered(QUESTIONS_IN_FLIGHT_MAX).collect().await;
        found.action_types.extend(actions.iter().map(|action| action.name.clone()));
        for workflow in lists.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
            listed.entry(workflow.id).or_insert((workflow.name, context.clone()));
        }
    }
    found.is_cut = listed.len() > WORKFLOWS_MAX;
    let read = listed.into_iter().take(WORKFLOWS_MAX).map(async |(id, (name, context))| {
        let shown = if name.is_empty() { id.clone() } else { name };
        (shown, catalogue.workflow(&id, &context).await)
    });
    let read: Vec<_> = stream::iter(read).buffered(QUESTIONS_IN_FLIGHT_MAX).collect().await;
    for (name, answer) in read {
        match answer {
            Ok(known) => found.workflows.push(known.workflow),
            Err(error) => found.missing.push((name, error)),
        }
    }
    found.odd = odd(&found.workflows);
    Ok(found)
}

/// No severity at all, which a source in memory takes for all of them, and each one.
fn contexts() -> impl Iterator<Item = MatchContext> {
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    let of = |severity: Severity| MatchContext { severity: severity.to_string(), ..MatchContext::default() };
    std::iter::once(MatchContext::default()).chain(severities.into_iter().map(of))
}

fn odd(workflows: &[Workflow]) -> Vec<Problem> {
    let entry = |workflow: &Workflow| Entry { workflow: workflow.clone(), file: workflow.id.clone(), line: 0 };
    let entries: Vec<Entry> = workflows.iter().map(entry).collect();
    lint::check(&entries, &BTreeMap::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::DirectoryCatalogue;

    #[tokio::test]
    async fn a_survey_finds_everything_once() {
        let catalogue = DirectoryCatalogue::built_in();
        let found = survey(&catalogue).await.unwrap();
        assert_eq!((found.workflows.len(), found.action_types.len()), catalogue.counts());
        assert!(found.missing.is_empty() && !found.is_cut, "{:?}", found.missing);
        assert_eq!(found.odd.len(), catalogue.problems().len(), "{:?}", catalogue.problems());
    }
}
