//! S2 and S3: the root-cause conversation and its gates.

use std::sync::Arc;

use tracing::Span;

use super::gates::{Gate, Gates};
use super::{Course, Model, NoAnswer, stopped};
use crate::domain::{ResourceRef, RootCause};
use crate::investigation::answer::{self, RcaAnswer};
use crate::investigation::conversation::{Conversation, Said, Stop};
use crate::investigation::journal::Cause;
use crate::investigation::ledger::ReadToolResult;
use crate::investigation::submit::SubmitTool;
use crate::investigation::{SelectionConversation, prompts};
use crate::llm::ToolDefinition;
use crate::telemetry::metrics::{Phase, PhaseOutcome};
use crate::tools::mcp::Offer;
use crate::tools::{Tool, ToolSet, arguments, resource_context};

/// Findings of the analyser offered as hypotheses.
const HYPOTHESES_MAX: usize = 3;

impl Model<'_> {
    /// Runs the conversation until the answer passes every gate, or until it cannot get better.
    pub(super) async fn find_cause(&self, course: &mut Course) -> Result<(), NoAnswer> {
        tracing::info!(event = "phase1_rca_started", "looking for the root cause");
        let config = &self.parts.config;
        let answering = self.setting.answering();
        let paging: Arc<dyn Tool> = Arc::new(ReadToolResult::new(Arc::clone(self.setting.ledger)));
        let tools = self.parts.tools.clone().with(resource_context::tools(&self.tool_context)).with([paging]);
        let submit = vec![SubmitTool::Result.definition()];
        let offer = self.offer(&tools, &submit).await?;
        course.warnings.extend(offer.warnings);
        let tools = tools.with(offer.tools);
        let mut user = prompts::rca_user(self.incident, self.guard(), &self.hypotheses(), answering);
        user.push_str(&prompts::tool_servers(&offer.guides, self.guard()));
        let prompts = [prompts::rca_system(config, answering), user];
        let mut conversation =
            Conversation::new(self.setting, Phase::Rca, self.limits(config.rca), tools, submit, prompts);
        let first = conversation.answer(read).await;
        let ended = match first {
            Ok(answer) => {
                course.rca = answer;
                self.pass_gates(&mut conversation, course).await
            }
            Err(stop) => Err(nothing(&stop, conversation.last_text())),
        };
        self.journal.metrics().phase_turns(Phase::Rca, conversation.turns());
        let outcome = if ended.is_ok() { PhaseOutcome::Success } else { PhaseOutcome::Error };
        self.journal.metrics().phase_finished(Phase::Rca, outcome);
        let continues = config.selection.conversation == SelectionConversation::Continue;
        course.transcript = continues.then(|| conversation.into_transcript());
        ended
    }

    /// The tools of MCP servers beside the ones there are. A server that is down costs a warning.
    async fn offer(&self, tools: &ToolSet, submit: &[ToolDefinition]) -> Result<Offer, NoAnswer> {
        let (run, servers) = (self.setting.run, &self.parts.mcp);
        let served = tokio::select! {
            biased;
            () = run.cancel.cancelled() => return Err(NoAnswer::Cancelled),
            served = run.outside.served(servers) => served,
        };
        for (server, problem) in served.iter().filter_map(|one| Some((&one.server, one.problem.as_ref()?))) {
            tracing::warn!(
                event = "mcp_server_unavailable",
                server,
                error = problem,
                incident_id = self.incident.incident_id,
                "the tools of an MCP server are not available to this investigation"
            );
        }
        if served.is_empty() {
            return Ok(Offer::default());
        }
        let aliases = tools.iter().flat_map(|tool| tool.aliases().iter().copied());
        let taken = tools.names().chain(aliases).chain(submit.iter().map(|tool| tool.name.as_str()));
        let taken: Vec<String> = taken.map(str::to_owned).collect();
        let (servers, redactor, span) = (servers.clone(), self.setting.redactor.clone(), Span::current());
        // Whole lists of tools are redacted.
        let offer = tokio::task::spawn_blocking(move || {
            span.in_scope(|| Offer::of(&served, taken.iter().map(String::as_str), &servers, &redactor))
        });
        Ok(offer.await.unwrap_or_default())
    }

    /// The root cause as far as it is known before a workflow is chosen, for the audit trail.
    pub(super) fn cause(&self, course: &Course) -> Cause {
        let rca = &course.rca;
        let root_cause = RootCause {
            summary: rca.summary.clone(),
            severity: rca.stated.severity.unwrap_or(self.incident.severity),
            signal_name: rca.signal_name.clone(),
            cause_class: None,
            contributing_factors: rca.contributing_factors.clone(),
            target: course.target().cloned(),
            causal_chain: rca.causal_chain.clone(),
            due_diligence: rca.due_diligence.clone(),
            evidence: Vec::new(),
        };
        Cause {
            root_cause,
            analysis: rca.analysis.clone().unwrap_or_default(),
            confidence: rca.stated.confidence.unwrap_or_default(),
        }
    }

    /// The analyser's best related findings in one line each; none about namespaces the tools may not read.
    fn hypotheses(&self) -> Vec<String> {
        if !self.parts.config.analyser_hypotheses {
            return Vec::new();
        }
        let shown = |place: &ResourceRef| {
            let namespace = place.namespace.as_deref();
            namespace.is_none_or(|namespace| self.parts.config.namespaces.permits(namespace))
        };
        let related = self
            .diagnosis
            .findings
            .iter()
            .filter(|ranked| ranked.is_related && shown(&ranked.finding.target) && shown(&ranked.finding.subject));
        let related = related.take(HYPOTHESES_MAX);
        related
            .map(|ranked| {
                let finding = &ranked.finding;
                format!("{} ({}; target {})", finding.summary, finding.cause_class, finding.target)
            })
            .collect()
    }

    async fn pass_gates(&self, conversation: &mut Conversation<'_>, course: &mut Course) -> Result<(), NoAnswer> {
        let mut gates = Gates::default();
        loop {
            course.outcome = course.rca.stated.outcome;
            let (feedback, problem) = match self.gate(&mut gates, course).await {
                Gate::Pass => return Ok(()),
                Gate::Fail(problem) => {
                    course.target_problem = Some(problem);
                    return Ok(());
                }
                Gate::Correct { feedback, problem } => (feedback, problem),
            };
            if conversation.is_over() {
                course.target_problem = problem;
                return Ok(());
            }
            conversation.correct(feedback);
            match conversation.answer(read).await {
                Ok(answer) => course.rca = kept_confidence(answer, &course.rca),
                Err(Stop::Cancelled) => return Err(NoAnswer::Cancelled),
                // The answer before stands; what was wrong with it is told.
                Err(stop) => {
                    let told = stopped(&stop, "its answer was corrected").map(|(_, told)| told);
                    course.warnings.extend(told);
                    course.target_problem = problem;
                    return Ok(());
                }
            }
        }
    }
}

fn read(said: &Said) -> Result<RcaAnswer, String> {
    let answer = match said {
        Said::Submitted { arguments, .. } => match arguments::parse(arguments) {
            Ok(members) => answer::rca_from_arguments(&members),
            Err(_) => answer::rca_from_text(arguments),
        },
        Said::Text(text) => answer::rca_from_text(text),
    };
    answer.map_err(|problem| problem.to_string())
}

/// A correction that leaves the confidence out keeps the one given before.
fn kept_confidence(mut answer: RcaAnswer, before: &RcaAnswer) -> RcaAnswer {
    answer.stated.confidence = answer.stated.confidence.or(before.stated.confidence);
    if answer.claims.is_empty() {
        answer.claims.clone_from(&before.claims);
    }
    answer
}

fn nothing(stop: &Stop, wrote: &str) -> NoAnswer {
    match stop {
        Stop::Cancelled => NoAnswer::Cancelled,
        Stop::Provider(error) => NoAnswer::Provider(error.clone()),
        stop => match stopped(stop, "a root cause was found") {
            Some((reason, because)) => NoAnswer::Nothing { reason, because, wrote: wrote.to_owned() },
            None => NoAnswer::Cancelled,
        },
    }
}
