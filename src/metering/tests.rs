use super::*;
use crate::domain::Usage;

const CENT: u64 = 10_000_000;

fn budgets(yaml: &str) -> BudgetConfig {
    serde_saphyr::from_str(yaml).unwrap()
}

fn prices() -> PriceTable {
    let prices = "openai: {m: {prompt: 0.01, completion: 0.02}}";
    let config = CostConfig { prices: serde_saphyr::from_str(prices).unwrap(), ..CostConfig::default() };
    PriceTable::build(&config).unwrap()
}

fn metering(budgets: BudgetConfig) -> Metering {
    let metering = Metering::default();
    metering.set_terms(prices(), budgets);
    metering
}

/// One cent and two.
fn call() -> Usage {
    Usage { prompt_tokens: 1_000, completion_tokens: 1_000, ..Usage::default() }
}

fn spent(calls: u64, tokens: u64, nano_dollars: u64, wall_ms: u64) -> Spending {
    Spending { calls, tokens, cost: Cost::of(Money::from_nano_dollars(nano_dollars)), wall_ms }
}

#[test]
fn four_fifths_are_near_and_the_whole_is_over() {
    let budget = budgets("investigation: {tokens: 1000, cost_usd: 0.5, calls: 5, seconds: 10}").investigation;
    let limit = |resource| Limit { scope: Scope::Investigation, resource };
    let (near, over) = (|resource| Level::Near(limit(resource)), |resource| Level::Over(limit(resource)));
    for (spent, level) in [
        (spent(0, 0, 0, 0), Level::Within),
        (spent(3, 799, 40 * CENT - 1, 7_999), Level::Within),
        (spent(0, 800, 0, 0), near(Resource::Tokens)),
        (spent(0, 999, 0, 0), near(Resource::Tokens)),
        (spent(0, 1_000, 0, 0), over(Resource::Tokens)),
        (spent(0, 0, 40 * CENT, 0), near(Resource::Money)),
        (spent(0, 0, 50 * CENT, 0), over(Resource::Money)),
        (spent(4, 0, 0, 0), near(Resource::Calls)),
        (spent(5, 0, 0, 0), over(Resource::Calls)),
        (spent(0, 0, 0, 8_000), near(Resource::Time)),
        (spent(0, 0, 0, 10_000), over(Resource::Time)),
        (spent(5, 900, 0, 0), over(Resource::Calls)),
        (spent(u64::MAX, u64::MAX, u64::MAX, u64::MAX), over(Resource::Tokens)),
    ] {
        assert_eq!(budget.level(Scope::Investigation, &spent), level, "{spent:?}");
    }
    assert_eq!(Budget::default().level(Scope::Day, &spent(u64::MAX, u64::MAX, u64::MAX, u64::MAX)), Level::Within);
}

#[test]
fn money_without_a_price_does_not_count() {
    let budget = budgets("day: {cost_usd: 0.01}").day;
    let mut unpriced = Spending { calls: 1, ..Spending::default() };
    unpriced.cost += Cost::unknown(1_000_000);
    assert_eq!(budget.level(Scope::Day, &unpriced), Level::Within);
}

#[tokio::test]
async fn callers_and_the_service_run_out_one_after_the_other() {
    let budgets = budgets("{day: {cost_usd: 0.09}, caller_day: {calls: 2}}");
    let metering = metering(budgets);
    let run = metering.begin("a");
    for _ in 0..2 {
        assert_eq!((run.level(), metering.admits("a")), (Level::Within, Ok(())));
        let (cost, entry) = run.answered("openai", "m", &call());
        run.keep(entry).await;
        assert_eq!(cost.known(), Some(Money::from_nano_dollars(3 * CENT)));
    }
    let refused = metering.admits("a").unwrap_err();
    assert_eq!(refused.limit, Limit { scope: Scope::CallerDay, resource: Resource::Calls });
    assert_eq!(refused.to_string(), "the calls of the caller's day are used up; they begin anew at midnight UTC");
    assert!((1..=86_400).contains(&refused.seconds_left));
    assert_eq!(metering.admits("b"), Ok(()));
    let (_, entry) = metering.begin("b").answered("openai", "m", &call());
    metering.begin("b").keep(entry).await;
    for caller in ["a", "b", "c"] {
        let refused = metering.admits(caller).unwrap_err();
        assert_eq!(refused.limit, Limit { scope: Scope::Day, resource: Resource::Money }, "{caller}");
    }
    assert_eq!(run.level(), Level::Over(Limit { scope: Scope::Day, resource: Resource::Money }), "a running one too");
    let (service, own) = metering.spent_today("a");
    assert_eq!((service.calls, service.tokens, own.calls, own.tokens), (3, 6_000, 2, 4_000));
    assert_eq!(service.cost, Cost::of(Money::from_nano_dollars(9 * CENT)));
}

#[test]
fn a_limit_of_money_without_a_price_is_told_once() {
    let limited = budgets("caller_day: {cost_usd: 1}");
    let models = [("openai", "m"), ("openai", "n"), ("openai", "n"), ("ollama", "n")];
    let told = notices(&prices(), &limited, models);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("n of openai has no price"), "{told:?}");
    assert!(notices(&prices(), &budgets("day: {tokens: 5}"), models).is_empty());
}

#[test]
fn keys_that_do_not_exist_or_cannot_be() {
    let budget = |yaml: &str| serde_saphyr::from_str::<BudgetConfig>(yaml).unwrap_err().to_string();
    assert!(budget("day: {dollars: 5}").contains("unknown field"));
    assert!(budget("day: {cost_usd: -1}").contains("-1 is no amount of dollars from 0 on"));
    let check = |yaml: &str| serde_saphyr::from_str::<CostConfig>(yaml).unwrap().check();
    assert_eq!(check("currency: USD"), Ok(()));
    assert!(check("currency: EUR").unwrap_err().contains("only USD"));
    assert!(check("fallback_model: m").unwrap_err().starts_with("cost.fallback_model is not built"));
}

#[tokio::test]
async fn other_terms_count_at_once_and_a_run_keeps_its_own_budget() {
    let metering = metering(budgets("{investigation: {calls: 9}, day: {calls: 9}}"));
    let run = metering.begin("a");
    let (_, entry) = run.answered("openai", "m", &call());
    run.keep(entry).await;
    let dear = "openai: {m: {prompt: 1, completion: 1}}";
    let dear = CostConfig { prices: serde_saphyr::from_str(dear).unwrap(), ..CostConfig::default() };
    metering.set_terms(PriceTable::build(&dear).unwrap(), budgets("{investigation: {calls: 1}, day: {calls: 2}}"));
    assert_eq!((run.budget().calls, metering.begin("a").budget().calls), (9, 1));
    assert_eq!(run.level(), Level::Within, "one of nine, and one of two");
    let (cost, entry) = run.answered("openai", "m", &call());
    run.keep(entry).await;
    assert_eq!(cost.known(), Some(Money::from_nano_dollars(200 * CENT)), "at the price of now");
    assert_eq!(run.level(), Level::Over(Limit { scope: Scope::Day, resource: Resource::Calls }));
    assert!(metering.admits("b").is_err());
    metering.set_terms(prices(), budgets("day: {calls: 5}"));
    assert_eq!(
        (run.level(), metering.admits("b")),
        (Level::Within, Ok(())),
        "what was spent stays, the limit does not"
    );
}
