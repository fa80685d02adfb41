//! Kubernetes quantities (`500m`, `2`, `1.5Gi`, `1e3`), exact to a billionth, so that sums and comparisons are too.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};

use serde_json::Value;

/// An amount of cores, bytes or things.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    nano: i128,
}

const NANO: i128 = 1_000_000_000;
const KIBI: i128 = 1024;
const SUFFIXES: &[(&str, i128)] = &[
    ("Ki", KIBI * NANO),
    ("Mi", KIBI.pow(2) * NANO),
    ("Gi", KIBI.pow(3) * NANO),
    ("Ti", KIBI.pow(4) * NANO),
    ("Pi", KIBI.pow(5) * NANO),
    ("Ei", KIBI.pow(6) * NANO),
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("k", 1_000 * NANO),
    ("M", 1_000_000 * NANO),
    ("G", 1_000_000_000 * NANO),
    ("T", 1_000_000_000_000 * NANO),
    ("P", 1_000_000_000_000_000 * NANO),
    ("E", 1_000_000_000_000_000_000 * NANO),
];

impl Quantity {
    pub const ZERO: Self = Self { nano: 0 };

    /// Reads the API's text form; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let suffix = SUFFIXES.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)));
        if let Some((number, unit)) = suffix {
            return decimal(number, unit);
        }
        match text.split_once(['e', 'E']) {
            Some((number, exponent)) => {
                let exponent = exponent.parse::<u32>().ok().filter(|exponent| *exponent <= 18)?;
                decimal(number, NANO * 10_i128.pow(exponent))
            }
            None => decimal(text, NANO),
        }
    }

    /// Reads a quantity as objects carry it: text or a bare number.
    pub fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    pub fn whole(count: i64) -> Self {
        Self { nano: i128::from(count) * NANO }
    }

    /// As a floating-point number of the base unit, for ratios.
    #[expect(clippy::cast_precision_loss, reason = "ratios need no exact digits")]
    pub fn as_f64(self) -> f64 {
        self.nano as f64 / NANO as f64
    }

    pub fn is_zero(self) -> bool {
        self.nano == 0
    }

    #[must_use]
    pub fn times(self, factor: i64) -> Self {
        Self { nano: self.nano.saturating_mul(i128::from(factor)) }
    }

    /// `numerator / denominator` of this amount; itself when the denominator is not positive.
    #[must_use]
    pub fn scaled(self, numerator: i64, denominator: i64) -> Self {
        if denominator <= 0 {
            return self;
        }
        Self { nano: self.nano.saturating_mul(i128::from(numerator)) / i128::from(denominator) }
    }

    /// Rounded up to a multiple of `step` (itself when the step is not positive).
    #[must_use]
    pub fn round_up_to(self, step: Self) -> Self {
        if step.nano <= 0 {
            return self;
        }
        let steps = self.nano.div_euclid(step.nano) + i128::from(self.nano.rem_euclid(step.nano) != 0);
        Self { nano: steps * step.nano }
    }

    /// Rounded down to a multiple of `step` (itself when the step is not positive).
    #[must_use]
    pub fn round_down_to(self, step: Self) -> Self {
        if step.nano <= 0 { self } else { Self { nano: self.nano.div_euclid(step.nano) * step.nano } }
    }

    /// The nearest size not below this one that people use for memory and disks: powers of two of bytes and the halves
    /// between them (…, 256Mi, 384Mi, 512Mi, 768Mi, 1Gi, 1536Mi, …), at least 16Mi.
    #[must_use]
    pub fn familiar_bytes(self) -> Self {
        let mut size = 16 * KIBI.pow(2) * NANO;
        while size < self.nano && size < i128::MAX / 4 {
            let half = size / 2 * 3;
            if half >= self.nano {
                return Self { nano: half };
            }
            size *= 2;
        }
        Self { nano: size }
    }

    /// A measured value; `None` unless it is finite and of a sensible size.
    pub fn measured(value: f64) -> Option<Self> {
        (value.is_finite() && value.abs() < 1e18).then(|| Self::parse(&format!("{value:.6}"))).flatten()
    }

    /// Bytes in the largest binary unit that divides them evenly (`1536Mi`, `2Gi`), else in plain bytes.
    pub fn bytes(self) -> String {
        let unit = SUFFIXES.iter().take(6).rev().find(|(_, unit)| self.nano != 0 && self.nano % unit == 0);
        match unit {
            Some((suffix, unit)) => format!("{}{suffix}", self.nano / unit),
            None => self.plain(),
        }
    }

    /// Cores and counts: whole numbers bare, else in thousandths (`250m`), rounded up.
    pub fn plain(self) -> String {
        if self.nano % NANO == 0 {
            return (self.nano / NANO).to_string();
        }
        let milli = NANO / 1_000;
        format!("{}m", self.nano.div_euclid(milli) + i128::from(self.nano.rem_euclid(milli) != 0))
    }

    /// Written as its resource is: bytes for memory and storage, else [`Self::plain`].
    pub fn of_resource(self, resource: &str) -> String {
        if ["memory", "storage", "hugepages"].iter().any(|word| resource.contains(word)) {
            self.bytes()
        } else {
            self.plain()
        }
    }

    /// Bytes for people, to one decimal: `1.9 GiB`.
    pub fn bytes_rounded(self) -> String {
        let bytes = self.as_f64();
        let units = [("TiB", 4), ("GiB", 3), ("MiB", 2), ("KiB", 1)];
        let unit = units.iter().map(|(name, power)| (name, 1024_f64.powi(*power))).find(|(_, size)| bytes >= *size);
        unit.map_or_else(|| format!("{bytes:.0} B"), |(name, size)| format!("{:.1} {name}", bytes / size))
    }
}

/// Decimal digits with an optional fraction, times a unit in billionths.
fn decimal(number: &str, unit: i128) -> Option<Quantity> {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let read = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i128>().ok() };
    let fraction: String = fraction.chars().take(9).collect();
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let nano = read(whole)?.checked_mul(unit)?.checked_add(read(&fraction)?.checked_mul(unit)? / scale)?;
    Some(Quantity { nano: nano * sign })
}

impl Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { nano: self.nano.saturating_add(other.nano) }
    }
}

impl Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { nano: self.nano.saturating_sub(other.nano) }
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::ZERO, Self::add)
    }
}

/// The plain form; use [`Quantity::bytes`] for memory.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written() {
        for (text, plain, bytes) in [
            ("500m", "500m", "500m"),
            ("2", "2", "2"),
            ("0.1", "100m", "100m"),
            ("1.5Gi", "1610612736", "1536Mi"),
            ("512Mi", "536870912", "512Mi"),
            ("1G", "1000000000", "1000000000"),
            ("128974848", "128974848", "123Mi"),
            ("1e3", "1000", "1000"),
            ("1000000n", "1m", "1m"),
            ("250u", "1m", "1m"),
        ] {
            let quantity = Quantity::parse(text).unwrap();
            assert_eq!((quantity.plain().as_str(), quantity.bytes().as_str()), (plain, bytes), "{text}");
        }
        for text in ["", "Mi", "1.2.3", "two", "1e99", "--1"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn familiar_sizes_are_never_below_the_wish() {
        for (wish, size) in
            [("1", "16Mi"), ("256Mi", "256Mi"), ("257Mi", "384Mi"), ("400Mi", "512Mi"), ("1100Mi", "1536Mi")]
        {
            assert_eq!(Quantity::parse(wish).unwrap().familiar_bytes().bytes(), size, "{wish}");
        }
        assert_eq!(Quantity::measured(1.5), Quantity::parse("1500m"));
        assert_eq!(Quantity::measured(f64::NAN), None);
    }

    #[test]
    fn arithmetic_is_exact() {
        let q = |text| Quantity::parse(text).unwrap();
        assert_eq!(q("100m") + q("200m"), q("300m"));
        assert_eq!([q("0.1"); 10].into_iter().sum::<Quantity>(), q("1"));
        assert_eq!(q("1025Mi").round_up_to(q("512Mi")), q("1536Mi"));
        assert_eq!(q("1001Mi").round_down_to(q("512Mi")), q("512Mi"));
        assert_eq!(q("10Gi").scaled(3, 2), q("15Gi"));
        assert_eq!(q("1.9Gi").bytes_rounded(), "1.9 GiB");
        assert!(q("4Gi") > q("4000M"));
    }
}
