//! What one investigation costs in tokens, part by part: `cargo bench --locked --bench tokens`.
//!
//! Plays the scripted incident of `tests/it/tokens` through the real composition root. Nothing is timed; tokens are estimated
//! from the bodies the service really sent. `docs/tokens.md` tells how to read it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench fails by panicking and prints its figures"
)]

#[path = "../tests/it/tokens/estimate.rs"]
mod estimate;
#[path = "../tests/it/tokens/incident.rs"]
mod incident;
#[path = "../tests/it/stubs/model.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod model;

use holmesgpt_api::domain::Usage;
use incident::{BASELINE_TOKENS, BASELINE_TURNS, Played};

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let played = runtime.block_on(incident::out_of_memory());
    assert!(played.complaints.is_empty(), "{:#?}", played.complaints);
    summary(&played);
    println!();
    classes(&played);
    println!();
    parts(&played);
}

/// Against the baseline.
fn summary(played: &Played) {
    let phases = played.phases();
    let turns: u64 = phases.iter().map(|phase| u64::from(phase.turns)).sum();
    let calls: u32 = phases.iter().map(|phase| phase.tool_calls).sum();
    let usage: Usage = phases.iter().map(|phase| phase.usage).sum();
    let (total, fresh) = (usage.total(), usage.total() - usage.cached_tokens);
    let against =
        |value: u64, baseline: u64| format!("{:.2} of the baseline {baseline}", value as f64 / baseline as f64);
    let workflow = played.result.selected_workflow.as_ref().map_or("none", |workflow| &workflow.workflow_name);
    println!("workflow                 {workflow}");
    println!("verified claims          {}", played.result.root_cause.evidence.len());
    println!("tool calls               {calls}");
    println!("turns                    {turns}   ({})", against(turns, BASELINE_TURNS));
    println!("tokens, in and out       {total}   ({})", against(total, BASELINE_TOKENS));
    println!("  of them not cached     {fresh}   ({})", against(fresh, BASELINE_TOKENS));
}

/// By phase, in the classes providers bill.
fn classes(played: &Played) {
    println!(
        "{:<20} {:>6} {:>6} {:>8} {:>8} {:>7} {:>7} {:>9}",
        "phase", "turns", "calls", "input", "cached", "fresh", "output", "reasoning"
    );
    for phase in played.phases() {
        let Usage { prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, .. } = phase.usage;
        let fresh = prompt_tokens - cached_tokens;
        println!(
            "{:<20} {:>6} {:>6} {prompt_tokens:>8} {cached_tokens:>8} {fresh:>7} {completion_tokens:>7} {reasoning_tokens:>9}",
            phase.phase, phase.turns, phase.tool_calls
        );
    }
}

/// Every part of the prompts, the dearest first.
fn parts(played: &Played) {
    let mut costs = estimate::breakdown(&played.requests);
    costs.sort_by_key(|cost| std::cmp::Reverse(cost.sent));
    let all: u64 = costs.iter().map(|cost| cost.sent).sum();
    println!("{:<46} {:>6} {:>7} {:>6} {:>7} {:>7}", "part of the prompts", "once", "sent", "share", "cached", "fresh");
    for estimate::Cost { part, once, sent, cached } in costs {
        let share = 100.0 * sent as f64 / all as f64;
        println!("{part:<46} {once:>6} {sent:>7} {share:>4.0} % {cached:>7} {:>7}", sent - cached);
    }
}
