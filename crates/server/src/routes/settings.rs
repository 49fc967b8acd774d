//! `/api/v1/settings`: what clients need to know before and after a login.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use serde_json::{Value, json};

use super::Routes;
use crate::router::Server;
use crate::transport::Reply;
use crate::transport::auth::AnyCaller;

pub(super) fn routes() -> Routes {
    Routes::new().route("/api/v1/settings", get(bind))
}

async fn bind(State(server): State<Arc<Server>>, AnyCaller(cx): AnyCaller) -> Reply<Value> {
    let known = cx.is_some_and(|cx| cx.identity().is_authenticated());
    Reply(settings(&server, known))
}

/// Returns the settings; to callers that are not known only what a login page needs.
fn settings(server: &Server, known: bool) -> Value {
    let settings = server.deps().settings.current();
    let mut body = json!({
        "url": settings.url,
        "statusBadgeEnabled": settings.badge_enabled,
        "userLoginsDisabled": false,
        "uiBannerContent": settings.banner.content,
        "uiBannerURL": settings.banner.url,
        "uiBannerPermanent": settings.banner.permanent,
        "uiBannerPosition": settings.banner.position,
        "googleAnalytics": {},
        "help": {},
        "plugins": [],
        "passwordPattern": "^.{8,32}$",
    });
    if known && let Some(map) = body.as_object_mut() {
        let more = [
            ("appLabelKey", json!(settings.app_label_key)),
            ("trackingMethod", json!(settings.tracking_method)),
            (
                "controllerNamespace",
                json!(server.deps().config.control_namespace.as_str()),
            ),
            (
                "appsInAnyNamespaceEnabled",
                json!(!settings.application_namespaces.is_empty()),
            ),
            ("execEnabled", json!(false)),
            ("impersonationEnabled", json!(false)),
            ("hydratorEnabled", json!(false)),
            (
                "syncWithReplaceAllowed",
                json!(settings.sync_with_replace_allowed),
            ),
            ("resourceOverrides", json!({})),
            ("kustomizeVersions", json!([])),
        ];
        map.extend(more.map(|(key, value)| (key.to_owned(), value)));
    }
    body
}
