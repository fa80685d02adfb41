//! Bounds of bundle reading.

/// How much of a bundle is read. Whatever lies beyond a bound is skipped and reported, never fatal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundleLimits {
    /// Files looked at, of any kind (50 000).
    pub files_max: usize,
    /// Directories inside directories (32).
    pub directory_depth_max: usize,
    /// Bytes of one file (512 MiB).
    pub file_bytes_max: u64,
    /// Bytes of all object files together (4 GiB).
    pub bundle_bytes_max: u64,
    /// Objects indexed (500 000).
    pub objects_max: usize,
    /// Bytes of one object's text (8 MiB; the API server stores about 1.5).
    pub object_bytes_max: u64,
    /// Bytes of a YAML document that cannot be taken apart and is parsed as a whole (16 MiB).
    pub document_bytes_max: u64,
    /// Bytes of one metrics file (64 MiB).
    pub metrics_file_bytes_max: u64,
    /// Metric series kept in the index (20 000).
    pub series_max: usize,
    /// Problems reported one by one (100); the rest is counted.
    pub problems_max: usize,
    /// Estimated bytes of parsed objects kept between reads (64 MiB).
    pub cache_bytes_max: usize,
}

impl Default for BundleLimits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            files_max: 50_000,
            directory_depth_max: 32,
            file_bytes_max: 512 * MIB,
            bundle_bytes_max: 4096 * MIB,
            objects_max: 500_000,
            object_bytes_max: 8 * MIB,
            document_bytes_max: 16 * MIB,
            metrics_file_bytes_max: 64 * MIB,
            series_max: 20_000,
            problems_max: 100,
            cache_bytes_max: 64 * 1024 * 1024,
        }
    }
}
