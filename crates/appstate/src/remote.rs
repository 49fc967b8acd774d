//! Which remote bases the kustomizations of a project may use, and with which credentials.

use std::sync::Arc;

use driftless_api::Application;
use driftless_core::ProjectName;
use driftless_core::class::render_chain;
use driftless_settings::Settings;
use driftless_source::remote::{Admitted, Age, Hosts, Reach, Remotes};
use driftless_source::{Rendered, Repository, Target};

use crate::AppState;
use crate::rules::ProjectRules;

/// The rules of one project, with the repositories that are configured.
struct ProjectHosts {
    settings: Arc<Settings>,
    project: ProjectName,
    rules: Option<Arc<ProjectRules>>,
}

impl Hosts for ProjectHosts {
    fn admit(&self, url: &str) -> Result<Admitted, String> {
        let Some(rules) = &self.rules else {
            return Err(format!("project {} does not exist", self.project));
        };
        if let Some(reason) = rules.refuses_remote_base(url) {
            return Err(reason);
        }
        let repositories = &self.settings.repositories;
        let repository = repositories
            .repository(url, Some(&self.project))
            .map_err(|error| render_chain(&error))?;
        // Whoever made a Secret for exactly this address knows where it leads.
        let reach = match repositories.find(url, Some(&self.project)) {
            Some(_) => Reach::ThisMachine,
            None => Reach::Network,
        };
        Ok(Admitted { repository, reach })
    }
}

impl AppState {
    fn hosts(&self, project: &str) -> ProjectHosts {
        ProjectHosts {
            settings: self.settings.current(),
            project: ProjectName::new(project),
            rules: self.project_rules(project),
        }
    }

    /// Returns the way to what kustomizations of an Application name elsewhere.
    pub(crate) fn remotes(&self, app: &Application, age: Age) -> Remotes {
        Remotes {
            git: (*self.git).clone(),
            hosts: Arc::new(self.hosts(app.spec.project())),
            age,
        }
    }

    /// Returns the refs of other repositories that a render used, and that can move.
    pub fn remote_refs(
        &self,
        app: &Application,
        rendered: &[Rendered],
    ) -> Vec<(Repository, Target)> {
        let pins = rendered.iter().flat_map(|one| one.pins.iter());
        let mut refs = Vec::new();
        for pin in pins {
            let Some(target) = pin.target() else { continue };
            if let Ok(admitted) = self.hosts(app.spec.project()).admit(&pin.url) {
                refs.push((admitted.repository, target));
            }
        }
        refs
    }
}
