//! Deterministic diagnosis without a model.
//!
//! Three steps: `gather` reads what surrounds the signal resource through the `Cluster` port (the only
//! I/O), every [`Signature`] turns the [`Observed`] snapshot into [`Finding`]s (pure), and `ranking` orders causes
//! before symptoms (pure). A new fault family is one new file in `signatures/` and one word in its list.

pub mod connections;
pub mod draft;
pub mod network;
pub mod observed;
pub mod pods;
pub mod quantities;
pub mod revisions;
pub mod rollouts;
pub mod routing;
pub mod scheduler;
pub mod signatures;
#[cfg(test)]
pub(crate) mod testing;

pub use observed::Observed;

use crate::domain::Finding;

/// One recognisable fault: a pure function from what was observed to what is wrong.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    /// Stable snake_case name, unique.
    pub id: &'static str,
    /// What it recognises, for documentation and reports.
    pub title: &'static str,
    pub detect: fn(&Observed) -> Vec<Finding>,
}
