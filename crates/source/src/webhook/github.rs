//! GitHub: push and ping.

use driftless_core::Secret;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use serde::Deserialize;
use sha2::Sha256;

use super::{Error, Pushed};

const PROVIDER: &str = "GitHub";
/// GitHub lists at most this many commits; a payload with more says nothing about the rest.
const MAX_COMMITS: usize = 2048;
/// More changed files than this are treated as "anything may have changed".
const MAX_FILES: usize = 50_000;

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    after: String,
    repository: PushedRepository,
    #[serde(default)]
    commits: Option<Vec<PushedCommit>>,
    #[serde(default)]
    forced: bool,
}

#[derive(Deserialize)]
struct PushedRepository {
    #[serde(default)]
    html_url: Option<String>,
    #[serde(default)]
    clone_url: Option<String>,
    #[serde(default)]
    ssh_url: Option<String>,
    #[serde(default)]
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct PushedCommit {
    #[serde(default)]
    added: Option<Vec<String>>,
    #[serde(default)]
    modified: Option<Vec<String>>,
    #[serde(default)]
    removed: Option<Vec<String>>,
}

pub(super) fn parse(
    headers: &HeaderMap,
    body: &[u8],
    secret: Option<&Secret<String>>,
) -> Result<Vec<Pushed>, Error> {
    if let Some(secret) = secret.filter(|secret| !secret.expose().is_empty()) {
        let signature = headers
            .get("x-hub-signature-256")
            .map(http::HeaderValue::as_bytes);
        if !signature.is_some_and(|signature| is_signed(signature, body, secret)) {
            return Err(Error::Signature { provider: PROVIDER });
        }
    }
    match headers
        .get("x-github-event")
        .map(http::HeaderValue::as_bytes)
    {
        Some(b"push") => {}
        Some(b"ping") => return Ok(Vec::new()),
        _ => return Err(malformed("only push and ping events are understood")),
    }
    let push: Push = serde_json::from_slice(&json_of(headers, body)?)
        .map_err(|error| malformed(&format!("the payload is not a push event: {error}")))?;
    Ok(vec![lower(push)?])
}

fn malformed(problem: &str) -> Error {
    Error::Malformed {
        provider: PROVIDER,
        problem: problem.to_owned(),
    }
}

/// GitHub sends JSON as it is, or as the field `payload` of a form.
fn json_of(headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>, Error> {
    let content_type = headers
        .get(http::header::CONTENT_TYPE)
        .map_or(&b""[..], |value| value.as_bytes());
    if !content_type.starts_with(b"application/x-www-form-urlencoded") {
        return Ok(body.to_vec());
    }
    url::form_urlencoded::parse(body)
        .find(|(name, _)| name == "payload")
        .map(|(_, payload)| payload.into_owned().into_bytes())
        .ok_or_else(|| malformed("the form has no field 'payload'"))
}

/// Compares in constant time.
fn is_signed(signature: &[u8], body: &[u8], secret: &Secret<String>) -> bool {
    let Some(expected) = signature.strip_prefix(b"sha256=").and_then(from_hex) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(&expected).is_ok()
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some((digit(*high)? * 16 + digit(*low)?) as u8),
            _ => None,
        })
        .collect()
}

fn lower(push: Push) -> Result<Pushed, Error> {
    let repository = push.repository;
    let urls: Vec<String> = [
        repository.html_url,
        repository.clone_url,
        repository.ssh_url,
    ]
    .into_iter()
    .flatten()
    .filter(|url| !url.is_empty())
    .collect();
    if urls.is_empty() {
        return Err(malformed("the repository has no address"));
    }
    let zero_is_none = |commit: String| {
        if commit.bytes().all(|byte| byte == b'0') {
            String::new()
        } else {
            commit
        }
    };
    let is_default_branch = repository
        .default_branch
        .is_some_and(|branch| push.reference.strip_prefix("refs/heads/") == Some(&*branch));
    let before = zero_is_none(push.before);
    // What a forced or new ref brings with it is not what its commits list.
    let complete = !push.forced && !before.is_empty();
    let changed_files = push.commits.filter(|_| complete).and_then(changed_files);
    Ok(Pushed {
        urls,
        reference: push.reference,
        before,
        after: zero_is_none(push.after),
        is_default_branch,
        changed_files,
    })
}

fn changed_files(commits: Vec<PushedCommit>) -> Option<Vec<String>> {
    if commits.is_empty() || commits.len() >= MAX_COMMITS {
        return None;
    }
    let mut files: Vec<String> = commits
        .into_iter()
        .flat_map(|commit| [commit.added, commit.modified, commit.removed])
        .flatten()
        .flatten()
        .collect();
    files.sort_unstable();
    files.dedup();
    (files.len() <= MAX_FILES).then_some(files)
}
