//! What a container's memory did before it was killed.

use crate::analyser::Observed;
use crate::analyser::pods::Container;
use crate::domain::quantities::Quantity;
use crate::cluster::MetricSeries;
use crate::domain::{Evidence, ResourceRef, Source};

const WORKING_SET: &str = "container_memory_working_set_bytes";
/// Fewer points are no trend.
const POINTS_MIN: usize = 12;
/// A leak takes its time; what rises faster is a load that does not fit.
const LEAK_SECONDS_MIN: f64 = 3_600.0;
/// Memory at the end compared with the beginning.
const LEAK_GROWTH_MIN: f64 = 1.8;
/// Share of steps that do not fall. A working set that breathes is no leak.
const LEAK_RISING_MIN: f64 = 0.85;
/// Part of the growth that has happened halfway: a leak rises all the time, a load or a start at once.
const LEAK_HALFWAY: std::ops::RangeInclusive<f64> = 0.2..=0.8;
/// How near the limit the peak must come.
const LIMIT_SHARE_MIN: f64 = 0.8;

/// The working set from one start of the container to its last known point before the kill.
pub(super) struct Usage<'a> {
    pod: ResourceRef,
    series: &'a MetricSeries,
    /// Values in bytes, oldest first: the longest stretch without a fall to less than half.
    stretch: &'a [(f64, f64)],
}

impl<'a> Usage<'a> {
    pub(super) fn of(observed: &'a Observed, container: &Container<'_>) -> Option<Self> {
        let pod = container.pod.reference();
        let labels = [("namespace", pod.namespace.as_deref().unwrap_or_default()), ("pod", pod.name.as_str())];
        let series = observed.series(WORKING_SET, &[]).find(|series| {
            let has = |key: &str, value: &str| series.labels.get(key).is_some_and(|have| have == value);
            labels.iter().all(|(key, value)| has(key, value))
                && series.labels.get("container").is_none_or(|name| name == container.name)
        })?;
        let stretch = longest_stretch(&series.points);
        (!stretch.is_empty()).then_some(Self { pod, series, stretch })
    }

    fn peak_bytes(&self) -> f64 {
        self.stretch.iter().map(|(_, value)| *value).fold(0.0, f64::max)
    }

    fn first_bytes(&self) -> f64 {
        self.stretch.first().map_or(0.0, |(_, value)| *value)
    }

    pub(super) fn peak(&self) -> String {
        Quantity::measured(self.peak_bytes()).unwrap_or(Quantity::ZERO).bytes_rounded()
    }

    pub(super) fn first(&self) -> String {
        Quantity::measured(self.first_bytes()).unwrap_or(Quantity::ZERO).bytes_rounded()
    }

    /// Slow, steady growth up to the limit.
    pub(super) fn leaks(&self, limit: Quantity) -> bool {
        let (Some((began, _)), Some((ended, _))) = (self.stretch.first(), self.stretch.last()) else { return false };
        let steps = self.stretch.windows(2);
        let rising = steps.clone().filter(|pair| matches!(pair, [(_, a), (_, b)] if b >= a)).count();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand points at most")]
        let share = rising as f64 / steps.len().max(1) as f64;
        let half = self.stretch.get(self.stretch.len() / 2).map_or(0.0, |(_, value)| *value);
        let halfway = (half - self.first_bytes()) / (self.peak_bytes() - self.first_bytes()).max(1.0);
        self.stretch.len() >= POINTS_MIN
            && LEAK_HALFWAY.contains(&halfway)
            && ended - began >= LEAK_SECONDS_MIN
            && self.peak_bytes() >= LEAK_GROWTH_MIN * self.first_bytes()
            && self.peak_bytes() >= LIMIT_SHARE_MIN * limit.as_f64()
            && share >= LEAK_RISING_MIN
    }

    pub(super) fn evidence(&self, limit: Quantity) -> Evidence {
        let share = self.peak_bytes() / limit.as_f64().max(1.0) * 100.0;
        let source = Source::Metric {
            series: format!("{}{{pod=\"{}\"}}", self.series.name, self.pod.name),
            value: format!("{}, from {} before", self.peak(), self.first()),
            at: None,
        };
        Evidence { claim: format!("its working set reached {share:.0} % of the limit"), source }
    }
}

/// The container's restarts cut the series; the longest piece between two of them shows the trend best.
fn longest_stretch(points: &[(f64, f64)]) -> &[(f64, f64)] {
    let fell = |pair: &[(f64, f64)]| matches!(pair, [(_, before), (_, after)] if *after < before / 2.0);
    let mut cuts: Vec<usize> = vec![0];
    cuts.extend(points.windows(2).enumerate().filter(|(_, pair)| fell(pair)).map(|(index, _)| index + 1));
    cuts.push(points.len());
    let pieces = cuts.windows(2).filter_map(|pair| match pair {
        [from, to] => points.get(*from..*to),
        _ => None,
    });
    pieces.max_by_key(|piece| piece.len()).unwrap_or_default()
}
