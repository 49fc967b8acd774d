//! Lists and watches one collection for as long as somebody listens.
//!
//! Lists are paged; watches go on from the last version seen and are renewed before the server ends
//! them; an expired version leads to a new list while everything known stays. A collection that
//! cannot be read is reported as failed, never as empty.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::error::Error;
use crate::transport::{Call, ClusterState, JSON, Lane, Transport, lines};

/// What is watched.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) transport: Transport,
    /// Path of the collection.
    pub(crate) path: String,
    /// Only metadata is asked for.
    pub(crate) metadata_only: bool,
    pub(crate) label_selector: Option<String>,
    pub(crate) field_selector: Option<String>,
    pub(crate) page: u32,
    /// Bounds lists at once per cluster.
    pub(crate) lists: Arc<Semaphore>,
    /// Ends the wait after a failure.
    pub(crate) again: Arc<Notify>,
}

/// What a watch says about one object.
#[derive(Debug)]
pub(crate) enum Event<I> {
    /// Added or changed.
    Put(I),
    /// Deleted.
    Gone(I),
}

/// What a reader reports.
#[derive(Debug)]
pub(crate) enum Feed<I> {
    /// A list begins.
    ListBegan,
    /// A page of it.
    Listed(Vec<I>),
    /// It is complete, at this version.
    ListDone(String),
    /// Watch events that arrived together.
    Events(Vec<Event<I>>),
    /// The collection cannot be read, and has not been for a while.
    Failed(Error),
    /// It can be read again.
    Recovered,
}

/// Where a reader reports to.
pub(crate) trait Sink: Send + 'static {
    /// An object as it was read.
    type Item: Send + 'static;

    /// Reads one object; `None` for one that is no object (already logged).
    fn parse(&self, json: &[u8]) -> Option<Self::Item>;

    /// Returns the object's version.
    fn version<'a>(&self, item: &'a Self::Item) -> &'a str;

    /// Takes a report; false ends the reader.
    fn take(&mut self, feed: Feed<Self::Item>) -> impl Future<Output = bool> + Send;
}

/// A watch that fails for longer than this is reported.
const GRACE: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A refusal that waiting seldom helps with.
const REFUSED_WAIT: Duration = Duration::from_mins(1);
/// A page of a list that takes longer is reported as a failure until it is there, and lets lists of other collections
/// go first.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same where failure is known already.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);
/// Waiting for the next bytes of a watch may take as long as the watch itself.
const WATCH_SLACK: Duration = Duration::from_secs(30);
const LIST_TIMEOUT: Duration = Duration::from_mins(2);

/// Why a watch ended.
enum End {
    /// The server ended it in order.
    Closed,
    /// The version is too old.
    Expired,
    /// It broke.
    Broken(Error),
    /// Nobody listens.
    Unheard,
}

/// Reads a collection until the sink says stop.
pub(crate) async fn run<S: Sink>(source: Source, sink: S) {
    Reader {
        source,
        sink,
        failing_since: None,
        reported: false,
        failures: 0,
    }
    .run()
    .await;
}

struct Reader<S> {
    source: Source,
    sink: S,
    failing_since: Option<Instant>,
    reported: bool,
    failures: u32,
}

impl<S: Sink> Reader<S> {
    async fn run(mut self) {
        let mut position: Option<String> = None;
        loop {
            let at = match position.take() {
                Some(at) => at,
                None => match self.list().await {
                    Ok(Some(at)) => at,
                    Ok(None) => return,
                    // The list outlived its version; the next one starts at the newest.
                    Err(Error::Expired { .. }) => {
                        tokio::time::sleep(pause(FIRST_WAIT)).await;
                        continue;
                    }
                    Err(error) => {
                        // Without a list nothing is known: there is nothing to wait for.
                        if !self.failed(error, Duration::ZERO).await {
                            return;
                        }
                        continue;
                    }
                },
            };
            let started = Instant::now();
            let (end, at) = self.watch(at).await;
            match end {
                End::Unheard => return,
                End::Expired => tracing::debug!(path = self.source.path, "Watch expired"),
                End::Closed => {
                    // A server that ends every watch at once must not be asked in a tight loop.
                    if started.elapsed() < Duration::from_secs(1) {
                        tokio::time::sleep(pause(FIRST_WAIT)).await;
                    }
                    position = Some(at);
                }
                End::Broken(error) => {
                    position = Some(at);
                    if !self.failed(error, GRACE).await {
                        return;
                    }
                }
            }
        }
    }

    /// Notes a failure, reports it after `grace`, and waits. False when nobody listens.
    async fn failed(&mut self, error: Error, grace: Duration) -> bool {
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        self.failures = self.failures.saturating_add(1);
        let refused = matches!(error, Error::Forbidden { .. } | Error::Rejected { .. });
        tracing::debug!(path = self.source.path, error = %error, "Collection cannot be read");
        let overdue = refused
            || since.elapsed() >= grace
            || !self
                .back_within(grace.saturating_sub(since.elapsed()))
                .await;
        if overdue {
            self.reported = true;
            if !self.sink.take(Feed::Failed(error)).await {
                return false;
            }
        }
        let wait = if refused {
            REFUSED_WAIT
        } else {
            let doublings = (self.failures - 1).min(6);
            (FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT)
        };
        self.wait(pause(wait)).await;
        true
    }

    /// Says whether the cluster answers, or does so again in time.
    async fn back_within(&self, time: Duration) -> bool {
        let mut states = self.source.transport.reach().states();
        let answers = states.wait_for(|state| !is_unreachable(state));
        tokio::time::timeout(time, answers).await.is_ok()
    }

    /// Waits; while the cluster does not answer at all, until it does.
    async fn wait(&self, time: Duration) {
        let mut states = self.source.transport.reach().states();
        let lost = is_unreachable(&states.borrow());
        if lost {
            // The sender lives as long as the transport, which we hold.
            let _ = states.wait_for(|state| !is_unreachable(state)).await;
            tokio::time::sleep(pause(Duration::from_millis(200))).await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.source.again.notified() => {}
        }
    }

    /// Reports a collection that is slow to answer, before anybody knows whether it fails.
    async fn stalled(&mut self, after: Duration) -> bool {
        self.failing_since.get_or_insert_with(Instant::now);
        if std::mem::replace(&mut self.reported, true) {
            return true;
        }
        let what = format!("GET {}", self.source.path);
        let error = Error::Timeout { what, after };
        self.sink.take(Feed::Failed(error)).await
    }

    async fn succeeded(&mut self) -> bool {
        self.failing_since = None;
        self.failures = 0;
        if std::mem::take(&mut self.reported) {
            return self.sink.take(Feed::Recovered).await;
        }
        true
    }

    /// Lists all pages; `None` when nobody listens.
    async fn list(&mut self) -> Result<Option<String>, Error> {
        let lists = self.source.lists.clone();
        // The semaphore is never closed.
        let mut slot = lists.acquire().await.ok();
        if !self.sink.take(Feed::ListBegan).await {
            return Ok(None);
        }
        let mut token = String::new();
        loop {
            let page = self.source.page.to_string();
            let mut parameters = vec![("limit", page.as_str())];
            if !token.is_empty() {
                parameters.push(("continue", &token));
            }
            let mut call = Call::get(self.url(&parameters));
            call.accept = if self.source.metadata_only {
                METADATA_LIST
            } else {
                JSON
            };
            call.timeout = LIST_TIMEOUT;
            let transport = self.source.transport.clone();
            let fetch = transport.fetch(Lane::Read, &call);
            tokio::pin!(fetch);
            let patience = if self.reported {
                SHORT_PATIENCE
            } else {
                PATIENCE
            };
            let (_, body) = match tokio::time::timeout(patience, &mut fetch).await {
                Ok(answer) => answer?,
                Err(_) => {
                    drop(slot.take());
                    if !self.stalled(patience).await {
                        return Ok(None);
                    }
                    fetch.await?
                }
            };
            let page: Page<'_> = serde_json::from_slice(&body).map_err(|error| Error::Decode {
                what: format!("the list {}", self.source.path),
                detail: error.to_string(),
            })?;
            let items: Vec<S::Item> = page
                .items
                .iter()
                .flatten()
                .filter_map(|raw| self.sink.parse(raw.get().as_bytes()))
                .collect();
            token = page.metadata.next.unwrap_or_default();
            let version = page.metadata.resource_version.unwrap_or_default();
            drop(body);
            if !items.is_empty() && !self.sink.take(Feed::Listed(items)).await {
                return Ok(None);
            }
            if token.is_empty() {
                let heard = self.sink.take(Feed::ListDone(version.clone())).await;
                return Ok((heard && self.succeeded().await).then_some(version));
            }
        }
    }

    async fn watch(&mut self, from: String) -> (End, String) {
        let seconds = rand::random_range(300..600_u64);
        let timeout = seconds.to_string();
        let mut call = Call::get(self.url(&[
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", &from),
            ("timeoutSeconds", &timeout),
        ]));
        call.accept = if self.source.metadata_only {
            METADATA
        } else {
            JSON
        };
        let response = match self.source.transport.send(Lane::Read, &call).await {
            Ok(response) => response,
            Err(Error::Expired { .. }) => return (End::Expired, from),
            Err(error) => return (End::Broken(error), from),
        };
        if !self.succeeded().await {
            return (End::Unheard, from);
        }
        let mut at = from;
        let mut end = None;
        let idle = Duration::from_secs(seconds) + WATCH_SLACK;
        let cluster = self.source.transport.cluster().clone();
        let mut body = lines(response.into_body());
        loop {
            let batch = match body.next(idle).await {
                Ok(Some(batch)) => batch,
                Ok(None) => return (end.unwrap_or(End::Closed), at),
                Err(detail) => {
                    let error = Error::Unreachable { cluster, detail };
                    return (end.unwrap_or(End::Broken(error)), at);
                }
            };
            let mut events = Vec::with_capacity(batch.len());
            for line in batch {
                match self.read_event(&line) {
                    Ok(Read::Event(event)) => {
                        let (Event::Put(item) | Event::Gone(item)) = &event;
                        self.sink.version(item).clone_into(&mut at);
                        events.push(event);
                    }
                    Ok(Read::Bookmark(version)) => at = version,
                    Ok(Read::Nothing) => {}
                    Err(ended) => end = Some(ended),
                }
            }
            if !events.is_empty() && !self.sink.take(Feed::Events(events)).await {
                return (End::Unheard, at);
            }
            if let Some(end) = end {
                return (end, at);
            }
        }
    }

    fn read_event(&self, line: &[u8]) -> Result<Read<S::Item>, End> {
        let broken = |detail: String| {
            End::Broken(Error::Decode {
                what: format!("the watch {}", self.source.path),
                detail,
            })
        };
        let event: WatchEvent<'_> =
            serde_json::from_slice(line).map_err(|error| broken(error.to_string()))?;
        let raw = event.object.get();
        match event.kind {
            "ADDED" | "MODIFIED" => Ok(self
                .sink
                .parse(raw.as_bytes())
                .map_or(Read::Nothing, |item| Read::Event(Event::Put(item)))),
            "DELETED" => Ok(self
                .sink
                .parse(raw.as_bytes())
                .map_or(Read::Nothing, |item| Read::Event(Event::Gone(item)))),
            "BOOKMARK" => {
                let bookmark: Bookmark =
                    serde_json::from_str(raw).map_err(|error| broken(error.to_string()))?;
                Ok(Read::Bookmark(
                    bookmark.metadata.resource_version.unwrap_or_default(),
                ))
            }
            "ERROR" => {
                let status: Status =
                    serde_json::from_str(raw).map_err(|error| broken(error.to_string()))?;
                let message = status.message.unwrap_or_default();
                Err(match status.code {
                    Some(410) => End::Expired,
                    code => End::Broken(Error::Server {
                        code: code.unwrap_or(500),
                        message,
                    }),
                })
            }
            other => Err(broken(format!("unknown event type '{other}'"))),
        }
    }

    fn url(&self, parameters: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(selector) = &self.source.label_selector {
            query.append_pair("labelSelector", selector);
        }
        if let Some(selector) = &self.source.field_selector {
            query.append_pair("fieldSelector", selector);
        }
        query.extend_pairs(parameters);
        format!("{}?{}", self.source.path, query.finish())
    }
}

/// Spreads waiting, so that many readers do not ask at once.
fn pause(wait: Duration) -> Duration {
    wait.mul_f64(rand::random_range(0.5..1.5))
}

fn is_unreachable(state: &ClusterState) -> bool {
    matches!(state, ClusterState::Unreachable { .. })
}

enum Read<I> {
    Event(Event<I>),
    Bookmark(String),
    Nothing,
}

const METADATA: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const METADATA_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

#[derive(Deserialize)]
struct Page<'a> {
    metadata: PageMetadata,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PageMetadata {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct WatchEvent<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Bookmark {
    metadata: PageMetadata,
}

#[derive(Deserialize)]
struct Status {
    code: Option<u16>,
    message: Option<String>,
}
