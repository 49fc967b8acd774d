//! What holds a sync back: sync windows, suspension, dependencies.
//!
//! Each is asked anew in every pass, from the Application and the time. A wait is never longer than [`LOOK_AGAIN`], so a
//! clock that jumps costs at most that.

use std::time::Duration;

use driftless_api::Application;
use driftless_api::annotation;
use driftless_api::application::{ConditionType, OperationPhase};
use driftless_appstate::Target;
use driftless_appstate::dependency::Dependencies;
use driftless_appstate::suspend::Suspension;
use driftless_appstate::window::{Subject, Verdict, Who};
use driftless_core::AppKey;
use jiff::Timestamp;

use crate::Controller;
use crate::draft::Draft;
use crate::queue::Next;

/// The incumbent's message of an operation that a window blocks.
const BLOCKED: &str = "Sync operation blocked by sync window";
/// Longest time until what holds a sync back is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// When dependencies are looked at again.
const LOOK_AT_DEPENDENCIES: Duration = Duration::from_secs(5);

impl Controller {
    fn window(
        &self,
        app: &Application,
        target: &Target,
        who: Who,
        started: Option<Timestamp>,
    ) -> Verdict {
        let subject = Subject {
            app: &app.metadata.name,
            namespace: &app.spec.destination.namespace,
            cluster_name: target.cluster.name(),
            server: target.cluster.url().as_str(),
        };
        let assigned = target.rules.windows().assigned(subject);
        assigned.judge(who, started, self.now())
    }

    fn until(&self, at: Option<Timestamp>) -> Duration {
        let left = at.map(|at| at.duration_since(self.now()));
        let left = left.and_then(|left| Duration::try_from(left).ok());
        left.unwrap_or(LOOK_AGAIN)
            .clamp(Duration::from_secs(1), LOOK_AGAIN)
    }

    /// Holds the operation of the draft back while a window forbids it. It can be terminated meanwhile, and its deadline
    /// counts.
    pub(crate) fn blocked(
        &self,
        app: &Application,
        target: &Target,
        draft: &mut Draft,
    ) -> Option<Next> {
        let state = draft.status.operation_state.as_mut()?;
        if state.phase == OperationPhase::Terminating || state.operation.is_dry_run() {
            return None;
        }
        let started = state.started_at.map(driftless_api::Time::timestamp);
        let late = self
            .sync_deadline(started.unwrap_or_else(|| self.now()))
            .is_some_and(|deadline| self.now() >= deadline);
        let who = if state.operation.is_automated() {
            Who::Automation
        } else {
            Who::Person
        };
        let verdict = self.window(app, target, who, started);
        let why = verdict.blocked.filter(|_| !late)?;
        BLOCKED.clone_into(&mut state.message);
        draft.condition(
            ConditionType::SyncWindowWarning,
            format!("{BLOCKED}: {why}"),
        );
        Some(Next::After(self.until(verdict.changes_at)))
    }

    /// Says in a condition that automation is suspended. Returns when to look again, when it is.
    pub(crate) fn suspended(&self, app: &Application, draft: &mut Draft) -> Option<Next> {
        let text = app.metadata.annotation(annotation::SUSPEND);
        let suspension = Suspension::of(text, self.now())?;
        draft.condition(ConditionType::SuspendedWarning, suspension.to_string());
        Some(
            suspension
                .until
                .map_or(Next::OnEvent, |at| Next::After(self.until(Some(at)))),
        )
    }

    /// Holds an automated sync that is about to start back, and says why.
    pub(crate) async fn automation_held(
        &self,
        app: &Application,
        target: &Target,
        draft: &mut Draft,
    ) -> Option<Next> {
        let verdict = self.window(app, target, Who::Automation, None);
        if let Some(why) = verdict.blocked {
            let message = format!("automated sync is blocked by sync window: {why}");
            draft.condition(ConditionType::SyncWindowWarning, message);
            return Some(Next::After(self.until(verdict.changes_at)));
        }
        match self.state.dependencies(app, &target.cluster).await {
            Dependencies::Ready => None,
            Dependencies::Waiting(reasons) => {
                let message = format!("automated sync waits: {}", reasons.join("; "));
                draft.condition(ConditionType::DependencyWarning, message);
                Some(Next::After(LOOK_AT_DEPENDENCIES))
            }
            Dependencies::Impossible(why) => {
                draft.condition(ConditionType::DependencyError, why);
                // Another Application may be what has to change.
                Some(Next::After(LOOK_AGAIN))
            }
        }
    }

    /// Holds the deletion back while Applications that depend on this one are still being deleted.
    pub(crate) fn deletion_held(&self, key: &AppKey) -> Option<String> {
        let before = self.state.deleted_before(key);
        let names: Vec<String> = before.iter().map(|key| key.name.to_string()).collect();
        (!names.is_empty()).then(|| {
            format!(
                "deletion waits until applications that depend on this one are gone: {}",
                names.join(", ")
            )
        })
    }

    /// Returns when an operation that started at `started` must be over.
    pub(crate) fn sync_deadline(&self, started: Timestamp) -> Option<Timestamp> {
        let settings = self.state.settings.current();
        let timeout = settings.params.controller.sync_timeout?;
        started.checked_add(timeout).ok()
    }
}
