//! Limits and places of the renderer.

use std::path::PathBuf;

/// How the renderer works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder for stored results; created when missing.
    pub data_dir: PathBuf,
    /// Memory for packed results and their traces.
    pub memory_bytes: usize,
    /// Disk space for packed results, besides those retained for rollback.
    pub disk_bytes: u64,
    /// Most bytes of all manifests of one directory source
    /// (`reposerver.max.combined.directory.manifests.size`).
    pub max_directory_bytes: u64,
    /// How many renders run at once; zero for one per processor.
    pub parallelism: usize,
    /// How many releases are retained per app.
    pub retained_per_app: usize,
}

impl Options {
    /// Returns the defaults, with results stored under `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            memory_bytes: 24 << 20,
            disk_bytes: 1 << 30,
            max_directory_bytes: 10_000_000,
            parallelism: 0,
            retained_per_app: 10,
        }
    }
}
