//! Native filters: those that stop a program, and those that replace the standard library's.

use jaq_core::box_iter::box_once;
use jaq_core::data::HasLut;
use jaq_core::native::{Fun, bome, v};
use jaq_core::{DataT, Error, Exn, Lut, Native};
use jaq_json::{Num, Val};
use jaq_std::ValT;
use jiff::Timestamp;

use super::meter::Meter;
use super::patterns;

/// Counts what passes.
pub(super) const COUNT: &str = "count__";
/// Counts what passes and measures the whole of it.
pub(super) const WEIGH: &str = "weigh__";
/// `l * r`, which repeats no text.
pub(super) const TIMES: &str = "times__";

/// Filters of the crates that are left out or replaced.
const LEFT_OUT: [&str; 2] = ["halt", "fromjson"];
/// Deepest nesting of a text that is read as JSON.
const JSON_NESTING_MAX: usize = 100;

/// A run carries its meter.
#[derive(Debug)]
pub(super) struct Limited;

#[derive(Clone, Copy)]
pub(super) struct Running<'a> {
    pub(super) lut: &'a Lut<Limited>,
    pub(super) meter: &'a Meter,
}

impl std::fmt::Debug for Running<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("meter", self.meter).finish_non_exhaustive()
    }
}

impl DataT for Limited {
    type V<'a> = Val;
    type Data<'a> = Running<'a>;
}

impl<'a> HasLut<'a, Limited> for Running<'a> {
    fn lut(&self) -> &'a Lut<Limited> {
        self.lut
    }
}

pub(super) fn all() -> Vec<Fun<Limited>> {
    let library = jaq_core::funs().chain(jaq_std::base_funs()).chain(jaq_json::funs());
    let mut all: Vec<Fun<Limited>> = library.filter(|(name, _, _)| !LEFT_OUT.contains(name)).collect();
    all.extend(stops());
    all.extend(replacements());
    all.extend(patterns::all());
    all
}

/// Exceptions of this kind are caught by no `try`.
fn stop<'a>() -> Exn<'a, Val> {
    Exn::halt(1)
}

fn stops() -> [Fun<Limited>; 3] {
    // They also stand where paths are followed or updated, and are the identity there too.
    let count = Native::<Limited>::new(|(context, value)| {
        let fits = context.data().meter.count(&value);
        box_once(if fits { Ok(value) } else { Err(stop()) })
    });
    let weigh = Native::<Limited>::new(|(context, value)| {
        let fits = context.data().meter.weigh(&value);
        box_once(if fits { Ok(value) } else { Err(stop()) })
    });
    let count = count
        .with_paths(|(context, (value, path))| {
            let fits = context.data().meter.count(&value);
            box_once(if fits { Ok((value, path)) } else { Err(stop()) })
        })
        .with_update(
            |(context, value), update| {
                if context.data().meter.count(&value) { update(value) } else { box_once(Err(stop())) }
            },
        );
    let times = Native::<Limited>::new(|mut cv| {
        let (right, left) = (cv.0.pop_var(), cv.0.pop_var());
        let is_text = |value: &Val| matches!(value, Val::TStr(_) | Val::BStr(_));
        if is_text(&left) || is_text(&right) {
            return bome(Err(Error::str("text cannot be multiplied here")));
        }
        bome(left * right)
    });
    [(COUNT, v(0), count), (WEIGH, v(0), weigh), (TIMES, v(2), times)]
}

fn replacements() -> [Fun<Limited>; 3] {
    let from_json = Native::<Limited>::new(|(_, value)| {
        let read = ValT::try_as_utf8_bytes(&value).and_then(|text| {
            if is_nested_too_deep(text) {
                return Err(Error::str("JSON text is nested too deep"));
            }
            jaq_json::read::parse_single(text).map_err(|error| Error::str(format!("cannot be read as JSON: {error}")))
        });
        bome(read)
    });
    let from_date = Native::<Limited>::new(|(_, value)| bome(seconds(&value)));
    let to_date = Native::<Limited>::new(|(_, value)| {
        let time = value.as_isize().and_then(|seconds| Timestamp::from_second(i64::try_from(seconds).ok()?).ok());
        bome(time.map(|time| Val::from(time.to_string())).ok_or_else(|| Error::str("is no time in seconds")))
    });
    [("fromjson", v(0), from_json), ("fromdateiso8601", v(0), from_date), ("todateiso8601", v(0), to_date)]
}

fn seconds(value: &Val) -> Result<Val, Error<Val>> {
    let text = value.as_utf8_bytes().and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
    let time: Timestamp = text.parse().map_err(|_| Error::str("is no RFC 3339 time"))?;
    let seconds = isize::try_from(time.as_second()).map_err(Error::str)?;
    Ok(Val::Num(Num::Int(seconds)))
}

/// Brackets inside strings count too: rather refused than overflowing.
fn is_nested_too_deep(text: &[u8]) -> bool {
    let mut depth = 0_usize;
    text.iter().any(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > JSON_NESTING_MAX
    })
}
