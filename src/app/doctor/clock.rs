//! The own clock against those of the others: tokens, signatures and the order of audit events depend on it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::clients::Clients;
use super::report::{Area, Check};
use super::rows::{Finding, Rows};

/// A `Date` is whole seconds and the way takes time: less than this means nothing.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(30);
/// Signatures of requests are refused beyond this, tokens seem expired or not valid yet.
const SKEW_LIMIT: SignedDuration = SignedDuration::from_mins(5);
const REACH_PATIENCE: Duration = Duration::from_secs(5);
const LATE: &str = "See the other checks of this server.";

pub(super) async fn check(clients: &Clients, until: Instant) -> Vec<Check> {
    let mut rows = Rows::of(Area::Clock, until);
    if let Some(Ok(inquiry)) = &clients.cluster {
        compare(&mut rows, "Kubernetes", async { inquiry.server().await.ok().and_then(|facts| facts.date) }).await;
    }
    if let Some(Ok(client)) = &clients.data_storage {
        compare(&mut rows, "DataStorage", async { client.date().await.ok().flatten() }).await;
    }
    if let Some(Ok(llm)) = &clients.llm
        && let Some((_, profile)) = llm.profiles().into_iter().next()
    {
        let date = async { profile.reach(REACH_PATIENCE).await.ok().and_then(|reached| reached.date) };
        compare(&mut rows, "model", date).await;
    }
    rows.into_checks()
}

/// Asks one server for its time. Why it does not answer is told elsewhere.
async fn compare(rows: &mut Rows, server: &str, date: impl Future<Output = Option<String>>) {
    let before = Timestamp::now();
    let dated = async { (date.await, Timestamp::now()) };
    let judge =
        |(date, after): &(Option<String>, Timestamp)| match date.as_deref().and_then(|date| skew(date, before, *after))
        {
            Some(skew) => judged(skew),
            None => Finding::skipped("it did not tell its time"),
        };
    rows.ask(server, LATE, dated, judge).await;
}

/// How far the own clock is ahead of the one that wrote the date somewhere between the two moments.
fn skew(date: &str, before: Timestamp, after: Timestamp) -> Option<SignedDuration> {
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let middle = before + after.duration_since(before) / 2;
    Some(middle.duration_since(theirs))
}

fn judged(skew: SignedDuration) -> Finding {
    let seconds = skew.as_secs();
    let seen = match seconds {
        0 => "both clocks tell the same second".to_owned(),
        1.. => format!("this machine's clock is {seconds} s ahead"),
        _ => format!("this machine's clock is {} s behind", seconds.unsigned_abs()),
    };
    let mend = "Set both clocks by NTP: tokens seem expired or not valid yet, signed requests (AWS) are refused beyond five \
                minutes, and audit events get the wrong order.";
    match skew.abs() {
        apart if apart > SKEW_LIMIT => Finding::failed(seen, mend),
        apart if apart > SKEW_MAX => Finding::warning(seen, mend),
        _ => Finding::ok(seen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::Status;

    #[test]
    fn skew_is_judged_by_its_effect() {
        let now: Timestamp = "2026-04-12T09:05:01Z".parse().unwrap();
        for (date, expected) in [
            ("Sun, 12 Apr 2026 09:05:00 GMT", Some((1, Status::Ok))),
            ("Sun, 12 Apr 2026 09:04:30 GMT", Some((31, Status::Warning))),
            ("Sun, 12 Apr 2026 09:05:33 GMT", Some((-32, Status::Warning))),
            ("Sun, 12 Apr 2026 09:00:00 GMT", Some((301, Status::Failed))),
            ("Sun, 12 Apr 2026 10:05:01 GMT", Some((-3600, Status::Failed))),
            ("soon", None),
        ] {
            let found = skew(date, now, now).map(|skew| (skew.as_secs(), judged(skew).status));
            assert_eq!(found, expected, "{date}");
        }
    }
}
