//! What the step machine sees of the cluster.

use std::sync::Arc;

use driftless_appstate::handover::is_rollout;
use driftless_core::ResourceKey;
use driftless_engine::health::{self};
use driftless_engine::sync::{self};
use driftless_kube::Live;
use driftless_kube::live::Lookup;
use driftless_manifest::Object;

/// What the machine sees of the cluster.
pub(crate) struct Eyes<'a>(
    pub(crate) &'a Live,
    pub(crate) &'a (dyn health::Rules + Sync),
);

impl sync::Observe for Eyes<'_> {
    fn live(&self, key: &ResourceKey) -> sync::Live {
        match self.0.lookup(key) {
            Lookup::Missing | Lookup::UnknownKind => sync::Live::Missing,
            Lookup::NotLoaded => sync::Live::Unknown(format!("{key} is not loaded yet")),
            Lookup::Unreadable(why) => sync::Live::Unknown(why.reason.to_string()),
            Lookup::Found(live) => match live.parse() {
                Some(object) => sync::Live::Present(Arc::new(object)),
                None => sync::Live::Unknown(format!("{key} is not loaded yet")),
            },
        }
    }

    fn health(&self, object: &Object) -> Option<health::Health> {
        // A rollout takes hours or waits for a person: no sync waits for it, a newer version must get through.
        if is_rollout(object) {
            return None;
        }
        health::assess(object, self.1)
    }
}
