//! What the process tells about itself: log records and metrics.

pub mod logging;
pub mod metrics;

pub use metrics::Metrics;

/// What was built, for the `version` command, log records and the build metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    pub version: &'static str,
    /// Source revision given to the compiler as `HOLMESGPT_API_COMMIT`, else `unknown`.
    pub commit: &'static str,
    /// Oldest compiler the package is built with.
    pub rust_version: &'static str,
}

impl Build {
    /// The running binary.
    pub const CURRENT: Self = Self {
        version: env!("CARGO_PKG_VERSION"),
        commit: match option_env!("HOLMESGPT_API_COMMIT") {
            Some(commit) => commit,
            None => "unknown",
        },
        rust_version: env!("CARGO_PKG_RUST_VERSION"),
    };
}
