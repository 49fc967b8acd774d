//! Each change is written as JSON once, however many streams it goes to.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::list::write_json;
use crate::index::Summary;
use crate::projection::{Below, Projection};

/// Documents kept: enough for every stream to find what was just written.
const KEPT: usize = 1024;

/// What happened to an Application.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum EventType {
    Added,
    Modified,
    Deleted,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// Documents that were just written.
#[derive(Default)]
pub(crate) struct RenderCache {
    kept: Mutex<Kept>,
}

type Key = (usize, EventType, Option<Arc<str>>);

#[derive(Default)]
struct Kept {
    documents: HashMap<Key, (Arc<Summary>, Bytes)>,
    order: VecDeque<Key>,
}

impl RenderCache {
    /// Returns the watch event as JSON. `fields` is the projection and its text.
    pub(crate) fn event(
        &self,
        kind: EventType,
        summary: &Arc<Summary>,
        fields: Option<&(Arc<str>, Projection)>,
    ) -> Bytes {
        // The address is a name for this version of this object: the entry keeps it alive.
        let key = (
            Arc::as_ptr(summary) as usize,
            kind,
            fields.map(|(text, _)| Arc::clone(text)),
        );
        if let Some((_, document)) = self.kept.lock().documents.get(&key) {
            return document.clone();
        }
        let document = write(kind, summary, fields.map(|(_, projection)| projection));
        let mut kept = self.kept.lock();
        while kept.order.len() >= KEPT {
            if let Some(oldest) = kept.order.pop_front() {
                kept.documents.remove(&oldest);
            }
        }
        let entry = (Arc::clone(summary), document.clone());
        if kept.documents.insert(key.clone(), entry).is_none() {
            kept.order.push_back(key);
        }
        document
    }
}

/// Writes an event without keeping it: for what only one stream gets.
pub(crate) fn write(kind: EventType, summary: &Summary, fields: Option<&Projection>) -> Bytes {
    let below = fields.map_or(Below::Everything, |fields| fields.below(&["result"]));
    let mut out = BytesMut::new();
    if let Below::Everything = below {
        out.put_slice(b"{\"type\":\"");
        out.put_slice(kind.as_str().as_bytes());
        out.put_slice(b"\",\"application\":");
        write_json(summary.app(), &mut out);
        out.put_u8(b'}');
        return out.freeze();
    }
    let application = serde_json::to_value(summary.app()).unwrap_or(Value::Null);
    let event = json!({"type": kind.as_str(), "application": application});
    write_json(&below.apply(event), &mut out);
    out.freeze()
}
