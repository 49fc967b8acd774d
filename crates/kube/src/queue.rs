//! One sender, many listeners, each with a queue of its own that merges what it has not taken yet.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// What a listener has not taken yet.
pub(crate) trait Pending: Default + Send {
    /// One thing to tell.
    type Item;

    /// Adds an item, merging it with what is there.
    fn merge(&mut self, item: &Self::Item);

    /// Returns the merged items in a stable order.
    fn into_items(self) -> Vec<Self::Item>;
}

#[derive(Debug, Default)]
struct Slot<P> {
    inner: Mutex<SlotInner<P>>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct SlotInner<P> {
    /// `None` when there is nothing.
    pending: Option<P>,
    closed: bool,
}

/// The receiving side. Never lags: the queue holds at most one entry per subject.
#[derive(Debug)]
pub(crate) struct Listener<P>(Arc<Slot<P>>);

impl<P: Pending> Listener<P> {
    /// Waits for items and takes all of them; `None` when the sender is gone.
    pub(crate) async fn next(&mut self) -> Option<Vec<P::Item>> {
        loop {
            if let Some(items) = self.take() {
                return Some(items);
            }
            if self.0.inner.lock().closed {
                return None;
            }
            // A wake-up between the check and here is kept as a permit: there is one listener.
            self.0.wake.notified().await;
        }
    }

    /// Takes what is pending, without waiting.
    pub(crate) fn take(&mut self) -> Option<Vec<P::Item>> {
        let pending = self.0.inner.lock().pending.take()?;
        Some(pending.into_items())
    }
}

/// The sending side.
#[derive(Debug)]
pub(crate) struct Publisher<P>(Mutex<Vec<Weak<Slot<P>>>>);

impl<P> Default for Publisher<P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<P: Pending> Publisher<P> {
    /// Adds a listener.
    pub(crate) fn subscribe(&self) -> Listener<P> {
        let slot = Arc::new(Slot {
            inner: Mutex::new(SlotInner {
                pending: None,
                closed: false,
            }),
            wake: Notify::new(),
        });
        self.0.lock().push(Arc::downgrade(&slot));
        Listener(slot)
    }

    /// Hands items to every listener.
    pub(crate) fn publish(&self, items: &[P::Item]) {
        if items.is_empty() {
            return;
        }
        self.0.lock().retain(|listener| {
            let Some(slot) = listener.upgrade() else {
                return false;
            };
            let mut inner = slot.inner.lock();
            let pending = inner.pending.get_or_insert_with(P::default);
            for item in items {
                pending.merge(item);
            }
            drop(inner);
            slot.wake.notify_one();
            true
        });
    }
}

impl<P> Drop for Publisher<P> {
    fn drop(&mut self) {
        for slot in self.0.lock().iter().filter_map(Weak::upgrade) {
            slot.inner.lock().closed = true;
            slot.wake.notify_one();
        }
    }
}
