//! Pods and traffic as a place in the steps wants them.

use super::{Action, Machine, Mode, Reason, Transition};
use crate::plan::Traffic;

/// How often a version may lose all its pods under traffic.
const MOST_LOST: u32 = 3;

/// How far pods and traffic are.
pub(super) enum Settled {
    /// As wanted.
    Yes,
    /// Not yet.
    NotYet(Reason, String),
    /// They will not be.
    Failed(Reason, String),
}

impl Machine<'_> {
    /// Asks for the pods and the traffic of the step at work.
    pub(super) fn settle(&mut self, transition: &mut Transition) -> Settled {
        let live = match &self.observed.traffic {
            Ok(traffic) => traffic.clone(),
            Err(why) => {
                return Settled::NotYet(
                    Reason::RouteUnreadable,
                    format!("the route could not be read: {why}"),
                );
            }
        };
        let ready = match &self.observed.canary {
            Some(canary) if canary.version != transition.version => {
                return self.clear(transition, &live);
            }
            Some(canary) => canary.ready,
            None => 0,
        };
        if ready > transition.ready_seen {
            transition.ready_seen = ready;
            transition.progressed = self.now;
        }
        if ready == 0 && live.uses_canary() && transition.mode != Mode::InPlace {
            return self.retreat(transition);
        }
        match transition.mode {
            Mode::Surge => self.surge(transition, &live, ready),
            Mode::Partial(beside) => self.partial(transition, &live, ready, beside),
            Mode::InPlace => self.in_place(transition, &live, ready),
        }
    }

    /// Another version is where the new one belongs.
    fn clear(&mut self, transition: &mut Transition, live: &Traffic) -> Settled {
        transition.verified = false;
        if live.uses_canary() {
            if !self.stable_is_ready() {
                return Settled::NotYet(
                    Reason::StableNotReady,
                    "the stable version has no ready pods".into(),
                );
            }
            self.actions
                .push(Action::SetTraffic(transition.baseline.clone()));
        } else {
            self.actions.push(Action::RemoveCanary);
        }
        Settled::NotYet(
            Reason::Cleaning,
            "an earlier version is removed first".into(),
        )
    }

    /// The new version has traffic and no pods: the traffic goes back until they return.
    fn retreat(&mut self, transition: &mut Transition) -> Settled {
        if transition.verified || transition.ready_seen > 0 {
            transition.verified = false;
            transition.lost += 1;
            let text = format!(
                "{} has no ready pods: its traffic goes back",
                transition.version
            );
            self.decide(Reason::CanaryLostPods, text);
        }
        if transition.lost > MOST_LOST {
            let text = format!(
                "{} lost all its pods {} times under traffic",
                transition.version, transition.lost
            );
            return Settled::Failed(Reason::CanaryLostPods, text);
        }
        if self.stable_is_ready() {
            self.actions
                .push(Action::SetTraffic(transition.baseline.clone()));
        }
        transition.ready_seen = 0;
        Settled::NotYet(
            Reason::CanaryNotReady,
            format!("{} has no ready pods", transition.version),
        )
    }

    fn surge(&mut self, transition: &mut Transition, live: &Traffic, ready: u32) -> Settled {
        let wanted = self.plan.replicas_at(transition.index, transition.full);
        let asked = self.canary_replicas();
        if asked < wanted || self.observed.canary.is_none() {
            self.scale_canary(transition, wanted);
        }
        if let Some(waiting) = self.not_ready(transition, ready, wanted) {
            return waiting;
        }
        let target = self.plan.traffic_at(transition.index);
        if let Some(waiting) = self.move_traffic(transition, live, target) {
            return waiting;
        }
        if asked > wanted {
            self.scale_canary(transition, wanted);
        }
        self.keep_stable(transition.full);
        Settled::Yes
    }

    /// Few new pods fit: both versions take turns, the old one shrinking as its traffic does.
    fn partial(
        &mut self,
        transition: &mut Transition,
        live: &Traffic,
        ready: u32,
        beside: u32,
    ) -> Settled {
        let full = transition.full;
        let wanted = self.plan.replicas_at(transition.index, full);
        let target = self.plan.traffic_at(transition.index);
        let old = self
            .observed
            .stable
            .as_ref()
            .map_or(0, |stable| stable.replicas.max(stable.ready));
        let room = (full + beside).saturating_sub(old);
        let asked = self.canary_replicas();
        let next = wanted.min(room);
        if asked < next || self.observed.canary.is_none() {
            self.scale_canary(transition, next.max(asked));
        }
        if ready >= wanted || transition.verified {
            if let Some(waiting) = self.not_ready(transition, ready, wanted) {
                return waiting;
            }
            if let Some(waiting) = self.move_traffic(transition, live, target) {
                return waiting;
            }
            if asked > wanted {
                self.scale_canary(transition, wanted);
            }
            let needed = (full * (100 - live.canary)).div_ceil(100);
            self.keep_stable(needed.min((full + beside).saturating_sub(asked)));
            return Settled::Yes;
        }
        if ready >= next.max(1) {
            // All that fit are ready. They take what they can carry, then old pods make room.
            let carried = (100 * ready / full.max(1)).min(target.canary);
            if live.canary < carried {
                self.actions.push(Action::SetTraffic(Traffic {
                    canary: carried,
                    ..live.clone()
                }));
            } else {
                let needed = (full * (100 - live.canary))
                    .div_ceil(100)
                    .max(u32::from(live.canary < 100));
                if self
                    .observed
                    .stable
                    .as_ref()
                    .is_some_and(|stable| stable.replicas > needed)
                {
                    self.actions.push(Action::ScaleStable { replicas: needed });
                }
            }
        }
        Settled::NotYet(
            Reason::CanaryNotReady,
            format!(
                "{ready} of {wanted} pods of {} are ready",
                transition.version
            ),
        )
    }

    fn in_place(&mut self, transition: &mut Transition, live: &Traffic, ready: u32) -> Settled {
        if ready == 0 {
            transition.verified = false;
            let (replicas, old_ready) = self
                .observed
                .stable
                .as_ref()
                .map_or((0, 0), |stable| (stable.replicas, stable.ready));
            if replicas > 0 {
                self.actions.push(Action::ScaleStable { replicas: 0 });
            } else if old_ready == 0 {
                let full = transition.full;
                if self.canary_replicas() < full {
                    self.scale_canary(transition, full);
                }
            }
            return Settled::NotYet(
                Reason::CanaryNotReady,
                format!("{} starts in place of the old pods", transition.version),
            );
        }
        if let Some(waiting) = self.not_ready(transition, ready, transition.full) {
            return waiting;
        }
        let target = self.plan.traffic_at(self.plan.steps.len());
        match self.move_traffic(transition, live, target) {
            Some(waiting) => waiting,
            None => Settled::Yes,
        }
    }

    /// Before traffic moves all pods are ready; later the route takes care of single ones.
    fn not_ready(&self, transition: &Transition, ready: u32, wanted: u32) -> Option<Settled> {
        let needed = if transition.verified {
            wanted.min(1)
        } else {
            wanted
        };
        (ready < needed).then(|| {
            let text = format!(
                "{ready} of {wanted} pods of {} are ready",
                transition.version
            );
            Settled::NotYet(Reason::CanaryNotReady, text)
        })
    }

    /// Writes the route unless it is as wanted, and sees that it is.
    fn move_traffic(
        &mut self,
        transition: &mut Transition,
        live: &Traffic,
        target: Traffic,
    ) -> Option<Settled> {
        if *live == target {
            if !transition.verified {
                transition.verified = true;
                transition.progressed = self.now;
                self.decide(
                    Reason::TrafficMoved,
                    format!(
                        "the live route gives {} to {}",
                        target.words(),
                        transition.version
                    ),
                );
            }
            return None;
        }
        if target.uses_canary()
            && self
                .observed
                .canary
                .as_ref()
                .is_none_or(|canary| canary.ready == 0)
        {
            let text = format!("{} has no ready pods", transition.version);
            return Some(Settled::NotYet(Reason::CanaryNotReady, text));
        }
        if target.canary < 100 && live.canary > 0 && !self.stable_is_ready() {
            let text = "the stable version has no ready pods to take traffic".to_owned();
            return Some(Settled::NotYet(Reason::StableNotReady, text));
        }
        if transition.verified && (!live.moving || live.canary != target.canary) {
            transition.verified = false;
            let text = format!(
                "the route gives {} to {} and should give {}: it is written again",
                live.words(),
                transition.version,
                target.words()
            );
            self.decide(Reason::TrafficChangedOutside, text);
        }
        let text = format!(
            "the route is to give {} to {}",
            target.words(),
            transition.version
        );
        self.actions.push(Action::SetTraffic(target));
        Some(Settled::NotYet(Reason::TrafficMoving, text))
    }

    /// The stable version keeps all its pods while it may have to take everything back.
    pub(super) fn keep_stable(&mut self, full: u32) {
        if self
            .observed
            .stable
            .as_ref()
            .is_some_and(|stable| stable.replicas < full)
        {
            self.actions.push(Action::ScaleStable { replicas: full });
        }
    }

    pub(super) fn stable_is_ready(&self) -> bool {
        self.observed
            .stable
            .as_ref()
            .is_some_and(|stable| stable.ready > 0)
    }

    fn canary_replicas(&self) -> u32 {
        self.observed
            .canary
            .as_ref()
            .map_or(0, |canary| canary.replicas)
    }

    fn scale_canary(&mut self, transition: &Transition, replicas: u32) {
        self.actions.push(Action::ScaleCanary {
            version: transition.version.clone(),
            replicas,
        });
    }
}
