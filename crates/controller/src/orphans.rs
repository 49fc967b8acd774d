//! Objects that belong to no Application, where a project asks for them: their number is part of a comparison, and one
//! more or less refreshes it.
//!
//! Such objects concern no Application, so that no change of them is announced. They are counted instead, in memory,
//! and for those Applications alone whose project wants to know.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_appstate::Target;
use driftless_core::AppKey;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::Controller;
use crate::triggers::unless;

/// How often they are counted.
const LOOK: Duration = Duration::from_secs(5);

/// Where orphans are looked for, and how many there were.
#[derive(Default)]
pub(crate) struct Orphans(Mutex<BTreeMap<AppKey, (Target, usize)>>);

impl Orphans {
    /// Forgets an Application.
    pub(crate) fn forget(&self, key: &AppKey) {
        self.0.lock().remove(key);
    }
}

impl Controller {
    /// Remembers how many orphans there are before a comparison counts them: what changes from here on is noticed.
    pub(crate) fn count_orphans(&self, key: &AppKey, target: &Target) {
        match self.state.orphan_count(target) {
            Some(count) => {
                let counted = (target.clone(), count);
                self.orphans.0.lock().insert(key.clone(), counted);
            }
            None => self.orphans.forget(key),
        }
    }

    /// Queues Applications whose number of orphans changed.
    pub(crate) async fn watch_orphans(self: Arc<Self>, stop: CancellationToken) {
        while unless(&stop, tokio::time::sleep(LOOK)).await.is_some() {
            let mut changed = Vec::new();
            for (key, (target, count)) in self.orphans.0.lock().iter_mut() {
                if let Some(now) = self.state.orphan_count(target)
                    && now != *count
                {
                    *count = now;
                    changed.push(key.clone());
                }
            }
            for key in changed {
                self.queue_paced(key, "orphans-changed");
            }
        }
    }
}
