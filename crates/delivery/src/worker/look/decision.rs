//! Decisions as Events, metrics and logs tell them.

use std::collections::BTreeMap;

use driftless_kube::event::ObjectReference;
use driftless_kube::{Event, event};
use driftless_rollout::machine::{Decision, Reason};

use super::Job;
use crate::runner::kind;
use crate::worker::Worker;

impl Worker {
    /// Says what was decided.
    pub(super) fn tell(&self, job: &Job<'_>, decisions: &[Decision]) {
        let metadata = &job.rollout.metadata;
        for decision in decisions {
            let reason = reason(decision.reason);
            self.runner.delivery.services.metrics.decided(reason);
            tracing::info!(obj = %self.id, target = job.name, reason, message = decision.message, "A rollout decided");
            self.runner.events.record(Event {
                about: ObjectReference {
                    gvk: kind(),
                    namespace: metadata.namespace.clone(),
                    name: metadata.name.clone(),
                    uid: metadata.uid.clone(),
                    resource_version: metadata.resource_version.clone(),
                },
                event_type: severity(decision.reason),
                reason,
                message: format!("{}: {}", job.name, decision.message),
                annotations: BTreeMap::new(),
                labels: BTreeMap::new(),
            });
        }
    }
}

/// Returns a reason's name for as long as the process lives.
fn reason(reason: Reason) -> &'static str {
    static NAMES: std::sync::OnceLock<parking_lot::Mutex<BTreeMap<Reason, &'static str>>> =
        std::sync::OnceLock::new();
    let mut names = NAMES.get_or_init(parking_lot::Mutex::default).lock();
    // As many as there are reasons.
    names
        .entry(reason)
        .or_insert_with(|| Box::leak(reason.as_str().into_boxed_str()))
}

fn severity(reason: Reason) -> event::EventType {
    match reason {
        Reason::Aborted
        | Reason::AnalysisFailed
        | Reason::AnalysisInconclusive
        | Reason::Blocked
        | Reason::CanaryLeft
        | Reason::CanaryLostPods
        | Reason::CapacityHold
        | Reason::Held
        | Reason::ProgressDeadlineExceeded
        | Reason::Quarantined
        | Reason::RouteUnreadable
        | Reason::StableNotReady
        | Reason::TrafficChangedOutside
        | Reason::WarmupFailed => event::EventType::Warning,
        _ => event::EventType::Normal,
    }
}
