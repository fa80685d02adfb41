//! Decimal numbers of a configuration, as written: money is not a binary fraction.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};

use crate::domain::Money;

/// A number as text, without exponent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal(pub(super) String);

impl<'de> serde::Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Decimal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of dollars")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Decimal, E> {
                Ok(Decimal(number.to_string()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Decimal, E> {
                Ok(Decimal(number.to_string()))
            }

            // The shortest text that reads back as the same number: the one that was written.
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Decimal, E> {
                Ok(Decimal(number.to_string()))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// Dollars with at most nine digits behind the point.
pub(super) fn money<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    let Decimal(text) = serde::Deserialize::deserialize(deserializer)?;
    Money::parse(&text).ok_or_else(|| de::Error::custom(format_args!("{text} is no amount of dollars from 0 on")))
}
