//! What was seen of a target, with names of versions, as its status notes it.

use std::collections::BTreeMap;

use driftless_analysis::Lowered;
use driftless_api::rollout::status::{Pods, TargetStatus};
use driftless_api::value::RawObject;
use driftless_core::GroupVersionKind;
use driftless_rollout::machine::{Answer, Observed, Outcome, Track};

use super::Job;
use crate::status;
use crate::target::{self, Ctx, Seen};

/// What was seen, with names of versions.
pub(super) struct View {
    pub(super) gvk: GroupVersionKind,
    pub(super) observed: Observed,
    pub(super) stable_version: String,
    pub(super) wanted: Option<String>,
    pub(super) wanted_name: Option<String>,
    pub(super) pods: target::Pods,
    pub(super) labels: BTreeMap<String, String>,
}

impl View {
    pub(super) fn new(
        job: &Job<'_>,
        known: &TargetStatus,
        ctx: &Ctx,
        seen: target::Result<Seen>,
        unread: Option<String>,
    ) -> Self {
        let named = match job.wanted {
            Ok(wanted) => wanted.get(job.name).map(|wanted| wanted.version.clone()),
            Err(_) => None,
        };
        let (seen, blocked) = match seen {
            Ok(seen) => (Some(seen), None),
            Err(error) => (None, Some(error.text())),
        };
        let stable = seen.as_ref().and_then(|seen| seen.stable.as_ref());
        let memory = ctx.stable.clone();
        let version = match (stable, &named) {
            (Some(stable), Some(named)) if stable.is_wanted => named.clone(),
            (Some(stable), _) => memory.clone().unwrap_or_else(|| stable.digest.clone()),
            (None, _) => memory.clone().unwrap_or_default(),
        };
        let stable = stable.map(|stable| Track {
            version: version.clone(),
            replicas: stable.replicas,
            ready: stable.ready,
        });
        let is_deleting = job.rollout.metadata.is_deleting();
        let wanted = match (&stable, &named) {
            // The rollout goes: so does what it made.
            (stable, _) if is_deleting => stable.as_ref().map(|stable| stable.version.clone()),
            // A sync makes it, or whoever deleted it meant it.
            (None, _) => None,
            (Some(_), Some(named)) => Some(named.clone()),
            (stable, None) => stable.as_ref().map(|stable| stable.version.clone()),
        };
        // Without the object nothing can be begun; going back needs none.
        let is_new = stable.as_ref().map(|stable| &stable.version) != wanted.as_ref();
        let unread = unread.filter(|_| is_new && known.phase != "RollingBack");
        let observed = Observed {
            blocked: blocked.or(unread),
            wanted: wanted.clone(),
            replicas: seen.as_ref().map_or(1, |seen| seen.replicas),
            canary: seen.as_ref().and_then(|seen| seen.canary.clone()),
            traffic: match &seen {
                Some(seen) => seen.traffic.clone(),
                None => Err("the target could not be read".to_owned()),
            },
            fit: None,
            warmed: None,
            stable,
        };
        let labels = seen
            .as_ref()
            .map(|seen| seen.labels.clone())
            .unwrap_or_default();
        Self {
            gvk: ctx.gvk.clone(),
            observed,
            stable_version: version,
            wanted,
            wanted_name: named,
            pods: seen.map(|seen| seen.pods).unwrap_or_default(),
            labels,
        }
    }

    /// Notes what was seen.
    pub(super) fn note(&self, entry: &mut TargetStatus) {
        entry.stable_version.clone_from(&self.stable_version);
        if let Some(named) = &self.wanted_name {
            entry.wanted_version.clone_from(named);
        }
        let pods = |track: &Track| Pods {
            desired: i64::from(track.replicas),
            ready: i64::from(track.ready),
            ..Pods::default()
        };
        entry.stable_pods = self.observed.stable.as_ref().map(pods);
        entry.canary_pods = self.observed.canary.as_ref().map(pods);
        entry.weight = match &self.observed.traffic {
            Ok(traffic) => Some(i64::from(traffic.canary)),
            Err(_) => None,
        };
    }
}

/// Notes what was decided.
pub(super) fn note(
    entry: &mut TargetStatus,
    lowered: &Lowered,
    outcome: &Outcome,
    answers: &[Answer],
    is_planned: bool,
) {
    status::state(entry, &outcome.state, is_planned.then_some(&lowered.plan));
    status::measured(entry, lowered, &outcome.judged, answers);
    if let Some(transition) = outcome.state.transition() {
        let runs = transition.runs().into_iter();
        let runs: Vec<_> = runs.map(|(of, run)| (of, run.clone())).collect();
        status::measured(entry, lowered, &runs, &[]);
    }
    entry.state = serde_json::to_value(&outcome.state).ok().map(RawObject);
}
