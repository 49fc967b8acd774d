//! One call: who makes it, what it may do, and what it stands on.

use std::sync::Arc;

use driftless_api::Application;
use driftless_auth::token::Claims;
use driftless_auth::{Bound, Identity};
use driftless_core::{AppKey, Namespace};

use crate::deps::Deps;
use crate::error::{ApiError, Code};
use crate::router::Server;

/// What a handler gets with each call.
#[derive(Clone)]
pub struct Ctx {
    server: Arc<Server>,
    caller: Arc<Caller>,
}

struct Caller {
    identity: Identity,
    claims: Option<Claims>,
    token: Option<String>,
    bound: Bound,
}

impl Ctx {
    /// Binds a call to its caller.
    pub fn new(
        server: Arc<Server>,
        identity: Identity,
        claims: Option<Claims>,
        token: Option<String>,
    ) -> Self {
        let bound = server.deps().enforcer.bind(&identity);
        let caller = Caller {
            identity,
            claims,
            token,
            bound,
        };
        Self {
            server,
            caller: Arc::new(caller),
        }
    }

    /// Returns what the server stands on.
    pub fn deps(&self) -> &Deps {
        self.server.deps()
    }

    /// Returns the server.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Returns the caller.
    pub fn identity(&self) -> &Identity {
        &self.caller.identity
    }

    /// Returns the caller's claims, when a token was sent.
    pub fn claims(&self) -> Option<&Claims> {
        self.caller.claims.as_ref()
    }

    /// Returns the caller's permissions.
    pub fn permissions(&self) -> &Bound {
        &self.caller.bound
    }

    /// Returns the caller's permissions as of now, or why it may not go on: for streams that
    /// outlive a session or a policy.
    pub fn recheck(&self) -> Result<Self, ApiError> {
        match &self.caller.token {
            None => Ok(Self::new(
                Arc::clone(&self.server),
                self.caller.identity.clone(),
                None,
                None,
            )),
            Some(token) => crate::transport::auth::verify(&self.server, token).map(|(cx, _)| cx),
        }
    }

    /// Says whether the caller may do something.
    pub fn may(&self, resource: &str, action: &str, object: &str) -> bool {
        self.caller
            .bound
            .enforce(resource, action, object)
            .is_allowed()
    }

    /// Refuses unless the caller may do something.
    pub fn require(&self, resource: &str, action: &str, object: &str) -> Result<(), ApiError> {
        if self.may(resource, action, object) {
            return Ok(());
        }
        let subject = self.caller.identity.subject();
        Err(ApiError::new(
            Code::PermissionDenied,
            format!("permission denied: {resource}, {action}, {object}, sub: {subject}"),
        ))
    }

    /// Returns the name under which policies know an Application.
    pub fn app_object(&self, app: &Application) -> String {
        app_object(
            app.spec.project(),
            &app.metadata.namespace,
            &app.metadata.name,
            &self.deps().config.control_namespace,
        )
    }

    /// Returns an Application's key from a request: the namespace is the control plane's unless given.
    pub fn app_key(&self, name: &str, namespace: Option<&str>) -> Result<AppKey, ApiError> {
        let control = &self.deps().config.control_namespace;
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        let key = AppKey::new(namespace.unwrap_or(control.as_str()), name);
        if !self.serves_namespace(&key.namespace) {
            return Err(ApiError::denied());
        }
        Ok(key)
    }

    /// Says whether Applications of a namespace are served.
    pub fn serves_namespace(&self, namespace: &Namespace) -> bool {
        if *namespace == self.deps().config.control_namespace {
            return true;
        }
        let settings = self.deps().settings.current();
        settings.application_namespaces.iter().any(|pattern| {
            driftless_core::glob::Glob::new(pattern, None)
                .is_ok_and(|glob| glob.matches(namespace.as_str()))
        })
    }
}

/// Returns the name under which policies know an Application: `<project>/<app>`, or
/// `<project>/<namespace>/<app>` outside the control plane's namespace.
pub fn app_object(project: &str, namespace: &str, name: &str, control: &Namespace) -> String {
    if namespace == control.as_str() {
        format!("{project}/{name}")
    } else {
        format!("{project}/{namespace}/{name}")
    }
}
