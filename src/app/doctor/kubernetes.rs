//! The cluster: it answers, it knows us, and it grants every right on the list of `cluster::rights`.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::super::pod_name;
use super::Examination;
use super::clients::Clients;
use super::report::{Area, Check};
use super::rows::{Finding, Rows, chain};
use crate::auth;
use crate::cluster::ClusterError;
use crate::cluster::bundle::{BundleCluster, BundleLimits};
use crate::cluster::live::{Inquiry, LiveError, ServerFacts};
use crate::cluster::rights::{Need, Purpose, Question, RIGHTS};
use crate::config::{CatalogueSource, ClusterSource, Config};

/// Reviews asked for at the same time.
const REVIEWS_IN_FLIGHT_MAX: usize = 8;
const LATE: &str =
    "Let the NetworkPolicy or firewall pass the API server, and see whether the kubeconfig names the right one.";
const ANSWERS: &str = "Correct the kubeconfig (cluster.kubeconfig, cluster.context, KUBECONFIG), or let the NetworkPolicy pass \
                       the API server.";

/// Namespaces of `investigation.namespaces.allow` that are asked about.
const NAMESPACES_MAX: usize = 10;

/// The answers to questions about rights.
type Answers = Result<Vec<(Question, bool)>, ClusterError>;

pub(super) async fn check(examination: &Examination, clients: &Clients, until: Instant) -> Vec<Check> {
    let mut rows = Rows::of(Area::Kubernetes, until);
    match (&clients.cluster, examination.config.cluster.source) {
        (Some(inquiry), _) => investigated(examination, inquiry, &mut rows).await,
        (None, ClusterSource::Live) => {}
        (None, ClusterSource::Bundle) => bundle(examination, &mut rows).await,
    }
    match &clients.reviews {
        Some(Ok(inquiry)) => granted(&mut rows, inquiry, Asked::of(Purpose::ReviewCallers)).await,
        Some(Err(error)) => rows.note(
            "reviews of callers",
            Finding::failed(chain(error), "Run inside the cluster, set KUBECONFIG, or use auth.mode: token."),
        ),
        None => {}
    }
    rows.into_checks()
}

/// The API server investigations read from. Where nothing is configured it need not be there.
async fn investigated(examination: &Examination, inquiry: &Result<Inquiry, LiveError>, rows: &mut Rows) {
    let soft = |finding: Finding| if examination.is_assumed() { finding.softened() } else { finding };
    let inquiry = match inquiry {
        Ok(inquiry) => inquiry,
        Err(error) if examination.is_assumed() => return rows.note("API server", Finding::skipped(error.to_string())),
        Err(error) => return rows.note("API server", Finding::failed(chain(error), ANSWERS)),
    };
    let judge = |facts: &Result<ServerFacts, ClusterError>| soft(answered(inquiry, facts));
    let Some(Ok(_)) = rows.ask("API server", LATE, inquiry.server(), judge).await else { return };
    let judge = |user: &Result<Option<String>, ClusterError>| soft(identity(user));
    rows.ask("identity", LATE, inquiry.user(), judge).await;
    let config = &examination.config;
    may_investigate(rows, inquiry, config).await;
    let Ok(namespace) = auth::namespace(config.auth.namespace.as_deref()) else { return };
    if config.data_storage().is_some() {
        granted(rows, inquiry, Asked::of(Purpose::UseDataStorage).inside(&namespace)).await;
    }
    if pod_name().is_some() {
        granted(rows, inquiry, Asked::of(Purpose::TellEvents).inside(&namespace)).await;
    }
}

/// Where tools are confined to some namespaces, rights in those are enough, for what belongs to one.
async fn may_investigate(rows: &mut Rows, inquiry: &Inquiry, config: &Config) {
    let mut asked = Asked::of(Purpose::Investigate);
    let has_workflows = config.catalogue.source() == CatalogueSource::CustomResources;
    asked.questions.retain(|question| has_workflows || question.right.need != Need::Catalogue);
    let allowed = &config.investigation.namespaces.allow;
    if allowed.is_empty() {
        return granted(rows, inquiry, asked).await;
    }
    let (inside, outside): (Vec<Question>, Vec<Question>) =
        asked.questions.iter().partition(|question| question.is_namespaced() && question.right.need != Need::Catalogue);
    asked.questions = outside;
    granted(rows, inquiry, asked).await;
    for namespace in allowed.iter().take(NAMESPACES_MAX) {
        let place = format!(" in {namespace}");
        let asked = Asked { questions: inside.clone(), place, ..Asked::of(Purpose::Investigate).inside(namespace) };
        granted(rows, inquiry, asked).await;
    }
    let rest = allowed.len().saturating_sub(NAMESPACES_MAX);
    if rest > 0 {
        rows.note("rights: other namespaces", Finding::skipped(format!("{rest} more namespaces are not asked about")));
    }
}

fn answered(inquiry: &Inquiry, facts: &Result<ServerFacts, ClusterError>) -> Finding {
    let address = inquiry.address();
    match facts {
        Ok(facts) => {
            Finding::ok(format!("{address} answers in {} ms, {}", facts.round_trip.as_millis(), facts.version))
        }
        Err(error) => {
            let text = error.to_string();
            let mend = if text.contains("certificate") {
                "Put the authority of the cluster into the kubeconfig (certificate-authority)."
            } else if text.contains("401") {
                "Renew the credentials of the kubeconfig, or the ServiceAccount token."
            } else {
                ANSWERS
            };
            Finding::failed(format!("{address}: {text}"), mend)
        }
    }
}

fn identity(user: &Result<Option<String>, ClusterError>) -> Finding {
    match user {
        Ok(Some(user)) if user == "system:anonymous" => Finding::failed(
            "the API server takes this service for nobody (system:anonymous)",
            "Mount a ServiceAccount token, or put credentials into the kubeconfig.",
        ),
        Ok(Some(user)) => Finding::ok(format!("the API server knows this service as {user}")),
        Ok(None) => Finding::skipped("the API server does not tell whom it takes this service for"),
        Err(error) => {
            Finding::failed(error.to_string(), "Renew the credentials of the kubeconfig, or the ServiceAccount token.")
        }
    }
}

/// Rights of one purpose that are asked for together.
struct Asked<'a> {
    purpose: Purpose,
    questions: Vec<Question>,
    /// In this namespace; `None` = in all of them.
    namespace: Option<&'a str>,
    /// Behind the names of rows: where, if there are several such places.
    place: String,
}

impl<'a> Asked<'a> {
    fn of(purpose: Purpose) -> Self {
        let rights = RIGHTS.iter().filter(|right| right.purpose == purpose);
        let questions = rights.flat_map(|right| right.questions()).collect();
        Self { purpose, questions, namespace: None, place: String::new() }
    }

    fn inside(self, namespace: &'a str) -> Self {
        Self { namespace: Some(namespace), ..self }
    }
}

/// Asks for rights; one row for all that are granted, and one for each group where some are not.
async fn granted(rows: &mut Rows, inquiry: &Inquiry, asked: Asked<'_>) {
    let Asked { purpose, questions, namespace, place } = asked;
    let count = questions.len();
    let ask = async {
        let asks = questions.into_iter().map(async |question| Ok((question, inquiry.may(question, namespace).await?)));
        let answers: Vec<Result<_, ClusterError>> = stream::iter(asks).buffered(REVIEWS_IN_FLIGHT_MAX).collect().await;
        answers.into_iter().collect::<Answers>()
    };
    let role = purpose.role();
    let judge = |answers: &Answers| match answers {
        Ok(answers) => summary(answers, count, role),
        Err(error) => Finding::failed(
            format!("the API server does not say what is granted: {error}"),
            "Every authenticated user may ask (ClusterRole system:basic-user); grant that again.",
        ),
    };
    let name = format!("rights: {}{place}", purpose.as_str());
    let Some(Ok(answers)) = rows.ask(name, LATE, ask, judge).await else { return };
    for (group, refused) in refused(&answers) {
        rows.note(format!("rights: {}{place}", group_name(group)), lacking(&refused, role));
    }
}

/// As bad as the worst that is lacking.
fn summary(answers: &[(Question, bool)], asked: usize, role: &str) -> Finding {
    let lacking: Vec<Need> =
        answers.iter().filter(|(_, is_granted)| !is_granted).map(|(question, _)| question.right.need).collect();
    if lacking.is_empty() {
        return Finding::ok(format!("all {asked} are granted"));
    }
    let seen = format!("{} of {asked} are not granted", lacking.len());
    let mend = format!("Bind {role} of deploy/kubernetes/roles.yaml; each group that lacks some has its own row.");
    match lacking.iter().all(|need| matches!(need, Need::Loses(_))) {
        true => Finding::warning(seen, mend),
        false => Finding::failed(seen, mend),
    }
}

/// What is not granted, by group and by how much depends on it.
fn refused(answers: &[(Question, bool)]) -> Vec<(&'static str, Vec<Question>)> {
    let mut groups: Vec<(&'static str, Need, Vec<Question>)> = Vec::new();
    for (question, _) in answers.iter().filter(|(_, is_granted)| !is_granted) {
        let (group, need) = (question.right.group, question.right.need);
        match groups.iter_mut().find(|(name, needed, _)| (*name, *needed) == (group, need)) {
            Some((_, _, questions)) => questions.push(*question),
            None => groups.push((group, need, vec![*question])),
        }
    }
    groups.into_iter().map(|(group, _, questions)| (group, questions)).collect()
}

fn lacking(refused: &[Question], role: &str) -> Finding {
    let mut verbs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for question in refused {
        verbs.entry(question.resource).or_default().push(question.verb);
    }
    let shown: Vec<String> =
        verbs.iter().map(|(resource, verbs)| format!("{resource} ({})", verbs.join(", "))).collect();
    let seen = format!("not granted: {}", shown.join(", "));
    let Some(first) = refused.first() else { return Finding::ok(seen) };
    let resources: Vec<&str> = verbs.keys().copied().collect();
    let needed: BTreeSet<&str> = refused.iter().flat_map(|question| question.right.verbs).copied().collect();
    let mend = format!(
        "Bind {role} of deploy/kubernetes/roles.yaml, or grant apiGroups: [\"{}\"], resources: [{}], verbs: [{}].",
        first.right.group,
        resources.join(", "),
        needed.into_iter().collect::<Vec<_>>().join(", "),
    );
    match first.right.need {
        Need::Must | Need::Catalogue => Finding::failed(seen, mend),
        Need::Loses(what) => Finding::warning(format!("{seen}; {what}"), mend),
    }
}

fn group_name(group: &str) -> &str {
    if group.is_empty() { "core group" } else { group }
}

async fn bundle(examination: &Examination, rows: &mut Rows) {
    let Some(folder) = examination.config.cluster.bundle.clone() else { return };
    let shown = folder.display().to_string();
    let opened = tokio::task::spawn_blocking(move || BundleCluster::open(&folder, &BundleLimits::default()));
    let finding = |problems: &[String]| match problems {
        [] => Finding::ok(format!("the recorded cluster {shown} can be read")),
        [first, ..] => Finding::warning(
            format!("{} parts of the recorded cluster {shown} cannot be read: {first}", problems.len()),
            "Record it again, or correct the files (docs/bundle.md).",
        ),
    };
    let judge = |opened: &Result<Result<BundleCluster, _>, _>| match opened {
        Ok(Ok(bundle)) => finding(&crate::cluster::Cluster::problems(bundle)),
        Ok(Err(error)) => {
            Finding::failed(chain(error), "Correct cluster.bundle: a folder as docs/bundle.md describes it.")
        }
        Err(_) => Finding::failed("reading the bundle ended unexpectedly", "Report this: it is a defect."),
    };
    rows.ask("recorded cluster", "See whether its volume answers.", opened, judge).await;
}
