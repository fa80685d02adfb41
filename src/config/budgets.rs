//! Budgets under their own names and under older ones.

use super::Config;
use crate::domain::Money;
use crate::metering::BudgetConfig;

impl Config {
    /// Section `budget` with what `investigation.max_tokens_total` and `cost.daily_limit_usd` say.
    pub fn budgets(&self) -> BudgetConfig {
        let mut budgets = self.budget;
        if budgets.investigation.tokens == 0 {
            budgets.investigation.tokens = self.investigation.max_tokens_total;
        }
        if budgets.day.cost_usd == Money::ZERO {
            budgets.day.cost_usd = self.cost.daily_limit_usd;
        }
        budgets
    }

    /// # Errors
    /// A price or a currency that cannot be; two names of one budget that say different things.
    pub(super) fn check_budgets(&self) -> Result<(), String> {
        self.cost.check()?;
        let names = [
            (
                "investigation.max_tokens_total",
                self.investigation.max_tokens_total,
                "budget.investigation.tokens",
                self.budget.investigation.tokens,
            ),
            (
                "cost.daily_limit_usd",
                self.cost.daily_limit_usd.nano_dollars(),
                "budget.day.cost_usd",
                self.budget.day.cost_usd.nano_dollars(),
            ),
        ];
        match names.iter().find(|(_, one, _, other)| *one > 0 && *other > 0 && one != other) {
            Some((one, _, other, _)) => Err(format!("{one} and {other} are the same budget and differ: leave one out")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_of_one_budget() {
        let read = |yaml: &str| serde_saphyr::from_str::<Config>(yaml).unwrap();
        let old = read("{investigation: {max_tokens_total: 7}, cost: {daily_limit_usd: 2.5}}");
        assert_eq!(old.check_budgets(), Ok(()));
        let budgets = old.budgets();
        assert_eq!((budgets.investigation.tokens, budgets.day.cost_usd.nano_dollars()), (7, 2_500_000_000));
        let new =
            read("budget: {investigation: {tokens: 7, calls: 3}, day: {cost_usd: 2.5}, caller_day: {seconds: 60}}");
        let budgets = new.budgets();
        assert_eq!((budgets.investigation.tokens, budgets.investigation.calls, budgets.caller_day.seconds), (7, 3, 60));
        let both = read("{investigation: {max_tokens_total: 7}, budget: {investigation: {tokens: 8}}}");
        assert_eq!(
            both.check_budgets().unwrap_err(),
            "investigation.max_tokens_total and budget.investigation.tokens are the same budget and differ: leave one out"
        );
        assert!(read("{cost: {daily_limit_usd: 1}, budget: {day: {cost_usd: 2}}}").check_budgets().is_err());
        assert_eq!(read("{cost: {daily_limit_usd: 2}, budget: {day: {cost_usd: 2}}}").check_budgets(), Ok(()));
    }
}
