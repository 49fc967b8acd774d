//! How often something failed in a row, and how long to wait before the next try.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Failures in a row by key.
#[derive(Debug)]
pub(crate) struct Failures<K>(Mutex<HashMap<K, u32>>);

impl<K> Default for Failures<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Failures<K> {
    /// Counts a failure and returns the wait: doubled each time up to `cap`, the last quarter of it at random so that
    /// keys that failed together do not come back together.
    pub(crate) fn delay(&self, key: &K, first: Duration, cap: Duration) -> Duration {
        let mut counts = self.0.lock();
        let count = counts.entry(key.clone()).or_insert(0);
        let whole = first
            .saturating_mul(2_u32.saturating_pow((*count).min(16)))
            .min(cap);
        *count = count.saturating_add(1);
        whole.mul_f64(0.75 + 0.25 * rand::random::<f64>())
    }

    /// Forgets the failures of a key.
    pub(crate) fn clear(&self, key: &K) {
        self.0.lock().remove(key);
    }
}

/// Since when keys have been failing.
#[derive(Debug)]
pub(crate) struct Since<K>(Mutex<HashMap<K, Instant>>);

impl<K> Default for Since<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Since<K> {
    /// Says how long a key has been failing that fails now.
    pub(crate) fn failing_for(&self, key: &K, now: Instant) -> Duration {
        let mut since = self.0.lock();
        let first = *since.entry(key.clone()).or_insert(now);
        now.saturating_duration_since(first)
    }

    /// Forgets the failures of a key.
    pub(crate) fn clear(&self, key: &K) {
        self.0.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_lasts_from_its_first_time() {
        let since = Since::default();
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        assert_eq!(since.failing_for(&"a", at(100)), Duration::ZERO);
        assert_eq!(since.failing_for(&"a", at(160)), Duration::from_secs(60));
        since.clear(&"a");
        assert_eq!(since.failing_for(&"a", at(500)), Duration::ZERO);
    }

    #[test]
    fn waits_grow_up_to_the_cap_and_start_anew_after_success() {
        let failures = Failures::default();
        let (first, cap) = (Duration::from_secs(2), Duration::from_secs(10));
        let delay = || failures.delay(&"a", first, cap);
        assert!((1.5..=2.0).contains(&delay().as_secs_f64()));
        assert!((3.0..=4.0).contains(&delay().as_secs_f64()));
        delay();
        assert!((7.5..=10.0).contains(&delay().as_secs_f64()));
        failures.clear(&"a");
        assert!(failures.delay(&"a", first, cap) <= first);
    }
}
