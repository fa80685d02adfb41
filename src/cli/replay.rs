//! `replay`: a recorded investigation once more, from its file alone, or with a model asked anew.

use std::io::IsTerminal as _;

use super::arguments::{Output, ReplayOptions};
use super::{Failure, complain, configuration_file, install_logging, print, report, runtime};
use crate::api::incident::IncidentResponse;
use crate::app;
use crate::config::{ClusterConfig, Config};
use crate::domain::Investigation;
use crate::llm::LlmConfig;
use crate::recording::{Recording, Replayed};
use crate::telemetry::logging::{self, Format, Level, LoggingConfig};

/// Unanswered questions listed.
const UNRECORDED_SHOWN_MAX: usize = 20;
/// Characters of each.
const UNRECORDED_CHARS_MAX: usize = 200;

pub(super) fn replay(options: &ReplayOptions) -> Result<u8, Failure> {
    let recording = Recording::read(&options.file).map_err(Failure::bad_input)?;
    let standalone = Config::standalone(ClusterConfig::default());
    let quiet = LoggingConfig { level: Level::Error, format: Format::Text, ..standalone.logging };
    install_logging(&standalone, Some(quiet), logging::Output::Stderr)?;
    let model = model(options)?;
    let replayed = runtime()?.block_on(app::replay(&recording, model.as_ref()))?;
    if let Ok(investigation) = &replayed.result {
        print(&text(options, &recording, investigation)?)?;
    }
    complain(&verdict(&recording, &replayed, model.as_ref()));
    Ok(match (&replayed.result, &model) {
        (Err(_), Some(_)) => 1,
        (Ok(_), Some(_)) => 0,
        (_, None) => u8::from(!replayed.is_identical()),
    })
}

/// The profile to ask, where one is named.
fn model(options: &ReplayOptions) -> Result<Option<LlmConfig>, Failure> {
    let Some(name) = &options.with_model else { return Ok(None) };
    let path = configuration_file(options.config.clone())?;
    let section = Config::load(&path)?.llm;
    let profile = section.as_ref().and_then(|section| section.profile(name));
    let missing = || {
        Failure::configuration(anyhow::anyhow!(
            "{}: there is no model profile {name:?}; known are llm, fallbacks[N], phase_models.rca, \
             phase_models.workflow_discovery",
            path.display()
        ))
    };
    profile.map(Some).ok_or_else(missing)
}

fn text(options: &ReplayOptions, recording: &Recording, investigation: &Investigation) -> Result<String, Failure> {
    match options.output {
        Output::Json => {
            let response = IncidentResponse::render(investigation, recording.incident.shape);
            Ok(serde_json::to_string_pretty(&response).map_err(Failure::fault)? + "\n")
        }
        Output::Report => {
            let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let style = report::Style { colour: std::io::stdout().is_terminal() && !no_colour, columns: 100 };
            let context =
                report::Context { cluster: recording.places.cluster.clone(), problems: Vec::new(), cost: None };
            Ok(report::render(&recording.incident, investigation, &context, style))
        }
    }
}

/// What the replay showed, for standard error.
fn verdict(recording: &Recording, replayed: &Replayed, model: Option<&LlmConfig>) -> String {
    let (recorded, asked) = replayed.exchanges;
    let mut lines = vec![format!(
        "recorded {} by {} (format {}), {} questions, {recorded} to the model",
        recording.started_at,
        recording.engine,
        recording.format,
        recording.entries.len()
    )];
    if recording.incomplete {
        lines.push("the recording is incomplete: it grew beyond its limit".to_owned());
    }
    if let Some(model) = model {
        lines.push(format!("asked {} {asked} times; recorded were {recorded}", model.model));
        lines.push(format!("not recorded: {} questions", replayed.unrecorded.len()));
        let shown = |line: &String| format!("  {}", line.chars().take(UNRECORDED_CHARS_MAX).collect::<String>());
        lines.extend(replayed.unrecorded.iter().take(UNRECORDED_SHOWN_MAX).map(shown));
    }
    if let Err(error) = &replayed.result {
        lines.push(format!("no result: {error}"));
    }
    let sha256 = |sum: &Option<String>| sum.clone().unwrap_or_else(|| "none".to_owned());
    match (model, replayed.drifts.first()) {
        (Some(_), _) => lines.push(format!("result {}", sha256(&replayed.sha256))),
        (None, Some(drift)) => lines.push(format!("drift: {drift}")),
        (None, None) if replayed.is_identical() => {
            lines.push(format!("identical: result {}", sha256(&replayed.sha256)));
        }
        (None, None) => lines.push(format!(
            "different: result {}, recorded {}\n{}",
            sha256(&replayed.sha256),
            sha256(&replayed.recorded_sha256),
            replayed.difference
        )),
    }
    lines.join("\n")
}
