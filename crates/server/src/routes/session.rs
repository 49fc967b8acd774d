//! Login, logout and who am I.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use driftless_auth::Identity;
use driftless_auth::session;
use driftless_core::Secret;
use rand::RngExt;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Routes;
use crate::ctx::Ctx;
use crate::deps::AuthMode;
use crate::error::{ApiError, Code};
use crate::router::Server;
use crate::transport::auth::{AnyCaller, set_session_cookie};
use crate::transport::{Json, Reply};

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/session", post(bind_create).delete(bind_delete))
        .route("/api/v1/session/userinfo", get(bind_user_info))
}

/// A login.
#[derive(Deserialize)]
pub struct CreateRequest {
    /// Account name.
    #[serde(default)]
    username: String,
    /// Password.
    #[serde(default)]
    password: Secret<String>,
}

async fn bind_create(
    State(server): State<Arc<Server>>,
    Json(request): Json<CreateRequest>,
) -> Result<Response, ApiError> {
    let token = create(&server, request).await?;
    let mut response = Reply(json!({ "token": token })).into_response();
    set_session_cookie(&server, response.headers_mut(), &token);
    Ok(response)
}

/// Logs in and returns a token. Refusals take a while, and as long whatever is wrong.
pub async fn create(server: &Server, request: CreateRequest) -> Result<String, ApiError> {
    let started = tokio::time::Instant::now();
    match server
        .deps()
        .sessions
        .login(&request.username, request.password)
        .await
    {
        Ok(token) => {
            server.metrics().login("success");
            Ok(token)
        }
        Err(error) => {
            server.metrics().login("failure");
            tracing::info!(user = request.username, error = %error, "Login refused");
            let pause = Duration::from_millis(rand::rng().random_range(500..1000));
            tokio::time::sleep_until(started + pause).await;
            Err(match error {
                session::Error::NameTooLong => ApiError::invalid(error.to_string()),
                session::Error::Token(error) => ApiError::internal(&error),
                other => ApiError::new(Code::Unauthenticated, other.to_string()),
            })
        }
    }
}

async fn bind_delete(
    State(server): State<Arc<Server>>,
    AnyCaller(cx): AnyCaller,
) -> Result<Response, ApiError> {
    if let Some(cx) = cx {
        delete(&cx).await?;
    }
    let mut response = Reply(json!({})).into_response();
    set_session_cookie(&server, response.headers_mut(), "");
    Ok(response)
}

/// Ends the caller's session, here and for every other replica.
pub async fn delete(cx: &Ctx) -> Result<(), ApiError> {
    let deps = cx.deps();
    let Some(claims) = cx.claims() else {
        return Ok(());
    };
    if !deps.sessions.revoke(claims) {
        return Ok(());
    }
    let revoked = deps.sessions.revocations().snapshot(deps.clock.now());
    deps.accounts
        .persist_revoked(&revoked)
        .await
        .map_err(|error| ApiError::from_classified(&error))
}

async fn bind_user_info(
    State(server): State<Arc<Server>>,
    AnyCaller(cx): AnyCaller,
) -> Reply<Value> {
    if server.deps().config.auth == AuthMode::Disabled {
        return Reply(json!({"loggedIn": true, "username": "", "iss": "argocd", "groups": []}));
    }
    Reply(cx.map_or_else(|| json!({"loggedIn": false}), |cx| user_info(&cx)))
}

/// Returns who is calling.
pub fn user_info(cx: &Ctx) -> Value {
    let identity = cx.identity();
    let issuer = match identity {
        Identity::External { issuer, .. } => issuer.as_str(),
        Identity::Anonymous => return json!({"loggedIn": false}),
        _ => "argocd",
    };
    json!({
        "loggedIn": true,
        "username": identity.username(),
        "iss": issuer,
        "groups": identity.groups(),
    })
}
