//! One repository Secret, key by key.

use std::num::NonZeroU32;

use driftless_core::{ProjectName, SafeUrl, Secret};
use driftless_source::Repository;
use driftless_source::repository::{ClientCertificate, Credentials};

use super::{RepositoryEntry, RepositoryType};
use crate::object::SecretObject;
use crate::reader::boolean;

/// What the Secret is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One repository.
    Repository,
    /// Every repository with a prefix.
    Prefix,
}

/// What is wrong; never holds a value.
pub(super) struct Problem {
    pub(super) key: &'static str,
    pub(super) message: String,
}

/// Ways to log in that are not supported, by the key that asks for them.
const UNSUPPORTED: [&str; 5] = [
    "githubAppPrivateKey",
    "gcpServiceAccountKey",
    "azureServicePrincipalClientSecret",
    "azureServicePrincipalClientId",
    "azureServicePrincipalClientID",
];

/// Reads a Secret.
pub(super) fn entry(secret: &SecretObject, form: Form) -> Result<RepositoryEntry, Problem> {
    let text = |key: &'static str| secret.text(key);
    let owned = |key: &'static str| text(key).unwrap_or_default().to_owned();
    let flag = |key: &'static str| match text(key) {
        None => Ok(false),
        Some(value) => boolean(value).map_err(|_| Problem {
            key,
            message: "neither true nor false".to_owned(),
        }),
    };
    let url = text("url").ok_or(Problem {
        key: "url",
        message: "the key is missing or empty".to_owned(),
    })?;
    let mut repository = Repository::new(url);
    if form == Form::Repository {
        repository
            .address()
            .map_err(|error| Problem {
                key: "url",
                message: error.to_string(),
            })
            // Only Git addresses are checked: the others are known to their own clients.
            .or_else(|problem| match text("type") {
                None | Some("git") => Err(problem),
                Some(_) => Ok(driftless_source::repository::Address::Local("/".into())),
            })?;
    }
    let insecure = flag("insecure")?;
    repository.scope = text("project").map(ProjectName::from);
    repository.credentials = credentials(secret);
    repository.tls.insecure = insecure;
    repository.tls.client = client_certificate(secret)?;
    repository.ssh.insecure_ignore_host_key = insecure || flag("insecureIgnoreHostKey")?;
    repository.proxy = text("proxy").map(SafeUrl::new);
    repository.no_proxy = owned("noProxy");
    repository.depth = depth(secret)?;
    let workload_identity = flag("useAzureWorkloadIdentity")?;
    let unsupported = UNSUPPORTED
        .into_iter()
        .find(|key| text(key).is_some())
        .or(workload_identity.then_some("useAzureWorkloadIdentity"));
    Ok(RepositoryEntry {
        secret: secret.metadata.name.clone(),
        name: owned("name"),
        kind: match text("type") {
            None | Some("git") => RepositoryType::Git,
            Some("helm") => RepositoryType::Helm,
            Some("oci") => RepositoryType::Oci,
            Some(_) => {
                return Err(Problem {
                    key: "type",
                    message: "none of git, helm and oci".to_owned(),
                });
            }
        },
        enable_oci: flag("enableOCI")?,
        oci_force_http: flag("insecureOCIForceHttp")?,
        force_basic_auth: flag("forceHttpBasicAuth")?,
        lfs: flag("enableLfs")?,
        repository,
        unsupported,
    })
}

fn credentials(secret: &SecretObject) -> Credentials {
    let hidden = |key: &str| secret.text(key).map(|text| Secret::new(text.to_owned()));
    // An OpenSSH key must end with a line end, which reading a text takes away.
    let ssh_key = secret
        .text("sshPrivateKey")
        .map(|key| Secret::new(format!("{key}\n")));
    if let Some(key) = ssh_key {
        return Credentials::SshKey(key);
    }
    if let Some(token) = hidden("bearerToken") {
        return Credentials::Bearer(token);
    }
    match (secret.text("username"), hidden("password")) {
        (None, None) => Credentials::None,
        (username, password) => Credentials::Basic {
            username: username.unwrap_or_default().to_owned(),
            password: password.unwrap_or_default(),
        },
    }
}

fn client_certificate(secret: &SecretObject) -> Result<Option<ClientCertificate>, Problem> {
    match (
        secret.text("tlsClientCertData"),
        secret.text("tlsClientCertKey"),
    ) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(ClientCertificate {
            certificate: certificate.to_owned(),
            key: Secret::new(key.to_owned()),
        })),
        (None, Some(_)) => Err(Problem {
            key: "tlsClientCertData",
            message: "the key is missing, although tlsClientCertKey is there".to_owned(),
        }),
        (Some(_), None) => Err(Problem {
            key: "tlsClientCertKey",
            message: "the key is missing, although tlsClientCertData is there".to_owned(),
        }),
    }
}

fn depth(secret: &SecretObject) -> Result<Option<NonZeroU32>, Problem> {
    match secret.text("depth") {
        None => Ok(None),
        Some(text) => text
            .parse::<u32>()
            .map(NonZeroU32::new)
            .map_err(|_| Problem {
                key: "depth",
                message: "not a whole number".to_owned(),
            }),
    }
}
