//! The work queue: which applications need attention, when, and why.
//!
//! A key is worked on by at most one task at a time. Reasons that arrive while it waits or runs are merged, so a
//! burst of a thousand events about one application costs one more pass. Each pass runs in a task of its own: a
//! panic ends that pass, is logged, and the key is tried again later with backoff; nothing else notices.

use std::collections::{BinaryHeap, HashMap};
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Reasons for a pass that can be merged into one.
pub trait Merge: Default + Send + 'static {
    /// Adds the reasons of `other`.
    fn merge(&mut self, other: Self);
}

/// What a pass asks for at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Nothing: the next event starts the next pass.
    OnEvent,
    /// Another pass after this long, unless an event comes first.
    After(Duration),
}

impl Next {
    /// Returns whichever comes first.
    #[must_use]
    pub fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::After(one), Self::After(two)) => Self::After(one.min(two)),
            (Self::After(one), Self::OnEvent) | (Self::OnEvent, Self::After(one)) => {
                Self::After(one)
            }
            (Self::OnEvent, Self::OnEvent) => Self::OnEvent,
        }
    }
}

/// A queue of keys with merged reasons.
pub struct Queue<K, R> {
    state: Mutex<State<K, R>>,
    wake: Notify,
}

struct State<K, R> {
    entries: HashMap<K, Entry<R>>,
    ready: std::collections::VecDeque<K>,
    timers: BinaryHeap<Timer<K>>,
}

struct Entry<R> {
    reasons: R,
    /// A reason arrived (or a timer fired) since the last pass began.
    dirty: bool,
    queued: bool,
    running: bool,
    /// The only timer that counts; older ones in the heap are stale.
    due: Option<Instant>,
    /// A look that was asked for while the pass runs, not before this time.
    later: Option<Instant>,
    failures: u32,
}

struct Timer<K> {
    due: Instant,
    key: K,
}

impl<K> PartialEq for Timer<K> {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}
impl<K> Eq for Timer<K> {}
impl<K> PartialOrd for Timer<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Timer<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.due.cmp(&self.due)
    }
}

impl<K: Clone + Eq + Hash + std::fmt::Display + Send + 'static, R: Merge> Default for Queue<K, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Clone + Eq + Hash + std::fmt::Display + Send + 'static, R: Merge> Queue<K, R> {
    /// Returns an empty queue.
    pub fn new() -> Self {
        let state = State {
            entries: HashMap::new(),
            ready: std::collections::VecDeque::new(),
            timers: BinaryHeap::new(),
        };
        Self {
            state: Mutex::new(state),
            wake: Notify::new(),
        }
    }

    /// Adds reasons without starting a pass: they count for the next one, whatever starts it.
    pub fn remember(&self, key: K, reasons: R) {
        let mut state = self.state.lock();
        let entry = state.entries.entry(key).or_insert_with(Entry::new);
        entry.reasons.merge(reasons);
    }

    /// Asks for a pass over `key`, now or as soon as the running one has ended.
    pub fn add(&self, key: K, reasons: R) {
        let mut state = self.state.lock();
        let entry = state.entries.entry(key.clone()).or_insert_with(Entry::new);
        entry.reasons.merge(reasons);
        entry.dirty = true;
        if !entry.queued && !entry.running {
            entry.queued = true;
            state.ready.push_back(key);
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Asks for a pass over `key` after `wait`, unless another reason starts one before.
    pub fn add_later(&self, key: K, reasons: R, wait: Duration) {
        let mut state = self.state.lock();
        let entry = state.entries.entry(key.clone()).or_insert_with(Entry::new);
        entry.reasons.merge(reasons);
        let due = Instant::now() + wait;
        if entry.running {
            entry.later = entry.later.into_iter().chain([due]).min();
        } else if !entry.queued && entry.due.is_none_or(|known| known > due) {
            entry.due = Some(due);
            state.timers.push(Timer { due, key });
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Forgets a key that no longer exists. A running pass ends by itself.
    pub fn forget(&self, key: &K) {
        let mut state = self.state.lock();
        if state
            .entries
            .get(key)
            .is_some_and(|entry| !entry.running && !entry.queued)
        {
            state.entries.remove(key);
        }
    }

    /// Returns how many keys wait for a pass.
    pub fn depth(&self) -> usize {
        self.state.lock().ready.len()
    }

    /// Runs passes, `parallel` at a time, until `stop` is cancelled; then waits for those that run.
    pub async fn run<F, Fut>(self: Arc<Self>, parallel: usize, stop: CancellationToken, pass: F)
    where
        F: Fn(K, R) -> Fut,
        Fut: Future<Output = Next> + Send + 'static,
    {
        let permits = Arc::new(Semaphore::new(parallel));
        let mut running = JoinSet::new();
        while let Some((permit, key)) = self.next(&permits, &stop, &mut running).await {
            let reasons = self.begin(&key);
            let pass = pass(key.clone(), reasons);
            let queue = Arc::clone(&self);
            running.spawn(async move {
                let outcome = tokio::spawn(pass).await;
                queue.end(key, outcome.map_err(|error| error.is_panic()));
                drop(permit);
            });
        }
        while running.join_next().await.is_some() {}
    }

    async fn next(
        &self,
        permits: &Arc<Semaphore>,
        stop: &CancellationToken,
        running: &mut JoinSet<()>,
    ) -> Option<(tokio::sync::OwnedSemaphorePermit, K)> {
        let permit = tokio::select! {
            permit = Arc::clone(permits).acquire_owned() => permit.ok()?,
            () = stop.cancelled() => return None,
        };
        loop {
            while running.try_join_next().is_some() {}
            let due = match self.take_ready() {
                Ok(key) => return Some((permit, key)),
                Err(due) => due,
            };
            let sleep = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = sleep => {}
                () = stop.cancelled() => return None,
            }
        }
    }

    /// Takes the next ready key, or says when the next timer is due.
    fn take_ready(&self) -> Result<K, Option<Instant>> {
        let mut state = self.state.lock();
        let now = Instant::now();
        let next_due = loop {
            match state.timers.peek() {
                Some(timer) if timer.due <= now => {}
                other => break other.map(|timer| timer.due),
            }
            let Some(Timer { due, key }) = state.timers.pop() else {
                break None;
            };
            if let Some(entry) = state
                .entries
                .get_mut(&key)
                .filter(|entry| entry.due == Some(due))
            {
                entry.due = None;
                entry.dirty = true;
                if !entry.queued && !entry.running {
                    entry.queued = true;
                    state.ready.push_back(key);
                }
            }
        };
        state.ready.pop_front().ok_or(next_due)
    }

    fn begin(&self, key: &K) -> R {
        let mut state = self.state.lock();
        let entry = state.entries.entry(key.clone()).or_insert_with(Entry::new);
        entry.queued = false;
        entry.running = true;
        entry.dirty = false;
        entry.due = None;
        entry.later = None;
        std::mem::take(&mut entry.reasons)
    }

    fn end(&self, key: K, outcome: Result<Next, bool>) {
        let mut state = self.state.lock();
        let Some(entry) = state.entries.get_mut(&key) else {
            return;
        };
        entry.running = false;
        let after = match outcome {
            Ok(next) => {
                entry.failures = 0;
                match next {
                    Next::OnEvent => None,
                    Next::After(delay) => Some(delay),
                }
            }
            Err(panicked) => {
                entry.failures = entry.failures.saturating_add(1);
                let delay = Duration::from_secs(1 << entry.failures.min(6));
                if panicked {
                    tracing::error!(app = %key, failures = entry.failures, "Reconcile panicked");
                }
                Some(delay)
            }
        };
        let later = entry.later.take();
        let due = after.map(|delay| Instant::now() + delay);
        if entry.dirty {
            entry.queued = true;
            state.ready.push_back(key);
        } else if let Some(due) = due.into_iter().chain(later).min() {
            entry.due = Some(due);
            state.timers.push(Timer { due, key });
        }
        drop(state);
        self.wake.notify_one();
    }
}

impl<R: Merge> Entry<R> {
    fn new() -> Self {
        Self {
            reasons: R::default(),
            dirty: false,
            queued: false,
            running: false,
            due: None,
            later: None,
            failures: 0,
        }
    }
}

#[cfg(test)]
mod tests;
