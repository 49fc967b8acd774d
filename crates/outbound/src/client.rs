//! Connections that keep to what may be asked, and answers that end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use crate::address::Reach;

/// Finds addresses of hosts and drops those that may not be asked: what is checked is what is connected to.
#[derive(Clone, Copy, Debug)]
pub struct Resolver(pub Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted: Vec<SocketAddr> = found
                .filter(|address| reach.permits(address.ip()).is_ok())
                .collect();
            if permitted.is_empty() {
                return Err(format!("{} has no address that may be asked", name.as_str()).into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// Begins a client that asks only what `reach` permits: without redirects and without the environment's proxy.
pub fn builder(reach: Reach, connect: Duration) -> reqwest::ClientBuilder {
    use_ring();
    reqwest::Client::builder()
        .user_agent(concat!("driftless/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(connect)
        .no_proxy()
        .dns_resolver(Arc::new(Resolver(reach)))
}

/// Chooses the process's implementation of TLS. Whoever comes first chooses; everyone here chooses the same.
pub fn use_ring() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
}

/// Why the body of an answer was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is larger than it may be.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// The connection broke.
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
}

/// Reads the whole body of an answer, of at most so many bytes.
///
/// # Errors
/// Nothing of it counts.
pub async fn read(response: &mut reqwest::Response, most: usize) -> Result<Bytes, ReadError> {
    let mut body = BytesMut::new();
    loop {
        let part = response.chunk().await.map_err(reqwest::Error::without_url);
        let Some(part) = part? else {
            return Ok(body.freeze());
        };
        if body.len() + part.len() > most {
            return Err(ReadError::TooLarge(most));
        }
        body.extend_from_slice(&part);
    }
}
