//! Kubernetes Events about Applications, in the incumbent's words (argocd-contract §11).

use std::collections::BTreeMap;

use driftless_api::Application;
use driftless_api::application::Operation;
use driftless_core::GroupVersionKind;
use driftless_kube::Event;
use driftless_kube::event::{EventType, ObjectReference};

use crate::Controller;

impl Controller {
    fn record(
        &self,
        app: &Application,
        event_type: EventType,
        reason: &'static str,
        message: String,
    ) {
        let about = ObjectReference {
            gvk: GroupVersionKind::from_api_version(Application::API_VERSION, Application::KIND),
            namespace: app.metadata.namespace.clone(),
            name: app.metadata.name.clone(),
            uid: app.metadata.uid.clone(),
            resource_version: app.metadata.resource_version.clone(),
        };
        let destination = &app.spec.destination;
        let annotations = BTreeMap::from([
            ("dest-server".to_owned(), destination.server.clone()),
            ("dest-namespace".to_owned(), destination.namespace.clone()),
        ]);
        self.events.record(Event {
            about,
            event_type,
            reason,
            message,
            annotations,
            labels: BTreeMap::new(),
        });
    }

    /// Tells how sync and health status changed with one patch; a first status is no change.
    pub(crate) fn tell_status(&self, app: &Application, before: &[String; 2], now: &[String; 2]) {
        for (what, (old, new)) in ["sync", "health"].iter().zip(before.iter().zip(now)) {
            if !old.is_empty() && old != new {
                let message = format!("Updated {what} status: {old} -> {new}");
                self.record(app, EventType::Normal, "ResourceUpdated", message);
            }
        }
    }

    /// Tells that automation started a sync.
    pub(crate) fn tell_started(&self, app: &Application, operation: &Operation, revisions: &str) {
        if operation.is_automated() {
            let message = format!("Initiated automated sync to '{revisions}'");
            self.record(app, EventType::Normal, "OperationStarted", message);
        }
    }

    /// Tells how a sync ended.
    pub(crate) fn tell_completed(
        &self,
        app: &Application,
        operation: &Operation,
        revisions: &str,
        failure: Option<&str>,
    ) {
        let selective = operation
            .sync
            .as_ref()
            .is_some_and(|sync| !sync.resources.is_empty());
        let what = if selective {
            "Partial sync operation"
        } else {
            "Sync operation"
        };
        match failure {
            None => {
                let message = format!("{what} to {revisions} succeeded");
                self.record(app, EventType::Normal, "OperationCompleted", message);
            }
            Some(failure) => {
                let message = format!("{what} to {revisions} failed: {failure}");
                self.record(app, EventType::Warning, "OperationCompleted", message);
            }
        }
    }
}
