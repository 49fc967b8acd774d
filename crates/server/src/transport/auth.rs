//! From a request's credentials to a [`Ctx`].

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use driftless_auth::session::ProjectTokens;
use driftless_auth::{ApiToken, Identity, cookie};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use crate::ctx::Ctx;
use crate::deps::AuthMode;
use crate::error::{ApiError, Code};
use crate::router::Server;

/// What came with a request; put there by [`authenticate`] and taken by the extractors.
#[derive(Clone)]
struct Outcome(Result<Option<Ctx>, ApiError>);

/// A caller that is known, or anonymous where that is allowed.
pub struct Caller(pub Ctx);

/// Whoever calls, for operations that answer everybody: `None` when the caller is not known, even
/// if it sent a token that is no good.
pub struct AnyCaller(pub Option<Ctx>);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.extensions.get::<Outcome>() {
            Some(Outcome(Ok(Some(cx)))) => Ok(Self(cx.clone())),
            Some(Outcome(Err(error))) => Err(error.clone()),
            _ => Err(ApiError::new(
                Code::Unauthenticated,
                "no session information",
            )),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for AnyCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self(match parts.extensions.get::<Outcome>() {
            Some(Outcome(Ok(cx))) => cx.clone(),
            _ => None,
        }))
    }
}

/// Tokens of project roles, from the projects.
struct Projects<'a>(&'a Server);

impl ProjectTokens for Projects<'_> {
    fn tokens(&self, project: &str, role: &str) -> Option<Vec<ApiToken>> {
        let deps = self.0.deps();
        let stored = deps
            .projects
            .get(deps.config.control_namespace.as_str(), project)?;
        let role = stored
            .object
            .spec
            .roles
            .iter()
            .find(|known| known.name == role)?;
        let mirrored = stored
            .object
            .status
            .as_ref()
            .and_then(|status| status.jwt_tokens_by_role.get(&role.name))
            .map_or(&[][..], |tokens| tokens.items.as_slice());
        let listed = role.jwt_tokens.iter().chain(mirrored);
        Some(
            listed
                .map(|token| ApiToken {
                    id: token.id.clone(),
                    issued_at: token.iat,
                    expires_at: token.exp,
                })
                .collect(),
        )
    }
}

/// Verifies a token. Returns the call's context and a fresh token when this one is about to end.
pub fn verify(server: &Arc<Server>, token: &str) -> Result<(Ctx, Option<String>), ApiError> {
    let verified = server
        .deps()
        .sessions
        .verify(token, &Projects(server))
        .map_err(|error| ApiError::new(Code::Unauthenticated, error.to_string()))?;
    let cx = Ctx::new(
        Arc::clone(server),
        verified.identity,
        Some(verified.claims),
        Some(token.to_owned()),
    );
    Ok((cx, verified.renewed))
}

/// Returns the token of a request: header `Authorization`, then cookies.
fn token_of(headers: &HeaderMap) -> Option<String> {
    let plain = headers.get("token").and_then(|value| value.to_str().ok());
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if let Some(token) = plain.or(bearer) {
        return Some(token.trim().to_owned()).filter(|token| !token.is_empty());
    }
    let cookies = headers.get_all(header::COOKIE).iter();
    cookie::join(cookies.filter_map(|value| value.to_str().ok()))
}

/// Finds out who is calling. Refuses nobody: that is the extractors' work, so that a token is
/// verified before anything looks at how strict the operation is.
pub async fn authenticate(
    State(server): State<Arc<Server>>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut renewed = None;
    let outcome = if server.deps().config.auth == AuthMode::Disabled {
        Ok(Some(Ctx::new(
            Arc::clone(&server),
            Identity::Unrestricted,
            None,
            None,
        )))
    } else if let Some(token) = token_of(request.headers()) {
        verify(&server, &token).map(|(cx, fresh)| {
            renewed = fresh;
            Some(cx)
        })
    } else if server.deps().sessions.anonymous_enabled() {
        Ok(Some(Ctx::new(
            Arc::clone(&server),
            Identity::Anonymous,
            None,
            None,
        )))
    } else {
        Ok(None)
    };
    request.extensions_mut().insert(Outcome(outcome));
    let mut response = next.run(request).await;
    if let Some(token) = renewed {
        let headers = response.headers_mut();
        // A logout in this very call has the last word.
        if !headers.contains_key(header::SET_COOKIE) {
            set_session_cookie(&server, headers, &token);
            if let Ok(value) = HeaderValue::from_str(&token) {
                headers.insert("renew-token", value);
            }
        }
    }
    response
}

/// Hands a session token to the browser; an empty one ends the session there.
pub fn set_session_cookie(server: &Server, headers: &mut HeaderMap, token: &str) {
    let config = &server.deps().config;
    let path = format!("Path={}", config.base_href);
    let mut attributes = vec![path.as_str(), "SameSite=lax", "HttpOnly"];
    if config.secure_cookies {
        attributes.push("Secure");
    }
    if token.is_empty() {
        attributes.push("Max-Age=0");
    }
    match cookie::split(token, &attributes) {
        Ok(cookies) => {
            for value in cookies
                .iter()
                .filter_map(|cookie| HeaderValue::from_str(cookie).ok())
            {
                headers.append(header::SET_COOKIE, value);
            }
        }
        Err(error) => tracing::warn!(%error, "Session cookie was not set"),
    }
}
