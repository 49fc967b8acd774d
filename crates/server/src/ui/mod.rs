//! The embedded UI.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};

use crate::error::{ApiError, Code};
use crate::router::Server;

/// What `npm run build` leaves behind. Empty where it was not run.
#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
#[allow_missing = true]
struct Dist;

const START: &str = "index.html";
const PLACEHOLDER: &str = include_str!("placeholder.html");

/// Serves a file of the UI, or its start page for every address that is one of its own.
pub(crate) async fn serve(
    State(server): State<Arc<Server>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return ApiError::new(Code::NotFound, "no such path").into_response();
    }
    let base = &server.deps().config.base_href;
    let path = uri.path();
    let path = path
        .strip_prefix(base.as_str())
        .unwrap_or(path)
        .trim_start_matches('/');
    if !path.is_empty()
        && path != START
        && let Some(file) = Dist::get(path)
    {
        return file_response(path, file, &headers);
    }
    // Only pages fall back to the start page: a missing script must not come back as HTML.
    if path.starts_with("assets/") || path.rsplit('/').next().is_some_and(has_file_extension) {
        return (StatusCode::NOT_FOUND, "not found").into_response();
    }
    start_page(base, &headers)
}

fn has_file_extension(name: &str) -> bool {
    const FILES: &[&str] = &[
        "js",
        "css",
        "map",
        "svg",
        "png",
        "ico",
        "woff2",
        "json",
        "txt",
        "webmanifest",
    ];
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| FILES.contains(&extension))
}

fn file_response(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let tag = tag(&file.metadata.sha256_hash());
    // Names under `assets` carry a hash of their content.
    let cache = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let kind = file.metadata.mimetype().to_owned();
    answer(
        headers,
        &tag,
        cache,
        &kind,
        Body::from(file.data.into_owned()),
    )
}

fn start_page(base: &str, headers: &HeaderMap) -> Response {
    let page = match Dist::get(START) {
        Some(file) => with_base(&String::from_utf8_lossy(&file.data), base),
        None => PLACEHOLDER.to_owned(),
    };
    let tag = tag(&Sha256::digest(page.as_bytes()));
    answer(
        headers,
        &tag,
        "no-cache",
        "text/html; charset=utf-8",
        Body::from(page),
    )
}

/// Puts the mount point into the page. It is configuration, not input, but is escaped all the same.
fn with_base(page: &str, base: &str) -> String {
    let base = base
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;");
    let element = format!("<base href=\"{base}\" />");
    match page
        .split_once("<base ")
        .and_then(|(head, rest)| Some((head, rest.split_once('>')?.1)))
    {
        Some((head, rest)) => format!("{head}{element}{rest}"),
        None => page.replacen("<head>", &format!("<head>{element}"), 1),
    }
}

fn tag(hash: &[u8]) -> String {
    let mut hex = String::new();
    for byte in hash.iter().take(12) {
        hex.extend(char::from_digit(u32::from(byte >> 4), 16));
        hex.extend(char::from_digit(u32::from(byte & 15), 16));
    }
    format!("\"{hex}\"")
}

fn answer(headers: &HeaderMap, tag: &str, cache: &'static str, kind: &str, body: Body) -> Response {
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|tags| {
            tags.split(',')
                .any(|known| known.trim().trim_start_matches("W/") == tag)
        });
    let mut response = Response::new(if known { Body::empty() } else { body });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, value);
    }
    if let Ok(value) = HeaderValue::from_str(kind) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

#[cfg(test)]
mod tests {
    use super::with_base;

    #[test]
    fn the_mount_point_replaces_the_built_in_one() {
        assert_eq!(
            with_base("<head><base href=\"/\" /><title>", "/cd/"),
            "<head><base href=\"/cd/\" /><title>"
        );
        assert_eq!(
            with_base("<head><title>", "/\"><x"),
            "<head><base href=\"/&quot;>&lt;x".to_owned() + "\" /><title>"
        );
    }
}
