//! Volumes without space: applications say so in their logs, the kubelet in its metrics.

use jiff::SignedDuration;

use super::{class_name, list, signalled_claim, users};
use crate::analyser::Observed;
use crate::analyser::draft::{draft, field_evidence, parameters, pods_and_owners};
use crate::analyser::observed::PodLog;
use crate::domain::quantities::Quantity;
use crate::analyser::routing::{is_ready, services_of};
use crate::cluster::{LogLine, MetricSeries};
use crate::domain::object::text;
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object, SignalMode, Source};

/// Complaints older than this say nothing about the present.
const RECENT: SignedDuration = SignedDuration::from_mins(60);
/// Used share from which a volume counts as full, and from which it is worth a warning.
const FULL: f64 = 0.97;
const NEARLY: f64 = 0.85;
/// A volume that at its present rate is full within this time is about to be.
const SOON: SignedDuration = SignedDuration::from_hours(4 * 24);

pub(super) fn detect(observed: &Observed) -> Vec<Finding> {
    observed.of_kind("PersistentVolumeClaim").filter_map(|claim| Volume::read(observed, claim)?.judge()).collect()
}

/// A mounted, bound claim with what is known about its space.
struct Volume<'a> {
    observed: &'a Observed,
    claim: &'a Object,
    users: Vec<&'a Object>,
    bytes: Option<Usage<'a>>,
    inodes: Option<Usage<'a>>,
    complaint: Option<(&'a PodLog, &'a LogLine)>,
}

/// Used and total by the kubelet's metrics, at the last point.
struct Usage<'a> {
    used: f64,
    total: f64,
    series: &'a MetricSeries,
}

impl Usage<'_> {
    fn share(&self) -> f64 {
        self.used / self.total
    }
}

impl<'a> Volume<'a> {
    fn read(observed: &'a Observed, claim: &'a Object) -> Option<Self> {
        let users = users(observed, claim);
        if users.is_empty() || claim.str_at("status.phase") != Some("Bound") {
            return None;
        }
        let bytes = usage(observed, claim, "kubelet_volume_stats_used_bytes", "kubelet_volume_stats_capacity_bytes");
        let inodes = usage(observed, claim, "kubelet_volume_stats_inodes_used", "kubelet_volume_stats_inodes");
        let complaint = users.iter().find_map(|pod| complaint(observed, claim, pod));
        Some(Self { observed, claim, users, bytes, inodes, complaint })
    }

    fn judge(&self) -> Option<Finding> {
        let share = [&self.bytes, &self.inodes]
            .into_iter()
            .flatten()
            .map(Usage::share)
            .fold(None, |most: Option<f64>, share| Some(most.map_or(share, |most| most.max(share))));
        match (share, self.complaint) {
            (Some(share), Some(_)) if share >= NEARLY => Some(self.full(0.96)),
            (None, Some(_)) => Some(self.full(0.9)),
            (Some(_), Some(_)) => self.recovered(),
            (Some(share), None) if share >= FULL => Some(self.full(0.88)),
            (Some(share), None) if share >= NEARLY => self.filling(share),
            _ => None,
        }
    }

    fn full(&self, strength: f64) -> Finding {
        let how = self.level().map_or_else(|| "has no space left".to_owned(), |level| format!("is full ({level})"));
        self.expansion(&format!("{} {how}", self.claim.reference()), strength)
    }

    /// Not full yet. Worth acting on when the signal is a forecast or names this claim, and it will be full soon.
    fn filling(&self, share: f64) -> Option<Finding> {
        let soon = self.full_in().is_some_and(|left| left <= SOON);
        let asked = self.observed.incident.signal_mode == SignalMode::Proactive
            || signalled_claim(self.observed).is_some_and(|claim| claim.reference() == self.claim.reference());
        let strength = match (asked, soon) {
            (true, true) => 0.85,
            (true, false) if share >= 0.9 => 0.75,
            (false, true) if share >= 0.9 => 0.55,
            _ => return None,
        };
        let forecast =
            self.full_in().map(|left| format!(", full in about {}", crate::analyser::pods::duration_text(left)));
        let what = format!(
            "{} is filling up ({}{})",
            self.claim.reference(),
            self.level().unwrap_or_default(),
            forecast.unwrap_or_default()
        );
        Some(self.expansion(&what, strength))
    }

    /// Complaints in the log, room by the metrics: it was expanded or cleaned up.
    fn recovered(&self) -> Option<Finding> {
        if !self.users.iter().all(|pod| is_ready(pod)) {
            return None;
        }
        let what = format!("{} had no space left and has room again ({})", self.claim.reference(), self.level()?);
        Some(Finding {
            cause_class: CauseClass::Recovered,
            summary: what.clone(),
            causal_chain: vec![what],
            strength: 0.6,
            disposition: Disposition::Resolved,
            ..self.draft()
        })
    }

    fn draft(&self) -> Finding {
        let mut affects = pods_and_owners(self.observed, self.users.iter().copied());
        affects.extend(self.users.iter().flat_map(|pod| services_of(self.observed, pod)).map(Object::reference));
        affects.dedup();
        let mut evidence = Vec::new();
        evidence.extend(self.complaint.map(|(log, line)| log.evidence(line, "the application cannot write")));
        for usage in [&self.bytes, &self.inodes].into_iter().flatten() {
            evidence.push(metric_evidence(usage));
        }
        evidence.push(field_evidence(self.claim, "status.capacity.storage", "size of the volume"));
        Finding {
            affects,
            evidence,
            ..draft("volume_full", CauseClass::VolumeFull, &self.claim.reference(), self.claim.reference())
        }
    }

    /// `9.8 GiB of 10.0 GiB used, 98 %`.
    fn level(&self) -> Option<String> {
        let inodes = self.inodes.as_ref().filter(|inodes| inodes.share() >= FULL);
        if let Some(inodes) = inodes {
            return Some(format!("{:.0} of {:.0} inodes used", inodes.used, inodes.total));
        }
        let bytes = self.bytes.as_ref()?;
        let gib = |bytes: f64| bytes / 1024_f64.powi(3);
        Some(format!("{:.1} GiB of {:.1} GiB used, {:.0} %", gib(bytes.used), gib(bytes.total), bytes.share() * 100.0))
    }

    /// Time until full at the average rate of the series; `None` when it does not grow.
    #[expect(clippy::cast_possible_truncation, reason = "seconds, bounded below")]
    fn full_in(&self) -> Option<SignedDuration> {
        let bytes = self.bytes.as_ref()?;
        let (first, last) = (bytes.series.points.first()?, bytes.series.points.last()?);
        let rate = (last.1 - first.1) / (last.0 - first.0);
        let seconds = (bytes.total - bytes.used) / rate;
        (rate > 0.0 && seconds.is_finite()).then(|| SignedDuration::from_secs(seconds.min(1e9) as i64))
    }

    /// What to do about it depends on whether the class can grow volumes, and whether someone already asked.
    fn expansion(&self, what: &str, strength: f64) -> Finding {
        let quantity = |path: &str| self.claim.at(path).and_then(Quantity::read);
        let capacity = quantity("status.capacity.storage")
            .or_else(|| quantity("spec.resources.requests.storage"))
            .unwrap_or_default();
        let asked = quantity("spec.resources.requests.storage").filter(|asked| *asked > capacity);
        let class = class_name(self.claim).and_then(|name| self.observed.get("StorageClass", None, name));
        let mut finding = Finding { strength, ..self.draft() };
        finding.causal_chain = vec![what.to_owned(), "writes fail with \"no space left on device\"".to_owned()];
        if let Some(asked) = asked {
            return self.under_way(finding, what, asked);
        }
        let growable = class.map(|class| class.bool_at("allowVolumeExpansion") == Some(true));
        if let Some(class) = class {
            let claim =
                if growable == Some(true) { "its class can expand volumes" } else { "its class cannot expand volumes" };
            finding.evidence.push(field_evidence(class, "allowVolumeExpansion", claim));
        }
        if growable == Some(false) {
            let name = class.map_or("", Object::name);
            finding.summary = format!("{what}; StorageClass {name} does not allow expansion");
            finding.disposition = Disposition::Escalate;
            return finding;
        }
        let size = larger(capacity);
        finding.summary = format!("{what}; {} should become {}", capacity.bytes(), size.bytes());
        finding.action_type = Some("ExpandPersistentVolumeClaim".to_owned());
        finding.parameters = parameters([("SIZE_NEW", size.bytes())]);
        if growable.is_none() {
            finding.strength -= 0.1;
        }
        finding
    }

    /// More space was requested already.
    fn under_way(&self, finding: Finding, what: &str, asked: Quantity) -> Finding {
        let mut finding = finding;
        finding.evidence.push(field_evidence(
            self.claim,
            "spec.resources.requests.storage",
            "more was requested already",
        ));
        if self.claim.condition_status("FileSystemResizePending") == Some("True") {
            finding.evidence.push(field_evidence(
                self.claim,
                "status.conditions[type=FileSystemResizePending].message",
                "what is still to do",
            ));
            finding.summary =
                format!("{what}; it was expanded to {}, which takes effect when its pod restarts", asked.bytes());
            finding.action_type = Some("RestartWorkload".to_owned());
            finding.target =
                self.users.first().map_or_else(|| self.claim.reference(), |pod| self.observed.root_owner(pod));
            return finding;
        }
        let events = self.observed.events_about(&self.claim.reference());
        let failure = events.into_iter().find(|event| event.reason == "VolumeResizeFailed");
        finding.evidence.extend(failure.map(|event| event.evidence("the expansion fails")));
        finding.summary = format!(
            "{what}; an expansion to {} was requested and is {}",
            asked.bytes(),
            if failure.is_some() { "failing" } else { "under way" }
        );
        finding.disposition = if failure.is_some() { Disposition::Escalate } else { Disposition::NotActionable };
        if failure.is_none() {
            finding.cause_class = CauseClass::ChangeInProgress;
        }
        finding
    }
}

fn usage<'a>(observed: &'a Observed, claim: &'a Object, used: &'a str, total: &'a str) -> Option<Usage<'a>> {
    let last = |name: &'a str| {
        let mut all = observed.series(name, &[]).filter(|series| {
            series.labels.get("persistentvolumeclaim").is_some_and(|label| label == claim.name())
                && series.labels.get("namespace").map(String::as_str) == claim.namespace()
        });
        all.find_map(|series| Some((series.points.last()?.1, series)))
    };
    let ((used, series), (total, _)) = (last(used)?, last(total)?);
    (total > 0.0).then_some(Usage { used, total, series })
}

fn metric_evidence(usage: &Usage<'_>) -> Evidence {
    let at = usage.series.points.last().map(|(time, _)| format!("{time:.0}"));
    let claim = format!("{:.0} % used", usage.share() * 100.0);
    let labels: Vec<String> = usage.series.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let series = format!("{}{{{}}}", usage.series.name, labels.join(","));
    Evidence { claim, source: Source::Metric { series, value: format!("{:.0}", usage.used), at } }
}

/// The newest line in which a pod that mounts the claim complains about space, if it can be this volume.
fn complaint<'a>(observed: &'a Observed, claim: &Object, pod: &'a Object) -> Option<(&'a PodLog, &'a LogLine)> {
    let volumes = super::claims_of(pod);
    let own: Vec<&str> = volumes.iter().filter(|(name, _)| name == claim.name()).map(|(_, volume)| *volume).collect();
    for log in observed.logs_of(pod) {
        let containers = pod.list_at("spec.containers").chain(pod.list_at("spec.initContainers"));
        let mounts: Vec<(&str, &str)> = containers
            .filter(|container| text(container, "name") == log.container)
            .flat_map(|container| list(container, "volumeMounts"))
            .map(|mount| (text(mount, "mountPath"), text(mount, "name")))
            .collect();
        let mounts_claim = |volume: &str| volumes.iter().any(|(_, name)| *name == volume);
        let claims_mounted = mounts.iter().filter(|(_, volume)| mounts_claim(volume)).count();
        if !mounts.iter().any(|(_, volume)| own.contains(volume)) {
            continue;
        }
        let about_it = |line: &&LogLine| {
            let named = mounts
                .iter()
                .filter(|(path, _)| path.len() > 1 && line.text.contains(path))
                .max_by_key(|(path, _)| path.len());
            named.map_or(claims_mounted == 1 && !line.text.contains("/tmp/"), |(_, volume)| own.contains(volume))
        };
        let current = |line: &&LogLine| {
            line.time.map_or(!(log.previous && is_ready(pod)), |time| observed.is_recent(Some(time), RECENT))
        };
        let found = log.lines.iter().rev().filter(|line| says_full(&line.text)).filter(current).find(about_it);
        if let Some(line) = found {
            return Some((log, line));
        }
    }
    None
}

fn says_full(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    [
        "no space left on device",
        "enospc",
        "disk full",
        "disk is full",
        "not enough disk space",
        "flood stage disk watermark",
        "not enough space on the disk",
    ]
    .iter()
    .any(|words| line.contains(words))
}

/// Twice the size, or one and a half times from 100 GiB, to a round number.
fn larger(capacity: Quantity) -> Quantity {
    let gib = |count: i64| Quantity::whole(count << 30);
    let (numerator, denominator) = if capacity >= gib(100) { (3, 2) } else { (2, 1) };
    let step = match capacity {
        small if small < gib(10) => 1,
        middle if middle < gib(100) => 5,
        _ => 10,
    };
    capacity.scaled(numerator, denominator).round_up_to(gib(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_grow_to_round_numbers() {
        for (size, expected) in [
            ("1Gi", "2Gi"),
            ("500Mi", "1Gi"),
            ("8Gi", "16Gi"),
            ("20Gi", "40Gi"),
            ("33Gi", "70Gi"),
            ("100Gi", "150Gi"),
            ("1Ti", "1540Gi"),
        ] {
            assert_eq!(larger(Quantity::parse(size).unwrap()).bytes(), expected, "{size}");
        }
    }
}
