//! Limits on guessing passwords.
//!
//! An attempt is counted *before* the password is looked at and given back only when it was right, so
//! that many attempts at once get no more guesses than the same attempts one after the other.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Wrong passwords per account and window.
pub const MAX_FAILURES: u32 = 5;
/// Length of the window in seconds.
pub const WINDOW_SECONDS: i64 = 300;
/// Logins in progress at once, over all accounts.
pub const MAX_CONCURRENT: usize = 50;

#[derive(Debug, Default)]
struct Window {
    started: Option<Timestamp>,
    failures: u32,
    in_flight: u32,
}

/// Counters of all accounts.
#[derive(Debug)]
pub struct LoginLimits {
    windows: Mutex<HashMap<String, Window>>,
    finished: Notify,
    concurrent: Arc<Semaphore>,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self {
            windows: Mutex::new(HashMap::new()),
            finished: Notify::new(),
            concurrent: Arc::new(Semaphore::new(MAX_CONCURRENT)),
        }
    }
}

/// One login in progress. Dropping it without [`Attempt::succeed`] counts as a wrong password.
#[derive(Debug)]
pub struct Attempt<'a> {
    limits: &'a LoginLimits,
    account: Option<String>,
    now: Timestamp,
    _slot: OwnedSemaphorePermit,
}

enum Entry {
    Admitted,
    Refused,
    Wait,
}

impl LoginLimits {
    /// Admits an attempt for an existing account, or for an unknown name (`None`), whose attempts
    /// cannot succeed and need no memory. Waits while other attempts for the account could still use
    /// up what is left of its failures. Returns `None` when the account or the server is over its limit.
    pub async fn admit(&self, account: Option<&str>, now: Timestamp) -> Option<Attempt<'_>> {
        let slot = Arc::clone(&self.concurrent).try_acquire_owned().ok()?;
        if let Some(name) = account {
            loop {
                let finished = self.finished.notified();
                tokio::pin!(finished);
                finished.as_mut().enable();
                match self.try_enter(name, now) {
                    Entry::Admitted => break,
                    Entry::Refused => return None,
                    Entry::Wait => finished.await,
                }
            }
        }
        Some(Attempt {
            limits: self,
            account: account.map(str::to_owned),
            now,
            _slot: slot,
        })
    }

    fn try_enter(&self, name: &str, now: Timestamp) -> Entry {
        let mut windows = self.windows.lock();
        let window = windows.entry(name.to_owned()).or_default();
        if window
            .started
            .is_some_and(|started| now.as_second() - started.as_second() >= WINDOW_SECONDS)
        {
            window.started = None;
            window.failures = 0;
        }
        if window.failures >= MAX_FAILURES {
            return Entry::Refused;
        }
        if window.failures + window.in_flight >= MAX_FAILURES {
            return Entry::Wait;
        }
        window.in_flight += 1;
        Entry::Admitted
    }

    fn leave(&self, name: &str, now: Timestamp, outcome: Outcome) {
        let mut windows = self.windows.lock();
        let window = windows.entry(name.to_owned()).or_default();
        window.in_flight = window.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Right => {
                window.failures = 0;
                window.started = None;
            }
            Outcome::Wrong => {
                window.failures += 1;
                window.started.get_or_insert(now);
            }
        }
        if window.in_flight == 0 && window.failures == 0 {
            windows.remove(name);
        }
        drop(windows);
        self.finished.notify_waiters();
    }
}

#[derive(Clone, Copy)]
enum Outcome {
    Right,
    Wrong,
}

impl Attempt<'_> {
    /// The password was right: the account's failures are forgotten.
    pub fn succeed(mut self) {
        if let Some(name) = self.account.take() {
            self.limits.leave(&name, self.now, Outcome::Right);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.account.take() {
            self.limits.leave(&name, self.now, Outcome::Wrong);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_burst_of_wrong_passwords_gets_no_more_guesses_than_a_row_of_them() {
        let limits = Arc::new(LoginLimits::default());
        let mut tasks = Vec::new();
        for _ in 0..40 {
            let limits = Arc::clone(&limits);
            tasks.push(tokio::spawn(async move {
                let attempt = limits.admit(Some("admin"), at(1000)).await;
                tokio::task::yield_now().await;
                attempt.is_some()
            }));
        }
        let mut guesses = 0;
        for task in tasks {
            guesses += u32::from(task.await.expect("task"));
        }
        assert_eq!(guesses, MAX_FAILURES);
        assert!(limits.admit(Some("admin"), at(1299)).await.is_none());
        assert!(limits.admit(Some("other"), at(1299)).await.is_some());
        assert!(limits.admit(Some("admin"), at(1300)).await.is_some());
    }

    #[tokio::test]
    async fn a_right_password_forgets_the_failures() {
        let limits = LoginLimits::default();
        for _ in 0..MAX_FAILURES - 1 {
            drop(limits.admit(Some("admin"), at(1)).await.expect("admitted"));
        }
        limits
            .admit(Some("admin"), at(2))
            .await
            .expect("admitted")
            .succeed();
        for _ in 0..MAX_FAILURES {
            drop(limits.admit(Some("admin"), at(3)).await.expect("admitted"));
        }
        assert!(limits.admit(Some("admin"), at(4)).await.is_none());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_right_passwords_at_once_are_all_admitted() {
        let limits = Arc::new(LoginLimits::default());
        let mut tasks = Vec::new();
        for _ in 0..MAX_CONCURRENT - 1 {
            let limits = Arc::clone(&limits);
            tasks.push(tokio::spawn(async move {
                if let Some(attempt) = limits.admit(Some("ci"), at(1)).await {
                    tokio::task::yield_now().await;
                    attempt.succeed();
                    return true;
                }
                false
            }));
        }
        for task in tasks {
            assert!(task.await.expect("task"));
        }
    }
}
