//! Repository Secrets: which credentials a repository has (argocd-contract §7.5).

mod read;

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_api::annotation;
use driftless_core::{Class, Classify, ProjectName, SafeUrl};
use driftless_source::Repository;
use driftless_source::repository::{Credentials, normalise};

use crate::diagnostic::Diagnostic;
use crate::object::SecretObject;
use crate::trust::Trust;

/// What a repository holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepositoryType {
    /// Git.
    #[default]
    Git,
    /// Helm charts.
    Helm,
    /// OCI artifacts.
    Oci,
}

/// One repository Secret, or one with credentials for every repository with a prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct RepositoryEntry {
    /// Name of the Secret.
    pub secret: String,
    /// Name for people.
    pub name: String,
    /// What it holds.
    pub kind: RepositoryType,
    /// A Helm repository in an OCI registry.
    pub enable_oci: bool,
    /// The registry is reached without TLS.
    pub oci_force_http: bool,
    /// Credentials go with the first request, without being asked for.
    pub force_basic_auth: bool,
    /// Large files are fetched.
    pub lfs: bool,
    /// How to reach it; for a prefix, the address is the prefix.
    pub repository: Repository,
    /// A way to prove who we are that is not supported, by its key.
    pub unsupported: Option<&'static str>,
}

impl RepositoryEntry {
    fn has_credentials(&self) -> bool {
        self.unsupported.is_some()
            || self.repository.credentials != Credentials::None
            || self.repository.tls.client.is_some()
    }
}

/// A repository cannot be used as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The Secret asks for something that is not there yet.
    #[error("repository {url}: Secret {secret} uses {key}, which is not supported yet")]
    Unsupported {
        /// The repository.
        url: SafeUrl,
        /// The Secret.
        secret: String,
        /// The key.
        key: &'static str,
    },
    /// The Secret cannot be read and nothing is known from before.
    #[error("repository {url}: Secret {secret} cannot be read: {message}")]
    Malformed {
        /// The repository.
        url: SafeUrl,
        /// The Secret.
        secret: String,
        /// What is wrong.
        message: String,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        Class::User
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unsupported { .. } => "RepositoryFeatureUnsupported",
            Self::Malformed { .. } => "InvalidRepositorySecret",
        }
    }
}

/// What a Secret turned out to be.
#[derive(Clone, Debug, PartialEq)]
enum Slot {
    Entry(Arc<RepositoryEntry>),
    /// It names a repository but cannot be read: its repository must not go on without credentials.
    Broken {
        secret: String,
        message: String,
    },
}

/// All repositories and prefixes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repositories {
    /// By normalised address and project.
    repositories: BTreeMap<(String, Option<ProjectName>), Slot>,
    /// Longest prefix first.
    prefixes: Vec<(String, Slot)>,
    trust: Trust,
}

impl Repositories {
    /// Reads the Secrets; one that cannot be read keeps what it said before.
    pub(crate) fn read(
        secrets: &[Arc<SecretObject>],
        trust: &Trust,
        previous: Option<&Self>,
    ) -> (Self, Vec<Diagnostic>) {
        let mut all = Self {
            trust: trust.clone(),
            ..Self::default()
        };
        let mut diagnostics = Vec::new();
        for secret in secrets {
            match secret.label(annotation::LABEL_SECRET_TYPE) {
                Some(annotation::SECRET_TYPE_REPOSITORY) => {
                    all.add_repository(secret, previous, &mut diagnostics);
                }
                Some(annotation::SECRET_TYPE_REPO_CREDS) => {
                    all.add_prefix(secret, previous, &mut diagnostics);
                }
                _ => {}
            }
        }
        all.prefixes
            .sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        (all, diagnostics)
    }

    fn add_repository(
        &mut self,
        secret: &SecretObject,
        previous: Option<&Self>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let Some((url, slot)) = slot(secret, read::Form::Repository, previous, diagnostics) else {
            return;
        };
        let scope = secret.text("project").map(ProjectName::from);
        let key = (normalise(&url), scope);
        if let Some(Slot::Entry(first)) = self.repositories.get(&key) {
            diagnostics.push(Diagnostic {
                object: format!("Secret {}", secret.metadata.name),
                key: "url".to_owned(),
                message: format!(
                    "repository {} is described by Secret {} already",
                    SafeUrl::new(url),
                    first.secret
                ),
                hint: "delete one of them; the first by name is used".to_owned(),
            });
            return;
        }
        self.repositories.insert(key, slot);
    }

    fn add_prefix(
        &mut self,
        secret: &SecretObject,
        previous: Option<&Self>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        if let Some((url, slot)) = slot(secret, read::Form::Prefix, previous, diagnostics) {
            self.prefixes.push((url, slot));
        }
    }

    fn of_secret(&self, name: &str) -> Option<&Arc<RepositoryEntry>> {
        self.repositories
            .values()
            .chain(self.prefixes.iter().map(|(_, slot)| slot))
            .find_map(|slot| match slot {
                Slot::Entry(entry) if entry.secret == name => Some(entry),
                _ => None,
            })
    }

    /// Walks over the repositories that have a Secret.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<RepositoryEntry>> {
        self.repositories.values().filter_map(Slot::entry)
    }

    /// Walks over the credentials for prefixes, the longest prefix first.
    pub fn prefixes(&self) -> impl Iterator<Item = &Arc<RepositoryEntry>> {
        self.prefixes.iter().filter_map(|(_, slot)| slot.entry())
    }

    /// Returns the Secret of a repository: the project's own, or one for every project.
    pub fn find(&self, url: &str, project: Option<&ProjectName>) -> Option<&Arc<RepositoryEntry>> {
        self.slot_of(url, project).and_then(Slot::entry)
    }

    fn slot_of(&self, url: &str, project: Option<&ProjectName>) -> Option<&Slot> {
        let url = normalise(url);
        let own = project
            .and_then(|project| self.repositories.get(&(url.clone(), Some(project.clone()))));
        own.or_else(|| self.repositories.get(&(url, None)))
    }

    /// Returns how to reach a repository: with its own Secret, or with the credentials of the
    /// longest prefix, or with none; and whom to trust.
    pub fn repository(
        &self,
        url: &str,
        project: Option<&ProjectName>,
    ) -> Result<Repository, Error> {
        let mut repository = Repository::new(url);
        let own = self.slot_of(url, project);
        if let Some(slot) = own {
            let entry = slot.usable(url)?;
            repository = entry.repository.clone();
            repository.url = SafeUrl::new(url);
        }
        if !own
            .and_then(Slot::entry)
            .is_some_and(|e| e.has_credentials())
            && let Some(slot) = self.prefix_of(url)
        {
            inherit(&mut repository, slot.usable(url)?);
        }
        if let Some(pem) = self.trust.certificates_for(url) {
            repository.tls.ca_bundle = Some(pem.clone());
        }
        repository
            .ssh
            .known_hosts
            .clone_from(&self.trust.known_hosts);
        Ok(repository)
    }

    fn prefix_of(&self, url: &str) -> Option<&Slot> {
        let url = url.to_lowercase();
        self.prefixes
            .iter()
            .find(|(prefix, _)| covers(&prefix.to_lowercase(), &url))
            .map(|(_, slot)| slot)
    }
}

/// Says whether an address starts with a prefix. A prefix that ends in the host must cover the
/// whole host: credentials for `https://git.example` are not for `https://git.example.evil`.
fn covers(prefix: &str, url: &str) -> bool {
    let Some(rest) = url.strip_prefix(prefix) else {
        return false;
    };
    let ends_in_host = match prefix.split_once("://") {
        Some((_, authority)) => !authority.contains('/'),
        None => !prefix.contains(':'),
    };
    !ends_in_host || rest.is_empty() || rest.starts_with(['/', ':'])
}

fn inherit(repository: &mut Repository, from: &RepositoryEntry) {
    let from = &from.repository;
    repository.credentials = from.credentials.clone();
    if repository.tls.client.is_none() {
        repository.tls.client.clone_from(&from.tls.client);
    }
    if repository.proxy.is_none() {
        repository.proxy.clone_from(&from.proxy);
        repository.no_proxy.clone_from(&from.no_proxy);
    }
}

impl Slot {
    fn entry(&self) -> Option<&Arc<RepositoryEntry>> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Broken { .. } => None,
        }
    }

    fn usable(&self, url: &str) -> Result<&RepositoryEntry, Error> {
        match self {
            Self::Broken { secret, message } => Err(Error::Malformed {
                url: SafeUrl::new(url),
                secret: secret.clone(),
                message: message.clone(),
            }),
            Self::Entry(entry) => match entry.unsupported {
                Some(key) => Err(Error::Unsupported {
                    url: SafeUrl::new(url),
                    secret: entry.secret.clone(),
                    key,
                }),
                None => Ok(entry),
            },
        }
    }
}

/// Reads one Secret: its address and what it says, or what it said before.
fn slot(
    secret: &SecretObject,
    form: read::Form,
    previous: Option<&Repositories>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(String, Slot)> {
    let name = secret.metadata.name.clone();
    let mut report = |key: &str, message: &str, hint: &str| {
        diagnostics.push(Diagnostic {
            object: format!("Secret {name}"),
            key: key.to_owned(),
            message: message.to_owned(),
            hint: hint.to_owned(),
        });
    };
    let kept = previous.and_then(|previous| previous.of_secret(&name));
    match read::entry(secret, form) {
        Ok(entry) => {
            if let Some(key) = entry.unsupported {
                report(
                    key,
                    "this way to log in is not supported yet",
                    "use username and password, bearerToken or sshPrivateKey",
                );
            }
            let url = entry.repository.url.expose().to_owned();
            Some((url, Slot::Entry(Arc::new(entry))))
        }
        Err(problem) => match kept {
            Some(entry) => {
                report(
                    problem.key,
                    &problem.message,
                    "the repository stays as it was",
                );
                let url = entry.repository.url.expose().to_owned();
                Some((url, Slot::Entry(entry.clone())))
            }
            None => {
                report(
                    problem.key,
                    &problem.message,
                    "Applications that use the repository wait until this is put right",
                );
                let url = secret.text("url")?.to_owned();
                let message = if problem.key.is_empty() {
                    problem.message
                } else {
                    format!("key {}: {}", problem.key, problem.message)
                };
                Some((
                    url,
                    Slot::Broken {
                        secret: name,
                        message,
                    },
                ))
            }
        },
    }
}
