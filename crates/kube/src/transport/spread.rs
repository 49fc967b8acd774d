//! Spreads requests over connections.
//!
//! An API server takes so many requests at once per HTTP/2 connection (100, unless told otherwise) and lets the
//! others wait without a word. Each watched kind holds one for minutes: with more kinds than that in a cluster, which
//! is usual, a single connection would leave some of them unread until another one's watch ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use kube::client::Body;
use parking_lot::Mutex;
use tower::BoxError;

/// Requests at once per connection: well below what servers and the proxies before them allow.
const REQUESTS_PER_CONNECTION: usize = 48;

/// Pools of one connection each, as many as there are requests for.
pub(super) struct Spread<T>(Arc<Pools<T>>);

struct Pools<T> {
    open: Box<dyn Fn() -> T + Send + Sync>,
    all: Mutex<Vec<(T, Slot)>>,
}

/// Held by a request from its start to the end of its answer. Clones are counted.
#[derive(Clone, Default)]
struct Slot(Arc<()>);

impl Slot {
    /// Returns how many requests hold a clone of this one.
    fn taken(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

impl<T> Clone for Spread<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Spread<T> {
    /// `open` makes a pool; nothing is connected yet.
    pub(super) fn new(open: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self(Arc::new(Pools {
            open: Box::new(open),
            all: Mutex::default(),
        }))
    }

    /// Takes a slot on the first connection with room.
    fn pick(&self) -> (T, Slot) {
        let mut all = self.0.all.lock();
        let free = all
            .iter()
            .find(|(_, slot)| slot.taken() < REQUESTS_PER_CONNECTION);
        if let Some((pool, slot)) = free {
            return (pool.clone(), slot.clone());
        }
        let (pool, slot) = ((self.0.open)(), Slot::default());
        all.push((pool.clone(), slot.clone()));
        (pool, slot)
    }
}

impl<C> tower::Service<Request<Body>> for Spread<Client<C, Body>>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (client, slot) = self.pick();
        Box::pin(async move {
            let response = client.request(request).await?;
            Ok(response.map(|body| Answer { body, _slot: slot }))
        })
    }
}

/// The body of an answer; its request is over when it is dropped.
pub(crate) struct Answer {
    body: Incoming,
    _slot: Slot,
}

impl HttpBody for Answer {
    type Data = hyper::body::Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_full_connection_is_left_alone_until_a_request_ends() {
        let opened = AtomicUsize::new(0);
        let spread = Spread::new(move || opened.fetch_add(1, Ordering::Relaxed));
        let mut held: Vec<_> = (0..REQUESTS_PER_CONNECTION * 2)
            .map(|_| spread.pick())
            .collect();
        let on = |wanted: usize, held: &[(usize, Slot)]| {
            held.iter().filter(|(pool, _)| *pool == wanted).count()
        };
        assert_eq!(on(0, &held), REQUESTS_PER_CONNECTION);
        assert_eq!(on(1, &held), REQUESTS_PER_CONNECTION);
        held.swap_remove(0);
        assert_eq!(spread.pick().0, 0, "room again");
        held.push(spread.pick());
        assert_eq!(spread.pick().0, 2, "all full: another one");
    }
}
