//! Money as exact integers, and what calls to a model cost as far as their prices are known.

use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Digits behind the point that are kept: nano-dollars.
const DECIMALS: u32 = 9;
/// Nano-dollars of one millionth of a dollar, the smallest amount shown.
const NANO_IN_MICRO: u64 = 1_000;
/// Millionths of a dollar in one.
const MICRO_IN_DOLLAR: u64 = 1_000_000;

/// An amount in nano-dollars. Shown with six digits behind the point, halves rounded up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(u64);

impl Money {
    pub const ZERO: Self = Self(0);

    pub const fn from_nano_dollars(nano: u64) -> Self {
        Self(nano)
    }

    pub const fn nano_dollars(self) -> u64 {
        self.0
    }

    /// Reads a plain decimal number of dollars, exactly; `None` for anything else, and for more than nine digits behind
    /// the point.
    pub fn parse(dollars: &str) -> Option<Self> {
        scaled(dollars, DECIMALS).map(Self)
    }

    /// Dollars, for JSON numbers: the number that is shown.
    pub fn dollars(self) -> f64 {
        self.plain().parse().unwrap_or_default()
    }

    fn plain(self) -> String {
        let micro = self.0.saturating_add(NANO_IN_MICRO / 2) / NANO_IN_MICRO;
        format!("{}.{:06}", micro / MICRO_IN_DOLLAR, micro % MICRO_IN_DOLLAR)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.plain())
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, more: Self) {
        self.0 = self.0.saturating_add(more.0);
    }
}

/// A plain decimal number as a whole number of its smallest unit, `10^-decimals`; `None` when it is none, is negative, is
/// finer than that, or too large.
pub fn scaled(text: &str, decimals: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let missing = decimals.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()? };
    let fraction = fraction.checked_mul(10_u64.checked_pow(missing)?)?;
    whole.parse::<u64>().ok()?.checked_mul(10_u64.checked_pow(decimals)?)?.checked_add(fraction)
}

/// What calls cost: the sum of those that have a price, and how much there was besides. An unknown price is never taken
/// for zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// Of the calls with a price, in nano-dollars.
    #[serde(rename = "nano_usd")]
    pub priced: Money,
    /// Calls whose cost is not known: no price for the model, or no token counts in its answer.
    pub unpriced_calls: u64,
    /// Their tokens.
    pub unpriced_tokens: u64,
}

impl Cost {
    /// Of a call with a price.
    pub fn of(priced: Money) -> Self {
        Self { priced, ..Self::default() }
    }

    /// Of a call without one.
    pub fn unknown(tokens: u64) -> Self {
        Self { unpriced_calls: 1, unpriced_tokens: tokens, ..Self::default() }
    }

    /// The whole cost; `None` when some of it is not known.
    pub fn known(&self) -> Option<Money> {
        (self.unpriced_calls == 0).then_some(self.priced)
    }

    /// What is known of it, a lower bound unless [`Self::known`]; `None` when nothing is.
    pub fn at_least(&self) -> Option<Money> {
        (self.unpriced_calls == 0 || self.priced > Money::ZERO).then_some(self.priced)
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, more: Self) {
        self.priced += more.priced;
        self.unpriced_calls = self.unpriced_calls.saturating_add(more.unpriced_calls);
        self.unpriced_tokens = self.unpriced_tokens.saturating_add(more.unpriced_tokens);
    }
}

/// `$0.012345`, `at least $0.012345; 1200 tokens unpriced`, `unknown; 1200 tokens unpriced`.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.known(), self.at_least()) {
            (Some(known), _) => return known.fmt(f),
            (None, Some(least)) => write!(f, "at least {least}; ")?,
            (None, None) => f.write_str("unknown; ")?,
        }
        if self.unpriced_tokens > 0 {
            return write!(f, "{} tokens unpriced", self.unpriced_tokens);
        }
        let calls = if self.unpriced_calls == 1 { "call" } else { "calls" };
        write!(f, "{} {calls} without token counts", self.unpriced_calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_or_not_at_all() {
        for (text, decimals, read) in [
            ("0.00025", 9, Some(250_000)),
            ("2.50", 6, Some(2_500_000)),
            ("15", 9, Some(15_000_000_000)),
            ("0.0000000010", 9, Some(1)),
            ("0.0000000001", 9, None),
            ("0", 9, Some(0)),
            ("-1", 9, None),
            ("1e-3", 9, None),
            (".5", 9, None),
            ("1.", 9, None),
            ("", 9, None),
            ("NaN", 9, None),
            ("99999999999", 9, None),
        ] {
            assert_eq!(scaled(text, decimals), read, "{text}");
        }
    }

    #[test]
    fn six_digits_are_shown_and_halves_rounded_up() {
        for (nano, shown) in [
            (0, "$0.000000"),
            (499, "$0.000000"),
            (500, "$0.000001"),
            (12_345_499, "$0.012345"),
            (12_345_500, "$0.012346"),
            (3_000_000_000, "$3.000000"),
            (u64::MAX, "$18446744073.709551"),
        ] {
            assert_eq!(Money::from_nano_dollars(nano).to_string(), shown, "{nano}");
        }
        assert!((Money::from_nano_dollars(12_345_500).dollars() - 0.012_346).abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_unknown_stays_unknown() {
        let known = Cost::of(Money::from_nano_dollars(12_345_000));
        let mut mixed = known;
        mixed += Cost::unknown(1_200);
        let mut uncounted = Cost::unknown(0);
        uncounted += Cost::of(Money::ZERO);
        for (cost, shown, whole, least) in [
            (Cost::default(), "$0.000000", Some(0), Some(0)),
            (known, "$0.012345", Some(12_345_000), Some(12_345_000)),
            (mixed, "at least $0.012345; 1200 tokens unpriced", None, Some(12_345_000)),
            (Cost::unknown(1_200), "unknown; 1200 tokens unpriced", None, None),
            (uncounted, "unknown; 1 call without token counts", None, None),
        ] {
            assert_eq!(cost.to_string(), shown);
            assert_eq!(cost.known().map(Money::nano_dollars), whole, "{shown}");
            assert_eq!(cost.at_least().map(Money::nano_dollars), least, "{shown}");
        }
    }

    #[test]
    fn stored_as_whole_numbers() {
        let mut cost = Cost::of(Money::from_nano_dollars(7));
        cost += Cost::unknown(3);
        let text = serde_json::to_string(&cost).unwrap();
        assert_eq!(text, r#"{"nano_usd":7,"unpriced_calls":1,"unpriced_tokens":3}"#);
        assert_eq!(serde_json::from_str::<Cost>(&text).unwrap(), cost);
    }
}
