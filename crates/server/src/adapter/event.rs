//! Kubernetes Events about Applications.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_api::Application;
use driftless_core::GroupVersionKind;
use driftless_kube::event::{EventType, ObjectReference};
use driftless_kube::{Cluster, Event, EventRecorder};

use crate::deps::{AppEvent, Events};

pub(super) struct Recorder(EventRecorder);

impl Recorder {
    pub(super) fn start(control: &Arc<Cluster>) -> Self {
        Self(EventRecorder::start(control, "argocd-server"))
    }
}

impl Events for Recorder {
    fn record(&self, app: &Application, event: AppEvent) {
        let metadata = &app.metadata;
        let destination = &app.spec.destination;
        let annotations = [
            ("dest-server", destination.server.clone()),
            ("dest-namespace", destination.namespace.clone()),
            ("user", event.user),
        ];
        self.0.record(Event {
            about: ObjectReference {
                gvk: GroupVersionKind::from_api_version(
                    Application::API_VERSION,
                    Application::KIND,
                ),
                namespace: metadata.namespace.clone(),
                name: metadata.name.clone(),
                uid: metadata.uid.clone(),
                resource_version: metadata.resource_version.clone(),
            },
            event_type: EventType::Normal,
            reason: event.reason,
            message: event.message,
            annotations: annotations
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
            labels: BTreeMap::new(),
        });
    }
}
