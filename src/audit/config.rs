//! Section `audit` of the configuration (operations §1.3.3, architecture §6 and §7 "Audit sender keys").

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::profile::Profile;

/// Where events go, how they are delivered and how many of them are kept.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// `datastorage` unless set.
    pub sink: AuditSink,
    /// `a` unless set: the generation of the schema the receiver speaks.
    pub schema_profile: Profile,
    pub local: LocalAuditConfig,
    /// `flush_interval_seconds`, 0.2: how long an event may wait for company. 0.05 to 60, what is above 5 counts as 5.
    #[serde(rename = "flush_interval_seconds", deserialize_with = "seconds")]
    pub linger: Duration,
    /// 100: events in one request. 1 to 1000, what is above 100 counts as 100.
    pub batch_size: usize,
    /// `http_timeout_seconds`, 35: one request, 31 to 60. DataStorage may take 30 s for a batch.
    #[serde(rename = "http_timeout_seconds", deserialize_with = "seconds")]
    pub http_timeout: Duration,
    /// 2: requests at once, 1 to 8. One at a time for each correlation.
    pub senders: usize,
    /// `drain_timeout_seconds`, 20: delivery goes on this long after the last investigation of a process that ends.
    #[serde(rename = "drain_timeout_seconds", deserialize_with = "seconds")]
    pub drain_timeout: Duration,
    /// `max_age_hours`, 167 (7 days minus 1 hour): older events are put into quarantine; DataStorage would refuse them.
    #[serde(rename = "max_age_hours", deserialize_with = "hours")]
    pub age_max: Duration,
    /// `readiness_max_age_seconds`, 3600: the service is not ready while an event waits longer than this.
    #[serde(rename = "readiness_max_age_seconds", deserialize_with = "seconds")]
    pub readiness_age_max: Duration,
    /// `poll_interval_seconds`, 5: looks for events put back by `audit requeue`, measures the outbox.
    #[serde(rename = "poll_interval_seconds", deserialize_with = "seconds")]
    pub poll_interval: Duration,
    pub spool: SpoolConfig,
    pub confirm: ConfirmConfig,
    pub backoff: BackoffConfig,
    pub suspect: SuspectConfig,
    /// Accepted for old files, without effect: the outbox is bounded in bytes.
    pub buffer_size: Option<u64>,
    /// Accepted for old files, without effect: time and space limit delivery, not attempts.
    pub max_retries: Option<u64>,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            sink: AuditSink::default(),
            schema_profile: Profile::default(),
            local: LocalAuditConfig::default(),
            linger: Duration::from_millis(200),
            batch_size: 100,
            http_timeout: Duration::from_secs(35),
            senders: 2,
            drain_timeout: Duration::from_secs(20),
            age_max: Duration::from_secs(167 * 60 * 60),
            readiness_age_max: Duration::from_secs(60 * 60),
            poll_interval: Duration::from_secs(5),
            spool: SpoolConfig::default(),
            confirm: ConfirmConfig::default(),
            backoff: BackoffConfig::default(),
            suspect: SuspectConfig::default(),
            buffer_size: None,
            max_retries: None,
        }
    }
}

/// `audit.spool`: bounds of the outbox and of the quarantine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpoolConfig {
    /// `max_bytes`, 536870912 (512 MiB): event bodies waiting for delivery.
    #[serde(rename = "max_bytes")]
    pub bytes_max: u64,
    /// 0.8: share of `max_bytes` above which no incident is accepted.
    pub high_water: f64,
    /// `reservation_per_investigation`, 262144 (256 KiB): room set aside for each running investigation.
    #[serde(rename = "reservation_per_investigation")]
    pub reservation_bytes: u64,
    /// `quarantine_max_bytes`, 67108864 (64 MiB): the oldest go first.
    #[serde(rename = "quarantine_max_bytes")]
    pub quarantine_bytes_max: u64,
    /// `quarantine_max_age_days`, 30.
    #[serde(rename = "quarantine_max_age_days", deserialize_with = "days")]
    pub quarantine_age_max: Duration,
    /// `reopen_interval_seconds`, 30: between two attempts to use a disk that failed.
    #[serde(rename = "reopen_interval_seconds", deserialize_with = "seconds")]
    pub reopen_interval: Duration,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            bytes_max: 512 * 1024 * 1024,
            high_water: 0.8,
            reservation_bytes: 256 * 1024,
            quarantine_bytes_max: 64 * 1024 * 1024,
            quarantine_age_max: Duration::from_secs(30 * 24 * 60 * 60),
            reopen_interval: Duration::from_secs(30),
        }
    }
}

/// `audit.confirm`: when DataStorage is asked what it has stored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConfirmConfig {
    /// `ambiguity_wait_seconds`, 35: from a request whose answer was lost to the question; the server may still be at it.
    #[serde(rename = "ambiguity_wait_seconds", deserialize_with = "seconds")]
    pub ambiguity_wait: Duration,
    /// `accepted_waits_seconds`: from a 202, and from each question in vain, to the next question. After the last one the
    /// event is sent again. Empty: a 202 counts as stored. Unless set: 30, 120, 600 under the schema profile `a`, empty
    /// under `h`, whose server keeps what it accepts.
    #[serde(rename = "accepted_waits_seconds", deserialize_with = "list_of_seconds")]
    pub accepted_waits: Option<Vec<Duration>>,
}

impl Default for ConfirmConfig {
    fn default() -> Self {
        Self { ambiguity_wait: Duration::from_secs(35), accepted_waits: None }
    }
}

/// `audit.backoff`: pauses while DataStorage does not take events.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackoffConfig {
    /// `base_seconds`, 0.5: the first pause; each further one is twice as long.
    #[serde(rename = "base_seconds", deserialize_with = "seconds")]
    pub base: Duration,
    /// `max_seconds`, 30.
    #[serde(rename = "max_seconds", deserialize_with = "seconds")]
    pub ceiling: Duration,
    /// `forbidden_seconds`, 5: the shortest pause after 403.
    #[serde(rename = "forbidden_seconds", deserialize_with = "seconds")]
    pub forbidden: Duration,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self { base: Duration::from_millis(500), ceiling: Duration::from_secs(30), forbidden: Duration::from_secs(5) }
    }
}

/// `audit.suspect`: an event that fails alone while others succeed (audit §3.7).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SuspectConfig {
    /// 10: failures before it is taken out of its correlation's order.
    pub failures: u32,
    /// `after_seconds`, 600: and at least this long.
    #[serde(rename = "after_seconds", deserialize_with = "seconds")]
    pub after: Duration,
    /// `retry_seconds`, 3600: between two further attempts.
    #[serde(rename = "retry_seconds", deserialize_with = "seconds")]
    pub retry: Duration,
}

impl Default for SuspectConfig {
    fn default() -> Self {
        Self { failures: 10, after: Duration::from_secs(600), retry: Duration::from_secs(3_600) }
    }
}

impl AuditConfig {
    /// Most events in one request (audit §3.5).
    const BATCH_EVENTS_MAX: usize = 100;
    const LINGER_MAX: Duration = Duration::from_secs(5);

    /// What is wrong with the values, in one sentence naming the key.
    ///
    /// # Errors
    /// A value outside its range.
    pub fn check(&self) -> Result<(), String> {
        let seconds = [
            ("flush_interval_seconds", self.linger, 0.05, 60.0),
            ("http_timeout_seconds", self.http_timeout, 31.0, 60.0),
            ("drain_timeout_seconds", self.drain_timeout, 0.0, 300.0),
            ("readiness_max_age_seconds", self.readiness_age_max, 1.0, 604_800.0),
            ("poll_interval_seconds", self.poll_interval, 0.01, 60.0),
            ("spool.reopen_interval_seconds", self.spool.reopen_interval, 0.01, 3_600.0),
            ("confirm.ambiguity_wait_seconds", self.confirm.ambiguity_wait, 0.0, 300.0),
            ("backoff.base_seconds", self.backoff.base, 0.001, 60.0),
            ("backoff.max_seconds", self.backoff.ceiling, 0.001, 300.0),
            ("backoff.forbidden_seconds", self.backoff.forbidden, 0.0, 300.0),
            ("suspect.after_seconds", self.suspect.after, 0.0, 86_400.0),
            ("suspect.retry_seconds", self.suspect.retry, 0.01, 86_400.0),
        ];
        for (key, value, least, most) in seconds {
            if !(least..=most).contains(&value.as_secs_f64()) {
                return Err(format!("audit.{key} is {}, it must be {least} to {most}", value.as_secs_f64()));
            }
        }
        let counts = [
            ("batch_size", self.batch_size, 1, 1_000),
            ("senders", self.senders, 1, 8),
            ("suspect.failures", usize::try_from(self.suspect.failures).unwrap_or(usize::MAX), 1, 1_000),
            ("confirm.accepted_waits_seconds", self.confirm.accepted_waits.as_ref().map_or(0, Vec::len), 0, 10),
        ];
        for (key, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                return Err(format!("audit.{key} has {value}, it must be {least} to {most}"));
            }
        }
        self.spool.check()
    }

    /// Keys that are set and do not do what they say, one sentence each.
    pub fn notices(&self) -> Vec<String> {
        let ignored = [("buffer_size", self.buffer_size), ("max_retries", self.max_retries)];
        let ignored = ignored.into_iter().filter_map(|(key, value)| {
            value.map(|_| {
                format!("audit.{key} has no effect: events wait in the store, bounded by audit.spool.max_bytes")
            })
        });
        let capped = (self.batch_size > Self::BATCH_EVENTS_MAX)
            .then(|| format!("audit.batch_size {} counts as {}", self.batch_size, Self::BATCH_EVENTS_MAX));
        ignored.chain(capped).collect()
    }

    /// When to ask for an event that was accepted; empty when a 202 is enough.
    pub(super) fn accepted_waits(&self) -> &[Duration] {
        const APRIL: &[Duration] = &[Duration::from_secs(30), Duration::from_secs(120), Duration::from_secs(600)];
        match (&self.confirm.accepted_waits, self.schema_profile) {
            (Some(waits), _) => waits,
            (None, Profile::A) => APRIL,
            (None, Profile::H) => &[],
        }
    }

    pub(super) fn batch_events_max(&self) -> usize {
        self.batch_size.clamp(1, Self::BATCH_EVENTS_MAX)
    }

    pub(super) fn effective_linger(&self) -> Duration {
        self.linger.min(Self::LINGER_MAX)
    }
}

impl SpoolConfig {
    fn check(&self) -> Result<(), String> {
        /// Room for a few investigations at least.
        const BYTES_MIN: u64 = 1024 * 1024;
        if self.bytes_max < BYTES_MIN {
            return Err(format!("audit.spool.max_bytes is {}, it must be at least {BYTES_MIN}", self.bytes_max));
        }
        if !(self.high_water > 0.0 && self.high_water <= 1.0) {
            return Err(format!("audit.spool.high_water is {}, it must be above 0 and at most 1", self.high_water));
        }
        if self.reservation_bytes > self.bytes_max {
            return Err("audit.spool.reservation_per_investigation is above audit.spool.max_bytes".to_owned());
        }
        Ok(())
    }
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

impl AuditSink {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DataStorage => "datastorage",
            Self::Local => "local",
        }
    }
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

fn hours<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    /// DataStorage refuses events older than seven days.
    const HOURS_MAX: f64 = 168.0;
    let hours = f64::deserialize(deserializer)?;
    if !(hours > 0.0 && hours <= HOURS_MAX) {
        return Err(de::Error::custom(format_args!("{hours} hours is not above 0 and at most 168")));
    }
    Ok(Duration::from_secs_f64(hours * 3_600.0))
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    in_seconds(f64::deserialize(deserializer)?)
}

fn list_of_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Duration>>, D::Error> {
    Vec::<f64>::deserialize(deserializer)?.into_iter().map(in_seconds).collect::<Result<_, _>>().map(Some)
}

/// Ranges are checked with the keys' names in [`AuditConfig::check`].
fn in_seconds<E: de::Error>(seconds: f64) -> Result<Duration, E> {
    const SECONDS_MAX: f64 = 604_800.0;
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return Err(E::custom(format_args!("{seconds} seconds is not 0 to 604800")));
    }
    Ok(Duration::from_secs_f64(seconds))
}
