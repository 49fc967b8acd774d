//! `/api/version`.

use axum::extract::State;
use axum::routing::get;
use std::sync::Arc;

use super::Routes;
use crate::deps::Version;
use crate::router::Server;
use crate::transport::Reply;
use crate::transport::auth::AnyCaller;

pub(super) fn routes() -> Routes {
    Routes::new().route("/api/version", get(bind))
}

async fn bind(State(server): State<Arc<Server>>, AnyCaller(cx): AnyCaller) -> Reply<Version> {
    let known = cx.is_some_and(|cx| cx.identity().is_authenticated());
    Reply(version(&server.deps().version, known))
}

/// Returns the version; details only to callers that are known.
fn version(full: &Version, known: bool) -> Version {
    if known {
        return full.clone();
    }
    Version {
        version: full.version.clone(),
        ..Version::default()
    }
}
