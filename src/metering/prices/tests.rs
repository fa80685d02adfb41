use std::path::Path;

use super::*;

/// Five prices that cannot be mistaken for each other, per 1000 tokens.
const FIVE: &str = "openai: {five: {prompt: 0.001, cached_prompt: 0.0001, cache_write: 0.0012, completion: 0.004, \
                    reasoning: 0.006}}";

fn configured(prices: &str) -> CostConfig {
    CostConfig { prices: serde_saphyr::from_str(prices).unwrap(), ..CostConfig::default() }
}

fn table(prices: &str) -> PriceTable {
    PriceTable::build(&configured(prices)).unwrap()
}

fn nano(table: &PriceTable, provider: &str, model: &str, usage: Usage) -> Option<u64> {
    table.cost(provider, model, &usage).known().map(Money::nano_dollars)
}

#[test]
fn every_class_has_its_own_price_and_each_token_one_class() {
    let table = table(FIVE);
    let usage = Usage {
        prompt_tokens: 10_000,
        cached_tokens: 6_000,
        cache_write_tokens: 1_500,
        completion_tokens: 800,
        reasoning_tokens: 300,
    };
    // 2500 × $1/M + 6000 × $0.1/M + 1500 × $1.2/M + 500 × $4/M + 300 × $6/M = $0.0025 + 0.0006 + 0.0018 + 0.0020 + 0.0018
    assert_eq!(nano(&table, "openai", "five", usage), Some(8_700_000));
    let one_class = |change: fn(&mut Usage)| {
        let mut usage = Usage::default();
        change(&mut usage);
        nano(&table, "openai", "five", usage)
    };
    assert_eq!(one_class(|usage| usage.prompt_tokens = 1), Some(1_000));
    assert_eq!(one_class(|usage| (usage.prompt_tokens, usage.cached_tokens) = (1, 1)), Some(100));
    assert_eq!(one_class(|usage| (usage.prompt_tokens, usage.cache_write_tokens) = (1, 1)), Some(1_200));
    assert_eq!(one_class(|usage| usage.completion_tokens = 1), Some(4_000));
    assert_eq!(one_class(|usage| (usage.completion_tokens, usage.reasoning_tokens) = (1, 1)), Some(6_000));
    // Parts that are larger than their whole, as no provider should tell them.
    let odd = Usage {
        prompt_tokens: 10,
        cached_tokens: 99,
        cache_write_tokens: 99,
        completion_tokens: 2,
        reasoning_tokens: 99,
    };
    assert_eq!(nano(&table, "openai", "five", odd), Some(10 * 100 + 2 * 6_000));
}

#[test]
fn a_class_without_a_price_costs_as_its_whole() {
    let table = table("openai: {two: {prompt: 0.03, completion: 0.06}}");
    let usage = Usage {
        prompt_tokens: 1_000,
        cached_tokens: 400,
        cache_write_tokens: 100,
        completion_tokens: 500,
        reasoning_tokens: 200,
    };
    assert_eq!(nano(&table, "openai", "two", usage), Some(60_000_000), "$0.03 + $0.03");
}

#[test]
fn the_requirement_s_own_prices() {
    let table = PriceTable::build(&CostConfig::default()).unwrap();
    let usage = Usage { prompt_tokens: 1_000, completion_tokens: 1_000, ..Usage::default() };
    for (provider, model, nano_dollars) in [
        ("openai", "gpt-4", Some(90_000_000)),
        ("openai", "gpt-4-turbo", Some(40_000_000)),
        ("openai", "gpt-3.5-turbo", Some(2_000_000)),
        ("anthropic", "claude-3-opus-20240229", Some(90_000_000)),
        ("anthropic", "claude-3-sonnet-20240229", Some(18_000_000)),
        ("anthropic", "claude-3-haiku-20240307", Some(1_500_000)),
        ("ollama", "llama2", Some(0)),
        ("openai", "gpt-5-nano-2025-08-07", Some(450_000)),
        ("azure", "gpt-4", None),
        ("openai", "gpt-4-of-somebody", None),
        ("openai_compatible", "gpt-4", None),
    ] {
        assert_eq!(nano(&table, provider, model, usage), nano_dollars, "{provider} {model}");
    }
    assert_eq!(table.price("anthropic", "claude-sonnet-4-20250514").unwrap().cache_write, 3_750_000);
}

#[test]
fn the_longest_name_counts_and_a_whole_name_before_its_beginning() {
    let table = table(
        "openai: {'*': {prompt: 1, completion: 1}, m*: {prompt: 2, completion: 2}, mini*: {prompt: 3, completion: 3}, \
         mini: {prompt: 4, completion: 4}, gpt-4o*: {prompt: 5, completion: 5}}",
    );
    for (model, dollars) in [("x", 1), ("m", 2), ("max", 2), ("mini-1", 3), ("mini", 4), ("gpt-4o-2024-05-13", 5)] {
        assert_eq!(table.price("openai", model).unwrap().prompt, dollars * 1_000_000_000, "{model}");
    }
    assert!(table.price("anthropic", "claude-3-opus").is_some(), "another provider's list stays");
}

#[test]
fn what_is_not_known_is_not_zero() {
    let table = table(FIVE);
    let usage = Usage { prompt_tokens: 70, completion_tokens: 30, ..Usage::default() };
    assert_eq!(table.cost("openai", "another", &usage), Cost::unknown(100));
    assert_eq!(table.cost("openai", "five", &Usage::default()), Cost::unknown(0), "an answer without counts");
    assert_eq!(table.cost("ollama", "five", &Usage::default()), Cost::of(Money::ZERO), "free is free");
}

#[test]
fn halves_of_a_nano_dollar_are_rounded_up_once() {
    // $0.000001 a thousand tokens is one nano-dollar a token and the finest price of a million is a thousandth of it.
    let price = Price { prompt: 1, cached_prompt: 1, cache_write: 1, completion: 1, reasoning: 1 };
    for (tokens, nano) in [(0, 0), (499, 0), (500, 1), (1_499, 1), (1_500, 2)] {
        let usage = Usage { prompt_tokens: tokens, ..Usage::default() };
        assert_eq!(price.of(&usage).nano_dollars(), nano, "{tokens}");
    }
}

#[test]
fn a_file_wins_over_the_compiled_in_list_and_the_configuration_over_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prices.yaml");
    std::fs::write(
        &path,
        "date: 2026-11-01\nsource: our contract\nper_tokens: 1000000\n\
         prices: {openai: {gpt-4*: {prompt: 0.0125, completion: 1}, mine: {prompt: 2, completion: 3}}}\n",
    )
    .unwrap();
    let config = CostConfig { price_file: Some(path), ..configured("openai: {mine: {prompt: 0.5, completion: 1}}") };
    let table = PriceTable::build(&config).unwrap();
    assert_eq!(table.price("openai", "gpt-4").unwrap().prompt, 12_500, "shorter, but the operator's own");
    assert_eq!(table.price("openai", "mine").unwrap().prompt, 500_000_000);
    assert_eq!(table.price("openai", "o3").unwrap().prompt, 2_000_000);
    let sources = table.sources();
    assert_eq!(sources[0], "the configuration");
    assert!(sources[1].ends_with("prices.yaml, of 2026-11-01 (our contract)"), "{sources:?}");
    assert!(sources[2].starts_with("compiled in, of 2026-"), "{sources:?}");
}

#[test]
fn mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prices.yaml");
    let file = |text: &str| {
        std::fs::write(&path, text).unwrap();
        PriceTable::build(&CostConfig { price_file: Some(path.clone()), ..CostConfig::default() })
            .unwrap_err()
            .to_string()
            .replace(&folder.path().display().to_string(), ".")
    };
    for (text, told) in [
        ("prices: {}\nsource: x\n", "missing field `date`"),
        ("date: 2026-11-01\nprices: {}\n", "missing field `source`"),
        ("date: soon\nsource: x\nprices: {}\n", "failed to parse"),
        ("date: 2026-11-01\nsource: x\nper_tokens: 1\nprices: {}\n", "per_tokens is 1, it must be 1000 or 1000000"),
        ("date: 2026-11-01\nsource: x\nprices: {opnai: {}}\n", "unknown provider `opnai`"),
        ("date: 2026-11-01\nsource: x\nprices: {openai: {m: {prompt: 1}}}\n", "missing field `completion`"),
        (
            "date: 2026-11-01\nsource: x\nprices: {openai: {m: {prompt: -1, completion: 1}}}\n",
            "openai.m: prompt is -1, not a price in dollars with at most 9 decimals",
        ),
        (
            "date: 2026-11-01\nsource: x\nprices: {openai: {m: {prompt: 5000, completion: 1}}}\n",
            "openai.m: prompt is 5000, not a price in dollars",
        ),
    ] {
        let error = file(text);
        assert!(error.starts_with("cost.price_file ./prices.yaml: ") && error.contains(told), "{error}\n  {told}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let absent = CostConfig { price_file: Some(Path::new("/absent.yaml").into()), ..CostConfig::default() };
    assert!(PriceTable::build(&absent).unwrap_err().to_string().contains("/absent.yaml cannot be read: No such file"));
    assert_eq!(
        configured("openai: {m: {prompt: 0.0000000001, completion: 1}}").check().unwrap_err(),
        "cost.prices: openai.m: prompt is 0.0000000001, not a price in dollars with at most 9 decimals"
    );
}
