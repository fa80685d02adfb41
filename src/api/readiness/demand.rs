//! Section `readiness`: what the absence of each dependency means for `/ready` (operations §5.3; the default is the rule of
//! architecture §7).

use serde::{Deserialize, Serialize};

use super::Health;
use crate::telemetry::metrics::Dependency;

/// How much readiness depends on one dependency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// Holds the service in `starting` until it first answers; afterwards its absence is only told, so that callers who
    /// poll for finished results are not cut off.
    #[default]
    Start,
    /// Not ready whenever it does not answer.
    Required,
    /// Its absence is only told, from the start.
    Informational,
    /// Neither waited for nor told.
    Off,
}

/// Section `readiness`. A dependency that is not configured is off whatever this says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadinessConfig {
    pub data_storage: Demand,
    pub llm: Demand,
    pub kubernetes: Demand,
}

impl ReadinessConfig {
    pub(super) fn of(self, dependency: Dependency) -> Demand {
        match dependency {
            Dependency::DataStorage => self.data_storage,
            Dependency::Llm => self.llm,
            Dependency::Kubernetes => self.kubernetes,
        }
    }
}

impl Demand {
    /// Whether the service is still starting.
    pub(super) fn holds_the_start(self, health: Health) -> bool {
        health == Health::NeverSeen && matches!(self, Self::Start | Self::Required)
    }

    /// Whether a started service is not ready.
    pub(super) fn stops_work(self, health: Health) -> bool {
        self == Self::Required && matches!(health, Health::Down { .. })
    }

    /// Whether the absence is told.
    pub(super) fn degrades(self, health: Health) -> bool {
        match health {
            Health::Down { .. } => self != Self::Off,
            Health::NeverSeen => self == Self::Informational,
            Health::Off | Health::Mock | Health::Up { .. } => false,
        }
    }

    /// What is told of a dependency.
    pub(super) fn shown(self, health: Health) -> Health {
        if self == Self::Off { Health::Off } else { health }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn what_each_demand_makes_of_each_state() {
        let since = Timestamp::UNIX_EPOCH;
        let (down, up) = (Health::Down { since, detail: "timeout" }, Health::Up { since });
        for (demand, health, holds, stops, degrades) in [
            (Demand::Start, Health::NeverSeen, true, false, false),
            (Demand::Start, down, false, false, true),
            (Demand::Required, Health::NeverSeen, true, false, false),
            (Demand::Required, down, false, true, true),
            (Demand::Informational, Health::NeverSeen, false, false, true),
            (Demand::Informational, down, false, false, true),
            (Demand::Off, Health::NeverSeen, false, false, false),
            (Demand::Off, down, false, false, false),
        ] {
            let told = (demand.holds_the_start(health), demand.stops_work(health), demand.degrades(health));
            assert_eq!(told, (holds, stops, degrades), "{demand:?} {health:?}");
        }
        for demand in [Demand::Start, Demand::Required, Demand::Informational, Demand::Off] {
            for health in [up, Health::Mock, Health::Off] {
                let told = (demand.holds_the_start(health), demand.stops_work(health), demand.degrades(health));
                assert_eq!(told, (false, false, false), "{demand:?} {health:?}");
            }
        }
    }
}
