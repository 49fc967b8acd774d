//! Objects whose desired version a rollout keeps out: they are compared with what served before.
//!
//! What served is in the ControllerRevision that a sync stored when it handed that version over. Everything beside what
//! serves is as Git says; so a change of the number of pods goes through, and drift is healed, while the bad version stays
//! out.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_api::rollout::handover::{OBJECT, controller_revision_name};
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_engine::diff;
use driftless_kube::live::Lookup;
use driftless_kube::{Cluster, Error};
use driftless_manifest::Object;
use driftless_rollout::version;

use crate::AppState;
use crate::comparison::{ObjectStatus, parse};
use crate::desired::Prepared;
use crate::handover::Course;

/// Stored versions that are remembered; what serves in one never changes under its name.
const KEPT: usize = 256;

/// Returns the desired object with what served before in it.
pub fn as_served(desired: &Object, stored: &Object) -> Option<Object> {
    let grafted = version::with_serving(&desired.to_value(), &stored.to_value());
    Object::from_value(grafted).ok()
}

impl AppState {
    /// Compares objects whose version is kept out.
    pub(crate) async fn compare_held(
        &self,
        cluster: &Arc<Cluster>,
        prepared: &Prepared,
        objects: &mut BTreeMap<ResourceKey, ObjectStatus>,
        cx: &diff::Ctx<'_>,
        problems: &mut Vec<String>,
    ) {
        for one in &prepared.objects {
            let Some(status) = objects.get_mut(&one.key) else {
                continue;
            };
            let Some(stable) = stable_of(status) else {
                continue;
            };
            let stored = match self.served(cluster, &one.key, &stable).await {
                Ok(Some(stored)) => stored,
                // Nothing was stored, or not any more: nobody knows what to compare with.
                Ok(None) => continue,
                Err(error) => {
                    problems.push(format!(
                        "version {stable} of {}, which serves, cannot be read: {error}",
                        one.key
                    ));
                    continue;
                }
            };
            let live = match cluster.live().lookup(&one.key) {
                Lookup::Found(live) => parse(&live),
                _ => None,
            };
            if let (Some(live), Some(desired)) = (live, as_served(&one.object, &stored)) {
                status.take_held(&diff::compare(&desired, &live, cx));
            }
        }
    }

    async fn served(
        &self,
        cluster: &Arc<Cluster>,
        key: &ResourceKey,
        version: &str,
    ) -> Result<Option<Arc<Object>>, Error> {
        let name = controller_revision_name(&key.name, version);
        let id = (cluster.url().clone(), key.namespace.to_string(), name);
        if let Some(known) = self.stored.read().get(&id) {
            return Ok(Some(Arc::clone(known)));
        }
        let gvk = GroupVersionKind::new("apps", "v1", "ControllerRevision");
        let stored = match cluster.get(&gvk, &id.1, &id.2).await {
            Ok(stored) => stored.at(&["data", OBJECT]).cloned(),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(object) = stored.and_then(|object| Object::from_value(object).ok()) else {
            return Ok(None);
        };
        let object = Arc::new(object);
        let mut known = self.stored.write();
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(id, Arc::clone(&object));
        Ok(Some(object))
    }
}

/// Returns the version that serves instead of the desired one.
fn stable_of(status: &ObjectStatus) -> Option<String> {
    match &status.release.as_ref()?.course {
        Course::Quarantined(verdict) if status.is_live => Some(verdict.stable.clone()),
        _ => None,
    }
}
