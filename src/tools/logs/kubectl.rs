//! `kubectl_logs` and its seven earlier names: the name used says what is meant by default.

use std::sync::Arc;

use async_trait::async_trait;

use super::pattern::Pattern;
use super::story::{self, Story, Wanted};
use super::{LOGS, definitions};
use crate::cluster::{Cluster, LOG_LINES_MAX};
use crate::llm::ToolDefinition;
use crate::tools::kubernetes::{Fault, required};
use crate::tools::{Content, Invocation, Keep, Tool, ToolOutput, ToolStatus};

/// Lines shown unless the call says otherwise.
const LINES_DEFAULT: u64 = 500;

/// Names of earlier generations. What each means is in its words: `previous`, `all_containers`, `grep`.
const ALIASES: [&str; 7] = [
    "kubectl_previous_logs",
    "kubectl_logs_all_containers",
    "kubectl_previous_logs_all_containers",
    "kubectl_container_logs",
    "kubectl_container_previous_logs",
    "kubectl_logs_grep",
    "kubectl_logs_all_containers_grep",
];

#[derive(Debug)]
pub(super) struct KubectlLogs {
    definition: ToolDefinition,
    cluster: Arc<dyn Cluster>,
}

impl KubectlLogs {
    pub(super) fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self { definition: definitions::kubectl_logs(), cluster }
    }
}

#[async_trait]
impl Tool for KubectlLogs {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn toolset(&self) -> &'static str {
        LOGS
    }

    fn aliases(&self) -> &'static [&'static str] {
        &ALIASES
    }

    fn is_time_dependent(&self) -> bool {
        true
    }

    async fn call(&self, call: Invocation<'_>) -> ToolOutput {
        logs(self.cluster.as_ref(), &call).await.unwrap_or_else(|fault| ToolOutput::error(fault.0))
    }
}

async fn logs(cluster: &dyn Cluster, call: &Invocation<'_>) -> Result<ToolOutput, Fault> {
    let used = call.name.trim().to_ascii_lowercase();
    let name = call.any_text(&["pod_name", "name"]);
    let name = name.ok_or_else(|| Fault("pod_name is required; name the pod and call again".to_owned()))?;
    let namespace = required(call, "namespace")?;
    let asked = call.any_text(&["pattern", "search_term"]);
    if asked.is_none() && used.ends_with("_grep") {
        return Err(Fault(format!("{used} needs pattern; give one, or use kubectl_logs for all lines")));
    }
    let (pattern, note) = Pattern::read("pattern", asked)?;
    let container = call.any_text(&["container", "container_name"]);
    let all = call.flag("all_containers").unwrap_or_else(|| used.contains("all_containers")) && container.is_none();
    let previous = call.flag("previous").unwrap_or_else(|| used.contains("previous"));
    let lines_max = call.number("tailLines").unwrap_or(LINES_DEFAULT).clamp(1, u64::from(LOG_LINES_MAX));
    let pod = story::pod(cluster, namespace, name).await?;
    let wanted = Wanted {
        pod: name,
        namespace,
        containers: if all { story::all_containers(pod.as_ref()) } else { vec![container.map(str::to_owned)] },
        instances: &[previous],
        // A pattern looks at all lines, the newest of what it finds are shown.
        tail_lines: if pattern.is_some() { None } else { u32::try_from(lines_max).ok() },
        since: None,
    };
    let mut story = story::read(cluster, &wanted, pod.as_ref()).await?;
    let counts = story.narrow(pattern.as_ref(), None, usize::try_from(lines_max).unwrap_or(usize::MAX));
    let left_out = call.number("limitBytes").map(|bytes_max| newest_bytes(&mut story, bytes_max)).unwrap_or_default();
    let status = if story.lines.is_empty() { ToolStatus::NoData } else { ToolStatus::Success };
    let mut parts = vec![format!("{} lines read", counts.total)];
    parts.extend(pattern.is_some().then(|| format!("{} match", counts.included)));
    parts.push(format!("{} shown", story.lines.len()));
    parts.extend((left_out > 0).then(|| format!("{left_out} older ones beyond limitBytes")));
    parts.extend(story.truncated.then(|| "older lines exist".to_owned()));
    parts.extend((!story.silent.is_empty()).then(|| format!("no log: {}", story.silent.join("; "))));
    let footer = format!("-- {}", parts.join(", "));
    let content =
        Content::Lines { header: story.header(), lines: story.texts(), footer, keep: Keep::HeadTailAndErrors };
    Ok(note.into_iter().fold(ToolOutput::of(status, content), ToolOutput::noting))
}

/// Keeps the newest lines that fit; returns how many went.
fn newest_bytes(story: &mut Story, bytes_max: u64) -> usize {
    let mut left = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let sizes = story.texts().into_iter().map(|line| line.len() + 1).rev();
    let mut kept = 0;
    for size in sizes {
        let Some(rest) = left.checked_sub(size) else { break };
        left = rest;
        kept += 1;
    }
    let gone = story.lines.len() - kept;
    story.lines.drain(..gone);
    gone
}
