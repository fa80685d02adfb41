//! Stored answers of Prometheus: series are indexed once, their points read when asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::build::read_piece;
use super::limits::BundleLimits;
use super::problems::Problems;
use super::walk::FoundFile;
use crate::cluster::{ClusterError, MetricQuery, MetricSeries};

/// Most series one query returns.
const SERIES_RETURNED_MAX: usize = 1_000;

/// Most points of one series, the newest; Prometheus itself answers at most 11 000.
const POINTS_MAX: usize = 11_000;

/// Answers to metric queries.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    files: Vec<(PathBuf, String)>,
    series: Vec<SeriesEntry>,
}

#[derive(Debug)]
struct SeriesEntry {
    name: String,
    labels: BTreeMap<String, String>,
    file: usize,
    start: u64,
    bytes: u64,
}

/// The part of an answer that is read. Points stay text until they are wanted.
#[derive(Deserialize)]
struct Answer<'a> {
    status: String,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    result: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Series<'a> {
    metric: BTreeMap<String, String>,
    /// Of a range query.
    #[serde(borrow)]
    values: Option<&'a RawValue>,
    /// Of an instant query.
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

impl Metrics {
    /// Indexes one file; returns the time of its newest point.
    pub(super) fn add_file(
        &mut self,
        file: &FoundFile,
        limits: &BundleLimits,
        problems: &mut Problems,
    ) -> Option<Timestamp> {
        let bytes = match std::fs::read(&file.path) {
            Ok(bytes) => bytes,
            Err(error) => {
                problems.add(&file.shown, format_args!("cannot be read ({}); check its permissions", error.kind()));
                return None;
            }
        };
        let answer = match serde_json::from_slice::<Answer<'_>>(&bytes) {
            Ok(answer) if answer.status == "success" => answer,
            Ok(_) => {
                problems.add(&file.shown, "Prometheus answered with an error; ask it again");
                return None;
            }
            Err(error) => {
                problems.add_at(
                    &file.shown,
                    error.line() as u64,
                    "not an answer of Prometheus to query_range; save the whole JSON answer",
                );
                return None;
            }
        };
        let number = self.files.len();
        self.files.push((file.path.clone(), file.shown.clone()));
        let stem = file.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let mut newest = None;
        for raw in answer.data.result {
            if self.series.len() >= limits.series_max {
                problems.add(
                    &file.shown,
                    format_args!("more than {} series, the rest is not read; ask for fewer", limits.series_max),
                );
                break;
            }
            match index_series(raw, &bytes, number, stem) {
                Some((entry, last)) => {
                    self.series.push(entry);
                    newest = newest.max(last);
                }
                None => problems.add(
                    &file.shown,
                    "a series without labels or points as Prometheus prints them; save its answer unchanged",
                ),
            }
        }
        newest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Matching series, in the order of the files.
    ///
    /// # Errors
    /// `Unavailable` when a file changed after it was indexed.
    pub(super) fn query(&self, query: &MetricQuery) -> Result<Vec<MetricSeries>, ClusterError> {
        let wanted = |entry: &&SeriesEntry| {
            query.name.as_ref().is_none_or(|name| *name == entry.name)
                && query.labels.iter().all(|(key, value)| entry.labels.get(key) == Some(value))
        };
        self.series.iter().filter(wanted).take(SERIES_RETURNED_MAX).map(|entry| self.read(entry)).collect()
    }

    fn read(&self, entry: &SeriesEntry) -> Result<MetricSeries, ClusterError> {
        let changed = || ClusterError::Unavailable("a metrics file changed while in use".to_owned());
        let (path, shown) = self.files.get(entry.file).ok_or_else(changed)?;
        let gone = || ClusterError::Unavailable(format!("{shown} changed while in use"));
        let mut file = File::open(path).map_err(|_| gone())?;
        let bytes = read_piece(&mut file, entry.start, entry.bytes).map_err(|_| gone())?;
        let points = std::str::from_utf8(&bytes).ok().and_then(points).ok_or_else(gone)?;
        Ok(MetricSeries { name: entry.name.clone(), labels: entry.labels.clone(), points })
    }
}

/// `text` is the whole file, of which `raw` is a part.
fn index_series(raw: &RawValue, text: &[u8], file: usize, stem: &str) -> Option<(SeriesEntry, Option<Timestamp>)> {
    let series: Series<'_> = serde_json::from_str(raw.get()).ok()?;
    let stored = series.values.or(series.value)?.get();
    let newest = points(stored)?.last().map(|(seconds, _)| *seconds);
    let mut labels = series.metric;
    // Results of expressions have no name: the file's stands in.
    let name = labels.remove("__name__").unwrap_or_else(|| stem.to_owned());
    let start = (stored.as_ptr() as usize).checked_sub(text.as_ptr() as usize)? as u64;
    let entry = SeriesEntry { name, labels, file, start, bytes: stored.len() as u64 };
    Some((entry, newest.and_then(timestamp)))
}

/// `[[1700000000, "1.5"], …]`, or a single such pair.
fn points(text: &str) -> Option<Vec<(f64, f64)>> {
    let pairs: Vec<(f64, String)> =
        serde_json::from_str(text).or_else(|_| serde_json::from_str(text).map(|pair| vec![pair])).ok()?;
    let skipped = pairs.len().saturating_sub(POINTS_MAX);
    let mut points: Vec<(f64, f64)> = Vec::with_capacity(pairs.len() - skipped);
    for (seconds, value) in pairs.into_iter().skip(skipped) {
        points.push((seconds, value.parse().ok()?));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some(points)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds of any real time fit; others saturate and are refused"
)]
fn timestamp(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_millisecond((seconds * 1000.0) as i64).ok()
}

#[cfg(test)]
mod tests;
