//! Accounts: what a caller may do, and changing one's password.

use axum::extract::Path;
use axum::routing::{get, put};
use driftless_auth::{Identity, password};
use driftless_core::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Routes;
use crate::ctx::Ctx;
use crate::error::{ApiError, Code};
use crate::transport::auth::Caller;
use crate::transport::{Json, Reply};

pub(super) fn routes() -> Routes {
    Routes::new()
        .route(
            "/api/v1/account/can-i/{resource}/{action}/{*subresource}",
            get(bind_can_i),
        )
        .route("/api/v1/account/password", put(bind_update_password))
}

const RESOURCES: &[&str] = &[
    "clusters",
    "projects",
    "applications",
    "applicationsets",
    "repositories",
    "write-repositories",
    "certificates",
    "accounts",
    "gpgkeys",
    "logs",
    "exec",
    "extensions",
];
const ACTIONS: &[&str] = &[
    "get", "create", "update", "delete", "sync", "rollback", "override", "action", "invoke",
];

async fn bind_can_i(
    Caller(cx): Caller,
    Path((resource, action, subresource)): Path<(String, String, String)>,
) -> Result<Reply<Value>, ApiError> {
    can_i(&cx, &resource, &action, &subresource).map(Reply)
}

/// Says whether the caller may do something.
pub fn can_i(cx: &Ctx, resource: &str, action: &str, object: &str) -> Result<Value, ApiError> {
    let verb = action.split('/').next().unwrap_or_default();
    if !RESOURCES.contains(&resource) || !ACTIONS.contains(&verb) {
        return Err(ApiError::invalid(format!(
            "unknown resource or action: {resource} {action}; resources: {RESOURCES:?}, actions: {ACTIONS:?}"
        )));
    }
    let answer = if cx.may(resource, action, object) {
        "yes"
    } else {
        "no"
    };
    Ok(json!({ "value": answer }))
}

/// A new password.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdatePassword {
    /// Account; the caller's own where empty.
    #[serde(default)]
    name: String,
    /// The caller's current password.
    #[serde(default)]
    current_password: Secret<String>,
    /// The new one.
    #[serde(default)]
    new_password: Secret<String>,
}

async fn bind_update_password(
    Caller(cx): Caller,
    Json(request): Json<UpdatePassword>,
) -> Result<Reply<Value>, ApiError> {
    update_password(&cx, request).await?;
    Ok(Reply(json!({})))
}

/// Changes a password. The caller proves who it is with its own, whosever it changes.
pub async fn update_password(cx: &Ctx, request: UpdatePassword) -> Result<(), ApiError> {
    let deps = cx.deps();
    let Identity::Local { name: caller } = cx.identity() else {
        let text = "password can only be changed for local users";
        return Err(ApiError::invalid(text));
    };
    let account = if request.name.is_empty() {
        caller
    } else {
        &request.name
    };
    if account != caller {
        cx.require("accounts", "update", account)?;
    }
    deps.sessions
        .login(caller, request.current_password)
        .await
        .map_err(|_| ApiError::invalid("current password does not match"))?;
    let length = request.new_password.expose().chars().count();
    if !(8..=32).contains(&length) {
        return Err(ApiError::invalid(
            "new password does not match the following expression: ^.{8,32}$.",
        ));
    }
    let password = request.new_password;
    let hash = tokio::task::spawn_blocking(move || password::hash(&password))
        .await
        .map_err(|error| ApiError::internal(&error))?
        .map_err(|error| ApiError::invalid(error.to_string()))?;
    deps.accounts
        .set_password(account, hash, deps.clock.now())
        .await
        .map_err(|error| match error {
            driftless_kube::Error::NotFound { .. } => ApiError::new(
                Code::NotFound,
                format!("account '{account}' does not exist"),
            ),
            other => ApiError::from_classified(&other),
        })
}
