//! The investigation by a model: find the cause, verify the target, choose a workflow, validate the choice
//! (investigation §1.5.1, states S0–S8).
//!
//! Each phase fills a [`Course`]; whatever happens, what was learnt so far stays in it, and [`conclusion`] makes one complete
//! result of it.

mod choice;
mod conclusion;
mod gates;
mod root_cause;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tracing::Instrument as _;

use super::answer::{RcaAnswer, SelectionAnswer};
use super::conversation::{Limits, Setting, Stop, Summaries, Transcript};
use super::journal::Journal;
use super::ledger::Ledger;
use super::outcome::Outcome;
use super::prompts::Guard;
use super::run::RunContext;
use super::validation::Validated;
use super::{InvestigatorParts, PhaseConfig};
use crate::analyser::Diagnosis;
use crate::catalogue::MatchContext;
use crate::cluster::ConfinedCluster;
use crate::domain::{
    ExcludedWorkflow, Incident, Investigation, ResourceRef, ReviewReason, Severity, ValidationAttempt,
};
use crate::enrichment::Enrichment;
use crate::llm::{Llm, LlmError, ModelPhase, Seat};
use crate::redaction::Redactor;
use crate::redaction::injection::Fence;
use crate::telemetry::metrics::Phase;
use crate::telemetry::spans;
use crate::tools::resource_context::ContextReader;
use crate::tools::workflows::CatalogueView;

/// Corrections of an answer that cannot be read, in each phase.
const FORMAT_CORRECTIONS_MAX: u32 = 2;
/// Characters of a token of JSON or log text, about.
const CHARS_PER_TOKEN: usize = 3;
/// Tokens of one tool result, at most.
const RESULT_TOKENS_MAX: usize = 25_000;
/// Share of the window one tool result may take, per cent.
const RESULT_WINDOW_PERCENT: usize = 15;

/// Why the model brought no result at all.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NoAnswer {
    /// The run was cancelled.
    Cancelled,
    /// The provider failed.
    Provider(LlmError),
    /// The model gave no usable root cause: the reason, the cause in plain words, and what it last wrote, if anything.
    Nothing { reason: ReviewReason, because: String, wrote: String },
}

/// What was learnt so far.
#[derive(Debug, Default)]
struct Course {
    rca: RcaAnswer,
    /// What was said to find the cause, where the choice of a workflow continues it.
    transcript: Option<Transcript>,
    /// What is wrong with the target.
    target_problem: Option<String>,
    enrichment: Option<Arc<Enrichment>>,
    /// The target does not exist any more; `enrichment` holds only its name.
    is_deleted: bool,
    outcome: Outcome,
    /// The phase that failed although the root cause is known.
    fatal: Option<(ReviewReason, String)>,
    unreadable: Option<String>,
    catalogue_problem: Option<String>,
    selection: Option<SelectionAnswer>,
    chosen: Option<Validated>,
    attempts: Vec<ValidationAttempt>,
    /// Why a person must look when every validation failed.
    exhausted: Option<ReviewReason>,
    excluded: Vec<ExcludedWorkflow>,
    workflow_listed: Option<bool>,
    warnings: Vec<String>,
}

impl Course {
    /// The object to change, once it is verified.
    fn target(&self) -> Option<&ResourceRef> {
        self.enrichment.as_ref().map(|enrichment| &enrichment.root_owner)
    }
}

/// One run.
struct Model<'a> {
    parts: &'a InvestigatorParts,
    incident: &'a Incident,
    diagnosis: &'a Diagnosis,
    setting: &'a Setting<'a>,
    journal: &'a Journal,
    /// What the service itself reads of targets.
    context: ContextReader,
    /// The same for the model's tools: within the namespaces they may see.
    tool_context: ContextReader,
}

/// Investigates with the model.
///
/// # Errors
/// [`NoAnswer`] when there is not even a root cause; the caller decides who answers then.
pub(super) async fn investigate(
    parts: &InvestigatorParts,
    llm: &Llm,
    incident: &Incident,
    run: &RunContext,
    diagnosis: &Diagnosis,
) -> Result<Investigation, NoAnswer> {
    let outside = run.outside.as_ref();
    let redactor = Redactor::new(outside.redaction_key()).with_personal_data(parts.redact.pii);
    let fence = Fence::new(outside.delimiter());
    let run = &within_budget(run, parts.config.wrap_up());
    let journal = Journal::new(parts.audit.clone(), parts.metrics.clone(), incident, redactor.clone(), run);
    let ledger = Arc::new(Ledger::default());
    let setting = Setting {
        rca: llm.seat(ModelPhase::Rca),
        selection: llm.seat(ModelPhase::WorkflowDiscovery),
        run,
        wrap_up_at: run.deadline - parts.config.wrap_up(),
        journal: &journal,
        redactor: &redactor,
        fence: &fence,
        ledger: &ledger,
        injection: parts.injection.mode,
        exempt_prefixes: &parts.config.exempt_prefixes,
        summaries: summaries(parts, llm),
    };
    let context = ContextReader {
        cluster: Arc::clone(&parts.cluster),
        enricher: parts.enricher.clone(),
        cache: Arc::default(),
        repetition_threshold: parts.prompt.repeated_remediation_escalation_threshold,
    };
    let namespaces = &parts.config.namespaces;
    let tool_context = ContextReader {
        cluster: ConfinedCluster::around(Arc::clone(&parts.cluster), namespaces),
        cache: if namespaces.is_open() { Arc::clone(&context.cache) } else { Arc::default() },
        ..context.clone()
    };
    let model = Model { parts, incident, diagnosis, setting: &setting, journal: &journal, context, tool_context };
    let mut course = Course::default();
    let found = model.run(&mut course).await;
    if found == Err(NoAnswer::Cancelled) {
        journal.cancelled().await;
    }
    found?;
    run.progress.phase("decision");
    Ok(model.conclude(course))
}

impl Course {
    /// Early outcomes and unverified targets need no workflow (investigation §1.5.5).
    fn wants_workflow(&self) -> bool {
        self.outcome == Outcome::None && self.target_problem.is_none()
    }
}

impl Model<'_> {
    async fn run(&self, course: &mut Course) -> Result<(), NoAnswer> {
        let progress = &self.setting.run.progress;
        progress.phase("root cause analysis");
        self.find_cause(course).instrument(spans::phase(Phase::Rca.as_str())).await?;
        self.journal.cause_found(self.cause(course)).await;
        if course.wants_workflow() {
            progress.phase("workflow selection");
            self.choose(course).instrument(spans::phase(Phase::WorkflowSelection.as_str())).await?;
        }
        Ok(())
    }

    fn guard(&self) -> Guard<'_> {
        Guard { redactor: self.journal.prompt_redactor(), fence: self.setting.fence, injection: self.setting.injection }
    }

    fn limits(&self, phase: PhaseConfig) -> Limits {
        let config = &self.parts.config;
        let seats = [&self.setting.rca, &self.setting.selection];
        let window = seats.map(Seat::context_window_tokens).into_iter().min().unwrap_or_default();
        let rule = (window * RESULT_WINDOW_PERCENT / 100).min(RESULT_TOKENS_MAX) * CHARS_PER_TOKEN;
        Limits {
            turns_max: phase.max_turns,
            tool_calls_max: phase.max_total_tool_calls,
            calls_per_tool_max: phase.max_tool_calls_per_tool,
            repeated_failures_max: config.max_repeated_failures,
            format_corrections_max: FORMAT_CORRECTIONS_MAX,
            parallel_calls_max: config.max_parallel_tools,
            call_timeout: Duration::from_secs(config.tool_call_timeout_seconds),
            result_chars_max: if config.max_tool_output_chars == 0 {
                rule
            } else {
                config.max_tool_output_chars.min(rule)
            },
            window_tokens: window,
        }
    }

    /// A view of the catalogue for this incident and its verified target.
    fn catalogue(&self, found: &Enrichment, severity: Option<Severity>) -> Arc<CatalogueView> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let labels = found.labels.for_model();
        let detected = labels.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let filters = MatchContext::new(self.incident, Some(found.root_owner.clone()))
            .with_detected_labels(detected)
            .with_established_severity(severity);
        let context = json!({"detected_labels": labels, "note": found.labels.sentences().join(" ")});
        Arc::new(CatalogueView::new(Arc::clone(&self.parts.catalogue), filters, Some(context)))
    }
}

/// Who sums up long results; nobody unless a model is named for it.
fn summaries(parts: &InvestigatorParts, llm: &Llm) -> Option<Summaries> {
    let threshold_chars = parts.config.summarizer_threshold()?;
    Some(Summaries { seat: llm.summary_seat()?, threshold_chars })
}

/// The run with the deadline that its budget of wall time sets, where there is one: concluding takes `wrap_up` as ever.
fn within_budget(run: &RunContext, wrap_up: Duration) -> RunContext {
    let seconds = run.meter.budget().seconds;
    let whole = Duration::from_secs(seconds).saturating_add(wrap_up);
    let deadline = match run.meter.began().checked_add(whole) {
        Some(end) if seconds > 0 => end.min(run.deadline),
        _ => run.deadline,
    };
    RunContext { deadline: run.outside.deadline(deadline), ..run.clone() }
}

/// What a phase that stopped says to people, and why they must look. `None` for a cancellation.
fn stopped(stop: &Stop, what: &str) -> Option<(ReviewReason, String)> {
    let inconclusive = ReviewReason::InvestigationInconclusive;
    Some(match stop {
        Stop::Cancelled => return None,
        Stop::Exhausted(budget) => (inconclusive, format!("The model used up its {budget} before {what}")),
        Stop::OutOfTime => (inconclusive, format!("The time of the investigation was over before {what}")),
        Stop::Refused => (inconclusive, format!("The model refused to go on before {what}")),
        Stop::TooLong => (inconclusive, format!("The conversation became too long for the model before {what}")),
        Stop::Unreadable(problem) => {
            (ReviewReason::LlmParsingError, format!("The model gave no readable answer before {what}: {problem}"))
        }
        Stop::Provider(error) => (inconclusive, format!("The model provider failed before {what}: {error}")),
    })
}
