//! Answers that last: newline-separated JSON, or server-sent events when asked for.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{Stream, StreamExt};
use http::{HeaderMap, HeaderValue, header};

use crate::error::ApiError;
use crate::transport::guard::Lasting;

/// How documents are framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// `{"result":…}` lines.
    Lines,
    /// `data: {"result":…}` events.
    Events,
}

impl Framing {
    /// Chooses by the `Accept` header.
    pub fn of(headers: &HeaderMap) -> Self {
        let wants_events = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.contains("text/event-stream"));
        if wants_events {
            Self::Events
        } else {
            Self::Lines
        }
    }

    fn frame(self, body: &[u8], into: &mut BytesMut) {
        if self == Self::Events {
            into.put_slice(b"data: ");
        }
        into.put_slice(body);
        into.put_slice(if self == Self::Events { b"\n\n" } else { b"\n" });
    }

    fn result(self, document: &[u8], into: &mut BytesMut) {
        into.reserve(document.len() + 24);
        if self == Self::Events {
            into.put_slice(b"data: ");
        }
        into.put_slice(b"{\"result\":");
        into.put_slice(document);
        into.put_slice(if self == Self::Events {
            b"}\n\n"
        } else {
            b"}\n"
        });
    }

    fn error(self, error: &ApiError) -> Bytes {
        let body = serde_json::json!({
            "error": {
                "grpc_code": error.code as i32,
                "http_code": error.http().as_u16(),
                "message": error.message,
                "http_status": error.http().canonical_reason().unwrap_or_default(),
            }
        });
        let mut out = BytesMut::new();
        self.frame(body.to_string().as_bytes(), &mut out);
        out.freeze()
    }

    fn heartbeat(self) -> Bytes {
        // Readers of both framings skip it: a comment there, a blank line here.
        Bytes::from_static(if self == Self::Events {
            b":\n\n"
        } else {
            b"\n"
        })
    }
}

/// Answers with a stream of batches of JSON documents. An error is the last thing sent. The stream is
/// read only as fast as the client reads, so what waits is the producer's to bound.
pub fn respond<S>(framing: Framing, heartbeat: Duration, batches: S) -> Response
where
    S: Stream<Item = Result<Vec<Bytes>, ApiError>> + Send + 'static,
{
    let mut failed = false;
    let framed = batches
        .take_while(move |batch| {
            let go_on = !failed;
            failed = batch.is_err();
            std::future::ready(go_on)
        })
        .map(move |batch| match batch {
            Ok(documents) => {
                let mut out = BytesMut::new();
                for document in &documents {
                    framing.result(document, &mut out);
                }
                out.freeze()
            }
            Err(error) => framing.error(&error),
        });
    let body =
        Body::from_stream(with_heartbeats(framed, heartbeat, framing).map(Ok::<_, std::io::Error>));
    let mut response = Response::new(body);
    let kind = match framing {
        Framing::Lines => "application/json",
        Framing::Events => "text/event-stream",
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.extensions_mut().insert(Lasting);
    response
}

fn with_heartbeats<S>(
    stream: S,
    every: Duration,
    framing: Framing,
) -> impl Stream<Item = Bytes> + Send
where
    S: Stream<Item = Bytes> + Send + 'static,
{
    // The first beat goes out at once, so that the client sees headers before there is news.
    let first = futures::stream::once(std::future::ready(framing.heartbeat()));
    let state = Box::pin(stream);
    let rest = futures::stream::unfold(state, move |mut stream| async move {
        match tokio::time::timeout(every, stream.next()).await {
            Ok(Some(bytes)) => Some((bytes, stream)),
            Ok(None) => None,
            Err(_) => Some((framing.heartbeat(), stream)),
        }
    });
    first.chain(rest)
}
