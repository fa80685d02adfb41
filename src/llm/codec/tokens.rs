//! Token counts as providers tell them.

use serde_json::Value;

/// No model reads or writes more at once; counters and sums are safe from what a provider makes up.
const TOKENS_MAX: u64 = 1_000_000_000;

/// The largest of the numbers at these places, 0 when there is none. Several servers have a name of their own and send the
/// standard one too, as 0.
pub(super) fn count(usage: Option<&Value>, pointers: &[&str]) -> u64 {
    let given = pointers.iter().filter_map(|pointer| usage?.pointer(pointer)?.as_u64());
    given.max().unwrap_or_default().min(TOKENS_MAX)
}
