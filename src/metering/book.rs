//! The book of one day. Pure: the day is an argument.

use std::collections::HashMap;

use jiff::Timestamp;

use super::budget::Spending;

/// Callers with an account of their own; the rest share one. No platform has as many.
const CALLERS_MAX: usize = 10_000;
/// The account of the rest.
const OTHERS: &str = "(others)";
const DAY_SECONDS: i64 = 86_400;

/// What was spent on one day, in all and by caller.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// Days since 1970-01-01, UTC.
    day: i64,
    service: Spending,
    callers: HashMap<String, Spending>,
}

impl Book {
    pub(super) fn of(day: i64, accounts: impl IntoIterator<Item = (String, Spending)>) -> Self {
        let mut book = Self { day, ..Self::default() };
        for (caller, spent) in accounts {
            book.service += spent;
            book.callers.insert(caller, spent);
        }
        book
    }

    /// Enters something; answers the day and the account it went to.
    pub(super) fn enter(&mut self, today: i64, caller: &str, more: Spending) -> (i64, String) {
        self.turn_to(today);
        self.service += more;
        let account = self.account(caller).to_owned();
        *self.callers.entry(account.clone()).or_default() += more;
        (self.day, account)
    }

    /// What everybody, and this caller, spent today.
    pub(super) fn spent(&mut self, today: i64, caller: &str) -> (Spending, Spending) {
        self.turn_to(today);
        (self.service, self.callers.get(self.account(caller)).copied().unwrap_or_default())
    }

    fn account<'a>(&self, caller: &'a str) -> &'a str {
        if self.callers.len() < CALLERS_MAX || self.callers.contains_key(caller) { caller } else { OTHERS }
    }

    /// A clock that is set back turns no page back.
    fn turn_to(&mut self, today: i64) {
        if today > self.day {
            *self = Self { day: today, ..Self::default() };
        }
    }
}

/// Days since 1970-01-01, UTC.
pub(super) fn day_of(now: Timestamp) -> i64 {
    now.as_second().div_euclid(DAY_SECONDS)
}

/// At least one.
pub(super) fn seconds_to_midnight(now: Timestamp) -> u32 {
    u32::try_from(DAY_SECONDS - now.as_second().rem_euclid(DAY_SECONDS)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(tokens: u64) -> Spending {
        Spending { calls: 1, tokens, ..Spending::default() }
    }

    #[test]
    fn accounts_of_one_day() {
        let mut book = Book::of(20_000, [("a".to_owned(), tokens(5)), ("b".to_owned(), tokens(7))]);
        assert_eq!(book.enter(20_000, "a", tokens(10)), (20_000, "a".to_owned()));
        let (service, own) = book.spent(20_000, "a");
        assert_eq!((service.tokens, service.calls, own.tokens, own.calls), (22, 3, 15, 2));
        assert_eq!(book.spent(20_000, "c").1, Spending::default());
    }

    #[test]
    fn midnight_turns_the_page_and_a_clock_set_back_does_not() {
        let mut book = Book::of(20_000, [("a".to_owned(), tokens(5))]);
        assert_eq!(book.enter(19_999, "a", tokens(1)).0, 20_000);
        assert_eq!(book.spent(20_000, "a").0.tokens, 6);
        assert_eq!(book.spent(20_001, "a"), (Spending::default(), Spending::default()));
        assert_eq!(book.enter(20_001, "a", tokens(3)).0, 20_001);
        assert_eq!(book.spent(20_000, "a").0.tokens, 3);
    }

    #[test]
    fn the_number_of_accounts_is_bounded() {
        let mut book = Book::default();
        for index in 0..CALLERS_MAX + 3 {
            book.enter(1, &format!("caller-{index}"), tokens(1));
        }
        assert_eq!(book.callers.len(), CALLERS_MAX + 1);
        assert_eq!(book.spent(1, "yet another").1.tokens, 3);
        assert_eq!(book.spent(1, "caller-0").1.tokens, 1);
    }

    #[test]
    fn days_end_at_midnight_utc() {
        for (time, day, left) in [
            ("2026-11-25T00:00:00Z", 20_782, 86_400),
            ("2026-11-25T23:59:59.9Z", 20_782, 1),
            ("2026-11-26T00:00:00Z", 20_783, 86_400),
            ("2026-11-25T18:30:00Z", 20_782, 19_800),
        ] {
            let now: Timestamp = time.parse().unwrap();
            assert_eq!((day_of(now), seconds_to_midnight(now)), (day, left), "{time}");
        }
    }
}
