//! Prepared objects of Applications that were looked at lately: making them ready again for each look would be most of
//! what a look costs when one object of many changed.

use std::collections::HashMap;
use std::sync::Arc;

use driftless_core::{AppKey, ClusterUrl, Namespace};
use driftless_kube::Discovery;
use driftless_source::render::SetDigest;

use crate::config::Config;
use crate::desired::Prepared;

/// Most objects that are kept, those of the Application looked at last apart.
const OBJECTS: usize = 20_000;

/// Everything that prepared objects depend on.
pub(crate) struct Basis {
    pub(crate) digests: Vec<SetDigest>,
    pub(crate) config: Arc<Config>,
    pub(crate) discovery: Arc<Discovery>,
    pub(crate) cluster: ClusterUrl,
    pub(crate) namespace: Namespace,
}

impl Basis {
    fn is(&self, other: &Self) -> bool {
        self.digests == other.digests
            && Arc::ptr_eq(&self.config, &other.config)
            && Arc::ptr_eq(&self.discovery, &other.discovery)
            && self.cluster == other.cluster
            && self.namespace == other.namespace
    }
}

struct Entry {
    basis: Basis,
    prepared: Arc<Prepared>,
    used: u64,
}

/// The sets that are kept.
#[derive(Default)]
pub(crate) struct Sets(parking_lot::Mutex<Kept>);

#[derive(Default)]
struct Kept {
    entries: HashMap<AppKey, Entry>,
    clock: u64,
}

impl Sets {
    /// Returns the set of an Application made on this very basis.
    pub(crate) fn of(&self, app: &AppKey, basis: &Basis) -> Option<Arc<Prepared>> {
        let mut kept = self.0.lock();
        kept.clock += 1;
        let now = kept.clock;
        let entry = kept.entries.get_mut(app)?;
        entry.basis.is(basis).then(|| {
            entry.used = now;
            Arc::clone(&entry.prepared)
        })
    }

    /// Keeps a set; those that were not used for longest go when there are too many objects.
    pub(crate) fn put(&self, app: &AppKey, basis: Basis, prepared: &Arc<Prepared>) {
        let mut kept = self.0.lock();
        kept.clock += 1;
        let entry = Entry {
            basis,
            prepared: Arc::clone(prepared),
            used: kept.clock,
        };
        kept.entries.insert(app.clone(), entry);
        let size = |kept: &Kept| -> usize {
            let entries = kept.entries.values();
            entries.map(|one| one.prepared.objects.len()).sum()
        };
        while kept.entries.len() > 1 && size(&kept) > OBJECTS {
            let oldest = kept.entries.iter().min_by_key(|(_, one)| one.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            kept.entries.remove(&oldest);
        }
    }

    /// Forgets an Application.
    pub(crate) fn forget(&self, app: &AppKey) {
        self.0.lock().entries.remove(app);
    }
}
