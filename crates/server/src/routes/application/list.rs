//! `GET /api/v1/applications`.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use driftless_auth::Scope;
use http::{HeaderValue, header};
use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::index::{ListQuery, Page, Summary};
use crate::projection::{Below, Projection};
use crate::transport::auth::Caller;
use crate::transport::{Query, body};

/// A list longer than this is written while it is sent, and never held as a whole.
const HELD: usize = 500;
/// Applications written at a time.
const CHUNK: usize = 100;

pub(super) async fn bind(Caller(cx): Caller, query: Query) -> Result<Response, ApiError> {
    let wanted = ListQuery::from_query(&query)?;
    let projection = query.text("fields").and_then(Projection::parse);
    let page = list(&cx, &wanted)?;
    Ok(write(&page, wanted.is_paged(), projection))
}

/// Answers a list request with what the caller may see.
pub(super) fn list(cx: &Ctx, wanted: &ListQuery) -> Result<Page, ApiError> {
    let index = cx.server().index();
    index.ready()?;
    let permissions = cx.permissions();
    let control = cx.deps().config.control_namespace.as_str();
    let served = |summary: &Summary| {
        &*summary.id().namespace == control
            || cx.serves_namespace(&driftless_core::Namespace::new(&summary.id().namespace))
    };
    Ok(match permissions.scope("applications", "get") {
        Scope::All => index.page(wanted, Some(&served)),
        Scope::Nothing => index.page(wanted, Some(&|_| false)),
        Scope::Some => index.page(
            wanted,
            Some(&|summary| {
                served(summary)
                    && permissions
                        .enforce("applications", "get", summary.object())
                        .is_allowed()
            }),
        ),
    })
}

fn write(page: &Page, paged: bool, projection: Option<Projection>) -> Response {
    let mut metadata = json!({ "resourceVersion": page.version.to_string() });
    if paged {
        metadata["total"] = json!(page.total);
        metadata["facets"] = json!(page.facets);
    }
    let below = projection
        .as_ref()
        .map_or(Below::Everything, |fields| fields.below(&["metadata"]));
    let metadata = match below.apply(metadata) {
        Value::Null => json!({}),
        other => other,
    };
    let head = format!("{{\"metadata\":{metadata},\"items\":[");
    if page.items.len() <= HELD {
        let mut out = BytesMut::from(head.as_bytes());
        write_items(&page.items, true, projection.as_ref(), &mut out);
        out.put_slice(b"]}");
        return body::json(out.freeze());
    }
    let chunks = page
        .items
        .chunks(CHUNK)
        .map(<[_]>::to_vec)
        .enumerate()
        .collect::<Vec<_>>();
    let items = chunks.into_iter().map(move |(at, chunk)| {
        let mut out = BytesMut::new();
        write_items(&chunk, at == 0, projection.as_ref(), &mut out);
        out.freeze()
    });
    let parts = std::iter::once(Bytes::from(head))
        .chain(items)
        .chain(std::iter::once(Bytes::from_static(b"]}")));
    let mut response = Response::new(Body::from_stream(futures::stream::iter(
        parts.map(Ok::<_, std::io::Error>),
    )));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn write_items(
    items: &[Arc<Summary>],
    mut first: bool,
    projection: Option<&Projection>,
    out: &mut BytesMut,
) {
    let below = projection.map_or(Below::Everything, |fields| fields.below(&["items"]));
    for summary in items {
        if !first {
            out.put_u8(b',');
        }
        first = false;
        if let Below::Everything = below {
            write_json(summary.app(), out);
        } else {
            let value = serde_json::to_value(summary.app()).unwrap_or_default();
            write_json(&below.apply(value), out);
        }
    }
}

/// Appends a document; types made of strings, numbers, lists and maps always can be written.
pub(super) fn write_json<T: serde::Serialize>(value: &T, out: &mut BytesMut) {
    let start = out.len();
    if let Err(error) = serde_json::to_writer((&mut *out).writer(), value) {
        tracing::error!(%error, "An object could not be written as JSON");
        out.truncate(start);
        out.put_slice(b"null");
    }
}
