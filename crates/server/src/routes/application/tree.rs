//! An Application's tree, once and as a stream.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::extract::Path;
use axum::response::Response;
use bytes::Bytes;
use driftless_core::AppKey;
use futures::StreamExt;
use futures::stream::{self, Stream};
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::access::{AppRef, app_for};
use super::watch::guarded;
use crate::ctx::Ctx;
use crate::deps::ResourceTree;
use crate::error::ApiError;
use crate::router::Server;
use crate::transport::auth::Caller;
use crate::transport::stream::{Framing, respond};
use crate::transport::{Query, Reply};

/// Changes of a tree within this time are sent as one.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn bind(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Reply<ResourceTree>, ApiError> {
    tree(&cx, &AppRef::from_query(name, &query))
        .await
        .map(Reply)
}

/// Returns an Application's tree.
pub async fn tree(cx: &Ctx, wanted: &AppRef) -> Result<ResourceTree, ApiError> {
    let app = app_for(cx, wanted, "get")?;
    cx.deps().views.tree(&app.object.key()).await
}

pub(super) async fn bind_watch(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let wanted = AppRef::from_query(name, &query);
    let app = app_for(&cx, &wanted, "get")?;
    let trees = follow(&cx, app.object.key());
    let batches = guarded(
        cx.clone(),
        move |cx| app_for(cx, &wanted, "get").map(|_| ()),
        trees.boxed(),
    );
    Ok(respond(
        Framing::of(&headers),
        cx.deps().config.heartbeat,
        batches,
    ))
}

/// Streams a tree: as it is now, then whenever it changed.
fn follow(
    cx: &Ctx,
    key: AppKey,
) -> impl Stream<Item = Result<Vec<Bytes>, ApiError>> + Send + use<> {
    let entry = cx.server().trees().entry(&key);
    let mut changes = entry.generation.subscribe();
    changes.mark_changed();
    let state = (cx.clone(), key, entry, changes, Bytes::new());
    stream::unfold(
        state,
        |(cx, key, entry, mut changes, mut sent)| async move {
            loop {
                changes.changed().await.ok()?;
                let generation = *changes.borrow_and_update();
                let tree = match entry.render(&cx, &key, generation).await {
                    Ok(tree) => tree,
                    Err(error) => return Some((Err(error), (cx, key, entry, changes, sent))),
                };
                if tree == sent {
                    continue;
                }
                if !sent.is_empty() {
                    tokio::time::sleep(PAUSE).await;
                }
                sent = tree.clone();
                return Some((Ok(vec![tree]), (cx, key, entry, changes, sent)));
            }
        },
    )
}

/// The trees somebody looks at.
#[derive(Default)]
pub(crate) struct TreeHub {
    entries: Mutex<HashMap<AppKey, Weak<Entry>>>,
}

struct Entry {
    generation: watch::Sender<u64>,
    rendered: tokio::sync::Mutex<Option<(u64, Bytes)>>,
}

impl TreeHub {
    /// Follows changes of trees until there are none to come.
    pub(crate) async fn run(&self, server: &Server) {
        let mut changes = server.deps().views.tree_changes();
        while let Some(keys) = changes.next().await {
            let mut entries = self.entries.lock();
            entries.retain(|_, entry| entry.strong_count() > 0);
            for entry in keys.iter().filter_map(|key| entries.get(key)?.upgrade()) {
                entry.generation.send_modify(|generation| *generation += 1);
            }
        }
    }

    fn entry(&self, key: &AppKey) -> Arc<Entry> {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.get(key).and_then(Weak::upgrade) {
            return entry;
        }
        let entry = Arc::new(Entry {
            generation: watch::Sender::new(0),
            rendered: tokio::sync::Mutex::new(None),
        });
        entries.insert(key.clone(), Arc::downgrade(&entry));
        entry
    }
}

impl Entry {
    /// Returns the tree as JSON, written once per change however many look at it.
    async fn render(&self, cx: &Ctx, key: &AppKey, generation: u64) -> Result<Bytes, ApiError> {
        let mut rendered = self.rendered.lock().await;
        if let Some((of, document)) = rendered.as_ref()
            && *of >= generation
            && generation > 0
        {
            return Ok(document.clone());
        }
        let tree = cx.deps().views.tree(key).await?;
        let document = serde_json::to_vec(&tree).map_err(|error| ApiError::internal(&error))?;
        let document = Bytes::from(document);
        *rendered = Some((generation, document.clone()));
        Ok(document)
    }
}
