//! Files of URLs, for charts whose values lie on a web server: bounded, and never from this machine or its metadata.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use driftless_core::{Class, Classify, SafeUrl};
use driftless_outbound::{Reach, ReadError};
use parking_lot::Mutex;
use url::Url;

/// The largest file.
const MAX_BYTES: usize = 4 << 20;
/// Redirects that are followed.
const MAX_REDIRECTS: usize = 3;
/// Time for one file.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long an answer is good: many applications name the same file.
const FRESH: Duration = Duration::from_secs(30);
/// How many answers are kept.
const MAX_KEPT: usize = 64;

/// Why a file could not be fetched; nothing is known about its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address or its scheme is not permitted.
    #[error("{url} may not be fetched: {problem}")]
    Refused {
        /// The address.
        url: SafeUrl,
        /// Why.
        problem: String,
    },
    /// The host has no such file, or wants credentials.
    #[error("fetching {url}: the server answers {status}")]
    Status {
        /// The address.
        url: SafeUrl,
        /// The answer.
        status: u16,
    },
    /// The host does not answer, or not in time.
    #[error("fetching {url}: {detail}")]
    Unreachable {
        /// The address.
        url: SafeUrl,
        /// What the connection said.
        detail: String,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Refused { .. } => Class::Denied,
            Self::Status { status, .. } if *status < 500 && *status != 429 => Class::User,
            Self::Status { .. } | Self::Unreachable { .. } => Class::Transient,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "UrlRefused",
            Self::Status { .. } => "UrlStatus",
            Self::Unreachable { .. } => "UrlUnreachable",
        }
    }
}

/// Answers and the time they came, by address.
type Kept = HashMap<(Reach, String), (Instant, Bytes)>;

/// Fetches files, and keeps them for a moment.
#[derive(Default)]
pub struct Fetcher {
    clients: Mutex<HashMap<Reach, reqwest::Client>>,
    kept: Mutex<Kept>,
}

impl Fetcher {
    /// Returns the content of a file.
    ///
    /// # Errors
    /// Nothing is known about the file; it is never empty instead.
    pub async fn get(&self, url: &str, schemes: &[String], reach: Reach) -> Result<Bytes, Error> {
        let key = (reach, url.to_owned());
        if let Some((at, content)) = self.kept.lock().get(&key)
            && at.elapsed() < FRESH
        {
            return Ok(content.clone());
        }
        let shown = SafeUrl::new(url);
        let parsed = Url::parse(url)
            .map_err(|error| error.to_string())
            .and_then(|url| check(&url, schemes, reach).map(|()| url))
            .map_err(|problem| Error::Refused {
                url: shown.clone(),
                problem,
            })?;
        let unreachable = |detail: String| Error::Unreachable {
            url: shown.clone(),
            detail,
        };
        let client = self.client(reach).map_err(unreachable)?;
        let fetched = tokio::time::timeout(TIMEOUT, fetch(&client, parsed, schemes, reach)).await;
        let content = match fetched {
            Err(_) => return Err(unreachable(format!("no answer in {} s", TIMEOUT.as_secs()))),
            Ok(Err(Stop::Status(status))) => return Err(Error::Status { url: shown, status }),
            Ok(Err(Stop::Refused(problem))) => {
                return Err(Error::Refused {
                    url: shown,
                    problem,
                });
            }
            Ok(Err(Stop::Failed(detail))) => return Err(unreachable(detail)),
            Ok(Ok(content)) => content,
        };
        let mut kept = self.kept.lock();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(key, (Instant::now(), content.clone()));
        Ok(content)
    }

    fn client(&self, reach: Reach) -> Result<reqwest::Client, String> {
        let mut clients = self.clients.lock();
        if let Some(known) = clients.get(&reach) {
            return Ok(known.clone());
        }
        let client = driftless_outbound::builder(reach, TIMEOUT)
            .build()
            .map_err(|error| error.to_string())?;
        clients.insert(reach, client.clone());
        Ok(client)
    }
}

enum Stop {
    Status(u16),
    Refused(String),
    Failed(String),
}

/// Follows redirects one by one, so that each address is checked like the first.
async fn fetch(
    client: &reqwest::Client,
    mut url: Url,
    schemes: &[String],
    reach: Reach,
) -> Result<Bytes, Stop> {
    let failed = |error: reqwest::Error| {
        Stop::Failed(driftless_core::class::render_chain(&error.without_url()))
    };
    for _ in 0..=MAX_REDIRECTS {
        let mut response = client.get(url.clone()).send().await.map_err(failed)?;
        let status = response.status();
        if status.is_redirection() {
            let next = response
                .headers()
                .get(reqwest::header::LOCATION)
                .and_then(|place| place.to_str().ok())
                .and_then(|place| url.join(place).ok())
                .ok_or(Stop::Status(status.as_u16()))?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(Stop::Refused("it leads from https to http".to_owned()));
            }
            check(&next, schemes, reach).map_err(Stop::Refused)?;
            url = next;
            continue;
        }
        if !status.is_success() {
            return Err(Stop::Status(status.as_u16()));
        }
        let content = driftless_outbound::read(&mut response, MAX_BYTES).await;
        return content.map_err(|error| match error {
            ReadError::TooLarge(_) => Stop::Refused(error.to_string()),
            ReadError::Broken(error) => failed(error),
        });
    }
    Err(Stop::Refused(format!(
        "it is redirected more than {MAX_REDIRECTS} times"
    )))
}

/// Says what is wrong with an address, as far as it can be seen without asking for the host's own.
fn check(url: &Url, schemes: &[String], reach: Reach) -> Result<(), String> {
    let scheme = url.scheme();
    if !matches!(scheme, "http" | "https") || !schemes.iter().any(|known| known == scheme) {
        return Err(format!(
            "scheme {scheme:?} is not among helm.valuesFileSchemes"
        ));
    }
    driftless_outbound::check(url, reach).map_err(|why| format!("{why} (driftless.helm.localUrls)"))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn both() -> Vec<String> {
        vec!["https".to_owned(), "http".to_owned()]
    }

    /// Answers each connection with the same text; returns the address.
    async fn serve(answer: String) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        format!("http://{address}/values.yaml")
    }

    fn ok(body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
    }

    #[tokio::test]
    async fn files_are_fetched_and_kept_for_a_moment() {
        let fetcher = Fetcher::default();
        let url = serve(ok("a: 1\n")).await;
        for _ in 0..2 {
            let content = fetcher
                .get(&url, &both(), Reach::ThisMachine)
                .await
                .unwrap();
            assert_eq!(&content[..], b"a: 1\n");
        }
    }

    #[tokio::test]
    async fn this_machine_its_link_and_other_schemes_are_refused() {
        let fetcher = Fetcher::default();
        let url = serve(ok("secret")).await;
        let port = Url::parse(&url).unwrap().port().unwrap();
        for refused in [
            url.clone(),
            format!("http://[::1]:{port}/x"),
            format!("http://0.0.0.0:{port}/x"),
            format!("http://[::ffff:127.0.0.1]:{port}/x"),
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            "http://[fe80::1]/x".to_owned(),
            "http://[fd00:ec2::254]/x".to_owned(),
            "http://100.100.100.200/x".to_owned(),
            "file:///etc/passwd".to_owned(),
            "ftp://example.com/x".to_owned(),
        ] {
            let error = fetcher.get(&refused, &both(), Reach::Network).await;
            assert!(matches!(error, Err(Error::Refused { .. })), "{refused}");
        }
        let error = fetcher
            .get(
                &format!("http://localhost:{port}/x"),
                &both(),
                Reach::Network,
            )
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("no address that may be asked"),
            "{error}"
        );
        let only = ["https".to_owned()];
        let error = fetcher
            .get(&url, &only, Reach::ThisMachine)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("helm.valuesFileSchemes"));
    }

    #[tokio::test]
    async fn large_files_missing_files_and_long_ways_are_errors() {
        let fetcher = Fetcher::default();
        let url = serve(ok(&"x".repeat(MAX_BYTES + 1))).await;
        let error = fetcher.get(&url, &both(), Reach::ThisMachine).await;
        assert!(matches!(error, Err(Error::Refused { .. })));
        let url = serve("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
        let error = fetcher
            .get(&url, &both(), Reach::ThisMachine)
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::User);
        let round = "HTTP/1.1 302 Found\r\nlocation: /values.yaml\r\ncontent-length: 0\r\n\r\n";
        let url = serve(round.to_owned()).await;
        let error = fetcher
            .get(&url, &both(), Reach::ThisMachine)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("redirected more than"),
            "{error}"
        );
        let out = "HTTP/1.1 302 Found\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n";
        let url = serve(out.to_owned()).await;
        let error = fetcher.get(&url, &both(), Reach::ThisMachine).await;
        assert!(matches!(error, Err(Error::Refused { .. })));
    }
}
