//! Runs programs on threads of their own, two at a time.

use std::sync::Arc;

use jaq_core::{Ctx, Vars};
use jaq_json::{Num, Val};
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};

use super::meter::{JqLimits, Meter};
use super::natives::{Limited, Running};
use super::program::program;

/// Programs that run at the same time. One that is stuck keeps its place: more are refused rather than started.
const RUNNING_MAX: usize = 2;
/// Stack of a run, in bytes; reserved, not used, unless an expression is nested deep.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// Results of one run.
pub(super) const RESULTS_MAX: usize = 10_000;
/// Characters of the results kept.
pub(super) const CHARS_MAX: usize = 100_000;
/// Characters of an error message of a program.
const MESSAGE_CHARS_MAX: usize = 300;

/// Whole numbers below this are exact.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Where programs run.
#[derive(Debug)]
pub(super) struct JqRunner {
    places: Arc<Semaphore>,
    limits: JqLimits,
}

/// What a program answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Results {
    /// Texts bare, other values as compact JSON; within [`CHARS_MAX`].
    pub(super) texts: Vec<String>,
    /// Results counted, also those no longer kept.
    pub(super) count: usize,
    /// Results that are neither null nor empty text.
    pub(super) telling: usize,
    /// More would have come.
    pub(super) is_cut: bool,
    /// Length of the only result, if that is a list.
    pub(super) only_list: Option<usize>,
}

impl JqRunner {
    pub(super) fn new(limits: JqLimits) -> Self {
        Self { places: Arc::new(Semaphore::new(RUNNING_MAX)), limits }
    }

    /// Runs an expression over the input.
    ///
    /// # Errors
    /// One text for the model.
    pub(super) async fn run(&self, expression: String, input: Value, now: i64) -> Result<Results, String> {
        let limits = self.limits;
        // A program stops itself; only a single long step of the engine can keep it beyond its time.
        let patience = limits.time_max.saturating_mul(2);
        let place = tokio::time::timeout(patience, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(
                "other jq expressions are still running; use kubectl_find_resource or ask again later".to_owned()
            );
        };
        let (answer, answered) = oneshot::channel();
        let work = move || {
            // Nobody may be waiting any more.
            _ = answer.send(run(&expression, input, now, limits));
            drop(place);
        };
        let started = std::thread::Builder::new().name("jq".to_owned()).stack_size(STACK_BYTES).spawn(work);
        started.map_err(|error| format!("jq could not be started ({error}); use kubectl_find_resource"))?;
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(results)) => results,
            Ok(Err(_)) => Err("the expression broke the jq engine; write it differently".to_owned()),
            Err(_) => Err(too_much("it took too long")),
        }
    }
}

#[cfg(test)]
impl JqRunner {
    /// As if programs were stuck.
    pub(super) async fn take_all_places(&self) -> tokio::sync::OwnedSemaphorePermit {
        Arc::clone(&self.places).acquire_many_owned(2).await.unwrap()
    }
}

fn too_much(why: &str) -> String {
    format!("the expression was stopped: {why}; select fewer objects first, then take only the members needed")
}

/// Reads, compiles and runs; blocks.
pub(super) fn run(expression: &str, input: Value, now: i64, limits: JqLimits) -> Result<Results, String> {
    let program = program(expression, now)?;
    let input: Val = serde_json::from_value(input).map_err(|error| format!("the objects cannot be read: {error}"))?;
    let meter = Meter::new(limits);
    let context = Ctx::<Limited>::new(Running { lut: &program.lut, meter: &meter }, Vars::new([]));
    let mut results = Results::default();
    let mut chars = 0;
    for result in program.id.run((context, input)) {
        if let Some(why) = meter.stopped() {
            return Err(too_much(why));
        }
        let value = match result {
            Ok(value) => value,
            Err(exception) => return Err(failed(exception, &results)),
        };
        if results.count == RESULTS_MAX {
            results.is_cut = true;
            break;
        }
        results.only_list = match (&value, results.count) {
            (Val::Arr(items), 0) => Some(items.len()),
            _ => None,
        };
        results.count += 1;
        let text = written(&value);
        results.telling += usize::from(!text.trim().is_empty() && !matches!(value, Val::Null));
        chars += text.chars().count();
        if chars <= CHARS_MAX {
            results.texts.push(text);
        } else {
            results.is_cut = true;
        }
    }
    match meter.stopped() {
        Some(why) => Err(too_much(why)),
        None => Ok(results),
    }
}

fn written(value: &Val) -> String {
    match value {
        Val::TStr(text) => String::from_utf8_lossy(text).into_owned(),
        // A quotient without remainder, which jq writes as a whole number.
        Val::Num(Num::Float(number)) if number.fract() == 0.0 && number.abs() < EXACT_MAX => format!("{number:.0}"),
        other => other.to_string(),
    }
}

fn failed(exception: jaq_core::Exn<'_, Val>, results: &Results) -> String {
    let Ok(error) = exception.get_err() else { return "the expression ended early; write it differently".to_owned() };
    let message: String = error.to_string().chars().take(MESSAGE_CHARS_MAX).collect();
    let hint = if message.starts_with("cannot use null") || message.starts_with("cannot index null") {
        "; a member may be missing in some objects: try .member? or // empty"
    } else {
        ""
    };
    format!("jq failed after {} results: {message}{hint}", results.count)
}
