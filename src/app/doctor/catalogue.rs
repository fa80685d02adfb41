//! Workflows: the source answers, every workflow can be had, and what is odd about each.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Examination;
use super::clients::Clients;
use super::report::{Area, Check, Status};
use super::rows::{Finding, Rows, chain};
use crate::app::{catalogue, open_cluster};
use crate::catalogue::{
    Catalogue, CatalogueError, DirectoryCatalogue, Problem, RemoteCatalogue, ResourceCatalogue, ResourceTimes, Survey,
    survey,
};
use crate::config::CatalogueSource;

/// Rows for single workflows; the rest is counted.
const PROBLEMS_MAX: usize = 20;
/// A survey asks the same list once for each severity; what it learnt counts until it ends.
const REMEMBERED: Duration = Duration::from_mins(1);
const LATE: &str = "See whether the source of the catalogue is slow, or raise --timeout for a large one.";
const SOURCE: &str = "Correct catalogue.source and what it names; see the checks of data_storage and kubernetes.";

pub(super) async fn check(examination: &Examination, clients: &Clients, until: Instant) -> Vec<Check> {
    let mut rows = Rows::of(Area::Catalogue, until);
    match examination.config.catalogue.source() {
        CatalogueSource::Directory => files(examination, &mut rows).await,
        CatalogueSource::CustomResources => resources(examination, &mut rows).await,
        CatalogueSource::DataStorage => match &clients.data_storage {
            Some(Ok(client)) => {
                let catalogue = RemoteCatalogue::new(client.clone(), REMEMBERED);
                if let Some(found) = surveyed(&mut rows, &catalogue).await {
                    tell(&mut rows, &found.odd);
                }
            }
            _ => rows.note("source", Finding::failed("DataStorage keeps the workflows and has no client", SOURCE)),
        },
    }
    rows.into_checks()
}

/// Files are read in full; their own lint has said everything.
async fn files(examination: &Examination, rows: &mut Rows) {
    let config = examination.config.catalogue.clone();
    let opened = tokio::task::spawn_blocking(move || catalogue(&config));
    let judge = |opened: &Result<Result<DirectoryCatalogue, CatalogueError>, _>| match opened {
        Ok(Ok(files)) => {
            let (workflows, action_types) = files.counts();
            counted(&files.description(), workflows, action_types)
        }
        Ok(Err(error)) => {
            Finding::failed(error.to_string(), "Correct catalogue.directory, or leave it out for the compiled-in set.")
        }
        Err(_) => Finding::failed("reading the files ended unexpectedly", "Report this: it is a defect."),
    };
    if let Some(Ok(Ok(files))) = rows.ask("source", LATE, opened, judge).await {
        tell(rows, files.problems());
    }
}

async fn resources(examination: &Examination, rows: &mut Rows) {
    let config = &examination.config;
    let cluster = match open_cluster(&config.cluster).await {
        Ok(cluster) => cluster,
        Err(error) => return rows.note("source", Finding::failed(chain(&error), SOURCE)),
    };
    let times = ResourceTimes::refreshing(REMEMBERED);
    let catalogue = ResourceCatalogue::new(Arc::clone(&cluster), config.catalogue.namespace.clone(), times);
    if surveyed(rows, &catalogue).await.is_some() {
        tell(rows, &catalogue.problems());
    }
}

/// What is there, and what is listed without being there.
async fn surveyed(rows: &mut Rows, catalogue: &dyn Catalogue) -> Option<Survey> {
    let description = catalogue.description();
    let judge = |found: &Result<Survey, CatalogueError>| match found {
        Ok(found) => {
            let counted = counted(&description, found.workflows.len(), found.action_types.len());
            match found.is_cut {
                true => Finding::warning(
                    format!("{}; there are more that were not looked at", counted.seen),
                    "Nobody can choose from so many: retire what is not used.",
                ),
                false => counted,
            }
        }
        Err(error) => Finding::failed(error.to_string(), SOURCE),
    };
    let found = rows.ask("source", LATE, survey(catalogue), judge).await?.ok()?;
    for (name, error) in found.missing.iter().take(PROBLEMS_MAX) {
        rows.note(
            name.clone(),
            Finding::failed(
                format!("is listed and cannot be had: {error}"),
                "Register the workflow again, or disable it: an investigation that chooses it ends in review.",
            ),
        );
    }
    Some(found)
}

fn counted(description: &str, workflows: usize, action_types: usize) -> Finding {
    let seen = format!("{description}: {workflows} workflows of {action_types} action types");
    match workflows {
        0 => Finding::warning(
            seen,
            "Register workflows: until then every investigation ends in review, without a remediation.",
        ),
        _ => Finding::ok(seen),
    }
}

/// One row for each problem of a workflow, the worst first, and one for those beyond the bound.
fn tell(rows: &mut Rows, problems: &[Problem]) {
    let mut problems: Vec<&Problem> = problems.iter().collect();
    problems.sort_by_key(|problem| !problem.is_fatal);
    for problem in problems.iter().take(PROBLEMS_MAX) {
        rows.note(place(problem), judged(problem));
    }
    if let Some(more) = problems.len().checked_sub(PROBLEMS_MAX).filter(|more| *more > 0) {
        let worst = problems.iter().skip(PROBLEMS_MAX).any(|problem| problem.is_fatal);
        let finding = Finding::warning(format!("{more} problems more"), "Mend those above and look again.");
        rows.note("more", if worst { Finding { status: Status::Failed, ..finding } } else { finding });
    }
    if problems.is_empty() && rows.are_well() {
        rows.note(
            "workflows",
            Finding::ok("all can be had; parameters, labels and bundles are sound, none is ambiguous"),
        );
    }
}

fn place(problem: &Problem) -> String {
    match problem.line {
        0 => problem.file.clone(),
        line => format!("{}:{line}", problem.file),
    }
}

fn judged(problem: &Problem) -> Finding {
    let message = &problem.message;
    if problem.is_fatal {
        return Finding::failed(
            format!("{message} (left out)"),
            "Correct the document; the others are used without it.",
        );
    }
    let mend = [
        ("digest", "Pin the bundle by digest: `image@sha256:…`; otherwise what runs can change unseen."),
        ("bundle is missing", "Name an OCI reference, pinned by digest, in spec.execution.bundle."),
        ("which one runs is chance", "Give the two different labels, or retire one."),
        ("reach", "Name severities, components and the like that incidents have, or `*`."),
        ("no incident is about", "Name severities, components and the like that incidents have, or `*`."),
        ("no signal has severity", "Use critical, high, medium, low or `*`."),
        ("default breaks", "Correct the default: a run that relies on it is refused."),
        ("no ActionType describes", "Add an ActionType of this name, so that a model knows when to use it."),
        ("parameter", "Correct the declaration in spec.parameters."),
    ];
    let mend = mend.iter().find(|(words, _)| message.contains(words)).map_or("Correct the workflow.", |(_, mend)| mend);
    Finding::warning(message.clone(), mend)
}
