//! Kubernetes Events about Applications.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_api::Application;
use driftless_core::GroupVersionKind;
use driftless_kube::event::{EventType, ObjectReference};
use driftless_kube::store::{StoreChanges, StoreState};
use driftless_kube::{Cluster, Event, EventRecorder, Store};
use futures::StreamExt;
use futures::stream;
use serde_json::Value;

use crate::deps::{AppEvent, EventStream, Events};
use crate::error::{ApiError, Code};

/// Events that are shown at most.
const SHOWN: usize = 500;

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

/// Streams what a store of Events holds, whenever it changed.
pub(super) fn follow(store: Store<Value>) -> EventStream {
    let changes = store.changes();
    stream::unfold(Some((store, changes, true)), |state| async move {
        let (store, mut changes, first) = state?;
        match next(&store, &mut changes, first).await? {
            Ok(events) => Some((Ok(events), Some((store, changes, false)))),
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

async fn next(
    store: &Store<Value>,
    changes: &mut StoreChanges,
    first: bool,
) -> Option<Result<Vec<Value>, ApiError>> {
    if !first {
        changes.next().await?;
    }
    loop {
        match store.state() {
            StoreState::Loading => {
                changes.next().await?;
            }
            StoreState::Unreadable(reason) => {
                let message = format!("events cannot be read: {reason}");
                return Some(Err(ApiError::new(Code::Unavailable, message)));
            }
            StoreState::Ready => break,
        }
    }
    let stored = store.list();
    let mut events: Vec<Value> = stored.iter().map(|one| one.object.clone()).collect();
    driftless_kube::event::sort(&mut events);
    Some(Ok(events.split_off(events.len().saturating_sub(SHOWN))))
}
