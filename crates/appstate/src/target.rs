//! Where an Application goes and what it may use: its project's rules, its cluster, its sources.

use std::sync::Arc;

use driftless_api::Application;
use driftless_api::application::{Condition, ConditionType, Source, Spec};
use driftless_api::validation::{DestinationError, Target as Destined};
use driftless_core::{ClusterUrl, Namespace};
use driftless_kube::Cluster;

use crate::AppState;
use crate::rules::{Place, ProjectRules};

/// The validated destination and sources of one Application.
#[derive(Clone, Debug)]
pub struct Target {
    /// The destination cluster.
    pub cluster: Arc<Cluster>,
    /// Namespace for objects that name none; may be empty.
    pub namespace: Namespace,
    /// The rules of its project.
    pub rules: Arc<ProjectRules>,
    /// Sources in effect.
    pub sources: Vec<Source>,
}

fn invalid(message: impl Into<String>) -> Condition {
    Condition::new(ConditionType::InvalidSpecError, message)
}

/// Returns what is wrong with a spec for a known project and cluster: its own mistakes, and what the project does not
/// permit. Each is one `InvalidSpecError`.
pub fn problems(spec: &Spec, rules: &ProjectRules, place: Place<'_>) -> Vec<Condition> {
    let mut problems = driftless_api::validation::validate(spec);
    for source in spec
        .effective_sources()
        .iter()
        .filter(|source| !rules.permits_source(&source.repo_url))
    {
        problems.push(invalid(format!(
            "application repo {} is not permitted in project '{}'",
            driftless_core::SafeUrl::new(source.repo_url.as_str()),
            rules.name()
        )));
    }
    if !rules.permits_destination(place) {
        problems.push(invalid(format!(
            "application destination server '{}' and namespace '{}' do not match any of the allowed destinations in \
             project '{}'",
            place.server,
            place.namespace,
            rules.name()
        )));
    }
    problems
}

impl AppState {
    /// Validates destination, project and sources. Every problem found is one `InvalidSpecError` condition
    /// (argocd-contract §1.1).
    pub fn target(&self, app: &Application) -> Result<Target, Vec<Condition>> {
        let spec = &app.spec;
        let rules = self.rules(app).map_err(|condition| vec![condition])?;
        let cluster = self.destination_cluster(app).map_err(|error| {
            let mut problems = driftless_api::validation::validate(spec);
            let unknown = invalid(error.to_string());
            if !problems.iter().any(|one| one.message == unknown.message) {
                problems.push(unknown);
            }
            problems
        })?;
        let sources = spec.effective_sources().into_owned();
        let owner = self.project_of_cluster(cluster.url());
        let place = Place {
            server: cluster.url().as_str(),
            name: cluster.name(),
            namespace: &spec.destination.namespace,
            cluster_project: &owner,
        };
        let problems = problems(spec, &rules, place);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Target {
            cluster,
            namespace: Namespace::new(&spec.destination.namespace),
            rules,
            sources,
        })
    }

    fn rules(&self, app: &Application) -> Result<Arc<ProjectRules>, Condition> {
        let name = app.spec.project();
        let rules = self.project_rules(name).ok_or_else(|| {
            invalid(format!(
                "Application referencing project {name} which does not exist"
            ))
        })?;
        let namespace = &app.metadata.namespace;
        if *namespace != *self.control_namespace.as_str() && !rules.permits_app_namespace(namespace)
        {
            return Err(invalid(format!(
                "application '{}' in namespace '{namespace}' is not permitted to use project '{name}'",
                app.metadata.name
            )));
        }
        Ok(rules)
    }

    /// Returns the cluster that a destination names, by address or by name.
    pub fn destination_cluster(&self, app: &Application) -> Result<Arc<Cluster>, DestinationError> {
        match app.spec.destination.target()? {
            Destined::Server(server) => self
                .clusters
                .get(&ClusterUrl::new(server))
                .ok_or_else(|| DestinationError::UnknownServer(server.to_owned())),
            Destined::Name(name) => {
                let mut found = self.clusters.by_name(name);
                if found.len() > 1 {
                    let urls = found
                        .iter()
                        .map(|cluster| cluster.url().to_string())
                        .collect();
                    return Err(DestinationError::Ambiguous(urls));
                }
                found
                    .pop()
                    .ok_or_else(|| DestinationError::UnknownName(name.to_owned()))
            }
        }
    }
}
