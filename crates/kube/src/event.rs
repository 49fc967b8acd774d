//! Kubernetes Events: written about the control plane's objects, read about any object.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_manifest::Object;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::lease::Fence;
use crate::store::{Store, StoreScope};
use crate::transport::{Call, Lane};
use crate::write::{ApplyMode, ApplyOptions, PatchType, Target, WriteCtx, Writer};

/// Severity of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum EventType {
    /// All is well.
    Normal,
    /// Somebody may want to look.
    Warning,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// The object an event is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ObjectReference {
    /// Kind and version.
    pub gvk: GroupVersionKind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Unique id.
    pub uid: String,
    /// Version.
    pub resource_version: String,
}

/// An event to record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The object it is about.
    pub about: ObjectReference,
    /// Severity.
    pub event_type: EventType,
    /// Stable name, such as `OperationCompleted`.
    pub reason: &'static str,
    /// Text for people.
    pub message: String,
    /// Annotations: `dest-server`, `dest-namespace`, `user`.
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// Events that wait to be written; more are dropped, because nobody may wait for an event.
const QUEUE: usize = 4096;
/// New events an object gets within [`WINDOW`].
const PER_OBJECT: u32 = 120;
const WINDOW: Duration = Duration::from_hours(1);
/// Equal events within this time become one with a count.
const MERGE_WITHIN: Duration = Duration::from_mins(10);
/// A count is written at most this often.
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// The API's limit.
const LONGEST_MESSAGE: usize = 1024;
/// Events written at once.
const AT_ONCE: usize = 4;

/// Writes events in the background. Cheap to clone; never blocks.
#[derive(Clone, Debug)]
pub struct EventRecorder {
    sender: mpsc::Sender<Event>,
}

impl EventRecorder {
    /// Starts a recorder; `component` is `argocd-application-controller` or `argocd-server`.
    pub fn start(cluster: &Arc<Cluster>, component: &'static str) -> Self {
        let (sender, inbox) = mpsc::channel(QUEUE);
        tokio::spawn(run(cluster.writer(), component, inbox));
        Self { sender }
    }

    /// Hands an event over. Equal events are merged into one with a count; an object gets a
    /// limited number per hour.
    pub fn record(&self, event: Event) {
        if let Err(error) = self.sender.try_send(event) {
            tracing::debug!(%error, "Event dropped");
        }
    }
}

async fn run(writer: Writer, component: &'static str, mut inbox: mpsc::Receiver<Event>) {
    let mut book = Book::default();
    let slots = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    loop {
        let due = book.next_count();
        let work = tokio::select! {
            event = inbox.recv() => match event {
                Some(event) => book.note(&event, component, Instant::now(), Timestamp::now()),
                None => return,
            },
            () = until(due) => book.count(Instant::now(), Timestamp::now()),
        };
        for work in work {
            // The semaphore is never closed.
            let slot = slots.clone().acquire_owned().await.ok();
            let writer = writer.clone();
            tokio::spawn(async move {
                let _slot = slot;
                if let Err(error) = write(&writer, work).await {
                    tracing::debug!(%error, "Event not written");
                }
            });
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn event_gvk() -> GroupVersionKind {
    GroupVersionKind::new("", "v1", "Event")
}

async fn write(writer: &Writer, work: Work) -> Result<(), Error> {
    let ctx = WriteCtx::internal(Fence::unfenced());
    match work {
        Work::New(value) => {
            let object = Object::from_value(value).map_err(|error| Error::BadObject {
                detail: error.to_string(),
            })?;
            let options = ApplyOptions {
                mode: ApplyMode::Create,
                ..ApplyOptions::default()
            };
            writer.apply(&ctx, &object, &options).await?;
        }
        Work::Count { key, patch } => {
            let patch = Bytes::from(patch.to_string());
            let target = Target::Object;
            writer
                .patch(&ctx, &event_gvk(), &key, &target, PatchType::Merge, patch)
                .await?;
        }
    }
    Ok(())
}

/// What is to be written.
#[derive(Debug, PartialEq)]
enum Work {
    New(Value),
    Count { key: ResourceKey, patch: Value },
}

#[derive(PartialEq, Eq, Hash, Clone)]
struct Subject {
    namespace: String,
    name: String,
    uid: String,
}

#[derive(PartialEq, Eq, Hash, Clone)]
struct Same {
    subject: Subject,
    event_type: EventType,
    reason: &'static str,
    message: String,
}

struct Written {
    key: ResourceKey,
    first: Instant,
    count: u64,
    /// Seen since the last write.
    unwritten: bool,
    write_at: Instant,
}

/// What was written lately.
#[derive(Default)]
struct Book {
    written: HashMap<Same, Written>,
    /// New events per object, since when.
    spent: HashMap<Subject, (Instant, u32)>,
    last_nanos: i128,
}

impl Book {
    fn note(&mut self, event: &Event, component: &str, now: Instant, time: Timestamp) -> Vec<Work> {
        let subject = Subject {
            namespace: event.about.namespace.clone(),
            name: event.about.name.clone(),
            uid: event.about.uid.clone(),
        };
        let message = shorten(&event.message);
        let same = Same {
            subject: subject.clone(),
            event_type: event.event_type,
            reason: event.reason,
            message: message.clone(),
        };
        if let Some(written) = self.written.get_mut(&same)
            && now.duration_since(written.first) < MERGE_WITHIN
        {
            written.count += 1;
            written.unwritten = true;
            return Vec::new();
        }
        self.forget(now);
        let (since, count) = self.spent.entry(subject).or_insert((now, 0));
        if now.duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        if *count > PER_OBJECT {
            tracing::debug!(
                obj = event.about.name,
                reason = event.reason,
                "Too many events"
            );
            return Vec::new();
        }
        // Two events of one nanosecond would have the same name.
        self.last_nanos = time.as_nanosecond().max(self.last_nanos + 1);
        let namespace = match event.about.namespace.as_str() {
            "" => "default",
            namespace => namespace,
        };
        let name = format!("{}.{:x}", event.about.name, self.last_nanos);
        let stamp = format!("{time:.0}");
        let value = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "annotations": event.annotations,
                "labels": event.labels,
            },
            "involvedObject": {
                "apiVersion": event.about.gvk.api_version(),
                "kind": event.about.gvk.kind,
                "namespace": event.about.namespace,
                "name": event.about.name,
                "uid": event.about.uid,
                "resourceVersion": event.about.resource_version,
            },
            "source": {"component": component},
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
            "type": event.event_type.as_str(),
            "reason": event.reason,
            "message": message,
        });
        self.written.insert(
            same,
            Written {
                key: ResourceKey::new("", "Event", namespace, &name),
                first: now,
                count: 1,
                unwritten: false,
                write_at: now + COUNT_EVERY,
            },
        );
        vec![Work::New(value)]
    }

    fn next_count(&self) -> Option<Instant> {
        self.written
            .values()
            .filter(|w| w.unwritten)
            .map(|w| w.write_at)
            .min()
    }

    /// Writes the counts that are due.
    fn count(&mut self, now: Instant, time: Timestamp) -> Vec<Work> {
        let mut due: Vec<&mut Written> = self
            .written
            .values_mut()
            .filter(|w| w.unwritten && w.write_at <= now)
            .collect();
        due.sort_by(|a, b| a.key.cmp(&b.key));
        due.into_iter()
            .map(|written| {
                written.unwritten = false;
                written.write_at = now + COUNT_EVERY;
                Work::Count {
                    key: written.key.clone(),
                    patch: json!({"count": written.count, "lastTimestamp": format!("{time:.0}")}),
                }
            })
            .collect()
    }

    fn forget(&mut self, now: Instant) {
        self.written.retain(|_, written| {
            written.unwritten || now.duration_since(written.first) < MERGE_WITHIN
        });
        self.spent
            .retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
    }
}

fn shorten(message: &str) -> String {
    if message.len() <= LONGEST_MESSAGE {
        return message.to_owned();
    }
    let mut end = LONGEST_MESSAGE - 3;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", message.get(..end).unwrap_or_default())
}

#[derive(Deserialize)]
struct List {
    items: Option<Vec<Value>>,
}

impl Cluster {
    /// Reads the events about an object, oldest first. Without `uid`, events about earlier objects
    /// of the same name are among them.
    pub async fn events_about(
        &self,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
    ) -> Result<Vec<Value>, Error> {
        let selector = about(namespace, name, uid);
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("fieldSelector", &selector)
            .append_pair("limit", "500")
            .finish();
        let path = crate::discovery::collection_path(&event_gvk(), "events", written_in(namespace));
        let call = Call::get(format!("{path}?{query}"));
        let (_, body) = self.transport().fetch(Lane::Read, &call).await?;
        let list: List = serde_json::from_slice(&body).map_err(|error| Error::Decode {
            what: format!("the events of {namespace}/{name}"),
            detail: error.to_string(),
        })?;
        let mut events = list.items.unwrap_or_default();
        sort(&mut events);
        Ok(events)
    }

    /// Follows the events that [`Cluster::events_about`] reads.
    pub fn follow_events(&self, namespace: &str, name: &str, uid: Option<&str>) -> Store<Value> {
        let mut scope = StoreScope::namespaced(event_gvk(), "events", written_in(namespace));
        scope.field_selector = Some(about(namespace, name, uid));
        Store::start(self, scope)
    }
}

/// Selects the events about an object.
fn about(namespace: &str, name: &str, uid: Option<&str>) -> String {
    let mut selector = format!("involvedObject.name={name}");
    if !namespace.is_empty() {
        selector = format!("{selector},involvedObject.namespace={namespace}");
    }
    if let Some(uid) = uid {
        selector = format!("{selector},involvedObject.uid={uid}");
    }
    selector
}

/// Returns the namespace of the events about objects in a namespace, or in none.
fn written_in(namespace: &str) -> &str {
    if namespace.is_empty() {
        "default"
    } else {
        namespace
    }
}

/// Orders events, oldest first.
pub fn sort(events: &mut [Value]) {
    events.sort_by_cached_key(last_seen);
}

/// When an event happened last, whichever API wrote it.
fn last_seen(event: &Value) -> String {
    [
        "/lastTimestamp",
        "/series/lastObservedTime",
        "/eventTime",
        "/metadata/creationTimestamp",
    ]
    .iter()
    .find_map(|pointer| event.pointer(pointer).and_then(Value::as_str))
    .unwrap_or_default()
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str) -> Event {
        Event {
            about: ObjectReference {
                gvk: GroupVersionKind::new("argoproj.io", "v1alpha1", "Application"),
                namespace: "argocd".to_owned(),
                name: "shop".to_owned(),
                uid: "u".to_owned(),
                resource_version: "1".to_owned(),
            },
            event_type: EventType::Normal,
            reason: "OperationCompleted",
            message: message.to_owned(),
            annotations: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }

    fn time() -> Timestamp {
        "2026-01-02T03:04:05.123456789Z".parse().unwrap()
    }

    #[test]
    fn events_look_as_in_the_contract() {
        let mut book = Book::default();
        let work = book.note(&event("done"), "argocd-server", Instant::now(), time());
        let [Work::New(value)] = work.as_slice() else {
            panic!("one event: {work:?}")
        };
        assert_eq!(
            value["metadata"]["name"],
            format!("shop.{:x}", time().as_nanosecond())
        );
        assert_eq!(value["involvedObject"]["kind"], "Application");
        assert_eq!(value["source"]["component"], "argocd-server");
        assert_eq!(value["firstTimestamp"], "2026-01-02T03:04:05Z");
        assert_eq!(value["type"], "Normal");
    }

    #[test]
    fn equal_events_become_a_count_written_now_and_then() {
        let mut book = Book::default();
        let start = Instant::now();
        assert_eq!(book.note(&event("a"), "c", start, time()).len(), 1);
        for _ in 0..50 {
            assert!(book.note(&event("a"), "c", start, time()).is_empty());
        }
        assert_eq!(book.next_count(), Some(start + COUNT_EVERY));
        assert!(book.count(start, time()).is_empty());
        let work = book.count(start + COUNT_EVERY, time());
        let [Work::Count { patch, .. }] = work.as_slice() else {
            panic!("one count: {work:?}")
        };
        assert_eq!(patch["count"], 51);
        assert_eq!(book.next_count(), None);
        assert_eq!(
            book.note(&event("a"), "c", start + MERGE_WITHIN, time())
                .len(),
            1
        );
    }

    #[test]
    fn an_object_gets_a_limited_number_per_hour() {
        let mut book = Book::default();
        let start = Instant::now();
        let new = |book: &mut Book, range: std::ops::Range<u32>, now| {
            range
                .map(|n| book.note(&event(&n.to_string()), "c", now, time()).len())
                .sum::<usize>()
        };
        assert_eq!(new(&mut book, 0..1000, start), PER_OBJECT as usize);
        assert_eq!(new(&mut book, 1000..1010, start + WINDOW), 10);
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let cut = shorten(&"é".repeat(2000));
        assert!(cut.len() <= LONGEST_MESSAGE && cut.ends_with("..."));
    }
}
