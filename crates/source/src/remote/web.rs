//! One file from a web server, within limits, without credentials.

use std::time::Duration;

use bytes::Bytes;
use driftless_core::SafeUrl;
use driftless_core::class::render_chain;
use driftless_kustomize::Error;
use driftless_outbound::ReadError;
use reqwest::header::{LOCATION, USER_AGENT};
use url::Url;

use super::{Admitted, Remotes, check_url, refused};

/// Longest time one file may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Largest file.
const MAX_BYTES: usize = 64 << 20;
/// Most redirects followed.
const MAX_REDIRECTS: usize = 5;

/// Fetches a file. Each address on the way has to be admitted.
pub(super) async fn get(remotes: &Remotes, url: &str, admitted: Admitted) -> Result<Bytes, Error> {
    let shown = SafeUrl::new(url);
    match tokio::time::timeout(TIMEOUT, follow(remotes, url, admitted)).await {
        Ok(result) => result,
        Err(_) => Err(Error::remote(format!(
            "getting {shown}: hit {TIMEOUT:?} timeout"
        ))),
    }
}

async fn follow(remotes: &Remotes, url: &str, mut admitted: Admitted) -> Result<Bytes, Error> {
    let shown = SafeUrl::new(url);
    let failed = |text: &str| Error::remote(format!("getting {shown}: {text}"));
    let mut at = Url::parse(url).map_err(|error| Error::new(format!("{shown}: {error}")))?;
    for _ in 0..=MAX_REDIRECTS {
        let mut response = request(remotes, &at, &admitted).await?;
        let status = response.status();
        if status.is_redirection() {
            let to = response.headers().get(LOCATION);
            let next = to
                .and_then(|to| to.to_str().ok())
                .and_then(|to| at.join(to).ok())
                .ok_or_else(|| failed("a redirect without a usable address"))?;
            if !(next.scheme() == "https" || next.scheme() == at.scheme()) {
                return Err(failed("a redirect leads from https to something else"));
            }
            let hosts = &remotes.hosts;
            admitted = hosts
                .admit(next.as_str())
                .map_err(|reason| refused(next.as_str(), &reason))?;
            at = next;
            continue;
        }
        if !status.is_success() {
            let name = status.canonical_reason().unwrap_or_default();
            return Err(Error::remote(format!(
                "HTTP Error: status code {} ({name})",
                status.as_u16()
            )));
        }
        let content = driftless_outbound::read(&mut response, MAX_BYTES).await;
        return content.map_err(|error| match error {
            ReadError::TooLarge(_) => Error::new(format!("{shown}: {error}")),
            ReadError::Broken(error) => failed(&render_chain(&error)),
        });
    }
    Err(failed("too many redirects"))
}

async fn request(
    remotes: &Remotes,
    url: &Url,
    admitted: &Admitted,
) -> Result<reqwest::Response, Error> {
    let Admitted { repository, reach } = admitted;
    check_url(url, repository, *reach)
        .await
        .map_err(|reason| refused(url.as_str(), &reason))?;
    // The connection looks at the addresses once more, whatever the name says by then.
    let client = remotes
        .git
        .web_client(repository, *reach)
        .map_err(|cause| Error::remote(cause.to_string()))?;
    client
        .get(url.clone())
        .header(USER_AGENT, concat!("driftless/", env!("CARGO_PKG_VERSION")))
        .send()
        .await
        .map_err(|error| {
            let shown = SafeUrl::new(url.as_str());
            Error::remote(format!(
                "getting {shown}: {}",
                render_chain(&error.without_url())
            ))
        })
}
