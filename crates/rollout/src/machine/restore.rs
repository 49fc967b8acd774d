//! The way back: traffic first, pods after it.

use jiff::Timestamp;

use super::{Action, Ending, Flow, Machine, Mode, Reason, Stage, Transition};

impl Machine<'_> {
    pub(super) fn restoring(
        &mut self,
        transition: Box<Transition>,
        ending: Ending,
        since: Timestamp,
        mut restored: Option<Timestamp>,
    ) -> Flow {
        if self.observed.wanted.is_none() {
            self.decide(
                Reason::TargetDeleted,
                format!("the target is gone: {} is removed", transition.version),
            );
            if self.observed.canary.is_some() {
                self.actions.push(Action::RemoveCanary);
            }
            return Flow::Enough;
        }
        let is_back = self.bring_back(&transition);
        if is_back && restored.is_none() {
            restored = Some(self.now);
            let text = format!(
                "the live route gives {} % to {} again",
                100 - transition.baseline.canary,
                transition.stable
            );
            self.decide(Reason::TrafficRestored, text);
        }
        self.keep_stable(transition.full);
        if let Some(at) = restored.filter(|_| is_back) {
            if let Some(flow) = self.clean(&transition, &ending, at) {
                return flow;
            }
        } else if transition.mode == Mode::InPlace && !self.stable_is_ready() {
            // The old pods need the place of the new ones.
            if self.observed.canary.is_some() {
                self.actions.push(Action::RemoveCanary);
            }
        }
        self.state.stage = Stage::Restoring {
            transition,
            ending,
            since,
            restored,
        };
        Flow::Enough
    }

    /// Asks for the traffic there was before; says whether it is there.
    fn bring_back(&mut self, transition: &Transition) -> bool {
        let live = match &self.observed.traffic {
            Ok(traffic) => traffic,
            Err(why) => {
                let text = format!("the route could not be read: {why}");
                self.wait(Reason::RouteUnreadable, text);
                return false;
            }
        };
        if *live == transition.baseline {
            return true;
        }
        let canary_serves = self
            .observed
            .canary
            .as_ref()
            .is_some_and(|canary| canary.ready > 0);
        if self.stable_is_ready() || (!canary_serves && transition.mode != Mode::InPlace) {
            let text = format!("traffic goes back to {}", transition.stable);
            self.actions
                .push(Action::SetTraffic(transition.baseline.clone()));
            self.wait(Reason::Restoring, text);
        } else {
            let text = format!(
                "{} has no ready pods: traffic stays until it has",
                transition.stable
            );
            self.wait(Reason::StableNotReady, text);
        }
        false
    }

    /// Removes the new version's pods; returns what follows when they are gone, or were given up.
    fn clean(
        &mut self,
        transition: &Transition,
        ending: &Ending,
        restored: Timestamp,
    ) -> Option<Flow> {
        let is_left = self.observed.canary.is_some();
        let limit = self.later(restored, self.plan.progress_deadline);
        if is_left && self.now < limit {
            let keep = match ending {
                // The next version needs the place.
                Ending::Superseded => restored,
                _ => self.later(restored, self.plan.abort_scale_down_delay),
            };
            if self.now < keep {
                self.wake_at(keep);
                self.wait(
                    Reason::Cleaning,
                    format!("{} is kept until {keep:.0}", transition.version),
                );
            } else {
                self.wake_at(limit);
                self.actions.push(Action::RemoveCanary);
                self.wait(
                    Reason::Cleaning,
                    format!("{} is removed", transition.version),
                );
            }
            return None;
        }
        if is_left {
            let text = format!(
                "{} could not be removed; it has no traffic",
                transition.version
            );
            self.decide(Reason::CanaryLeft, text);
        }
        self.state.stage = match ending {
            Ending::Failed(_) | Ending::Aborted(_) => Stage::Aborted {
                version: transition.version.clone(),
            },
            Ending::Superseded | Ending::Reverted => Stage::Idle,
        };
        Some(Flow::Again)
    }
}
