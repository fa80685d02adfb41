//! Section `audit` of the configuration (operations §1.3.3, architecture §6).

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::profile::Profile;

/// Where events go and how many of them are kept.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// `datastorage` unless set.
    pub sink: AuditSink,
    /// `a` unless set: the generation of the schema the receiver speaks.
    pub schema_profile: Profile,
    pub local: LocalAuditConfig,
}

/// Who keeps the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditSink {
    /// Delivered to DataStorage.
    #[default]
    DataStorage,
    /// Kept in the store and read with `audit list`.
    Local,
}

/// Bounds of the local table. The oldest events go first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalAuditConfig {
    /// `max_bytes`, 268435456 (256 MiB): event bodies kept.
    #[serde(rename = "max_bytes")]
    pub bytes_max: u64,
    /// `max_age_days`, 30.
    #[serde(rename = "max_age_days", deserialize_with = "days")]
    pub age_max: Duration,
}

impl LocalAuditConfig {
    const DAYS_MAX: f64 = 3_660.0;
}

impl Default for LocalAuditConfig {
    fn default() -> Self {
        Self { bytes_max: 256 * 1024 * 1024, age_max: Duration::from_secs(30 * 24 * 60 * 60) }
    }
}

fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let days = f64::deserialize(deserializer)?;
    if !(days > 0.0 && days <= LocalAuditConfig::DAYS_MAX) {
        return Err(de::Error::custom(format_args!("{days} days is not above 0 and at most 3660")));
    }
    Ok(Duration::from_secs_f64(days * 86_400.0))
}
