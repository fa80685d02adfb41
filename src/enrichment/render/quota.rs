//! Quota figures in words.

use std::collections::BTreeMap;

use crate::domain::quantities::Quantity;

/// `cpu: 3800m of 4 used (95 %)`, one line per resource.
pub(super) fn lines(figures: &BTreeMap<String, String>) -> Vec<String> {
    let limits = figures.iter().filter_map(|(key, hard)| Some((key.strip_suffix("_hard")?, hard)));
    limits
        .map(|(resource, hard)| match figures.get(&format!("{resource}_used")) {
            Some(used) => match percentage(used, hard) {
                Some(percent) => format!("{resource}: {used} of {hard} used ({percent:.0} %)"),
                None => format!("{resource}: {used} of {hard} used"),
            },
            None => format!("{resource}: limit {hard}, use unknown"),
        })
        .collect()
}

/// Close enough for a percentage. `None` when a text is no quantity or the limit is zero.
fn percentage(used: &str, hard: &str) -> Option<f64> {
    let (used, hard) = (Quantity::parse(used)?.as_f64(), Quantity::parse(hard)?.as_f64());
    (hard > 0.0).then(|| 100.0 * used / hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_with_the_share_used() {
        let cases = [
            ("4", Some("3800m"), "r: 3800m of 4 used (95 %)"),
            ("8Gi", Some("6144Mi"), "r: 6144Mi of 8Gi used (75 %)"),
            ("1e1", Some("5"), "r: 5 of 1e1 used (50 %)"),
            ("2G", Some("500M"), "r: 500M of 2G used (25 %)"),
            ("0", Some("0"), "r: 0 of 0 used"),
            ("lots", Some("1"), "r: 1 of lots used"),
            ("10", None, "r: limit 10, use unknown"),
        ];
        for (hard, used, expected) in cases {
            let mut figures = BTreeMap::from([("r_hard".to_owned(), hard.to_owned())]);
            figures.extend(used.map(|used| ("r_used".to_owned(), used.to_owned())));
            assert_eq!(lines(&figures), [expected]);
        }
    }
}
