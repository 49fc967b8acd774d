//! Requests to metric sources: bounded, without redirects, and never to where this machine's own secrets lie.
//!
//! Redirects are refused rather than followed, so that credentials never reach a host that nobody named.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use driftless_core::class::render_chain;
pub use driftless_outbound::Reach;
use driftless_outbound::ReadError;
use parking_lot::Mutex;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use crate::provider::MeasureError;

/// The largest answer.
const MOST_BYTES: usize = 4 << 20;
/// Time until a connection must stand.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest part of a server's own words that is shown.
const LONGEST_WORDS: usize = 300;

/// Reads an address and says what is wrong with it, as far as that can be seen without looking its name up.
pub(crate) fn parse(text: &str, reach: Reach) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("the address is none: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the address does not begin with http:// or https://".into());
    }
    driftless_outbound::check(&url, reach)
        .map_err(|why| format!("the address may not be asked: {why}"))?;
    Ok(url)
}

/// Whether a server's certificate is checked.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Hash)]
pub(crate) enum Trust {
    /// It is.
    #[default]
    Checked,
    /// It is not (`insecure`).
    Anything,
}

impl Trust {
    pub(crate) fn of(insecure: bool) -> Self {
        if insecure {
            Self::Anything
        } else {
            Self::Checked
        }
    }
}

/// One request.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Duration,
    pub(crate) trust: Trust,
}

impl Request {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(10),
            trust: Trust::default(),
        }
    }

    /// Adds a header.
    pub(crate) fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Makes it a form.
    pub(crate) fn form(&mut self, fields: &[(&str, &str)]) {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.body = form.finish().into_bytes();
        self.header("content-type", "application/x-www-form-urlencoded");
    }

    /// Makes it a JSON document.
    pub(crate) fn json(&mut self, value: &serde_json::Value) {
        self.body = value.to_string().into_bytes();
        if !self.has("content-type") {
            self.header("content-type", "application/json");
        }
    }

    fn has(&self, name: &str) -> bool {
        let mut headers = self.headers.iter();
        headers.any(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

/// One answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Reads the body as JSON.
    pub(crate) fn json(&self) -> Result<serde_json::Value, MeasureError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| MeasureError::Answer(format!("the answer is not JSON: {error}")))
    }

    /// Passes an answer that says yes.
    pub(crate) fn good(self) -> Result<Self, MeasureError> {
        if self.is_success() {
            return Ok(self);
        }
        Err(MeasureError::Status {
            status: self.status,
            words: words(&self.body),
        })
    }
}

/// Returns the beginning of a server's own words, for a message.
pub(crate) fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..4 * LONGEST_WORDS).unwrap_or(body));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST_WORDS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

/// Sends requests.
pub(crate) struct Http {
    reach: Reach,
    clients: Mutex<HashMap<Trust, reqwest::Client>>,
}

impl Http {
    pub(crate) fn new(reach: Reach) -> Self {
        Self {
            reach,
            clients: Mutex::new(HashMap::new()),
        }
    }

    pub(crate) fn reach(&self) -> Reach {
        self.reach
    }

    fn client(&self, trust: Trust) -> Result<reqwest::Client, MeasureError> {
        let mut clients = self.clients.lock();
        if let Some(known) = clients.get(&trust) {
            return Ok(known.clone());
        }
        let client = driftless_outbound::builder(self.reach, CONNECT)
            .tls_danger_accept_invalid_certs(trust == Trust::Anything)
            .build()
            .map_err(|error| MeasureError::Unreachable(render_chain(&error)))?;
        clients.insert(trust, client.clone());
        Ok(client)
    }

    /// Sends a request and reads the whole answer, in time.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, MeasureError> {
        let timeout = request.timeout;
        match tokio::time::timeout(timeout, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(MeasureError::Unreachable(format!(
                "no answer within {} s",
                timeout.as_secs()
            ))),
        }
    }

    async fn exchange(&self, request: Request) -> Result<Answer, MeasureError> {
        // Addresses can come from Secrets, too, so that all of them are looked at here.
        let url = parse(request.url.as_str(), self.reach).map_err(MeasureError::Refused)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let failed = |error: reqwest::Error| {
            MeasureError::Unreachable(format!("{host}: {}", render_chain(&error.without_url())))
        };
        let client = self.client(request.trust)?;
        let mut sent = client.request(request.method, url);
        for (name, value) in &request.headers {
            let header = HeaderName::try_from(name.as_str());
            let value = HeaderValue::try_from(value.as_str());
            match (header, value) {
                (Ok(header), Ok(mut value)) => {
                    value.set_sensitive(true);
                    sent = sent.header(header, value);
                }
                (Err(_), _) => {
                    let message = format!("{name:?} is no name of a header");
                    return Err(MeasureError::Refused(message));
                }
                (_, Err(_)) => {
                    let message = format!("the header {name} has signs that a header cannot have");
                    return Err(MeasureError::Refused(message));
                }
            }
        }
        let mut response = sent.body(request.body).send().await.map_err(failed)?;
        let status = response.status();
        if status.is_redirection() {
            let message = format!(
                "{host} answers {} and wants to be asked elsewhere: redirects are not followed, name the other address",
                status.as_u16()
            );
            return Err(MeasureError::Refused(message));
        }
        let body = driftless_outbound::read(&mut response, MOST_BYTES)
            .await
            .map_err(|error| match error {
                ReadError::TooLarge(_) => MeasureError::Answer(error.to_string()),
                ReadError::Broken(error) => failed(error),
            })?;
        Ok(Answer {
            status: status.as_u16(),
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_none_or_not_for_metrics() {
        for address in [
            "file:///etc/passwd",
            "prometheus:9090",
            "",
            "http://169.254.169.254/",
        ] {
            assert!(parse(address, Reach::ThisMachine).is_err(), "{address}");
        }
        assert!(parse("http://127.0.0.1:9090", Reach::Network).is_err());
        assert!(parse("http://127.0.0.1:9090", Reach::ThisMachine).is_ok());
        assert!(parse("http://prometheus.monitoring:9090", Reach::Network).is_ok());
    }

    #[test]
    fn words_are_short() {
        assert_eq!(words(b" a\n b "), "a b");
        assert_eq!(words(&[b'x'; 5000]).chars().count(), LONGEST_WORDS + 1);
    }
}
