//! Budgets of the day, of the service and of each caller, over HTTP; and that a restart forgets nothing of them.

use std::sync::Arc;

use holmesgpt_api::domain::{Money, Usage};
use holmesgpt_api::metering::{BudgetConfig, CostConfig, Metering, PriceTable};
use holmesgpt_api::sessions::Work;
use holmesgpt_api::store::SpendingRow;
use serde_json::Value;

use crate::http_contract::incident;
use crate::http_modes::INCIDENT;
use crate::http_sessions::{reaches, submit};
use crate::service::{Answer, OTHER_USER, Setup, TestService, USER, finding_for};

/// One answer of the model for three cents: 1000 × $10/M + 1000 × $20/M.
fn three_cents() -> Work {
    Work::new(async |incident, context| {
        let usage = Usage { prompt_tokens: 1_000, completion_tokens: 1_000, ..Usage::default() };
        let (cost, entry) = context.meter.answered("openai", "m", &usage);
        context.progress.spent(cost);
        context.meter.keep(entry).await;
        Ok(finding_for(&incident))
    })
}

fn prices() -> PriceTable {
    let prices = serde_saphyr::from_str("openai: {m: {prompt: 0.01, completion: 0.02}}").unwrap();
    PriceTable::build(&CostConfig { prices, ..CostConfig::default() }).unwrap()
}

fn budgets(yaml: &str) -> BudgetConfig {
    serde_saphyr::from_str(yaml).unwrap()
}

fn setup(yaml: &str) -> Setup {
    Setup { work: three_cents(), prices: prices(), budgets: budgets(yaml), ..Setup::default() }
}

/// Submits and waits until what the run spent is in the book.
async fn investigated(service: &TestService) -> String {
    let path = submit(service, INCIDENT, &incident()).await;
    reaches(service, &path, "completed").await;
    path
}

fn is_refused(answer: &Answer, status: u16, kind: &str, detail: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.problem(), (kind.to_owned(), detail.to_owned()));
    let seconds: u32 = answer.header("retry-after").parse().unwrap();
    assert!((1..=86_400).contains(&seconds), "until midnight UTC: {seconds}");
}

const CALLER: &str = "The caller's budget of model calls for today is used up; it begins anew at midnight UTC";
const SERVICE: &str = "The service's budget of money for today is used up; it begins anew at midnight UTC";

#[tokio::test]
async fn a_caller_that_used_its_day_is_refused_and_others_are_not() {
    let service = TestService::with(setup("{caller_day: {calls: 2}, day: {cost_usd: 0.09}}")).await;
    investigated(&service).await;
    let keyed = || service.post(&format!("{INCIDENT}?mode=async"), &incident()).header("idempotency-key", "k-1");
    let first = Answer::of(keyed()).await;
    assert_eq!(first.status, 202, "{}", first.text);
    reaches(&service, first.header("location"), "completed").await;

    let stored = service.store.sessions().await.unwrap().len();
    is_refused(&Answer::of(service.post(INCIDENT, &incident())).await, 429, "rate-limited", CALLER);
    assert_eq!(service.store.sessions().await.unwrap().len(), stored, "nothing is stored of what is refused");
    assert_eq!(Answer::of(keyed()).await.text, first.text, "what was accepted before is found again");
    assert!(service.metrics.encode().contains(r#"aiagent_sessions_completed_total{outcome="rejected"} 1"#));

    let body = incident().to_string();
    let other = || {
        let request = service.other("POST", &format!("{INCIDENT}?mode=async"));
        request.header("content-type", "application/json").body(body.clone())
    };
    let accepted = Answer::of(other()).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    reaches(&service, accepted.header("location"), "completed").await;
    // Nine cents are spent now: nobody may begin, whoever asks.
    is_refused(&Answer::of(other()).await, 503, "service-unavailable", SERVICE);
    is_refused(&Answer::of(service.post(INCIDENT, &incident())).await, 503, "service-unavailable", SERVICE);
}

#[tokio::test]
async fn a_restart_forgets_nothing_of_the_day() {
    let yaml = "{caller_day: {calls: 2}}";
    let service = TestService::with(setup(yaml)).await;
    let path = investigated(&service).await;
    let snapshot = service.get(&format!("{path}/snapshot")).await.json();
    assert_eq!(snapshot["cost"]["usd"], 0.03, "{snapshot}");
    let (folder, store) = (Arc::clone(&service.folder), service.store.clone());
    service.stop().await;
    store.close().await.unwrap();

    let service = TestService::with(Setup { folder: Some(folder), ..setup(yaml) }).await;
    let again = service.get(&format!("{path}/snapshot")).await.json();
    assert_eq!(again["cost"], snapshot["cost"], "the record keeps what it cost");
    investigated(&service).await;
    is_refused(&Answer::of(service.post(INCIDENT, &incident())).await, 429, "rate-limited", CALLER);
}

fn row(day: i64, caller: &str, nano_dollars: u64) -> SpendingRow {
    let caller = caller.to_owned();
    SpendingRow { day, caller, calls: 1, tokens: 10, unpriced_calls: 0, unpriced_tokens: 0, nano_dollars, wall_ms: 5 }
}

#[tokio::test]
async fn accounts_add_up_by_day_and_caller_and_old_days_are_forgotten() {
    let service = TestService::start().await;
    let today = jiff::Timestamp::now().as_second().div_euclid(86_400);
    for (day, caller, amount) in [(today, USER, 7), (today, USER, 8), (today, OTHER_USER, 9), (today - 1, USER, 100)] {
        service.store.spend(row(day, caller, amount)).await.unwrap();
    }
    let accounts = async |day: i64| -> Vec<(String, u64, u64)> {
        let rows = service.store.spending_of(day).await.unwrap();
        rows.into_iter().map(|row| (row.caller, row.nano_dollars, row.calls)).collect()
    };
    assert_eq!(accounts(today).await, [(USER.to_owned(), 15, 2), (OTHER_USER.to_owned(), 9, 1)]);
    assert_eq!(accounts(today - 1).await.len(), 1);
    let metering = Metering::open(prices(), budgets("{}"), service.store.clone()).await.unwrap();
    let (all, own) = metering.spent_today(USER);
    assert_eq!((all.cost.known(), own.wall_ms), (Some(Money::from_nano_dollars(24)), 10));
    service.store.spend(row(today + 400, USER, 1)).await.unwrap();
    assert_eq!((accounts(today - 1).await.len(), accounts(today).await.len()), (0, 2));
}

#[tokio::test]
async fn the_time_of_a_run_is_entered_when_it_ends() {
    let work = Work::new(async |incident, _| {
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        Ok(finding_for(&incident))
    });
    let service = TestService::with(Setup { work, ..Setup::default() }).await;
    let path = investigated(&service).await;
    let today = jiff::Timestamp::now().as_second().div_euclid(86_400);
    let rows = service.store.spending_of(today).await.unwrap();
    assert!(matches!(&*rows, [row] if row.caller == USER && row.wall_ms >= 60 && row.calls == 0), "{rows:?}");
    let snapshot: Value = service.get(&format!("{path}/snapshot")).await.json();
    assert!(snapshot.get("cost").is_none(), "no model answered: {snapshot}");
}
