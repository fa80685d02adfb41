//! What the process tells about itself: log records, metrics and traces.

pub mod logging;
pub mod metrics;
pub mod spans;
pub mod trace;

pub use metrics::Metrics;

/// What was built, for the `version` command, log records and the build metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    pub version: &'static str,
    /// Source revision: `HOLMESGPT_API_REVISION` at build time, else what git said, else `unknown`.
    pub commit: &'static str,
    /// Oldest compiler the package is built with.
    pub rust_version: &'static str,
}

impl Build {
    /// The running binary.
    pub const CURRENT: Self = Self {
        version: env!("CARGO_PKG_VERSION"),
        commit: env!("HOLMESGPT_API_REVISION"),
        rust_version: env!("CARGO_PKG_RUST_VERSION"),
    };
}
