//! The configuration under a running service (operations §2, architecture §7 row "Reload"): files are looked at again by
//! content; a change that holds is taken over whole, one that does not changes nothing and says why.
//!
//! `candidate` is the pure part: what a new configuration changes, what needs a restart, and what is taken over; `rooms` hands
//! it to those that run.

mod announcer;
mod candidate;
mod certificates;
mod files;
mod mounts;
mod rooms;

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::{App, AppError, summary};
use crate::api::{ConfigField, ConfigView, Readiness, RejectedConfig};
use crate::config::{Field, Live, Loaded, Loader, ProblemKind, Takeover};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{ConfigFault, ConfigSource, ReloadResult};
use announcer::Announcer;
use candidate::Candidate;
use certificates::ServerCertificates;
use files::Contents;
pub(super) use rooms::Rooms;

/// What a running service needs to look at its configuration again.
#[derive(Debug)]
pub struct Reloading {
    pub loader: Loader,
    /// What the service runs with.
    pub loaded: Loaded,
    /// Told when somebody wants the files looked at now.
    pub look_now: Arc<Notify>,
}

impl App {
    /// Shows where every value comes from and, unless `reload.enabled` is off, looks at the files from now on.
    pub fn reload_with(&self, reloading: Reloading) {
        let Reloading { loader, loaded, look_now } = reloading;
        let core = &self.core;
        let contents = Contents::of(&loader, &loaded.config).with_loaded(&loaded.hashes);
        let reloader = Reloader {
            seen: contents.clone(),
            in_use: contents,
            loader,
            active: loaded,
            count: 0,
            rooms: self.rooms.clone(),
            certificates: self.certificates.clone().map(|pair| ServerCertificates::new(pair, core.metrics.clone())),
            announcer: Announcer::new(self.pod_events.clone()),
            readiness: self.readiness.clone(),
            view: self.config.clone(),
            metrics: core.metrics.clone(),
        };
        reloader.begin();
        let reload = reloader.active.config.reload;
        if !reload.enabled {
            tracing::info!(event = "config_reload_off", "changes of the configuration need a restart");
            return;
        }
        mounts::warn_of_fixed_files(&reloader.loader, &reloader.active.config);
        let stop = self.stop_watching.clone();
        tokio::spawn(async move { stop.run_until_cancelled(reloader.watch(look_now)).await });
    }
}

/// Why a configuration was not taken over.
struct Rejection {
    fault: ConfigFault,
    /// One line each.
    problems: Vec<String>,
}

struct Reloader {
    loader: Loader,
    active: Loaded,
    /// The files as they were last looked at, whatever came of it.
    seen: Contents,
    /// The files as they were when they were last taken over.
    in_use: Contents,
    /// Configurations taken over so far.
    count: u64,
    rooms: Rooms,
    /// Where the API port speaks TLS.
    certificates: Option<ServerCertificates>,
    announcer: Announcer,
    readiness: Readiness,
    view: ConfigView,
    metrics: Metrics,
}

impl Reloader {
    fn begin(&self) {
        for (source, hash) in self.in_use.hashes() {
            self.metrics.config_active(source, hash, None);
        }
        let hash = self.in_use.whole();
        self.readiness.tell_config(&hash, false);
        let fields = shown(&self.active.fields);
        self.view.change(|summary| {
            (summary.active_hash, summary.on_disk_hash) = (Some(hash.clone()), Some(hash));
            summary.fields = fields;
        });
    }

    async fn watch(mut self, look_now: Arc<Notify>) {
        let interval = self.active.config.reload.interval();
        loop {
            let asked = tokio::select! {
                () = look_now.notified() => true,
                () = sleep(interval) => false,
            };
            let looked = tokio::task::spawn_blocking(move || {
                self.look(asked);
                self
            });
            match looked.await {
                Ok(reloader) => {
                    self = reloader;
                    self.announcer.tell().await;
                }
                Err(error) => {
                    tracing::error!(event = "config_reload_broken", error = %error, "reload ended; this is a defect");
                    return;
                }
            }
        }
    }

    /// Blocks on files.
    fn look(&mut self, asked: bool) {
        let began = Instant::now();
        if let Some(certificates) = &mut self.certificates {
            certificates.look(asked, &mut self.announcer);
        }
        let contents = Contents::of(&self.loader, &self.active.config);
        let changed = contents.changed_since(&self.seen);
        self.seen = contents;
        if changed.is_empty() {
            if asked {
                self.unchanged(&Contents::SOURCES);
            }
        } else if self.seen == self.in_use {
            self.agree(&changed);
        } else if let Err(rejection) = self.take_over(&changed, began) {
            self.reject(&changed, rejection);
        }
    }

    fn unchanged(&self, sources: &[ConfigSource]) {
        for source in sources {
            self.metrics.config_looked_at(*source, ReloadResult::Unchanged, 0);
        }
    }

    /// The files say again what is in use.
    fn agree(&self, changed: &[ConfigSource]) {
        self.readiness.tell_config(&self.in_use.whole(), false);
        self.unchanged(changed);
        Contents::SOURCES.iter().for_each(|source| self.metrics.config_agrees(*source));
        self.view.change(|summary| {
            (summary.on_disk_hash, summary.last_rejected) = (summary.active_hash.clone(), None);
        });
        tracing::info!(event = "config_agrees", source = names(changed), "what is on disk is in use, as before");
    }

    fn take_over(&mut self, changed: &[ConfigSource], began: Instant) -> Result<(), Rejection> {
        let loaded = self.loader.load().map_err(|error| Rejection {
            fault: match error.kind() {
                ProblemKind::Parse => ConfigFault::Parse,
                ProblemKind::UnknownKey => ConfigFault::UnknownKey,
                ProblemKind::Invalid => ConfigFault::Invalid,
            },
            problems: error.problems().iter().map(ToString::to_string).collect(),
        })?;
        let has_new_secrets = changed.contains(&ConfigSource::Credentials);
        let candidate =
            Candidate::of(&self.active, &loaded).map_err(|(fault, problems)| Rejection { fault, problems })?;
        let serving = self.rooms.current.get().llm.clone();
        let kept = serving.filter(|_| !has_new_secrets && candidate.keeps_model(&self.active.config));
        let built = self.rooms.build(candidate.config(), kept);
        let built = built.map_err(|error| Rejection { fault: ConfigFault::Build, problems: vec![chain(&error)] })?;

        // Nothing fails from here on.
        self.rooms.hand_over(candidate.config(), built);
        // Other credentials may count now.
        self.seen.look_at_credentials(candidate.config());
        loaded.warn_of_unknown_keys();
        self.tell(&candidate, changed, began);
        self.in_use = self.seen.clone();
        self.active = candidate.takeover.counting;
        Ok(())
    }

    fn tell(&mut self, candidate: &Candidate, changed: &[ConfigSource], began: Instant) {
        self.count += 1;
        let (hash, previous_hash) = (self.seen.whole(), self.in_use.whole());
        self.show(&candidate.takeover, changed, &hash);
        let Takeover { changed: keys, needs_restart, shadowed, .. } = &candidate.takeover;
        tracing::info!(
            event = "config_reloaded",
            source = names(changed),
            hash,
            previous_hash,
            changed = keys.join(", "),
            reload_count = self.count,
            duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "configuration taken over"
        );
        if !needs_restart.is_empty() {
            let keys = needs_restart.join(", ");
            tracing::warn!(event = "reload_restart_required", keys, "changes that wait for a restart");
        }
        if !shadowed.is_empty() {
            let keys = shadowed.join(", ");
            tracing::warn!(event = "reload_field_shadowed", keys, "changes that a variable or a flag hides");
        }
        for (old, new) in &candidate.identity_changes {
            tracing::info!(event = "llm_identity_changed", old, new, hash, "another model answers new investigations");
        }
    }

    /// Where others look: metrics and `GET /config`.
    fn show(&self, takeover: &Takeover, changed: &[ConfigSource], hash: &str) {
        let now = Timestamp::now();
        self.readiness.tell_config(hash, false);
        for source in changed {
            self.metrics.config_looked_at(*source, ReloadResult::Applied, now.as_second());
        }
        for (source, hash) in self.seen.hashes() {
            self.metrics.config_active(source, hash, self.in_use.hash(source));
        }
        let Loaded { config, fields, .. } = &takeover.counting;
        let (told, fields) = (summary(config), shown(fields));
        self.view.change(|summary| {
            *summary = told;
            (summary.active_hash, summary.on_disk_hash) = (Some(hash.to_owned()), Some(hash.to_owned()));
            summary.last_reload = Some(now.to_string());
            summary.restart_required.clone_from(&takeover.needs_restart);
            summary.fields = fields;
        });
    }

    fn reject(&mut self, changed: &[ConfigSource], rejection: Rejection) {
        let (active_hash, rejected_hash) = (self.in_use.whole(), self.seen.whole());
        self.readiness.tell_config(&active_hash, true);
        for source in changed {
            self.metrics.config_rejected(*source, rejection.fault);
        }
        let (at, problems) = (Timestamp::now().to_string(), rejection.problems.clone());
        self.view.change(|summary| {
            summary.on_disk_hash = Some(rejected_hash.clone());
            summary.last_rejected = Some(RejectedConfig { hash: rejected_hash.clone(), at, problems });
        });
        self.announcer.note("the configuration on disk", &rejected_hash, &rejection.problems.join("; "));
        tracing::error!(
            event = "config_reload_rejected",
            source = names(changed),
            rejected_hash,
            active_hash,
            error_count = rejection.problems.len(),
            problems = serde_json::Value::from(rejection.problems).to_string(),
            "the configuration on disk is not taken over; the active one stays"
        );
    }
}

fn names(sources: &[ConfigSource]) -> String {
    sources.iter().map(|source| source.as_str()).collect::<Vec<_>>().join(",")
}

/// The whole sentence, causes and all.
fn chain(error: &AppError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

fn shown(fields: &[Field]) -> Vec<ConfigField> {
    let field = |field: &Field| ConfigField {
        path: field.path.clone(),
        value: field.value.clone(),
        source: field.source.as_str(),
        live: field.live != Live::Restart,
    };
    fields.iter().map(field).collect()
}
