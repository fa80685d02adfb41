//! What the model cost, for the terminal and as JSON.

use serde_json::{Value, json};

use crate::api::CostView;
use crate::domain::{Cost, Engine, Investigation, PhaseUsage, Usage};

/// `Cost: $0.012345 (rca $0.010000, workflow selection $0.002345).`
pub(super) fn line(whole: Cost, phases: &[PhaseUsage]) -> String {
    let phase = |phase: &PhaseUsage| Some(format!("{} {}", phase.phase.replace('_', " "), phase.cost?));
    let phases: Vec<String> = phases.iter().filter_map(phase).collect();
    if phases.len() < 2 {
        return format!("Cost: {whole}.");
    }
    format!("Cost: {whole} ({}).", phases.join(", "))
}

/// The member `usage` of `--output json`: tokens and cost in all and by phase. `None` when no model answered.
pub(in crate::cli) fn usage(investigation: &Investigation, whole: Option<Cost>) -> Option<Value> {
    let whole = CostView::from(whole?);
    let phases = match &investigation.engine {
        Engine::Model { phases, .. } => phases.as_slice(),
        Engine::Analyser { .. } => &[],
    };
    let phase = |phase: &PhaseUsage| {
        let Usage { prompt_tokens, cached_tokens, cache_write_tokens, completion_tokens, reasoning_tokens } =
            phase.usage;
        json!({
            "phase": phase.phase, "turns": phase.turns, "tool_calls": phase.tool_calls, "wall_ms": phase.wall_ms,
            "prompt_tokens": prompt_tokens, "cached_tokens": cached_tokens, "cache_write_tokens": cache_write_tokens,
            "completion_tokens": completion_tokens, "reasoning_tokens": reasoning_tokens,
            "cost": phase.cost.map(CostView::from),
        })
    };
    Some(json!({ "cost": whole, "phases": phases.iter().map(phase).collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Money;

    #[test]
    fn the_whole_and_its_phases() {
        let nano = Money::from_nano_dollars;
        let spent = |phase: &str, cost| PhaseUsage { phase: phase.to_owned(), cost, ..PhaseUsage::default() };
        let phases =
            [spent("rca", Some(Cost::of(nano(10_000_000)))), spent("workflow_selection", Some(Cost::unknown(700)))];
        let mut whole = Cost::of(nano(10_000_000));
        whole += Cost::unknown(700);
        assert_eq!(
            line(whole, &phases),
            "Cost: at least $0.010000; 700 tokens unpriced (rca $0.010000, workflow selection unknown; 700 tokens unpriced)."
        );
        assert_eq!(line(Cost::of(nano(10_000_000)), &phases[..1]), "Cost: $0.010000.");
        assert_eq!(line(Cost::unknown(9), &[]), "Cost: unknown; 9 tokens unpriced.");
    }
}
