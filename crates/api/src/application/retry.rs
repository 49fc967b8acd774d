//! When a failed sync is tried again (argocd-contract §1.1: syncPolicy.retry).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::operation::RetryStrategy;
use crate::duration;

/// First wait when the strategy does not say.
pub const DEFAULT_DURATION: SignedDuration = SignedDuration::from_secs(5);
/// Longest wait when the strategy does not say.
pub const DEFAULT_MAX_DURATION: SignedDuration = SignedDuration::from_secs(180);
/// Growth when the strategy does not say.
pub const DEFAULT_FACTOR: i64 = 2;
/// Number of retries of an automated sync when the spec has no strategy.
pub const AUTOMATED_LIMIT: i64 = 5;

impl RetryStrategy {
    /// Says whether a sync that was tried again `retries` times may be tried once more.
    pub fn allows(&self, retries: i64) -> bool {
        let limit = self.limit.unwrap_or(0);
        limit < 0 || retries < limit
    }

    /// Returns how long to wait before the next attempt after `retries` retries.
    pub fn delay(&self, retries: i64) -> Result<SignedDuration, duration::Error> {
        let mut first = DEFAULT_DURATION;
        let mut longest = DEFAULT_MAX_DURATION;
        let mut factor = DEFAULT_FACTOR;
        if let Some(backoff) = &self.backoff {
            if !backoff.duration.is_empty() {
                first = duration::parse_or_seconds(&backoff.duration)?;
            }
            if !backoff.max_duration.is_empty() {
                longest = duration::parse_or_seconds(&backoff.max_duration)?;
            }
            factor = backoff.factor.unwrap_or(factor);
        }
        let exponent = i32::try_from(retries.max(0)).unwrap_or(i32::MAX);
        let mut seconds = first.as_secs_f64() * (factor as f64).powi(exponent);
        if longest.is_positive() {
            seconds = seconds.min(longest.as_secs_f64());
        }
        Ok(SignedDuration::try_from_secs_f64(seconds).unwrap_or(DEFAULT_MAX_DURATION))
    }

    /// Returns how long to wait now that an attempt failed at `failed`; `None` when the next one is due. A clock that was
    /// set back since then makes the wait no longer: the next attempt is due.
    pub fn wait_left(&self, retries: i64, failed: Timestamp, now: Timestamp) -> Option<Duration> {
        let delay = self.delay(retries).ok()?;
        let passed = now.duration_since(failed);
        let left = delay.checked_sub(passed)?;
        let left = Duration::try_from(left).ok()?;
        (!passed.is_negative() && !left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::Backoff;

    fn seconds(strategy: &RetryStrategy, retries: i64) -> i64 {
        strategy.delay(retries).unwrap().as_secs()
    }

    #[test]
    fn waits_grow_up_to_the_longest() {
        let default = RetryStrategy::default();
        assert_eq!(
            [0, 1, 2, 5, 6, 1000].map(|n| seconds(&default, n)),
            [5, 10, 20, 160, 180, 180]
        );
        let own = RetryStrategy {
            backoff: Some(Backoff {
                duration: "30".into(),
                factor: Some(3),
                max_duration: "5m".into(),
                ..Backoff::default()
            }),
            ..RetryStrategy::default()
        };
        assert_eq!([0, 1, 2, 3].map(|n| seconds(&own, n)), [30, 90, 270, 300]);
    }

    #[test]
    fn a_wait_ends_whatever_the_clock_does() {
        let strategy = RetryStrategy::default();
        let failed = Timestamp::from_second(1_000_000).unwrap();
        let left = |seconds: i64| {
            let now = failed + SignedDuration::from_secs(seconds);
            strategy
                .wait_left(1, failed, now)
                .map(|left| left.as_secs())
        };
        assert_eq!([0, 4, 9].map(left), [Some(10), Some(6), Some(1)]);
        assert_eq!([10, 86_400].map(left), [None, None]);
        assert_eq!(left(-86_400), None, "the clock was set back");
    }

    #[test]
    fn limits() {
        let with = |limit| RetryStrategy {
            limit,
            ..RetryStrategy::default()
        };
        assert!(!with(None).allows(0));
        assert!(with(Some(2)).allows(1) && !with(Some(2)).allows(2));
        assert!(with(Some(-1)).allows(1_000_000));
    }

    #[test]
    fn a_wrong_duration_is_named() {
        let strategy = RetryStrategy {
            backoff: Some(Backoff {
                duration: "soon".into(),
                ..Backoff::default()
            }),
            ..RetryStrategy::default()
        };
        assert_eq!(
            strategy.delay(0).unwrap_err().to_string(),
            "unable to parse soon as a duration"
        );
    }
}
