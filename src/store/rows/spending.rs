//! What was spent.

/// What a caller used on one day, or a part of it that is to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendingRow {
    /// Days since 1970-01-01, UTC.
    pub day: i64,
    pub caller: String,
    pub calls: u64,
    pub tokens: u64,
    /// Calls whose cost is not known.
    pub unpriced_calls: u64,
    pub unpriced_tokens: u64,
    /// Of the other calls.
    pub nano_dollars: u64,
    pub wall_ms: u64,
}
