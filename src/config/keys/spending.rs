//! What tokens cost, and how much may be spent.

use super::Kind::{File, Number, Text, Whole, Word};
use super::{Key, key};

/// Most of anything that has no natural bound.
const MANY: u64 = 1 << 50;
/// Most dollars of a budget.
const DOLLARS_MAX: f64 = 1_000_000_000.0;
/// Most dollars for 1000 tokens.
const PRICE_MAX: f64 = 1_000.0;

/// One budget, below a path.
macro_rules! budget {
    ($at:literal, $of:literal, $live:ident) => {
        [
            key(
                concat!($at, ".tokens"),
                Whole(0, MANY),
                "0",
                concat!("Prompt and completion tokens ", $of, "; 0 = no limit."),
            )
            .$live(),
            key(
                concat!($at, ".cost_usd"),
                Number(0.0, DOLLARS_MAX),
                "0.0",
                concat!("Dollars ", $of, "; 0 = no limit."),
            )
            .$live(),
            key(concat!($at, ".calls"), Whole(0, MANY), "0", concat!("Answers of a model ", $of, "; 0 = no limit."))
                .$live(),
            key(concat!($at, ".seconds"), Whole(0, MANY), "0", concat!("Wall time ", $of, "; 0 = no limit.")).$live(),
        ]
    };
}

/// One price, of a provider and a model or the beginning of its name and `*`.
macro_rules! price {
    ($member:literal, $meaning:literal) => {
        key(
            concat!(
                "cost.prices.openai|openai_compatible|litellm|ollama|azure|anthropic|claude|vertex_ai|vertex-ai|google|",
                "gemini|bedrock|mock.*.",
                $member
            ),
            Number(0.0, PRICE_MAX),
            "",
            $meaning,
        )
        .now()
    };
}

pub(super) const INVESTIGATION: &[Key] = &budget!("budget.investigation", "of one investigation", next);
pub(super) const DAY: &[Key] = &budget!("budget.day", "of the service from midnight to midnight, UTC", now);
pub(super) const CALLER_DAY: &[Key] = &budget!("budget.caller_day", "of one caller and day", now);

pub(super) const COST: &[Key] = &[
    key("cost.currency", Word(&["USD"]), "", "Dollars, nothing else.").now(),
    price!("prompt", "Dollars for 1000 tokens of a prompt. Required, with `completion`."),
    price!("completion", "The same of an answer."),
    price!("cached_prompt", "The same read from the provider's cache; as `prompt` unless set."),
    price!("cache_write", "The same written to it; as `prompt` unless set."),
    price!("reasoning", "The same of thinking; as `completion` unless set."),
    key(
        "cost.price_file",
        File,
        "",
        "YAML file of prices; wins over the compiled-in list. Read whenever a configuration is taken over.",
    )
    .now(),
    key("cost.daily_limit_usd", Number(0.0, DOLLARS_MAX), "0.0", "Another name of `budget.day.cost_usd`.").now(),
    key("cost.fallback_model", Text, "", "Not built; refused."),
];
