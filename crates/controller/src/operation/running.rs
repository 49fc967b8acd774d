//! What this process remembers of running operations.

use std::collections::HashMap;

use driftless_core::AppKey;
use driftless_engine::sync::Progress;
use jiff::Timestamp;
use parking_lot::Mutex;

/// What is remembered of running operations beside their recorded results, by start time.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashMap<AppKey, (Timestamp, i64, Progress)>>);

impl Running {
    /// Takes the memory of a try, if this process has worked on it before.
    pub(crate) fn take(&self, key: &AppKey, started: Timestamp, tries: i64) -> Option<Progress> {
        let (since, of, progress) = self.0.lock().remove(key)?;
        (since == started && of == tries).then_some(progress)
    }

    pub(crate) fn put(&self, key: AppKey, started: Timestamp, tries: i64, progress: Progress) {
        self.0.lock().insert(key, (started, tries, progress));
    }

    pub(crate) fn forget(&self, key: &AppKey) {
        self.0.lock().remove(key);
    }
}
