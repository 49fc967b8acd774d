//! On whose behalf the objects of an Application are written, and what its project permits.
//!
//! Every write to a destination, whoever makes it, carries what [`AppState::write_ctx`] gives: the one gate that is
//! asked for each object and verb, and the identity to act as.

use std::sync::Arc;

use driftless_api::Application;
use driftless_core::{ProjectName, ResourceKey};
use driftless_kube::write::WriteRequest;
use driftless_kube::{Authorise, Cluster, Fence, Impersonate, WriteCtx};

use crate::AppState;
use crate::rules::{Place, ProjectRules};

/// The project's rules as the writer asks them, for every object and verb. A project that is gone permits nothing.
#[derive(Clone, Debug)]
pub struct ProjectGate {
    rules: Option<Arc<ProjectRules>>,
    server: String,
    cluster_name: String,
    cluster_project: String,
}

impl ProjectGate {
    /// Says whether an object may be written or deleted.
    pub fn check(&self, key: &ResourceKey) -> Result<(), String> {
        let place = Place {
            server: &self.server,
            name: &self.cluster_name,
            namespace: "",
            cluster_project: &self.cluster_project,
        };
        match &self.rules {
            Some(rules) => rules.check_object(key, place),
            None => Err(format!(
                "{key} is not permitted: the application's project does not exist"
            )),
        }
    }
}

impl Authorise for ProjectGate {
    fn authorise(&self, request: &WriteRequest<'_>) -> Result<(), String> {
        self.check(request.key)
    }
}

/// There is nobody to act as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to find a matching service account to impersonate: {0}")]
pub struct NoIdentity(String);

impl AppState {
    /// Returns the gate for objects of an Application on a cluster, with the rules its project has now.
    pub fn gate(&self, app: &Application, cluster: &Cluster) -> ProjectGate {
        ProjectGate {
            rules: self.project_rules(app.spec.project()),
            server: cluster.url().as_str().to_owned(),
            cluster_name: cluster.name().to_owned(),
            cluster_project: self.project_of_cluster(cluster.url()),
        }
    }

    /// Returns on whose behalf the objects of an Application are written and deleted.
    ///
    /// # Errors
    /// Impersonation is on and enforced, and the project names no service account for the destination.
    pub fn write_ctx(
        &self,
        app: &Application,
        cluster: &Cluster,
        fence: Fence,
    ) -> Result<WriteCtx, NoIdentity> {
        Ok(WriteCtx {
            authorise: Arc::new(self.gate(app, cluster)),
            fence,
            impersonate: self.identity(app, cluster)?,
            app: Some(app.key()),
            project: Some(ProjectName::new(app.spec.project())),
        })
    }

    /// Returns who to act as; `None` for ourselves.
    fn identity(
        &self,
        app: &Application,
        cluster: &Cluster,
    ) -> Result<Option<Impersonate>, NoIdentity> {
        let compare = &self.settings.current().general.compare;
        if !compare.impersonation {
            return Ok(None);
        }
        let Some(rules) = self.project_rules(app.spec.project()) else {
            return Err(NoIdentity(
                "the application's project does not exist".to_owned(),
            ));
        };
        let place = Place {
            server: cluster.url().as_str(),
            namespace: &app.spec.destination.namespace,
            ..Place::default()
        };
        let missing = |what: &str| NoIdentity(what.to_owned());
        match rules.service_account(place) {
            Ok((namespace, name)) => Impersonate::service_account(&namespace, &name)
                .map(Some)
                .ok_or_else(|| missing("the service account has no name")),
            Err(why) if compare.impersonation_enforced => Err(missing(&why)),
            Err(_) => Ok(None),
        }
    }
}
