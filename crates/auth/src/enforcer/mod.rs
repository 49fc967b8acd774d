//! One question, one place: may this caller do this?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::identity::Identity;
use crate::policy::{self, Effect, MatchMode, Policy, Rule, builtin, reachable};

/// The answer to one question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Go on.
    Allow,
    /// Refuse.
    Deny,
}

impl Decision {
    /// Says whether to go on.
    pub fn is_allowed(self) -> bool {
        self == Self::Allow
    }
}

/// What a caller may see of a list whose objects are named `<project>/…`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Everything: no need to ask for each.
    All,
    /// Nothing.
    Nothing,
    /// Ask for each.
    Some,
}

/// Everything decisions depend on; replaced as a whole.
#[derive(Debug, Default)]
struct Rules {
    user: Arc<Policy>,
    mode: MatchMode,
    default_role: String,
    projects: BTreeMap<String, Project>,
}

/// A project's rules, and what they were made from.
#[derive(Clone, Debug)]
struct Project {
    roles: Arc<[ProjectRole]>,
    policy: Arc<Policy>,
}

impl Project {
    fn new(name: &str, roles: Arc<[ProjectRole]>, mode: MatchMode) -> Result<Self, policy::Error> {
        let mut lines: Vec<String> = Vec::new();
        for role in &*roles {
            let subject = format!("proj:{name}:{}", role.name);
            lines.push(format!("p, {subject}, projects, get, {name}, allow"));
            lines.extend(role.policies.iter().cloned());
            lines.extend(
                role.groups
                    .iter()
                    .map(|group| format!("g, {}, {subject}", quoted(group))),
            );
        }
        let policy = Arc::new(Policy::from_csv(&lines.join("\n"), mode)?);
        Ok(Self { roles, policy })
    }
}

impl Rules {
    /// Returns the rules that speak about one project's objects.
    fn layers(&self, project: Option<&str>) -> Vec<&Policy> {
        let own = project.and_then(|name| self.projects.get(name));
        let mut layers = vec![builtin(self.mode), &*self.user];
        layers.extend(own.map(|project| &*project.policy));
        layers
    }
}

/// Answers every question about permissions in one server.
#[derive(Debug, Default)]
pub struct Enforcer {
    rules: ArcSwap<Rules>,
    /// Held while a change is prepared, so that two changes at once do not lose one.
    writing: Mutex<()>,
}

/// One role of a project, as its AppProject says.
#[derive(Clone, Debug, Default)]
pub struct ProjectRole {
    /// Role name.
    pub name: String,
    /// Policy lines.
    pub policies: Vec<String>,
    /// Groups that hold the role.
    pub groups: Vec<String>,
}

impl Enforcer {
    /// Starts with the built-in roles alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the installation's policy: `policy.csv` and its overlays, joined by line breaks.
    /// On an error what was there before stays in force.
    pub fn reload(
        &self,
        csv: &str,
        mode: MatchMode,
        default_role: &str,
    ) -> Result<(), policy::Error> {
        let _alone = self.writing.lock();
        let old = self.rules.load_full();
        let user = Arc::new(Policy::from_csv(csv, mode)?);
        let mut projects = old.projects.clone();
        if mode != old.mode {
            for (name, project) in &mut projects {
                *project = Project::new(name, Arc::clone(&project.roles), mode)?;
            }
        }
        self.rules.store(Arc::new(Rules {
            user,
            mode,
            default_role: default_role.to_owned(),
            projects,
        }));
        Ok(())
    }

    /// Replaces the roles of one project; an empty list removes them. On an error what was there
    /// before stays in force.
    pub fn reload_project(&self, name: &str, roles: &[ProjectRole]) -> Result<(), policy::Error> {
        let _alone = self.writing.lock();
        let old = self.rules.load_full();
        let mut projects = old.projects.clone();
        if roles.is_empty() {
            projects.remove(name);
        } else {
            projects.insert(
                name.to_owned(),
                Project::new(name, Arc::from(roles), old.mode)?,
            );
        }
        self.rules.store(Arc::new(Rules {
            user: Arc::clone(&old.user),
            mode: old.mode,
            default_role: old.default_role.clone(),
            projects,
        }));
        Ok(())
    }

    /// Answers one question.
    pub fn enforce(
        &self,
        identity: &Identity,
        resource: &str,
        action: &str,
        object: &str,
    ) -> Decision {
        self.bind(identity).enforce(resource, action, object)
    }

    /// Prepares the answers for one caller: worthwhile for more than one question.
    pub fn bind(&self, identity: &Identity) -> Bound {
        let rules = self.rules.load_full();
        let mut principals = Vec::new();
        if !rules.default_role.is_empty() {
            principals.push(rules.default_role.clone());
        }
        let subject = identity.subject();
        if !subject.is_empty() {
            principals.push(subject);
        }
        principals.extend(
            identity
                .groups()
                .iter()
                .filter(|group| !group.is_empty())
                .cloned(),
        );
        Bound {
            principals: principals
                .into_iter()
                .map(|name| Principal::new(name, &rules))
                .collect(),
            only_project: match identity {
                Identity::ProjectRole { project, .. } => Some(project.clone()),
                _ => None,
            },
            unrestricted: *identity == Identity::Unrestricted,
            rules,
        }
    }
}

fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}

#[derive(Debug)]
struct Principal {
    name: String,
    /// Rules outside projects.
    rules: Vec<Arc<Rule>>,
    /// Projects whose own rules or bindings change this principal's answers.
    projects: BTreeSet<String>,
}

impl Principal {
    fn new(name: String, rules: &Rules) -> Self {
        let layers = rules.layers(None);
        let own: Vec<Arc<Rule>> = collect(&name, &layers);
        let global = reachable(&name, &layers);
        let projects = rules
            .projects
            .iter()
            .filter(|(project, own)| {
                let layers = rules.layers(Some(project));
                let held = reachable(&name, &layers);
                held != global
                    || held
                        .iter()
                        .any(|role| !own.policy.rules_of(role).is_empty())
            })
            .map(|(project, _)| project.clone())
            .collect();
        Self {
            rules: own,
            projects,
            name,
        }
    }

    fn decide(&self, all: &Rules, resource: &str, action: &str, object: &str) -> Decision {
        let project =
            project_of(resource, object).filter(|project| self.projects.contains(*project));
        match project {
            None => decide(&self.rules, resource, action, object),
            Some(_) => decide(
                &collect(&self.name, &all.layers(project)),
                resource,
                action,
                object,
            ),
        }
    }
}

fn collect(name: &str, layers: &[&Policy]) -> Vec<Arc<Rule>> {
    reachable(name, layers)
        .iter()
        .flat_map(|role| layers.iter().flat_map(|layer| layer.rules_of(role)))
        .cloned()
        .collect()
}

fn decide(rules: &[Arc<Rule>], resource: &str, action: &str, object: &str) -> Decision {
    let mut decision = Decision::Deny;
    for rule in rules {
        if rule.concerns(resource, action) && rule.covers(object) {
            match rule.effect() {
                Effect::Deny => return Decision::Deny,
                Effect::Allow => decision = Decision::Allow,
            }
        }
    }
    decision
}

/// Returns the project whose own rules speak about an object.
fn project_of<'a>(resource: &str, object: &'a str) -> Option<&'a str> {
    if resource == "projects" {
        return Some(object);
    }
    object.split_once('/').map(|(project, _)| project)
}

/// The answers for one caller, as of one moment.
#[derive(Debug)]
pub struct Bound {
    principals: Vec<Principal>,
    only_project: Option<String>,
    unrestricted: bool,
    rules: Arc<Rules>,
}

impl Bound {
    /// Answers one question. The caller is judged as the default role, as itself and as each of its
    /// groups; one yes is enough.
    pub fn enforce(&self, resource: &str, action: &str, object: &str) -> Decision {
        let allowed = self.unrestricted
            || self.principals.iter().any(|principal| {
                self.may_ask(principal, resource, object)
                    && principal
                        .decide(&self.rules, resource, action, object)
                        .is_allowed()
            });
        if allowed {
            Decision::Allow
        } else {
            Decision::Deny
        }
    }

    /// A project's token says nothing about other projects, whatever its rules claim.
    fn may_ask(&self, principal: &Principal, resource: &str, object: &str) -> bool {
        match &self.only_project {
            Some(project) if principal.name.starts_with("proj:") => {
                project_of(resource, object) == Some(project.as_str())
            }
            _ => true,
        }
    }

    /// Says whether every object, none or some of them may pass, without looking at one.
    pub fn scope(&self, resource: &str, action: &str) -> Scope {
        if self.unrestricted
            || self
                .principals
                .iter()
                .any(|principal| self.sees_all(principal, resource, action))
        {
            return Scope::All;
        }
        let concerns_any = |principal: &Principal| {
            !principal.projects.is_empty()
                || principal
                    .rules
                    .iter()
                    .any(|rule| rule.effect() == Effect::Allow && rule.concerns(resource, action))
        };
        if self.principals.iter().any(concerns_any) {
            Scope::Some
        } else {
            Scope::Nothing
        }
    }

    fn sees_all(&self, principal: &Principal, resource: &str, action: &str) -> bool {
        let denied_somewhere = principal
            .projects
            .iter()
            .filter_map(|project| self.rules.projects.get(project))
            .any(|project| project.policy.has_deny());
        let is_bounded = self.only_project.is_some() && principal.name.starts_with("proj:");
        if denied_somewhere || is_bounded {
            return false;
        }
        let concerned = || {
            principal
                .rules
                .iter()
                .filter(|rule| rule.concerns(resource, action))
        };
        concerned().any(|rule| rule.effect() == Effect::Allow && rule.covers_all_in_projects())
            && !concerned().any(|rule| rule.effect() == Effect::Deny)
    }
}

#[cfg(test)]
mod tests;
