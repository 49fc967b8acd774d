//! Limits and places of the Git service.

use std::path::PathBuf;
use std::time::Duration;

/// How the Git service works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder for the local copies; created when missing.
    pub data_dir: PathBuf,
    /// How often a followed repository is asked for its refs (`timeout.reconciliation`); zero switches polling off.
    pub poll_interval: Duration,
    /// Up to this much is added to each interval at random.
    pub poll_jitter: Duration,
    /// Longest silence of a host (`ARGOCD_GIT_REQUEST_TIMEOUT`).
    pub request_timeout: Duration,
    /// Longest time one fetch may take in all.
    pub fetch_timeout: Duration,
    /// Largest accepted pack, in bytes.
    pub max_pack_bytes: u64,
    /// Most refs accepted from one repository.
    pub max_refs: usize,
    /// Disk space for the local copy of one repository; over it, objects that no kept commit needs are dropped.
    pub mirror_quota_bytes: u64,
    /// Whether `file://` and plain paths may be read.
    pub allow_file_urls: bool,
    /// Memory for decoded folders, shared by all repositories.
    pub tree_cache_bytes: usize,
    /// The SSH client.
    pub ssh_program: PathBuf,
    /// How many moves a slow reader of [`super::Git::watch`] may fall behind.
    pub watch_capacity: usize,
}

impl Options {
    /// Returns the defaults, with local copies under `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            poll_interval: Duration::from_secs(30),
            poll_jitter: Duration::from_secs(6),
            request_timeout: Duration::from_secs(15),
            fetch_timeout: Duration::from_secs(600),
            max_pack_bytes: 2 << 30,
            max_refs: 500_000,
            mirror_quota_bytes: 4 << 30,
            allow_file_urls: true,
            tree_cache_bytes: 8 << 20,
            ssh_program: PathBuf::from("ssh"),
            watch_capacity: 1024,
        }
    }
}
