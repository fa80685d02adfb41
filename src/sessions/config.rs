//! Section `session` of the configuration (operations §1.3.5, http-api §4.2).

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// Limits and lifetimes of sessions. Minutes may be fractions.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsConfig {
    /// `ttl_minutes`, 30: a finished session is forgotten this long after its final state.
    #[serde(rename = "ttl_minutes", deserialize_with = "minutes")]
    pub ttl: Duration,
    /// `max_age_minutes`, 60: any session is cancelled and forgotten this long after it was accepted; at least the TTL.
    #[serde(rename = "max_age_minutes", deserialize_with = "minutes")]
    pub max_age: Duration,
    /// 50: investigations running at once.
    pub max_concurrent_investigations: usize,
    /// 200: accepted and waiting for a slot; one more is refused.
    pub queue_limit: usize,
    /// 2000: sessions remembered, the oldest finished ones go first.
    pub max_sessions: usize,
    /// How long a run may take to notice its deadline and answer with what it has; 5 s, not a key.
    #[serde(skip, default = "overrun_max")]
    pub overrun_max: Duration,
}

fn overrun_max() -> Duration {
    Duration::from_secs(5)
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(30 * 60),
            max_age: Duration::from_secs(60 * 60),
            max_concurrent_investigations: 50,
            queue_limit: 200,
            max_sessions: 2_000,
            overrun_max: overrun_max(),
        }
    }
}

impl SessionsConfig {
    /// Longest accepted lifetime: a week.
    const MINUTES_MAX: f64 = 7.0 * 24.0 * 60.0;

    /// What is wrong with the values taken together, in one sentence naming the key.
    ///
    /// # Errors
    /// A limit of zero, or `max_age_minutes` below `ttl_minutes`.
    pub fn check(&self) -> Result<(), String> {
        let counts = [
            ("session.max_concurrent_investigations", self.max_concurrent_investigations),
            ("session.max_sessions", self.max_sessions),
        ];
        for (key, count) in counts {
            if count == 0 {
                return Err(format!("{key} must be at least 1"));
            }
        }
        if self.max_age < self.ttl {
            return Err("session.max_age_minutes must not be below session.ttl_minutes".to_owned());
        }
        Ok(())
    }
}

fn minutes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let minutes = f64::deserialize(deserializer)?;
    if !(minutes > 0.0 && minutes <= SessionsConfig::MINUTES_MAX) {
        return Err(de::Error::custom(format_args!("{minutes} minutes is not above 0 and at most 10080")));
    }
    Ok(Duration::from_secs_f64(minutes * 60.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_defaults() {
        let read = |json: &str| serde_json::from_str::<SessionsConfig>(json);
        assert_eq!(read("{}").unwrap(), SessionsConfig::default());
        let config = read(r#"{"ttl_minutes": 0.5, "max_age_minutes": 1, "queue_limit": 0}"#).unwrap();
        assert_eq!((config.ttl, config.max_age), (Duration::from_secs(30), Duration::from_secs(60)));
        assert_eq!(config.overrun_max, Duration::from_secs(5));
        for wrong in [r#"{"ttl_minutes": 0}"#, r#"{"ttl_minutes": -1}"#, r#"{"ttl": 1}"#, r#"{"overrun_max": 1}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_that_contradict_each_other() {
        let default = SessionsConfig::default;
        assert_eq!(default().check(), Ok(()));
        let contradictions = [
            (SessionsConfig { ttl: Duration::from_secs(7_200), ..default() }, "session.max_age_minutes"),
            (SessionsConfig { max_concurrent_investigations: 0, ..default() }, "max_concurrent_investigations"),
            (SessionsConfig { max_sessions: 0, ..default() }, "session.max_sessions"),
        ];
        for (config, key) in contradictions {
            let reason = config.check().unwrap_err();
            assert!(reason.contains(key), "{reason}");
        }
    }
}
