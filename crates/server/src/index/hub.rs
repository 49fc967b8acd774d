//! Who listens to changes. A listener's queue holds each changed Application once, whatever
//! happens to it and however slowly the listener reads: it can lag, but not grow without end.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::summary::{AppId, Summary};

/// One Application that changed since it was last taken.
#[derive(Clone)]
pub enum Delta {
    /// It is there, in this form.
    Changed(Arc<Summary>),
    /// It is gone; this was its last form.
    Removed(Arc<Summary>),
}

struct Queue {
    only: Option<AppId>,
    waiting: Mutex<BTreeMap<AppId, Delta>>,
    wake: Notify,
}

/// All listeners.
#[derive(Default)]
pub(super) struct Hub {
    queues: Mutex<Vec<Weak<Queue>>>,
}

impl Hub {
    pub(super) fn subscribe(&self, only: Option<AppId>) -> Subscription {
        let queue = Arc::new(Queue {
            only,
            waiting: Mutex::default(),
            wake: Notify::new(),
        });
        let mut queues = self.queues.lock();
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(&queue));
        Subscription { queue }
    }

    pub(super) fn changed(&self, summary: &Arc<Summary>) {
        self.tell(summary, &Delta::Changed(Arc::clone(summary)));
    }

    pub(super) fn removed(&self, summary: &Arc<Summary>) {
        self.tell(summary, &Delta::Removed(Arc::clone(summary)));
    }

    fn tell(&self, summary: &Arc<Summary>, delta: &Delta) {
        for queue in self.queues.lock().iter().filter_map(Weak::upgrade) {
            if queue.only.as_ref().is_none_or(|only| only == summary.id()) {
                queue
                    .waiting
                    .lock()
                    .insert(summary.id().clone(), delta.clone());
                queue.wake.notify_one();
            }
        }
    }
}

/// One listener. Dropping it ends it.
pub struct Subscription {
    queue: Arc<Queue>,
}

impl Subscription {
    /// Waits for changes and takes at most `most` of them, ordered by name.
    pub async fn next(&self, most: usize) -> Vec<Delta> {
        loop {
            let taken = self.take(most);
            if !taken.is_empty() {
                return taken;
            }
            self.queue.wake.notified().await;
        }
    }

    /// Takes at most `most` changes that wait.
    pub fn take(&self, most: usize) -> Vec<Delta> {
        let mut waiting = self.queue.waiting.lock();
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some((_, delta)) = waiting.pop_first()
        {
            taken.push(delta);
        }
        taken
    }
}
