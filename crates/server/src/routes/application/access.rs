//! Finding an Application, and the one place where access to it is decided.

use std::sync::Arc;

use driftless_api::{AppProject, Application};
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_kube::store::{StoreState, Stored};
use serde_json::Value;

use crate::ctx::Ctx;
use crate::error::{ApiError, Code};
use crate::transport::Query;

/// How a request names an Application.
#[derive(Clone, Debug, Default)]
pub struct AppRef {
    /// Name.
    pub name: String,
    /// Namespace; the control plane's where absent.
    pub namespace: Option<String>,
    /// Project the caller takes it to be in.
    pub project: Option<String>,
}

impl AppRef {
    /// Reads `appNamespace` and `project` beside a name.
    pub(super) fn from_query(name: String, query: &Query) -> Self {
        Self {
            name,
            namespace: query.text("appNamespace").map(str::to_owned),
            project: query.text("project").map(str::to_owned),
        }
    }

    pub(super) fn new(name: String, namespace: &str, project: &str) -> Self {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            name,
            namespace: given(namespace),
            project: given(project),
        }
    }
}

/// Returns the kind of Applications.
pub(super) fn gvk() -> GroupVersionKind {
    GroupVersionKind::from_api_version(Application::API_VERSION, Application::KIND)
}

/// Returns the key of an Application's object.
pub(super) fn object_key(app: &Application) -> ResourceKey {
    let metadata = &app.metadata;
    ResourceKey::new(
        "argoproj.io",
        Application::KIND,
        &metadata.namespace,
        &metadata.name,
    )
}

fn not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("applications.argoproj.io {name:?} not found"))
}

/// Returns an Application the caller may do `action` with.
///
/// A caller that names no project, or may not read there, gets one and the same answer for what is
/// forbidden and for what does not exist, so that names cannot be found out by asking.
pub(super) fn app_for(
    cx: &Ctx,
    wanted: &AppRef,
    action: &str,
) -> Result<Arc<Stored<Application>>, ApiError> {
    let key = cx.app_key(&wanted.name, wanted.namespace.as_deref())?;
    if let Some(project) = &wanted.project {
        let control = &cx.deps().config.control_namespace;
        let object =
            crate::ctx::app_object(project, key.namespace.as_str(), key.name.as_str(), control);
        if !cx.may("applications", "get", &object) {
            return Err(ApiError::denied());
        }
    }
    let Some(stored) = cx
        .deps()
        .apps
        .get(key.namespace.as_str(), key.name.as_str())
    else {
        let state = cx.deps().apps.state();
        return Err(match (&wanted.project, state) {
            (_, StoreState::Loading) => ApiError::new(
                Code::Unavailable,
                "applications are being read, try again soon",
            ),
            (Some(_), _) => not_found(&wanted.name),
            (None, _) => ApiError::denied(),
        });
    };
    let object = cx.app_object(&stored.object);
    if !cx.may("applications", "get", &object) {
        return Err(ApiError::denied());
    }
    if wanted
        .project
        .as_ref()
        .is_some_and(|project| project != stored.object.spec.project())
    {
        return Err(not_found(&wanted.name));
    }
    if action != "get" {
        cx.require("applications", action, &object)?;
    }
    Ok(stored)
}

/// Returns an Application's project.
pub(super) fn project_of(cx: &Ctx, app: &Application) -> Result<Arc<Stored<AppProject>>, ApiError> {
    let deps = cx.deps();
    let name = app.spec.project();
    deps.projects
        .get(deps.config.control_namespace.as_str(), name)
        .ok_or_else(|| {
            ApiError::invalid(format!(
                "app is not allowed in project {name:?}, or the project does not exist"
            ))
        })
}

/// Removes what no caller needs: who set which field, and the last applied copy.
pub(super) fn tidy(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
}

/// Maps an error of writing an Application.
pub(super) fn write_error(name: &str, error: &driftless_kube::Error) -> ApiError {
    match error {
        driftless_kube::Error::NotFound { .. } => not_found(name),
        driftless_kube::Error::AlreadyExists { .. } => {
            ApiError::new(Code::AlreadyExists, error.to_string())
        }
        other => ApiError::from_classified(other),
    }
}
