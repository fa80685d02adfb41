//! What was spent, and how far that goes. Pure.

use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::domain::Cost;

/// What an investigation, a caller or the service used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spending {
    /// Answers of a model.
    pub calls: u64,
    /// Prompt and completion tokens.
    pub tokens: u64,
    pub cost: Cost,
    /// Wall time of investigations, milliseconds.
    pub wall_ms: u64,
}

impl AddAssign for Spending {
    fn add_assign(&mut self, more: Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.tokens = self.tokens.saturating_add(more.tokens);
        self.cost += more.cost;
        self.wall_ms = self.wall_ms.saturating_add(more.wall_ms);
    }
}

/// Whose budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Investigation,
    /// The service's, from midnight to midnight, UTC.
    Day,
    /// The caller's, from midnight to midnight, UTC.
    CallerDay,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    Tokens,
    Money,
    Calls,
    Time,
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Limit {
    pub scope: Scope,
    pub resource: Resource,
}

impl Limit {
    /// For sentences about what was used up.
    pub fn as_str(self) -> &'static str {
        match (self.scope, self.resource) {
            (Scope::Investigation, Resource::Tokens) => "tokens",
            (Scope::Investigation, Resource::Money) => "money",
            (Scope::Investigation, Resource::Calls) => "calls",
            (Scope::Investigation, Resource::Time) => "time",
            (Scope::Day, Resource::Tokens) => "tokens of the service's day",
            (Scope::Day, Resource::Money) => "money of the service's day",
            (Scope::Day, Resource::Calls) => "calls of the service's day",
            (Scope::Day, Resource::Time) => "time of the service's day",
            (Scope::CallerDay, Resource::Tokens) => "tokens of the caller's day",
            (Scope::CallerDay, Resource::Money) => "money of the caller's day",
            (Scope::CallerDay, Resource::Calls) => "calls of the caller's day",
            (Scope::CallerDay, Resource::Time) => "time of the caller's day",
        }
    }
}

/// How far a budget is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Within,
    /// Four fifths or more.
    Near(Limit),
    /// All of it.
    Over(Limit),
}

impl Level {
    /// The first that is over, else the first that is near.
    pub fn worst(levels: impl IntoIterator<Item = Self>) -> Self {
        levels.into_iter().fold(Self::Within, |worst, level| match (worst, level) {
            (Self::Over(_), _) => worst,
            (_, Self::Over(_)) => level,
            (Self::Near(_), _) => worst,
            (Self::Within, _) => level,
        })
    }
}

/// A budget of the day is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {limit} are used up; they begin anew at midnight UTC")]
pub struct Exhausted {
    pub limit: Limit,
    /// Until then.
    pub seconds_left: u32,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
