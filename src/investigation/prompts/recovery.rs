//! What a model is told of the attempt that failed (investigation §1.3.1, §3.8).

use std::fmt::Write as _;

use super::Guard;
use crate::domain::{PreviousExecution, Recovery};

/// Parameters shown.
const PARAMETERS_MAX: usize = 50;

/// The phase the section stands in: each has its own task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    RootCause,
    Selection,
}

impl Reader {
    fn task(self) -> &'static str {
        match self {
            Self::RootCause => {
                "Look at the current state first: the attempt may have changed it, in part or wholly. Decide whether the \
                 signal is still the same and answer with the signal name that holds now. The earlier root cause is a \
                 hypothesis like any other: check it, and say what the failure tells about it."
            }
            Self::Selection => {
                "Choose for the root cause as it is now. Never the same workflow with the same parameters: such a choice is \
                 refused. Say in the rationale why this one can succeed where the previous one failed."
            }
        }
    }
}

/// The section with its heading; `None` when nothing is known of the failed attempt.
pub(super) fn section(recovery: Option<&Recovery>, guard: Guard<'_>, reader: Reader) -> Option<String> {
    let recovery = recovery?;
    let previous = recovery.previous_execution.as_ref()?;
    let number = recovery.attempt_number.map(|number| format!(" {number}")).unwrap_or_default();
    let facts = guard.fence.wrap("previous_attempt", &facts(previous, guard)).text;
    let guidance = guidance(&previous.failure.reason);
    let task = reader.task();
    Some(format!(
        "# Recovery attempt{number}\nA remediation of this incident was executed and failed.\n{facts}\n{guidance}\n{task}"
    ))
}

fn facts(previous: &PreviousExecution, guard: Guard<'_>) -> String {
    let PreviousExecution { workflow_execution_ref, original_rca, selected_workflow, failure, .. } = previous;
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        if !value.trim().is_empty() {
            let _ = writeln!(text, "- {label}: {}", guard.field(value.trim()));
        }
    };
    line("Earlier root cause", &original_rca.summary);
    line("Earlier signal", &original_rca.signal_name);
    line("Earlier severity", &original_rca.severity);
    line("Earlier contributing factors", &original_rca.contributing_factors.join("; "));
    line("Workflow tried", &format!("{} version {}", selected_workflow.workflow_id, selected_workflow.version));
    line("Its bundle", &selected_workflow.execution_bundle);
    line("Chosen because", &selected_workflow.rationale);
    for (name, value) in selected_workflow.parameters.iter().take(PARAMETERS_MAX) {
        line("Parameter", &format!("{name}={value}"));
    }
    line("Execution", workflow_execution_ref);
    line("Failed step", &format!("{} (index {})", failure.failed_step_name, failure.failed_step_index));
    line("Reason", &failure.reason);
    line("Message", &failure.message);
    line("Exit code", &failure.exit_code.map(|code| code.to_string()).unwrap_or_default());
    line("Failed at", &failure.failed_at);
    line("After", &failure.execution_time);
    line("The executor's summary", previous.natural_language_summary.as_deref().unwrap_or_default());
    text.trim_end().to_owned()
}

/// What a reason code usually means for the next attempt.
fn guidance(reason: &str) -> &'static str {
    match reason.trim() {
        "OOMKilled" => {
            "The step or the workload ran out of memory: a lighter approach, or higher limits for what was killed."
        }
        "InsufficientCPU" | "InsufficientMemory" | "FailedScheduling" | "Unschedulable" => {
            "There was no room to run: free or add capacity, or lower the requests, before trying the same again."
        }
        "ImagePullBackOff" | "ErrImagePull" => {
            "The image of the workflow itself could not be pulled: a problem of image or registry, not of the target. \
             Another workflow may use another image."
        }
        "DeadlineExceeded" => {
            "It took too long and may have been done in part: check what was changed, then a longer timeout or a smaller \
             scope."
        }
        "BackoffLimitExceeded" | "Error" => {
            "The step failed again and again: what its log says decides; more retries of the same will not help."
        }
        "Unauthorized" | "Forbidden" => {
            "The executor lacks a permission: an approach that needs the same permission fails again unless the permission \
             was changed meanwhile."
        }
        "FailedMount" | "FailedAttachVolume" => {
            "Storage could not be attached: look at volumes, claims and the node they are attached to."
        }
        "NetworkNotReady" | "NodeNotReady" => {
            "The infrastructure below the workload was not ready: its node or network comes before the workload."
        }
        "Evicted" => "The node was under pressure and evicted the step: what presses the node is part of the cause.",
        _ => "Understand why it failed before choosing again.",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_group_of_reasons_has_its_own_guidance() {
        let groups: &[&[&str]] = &[
            &["OOMKilled"],
            &["InsufficientCPU", "InsufficientMemory", "FailedScheduling", "Unschedulable"],
            &["ImagePullBackOff", "ErrImagePull"],
            &["DeadlineExceeded"],
            &["BackoffLimitExceeded", " Error "],
            &["Unauthorized", "Forbidden"],
            &["FailedMount", "FailedAttachVolume"],
            &["NetworkNotReady", "NodeNotReady"],
            &["Evicted"],
            &["", "SomethingNew"],
        ];
        let mut told = BTreeSet::new();
        for group in groups {
            let texts: BTreeSet<&str> = group.iter().map(|reason| guidance(reason)).collect();
            assert_eq!(texts.len(), 1, "{group:?}");
            told.extend(texts);
        }
        assert_eq!(told.len(), groups.len());
    }
}
