//! `GET /api/v1/stream/applications`.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use http::HeaderMap;
use tokio::time::{Instant, MissedTickBehavior};

use super::render::{self, EventType};
use crate::ctx::Ctx;
use crate::error::{ApiError, Code};
use crate::index::{AppId, Delta, ListQuery, Subscription, Summary};
use crate::projection::Projection;
use crate::transport::Query;
use crate::transport::auth::Caller;
use crate::transport::stream::{Framing, respond};

/// Events sent together at most; a slow reader waits with the rest in a queue that cannot grow.
const BATCH: usize = 200;

pub(super) async fn bind(
    Caller(cx): Caller,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let wanted = ListQuery::from_query(&query)?;
    let since = query
        .text("resourceVersion")
        .and_then(|text| text.parse().ok());
    let only = query.text("name").map(|name| {
        let control = cx.deps().config.control_namespace.as_str();
        AppId::new(query.text("appNamespace").unwrap_or(control), name)
    });
    let fields = query
        .text("fields")
        .and_then(Projection::parse)
        .map(|projection| (Arc::from(projection.as_str()), projection));
    let watch = Watch::start(cx.clone(), wanted, only.as_ref(), since, fields)?;
    Ok(respond(
        Framing::of(&headers),
        cx.deps().config.heartbeat,
        watch.into_stream(),
    ))
}

/// One reader of changes.
struct Watch {
    cx: Ctx,
    wanted: ListQuery,
    subscription: Subscription,
    /// What is there at the start and not sent yet.
    initial: VecDeque<Arc<Summary>>,
    /// Which Applications the reader knows, by hash of their id.
    known: HashSet<u64>,
    fields: Option<(Arc<str>, Projection)>,
    recheck: Instant,
    _open: crate::metrics::OpenStream,
}

impl Watch {
    fn start(
        cx: Ctx,
        wanted: ListQuery,
        only: Option<&AppId>,
        since: Option<u64>,
        fields: Option<(Arc<str>, Projection)>,
    ) -> Result<Self, ApiError> {
        let index = cx.server().index();
        index.ready()?;
        // Listen first, then look: what changes in between is told twice, never not at all.
        let subscription = index.subscribe(only.cloned());
        let mut initial = VecDeque::new();
        let mut known = HashSet::new();
        match (only, since) {
            // One Application is always shown first, whatever the reader claims to know.
            (Some(id), _) => initial.extend(index.get(id)),
            (None, None) => initial.extend(index.all().0),
            (None, Some(version)) => {
                for summary in index.all().0 {
                    if summary.version() > version {
                        initial.push_back(summary);
                    } else {
                        known.insert(hash(summary.id()));
                    }
                }
            }
        }
        Ok(Self {
            recheck: Instant::now() + cx.deps().config.recheck,
            _open: cx.server().metrics().stream(),
            cx,
            wanted,
            subscription,
            initial,
            known,
            fields,
        })
    }

    fn into_stream(self) -> impl Stream<Item = Result<Vec<Bytes>, ApiError>> + Send {
        stream::unfold(Some(self), |watch| async move {
            let mut watch = watch?;
            match watch.batch().await {
                Ok(batch) => {
                    watch.cx.server().metrics().sent(batch.len());
                    Some((Ok(batch), Some(watch)))
                }
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn batch(&mut self) -> Result<Vec<Bytes>, ApiError> {
        loop {
            if Instant::now() >= self.recheck {
                self.cx = self.cx.recheck()?;
                self.recheck = Instant::now() + self.cx.deps().config.recheck;
            }
            let mut batch = Vec::new();
            while batch.len() < BATCH
                && let Some(summary) = self.initial.pop_front()
            {
                batch.extend(self.initial_event(&summary));
            }
            if batch.is_empty() {
                let stopping = self.cx.server().stopping().clone();
                let deltas = tokio::select! {
                    deltas = self.subscription.next(BATCH) => deltas,
                    () = tokio::time::sleep_until(self.recheck) => continue,
                    () = stopping.cancelled() => return Err(stopped()),
                };
                batch.extend(deltas.into_iter().filter_map(|delta| self.event(delta)));
            }
            if !batch.is_empty() {
                return Ok(batch);
            }
        }
    }

    /// First events are written for this reader alone: there may be very many.
    fn initial_event(&mut self, summary: &Arc<Summary>) -> Option<Bytes> {
        let seen = self.sees(summary);
        (seen && self.known.insert(hash(summary.id()))).then(|| {
            let fields = self.fields.as_ref().map(|(_, projection)| projection);
            render::write(EventType::Added, summary, fields)
        })
    }

    fn event(&mut self, delta: Delta) -> Option<Bytes> {
        let (kind, summary) = match delta {
            Delta::Changed(summary) if self.sees(&summary) => {
                let new = self.known.insert(hash(summary.id()));
                (
                    if new {
                        EventType::Added
                    } else {
                        EventType::Modified
                    },
                    summary,
                )
            }
            // What left the reader's sight is gone for it.
            Delta::Changed(summary) | Delta::Removed(summary) => {
                if !self.known.remove(&hash(summary.id())) {
                    return None;
                }
                (EventType::Deleted, summary)
            }
        };
        Some(
            self.cx
                .server()
                .renders()
                .event(kind, &summary, self.fields.as_ref()),
        )
    }

    fn sees(&self, summary: &Summary) -> bool {
        let namespace = driftless_core::Namespace::new(&summary.id().namespace);
        self.cx.serves_namespace(&namespace)
            && self.cx.may("applications", "get", summary.object())
            && self.wanted.matches(summary)
    }
}

fn stopped() -> ApiError {
    ApiError::new(Code::Unavailable, "the server is stopping, connect again")
}

fn hash(id: &AppId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// Ends a stream when its reader may not read any more.
pub(super) fn guarded<S, C>(
    cx: Ctx,
    check: C,
    batches: S,
) -> impl Stream<Item = Result<Vec<Bytes>, ApiError>> + Send
where
    S: Stream<Item = Result<Vec<Bytes>, ApiError>> + Send + Unpin + 'static,
    C: Fn(&Ctx) -> Result<(), ApiError> + Send + 'static,
{
    let open = cx.server().metrics().stream();
    let mut ticks = tokio::time::interval_at(
        Instant::now() + cx.deps().config.recheck,
        cx.deps().config.recheck,
    );
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(
        Some((batches, ticks, check, cx, open)),
        |state| async move {
            let (mut batches, mut ticks, check, mut cx, open) = state?;
            let stopping = cx.server().stopping().clone();
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return Some((Err(stopped()), None)),
                    batch = batches.next() => {
                        let batch = batch?;
                        cx.server().metrics().sent(batch.as_ref().map_or(0, Vec::len));
                        return Some((batch, Some((batches, ticks, check, cx, open))));
                    }
                    _ = ticks.tick() => {
                        let still = cx.recheck().and_then(|fresh| check(&fresh).map(|()| fresh));
                        match still {
                            Ok(fresh) => cx = fresh,
                            Err(error) => return Some((Err(error), None)),
                        }
                    }
                }
            }
        },
    )
}
