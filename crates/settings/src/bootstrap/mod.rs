//! What is needed and missing is created (argocd-contract §7.3, §1.2).
//!
//! Every step looks, creates only what is not there, and yields to whoever was first, so that it
//! can be repeated, stopped anywhere, and run by two instances at once.

mod crd;
mod password;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use driftless_api::{AppProject, annotation};
use driftless_core::{Class, Classify, GroupVersionKind, Namespace, ResourceKey, Secret};
use driftless_kube::write::{ApplyMode, Conflicts, DryRun, PatchType, Target};
use driftless_kube::{ApplyOptions, Cluster, WriteCtx, Writer};
use driftless_manifest::Object;
use jiff::Timestamp;
use serde_json::{Value, json};

pub use crd::{CrdOutcome, apply_crds};

use crate::object::SecretObject;
use crate::{credential, general, params, rbac, trust};

/// Name of the Secret that holds the first password of `admin`.
pub const INITIAL_PASSWORD_NAME: &str = "argocd-initial-admin-secret";

/// How often a step that lost a race is repeated.
const ATTEMPTS: usize = 8;

/// Something that is needed could not be created.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster did not do it.
    #[error("{what}")]
    Cluster {
        /// What was being done.
        what: String,
        /// Why not.
        #[source]
        source: driftless_kube::Error,
    },
    /// The kinds are not installed.
    #[error(
        "the cluster does not know the kind {kind}: start with --apply-crds, or run \
         `driftless crds | kubectl apply --server-side -f -`"
    )]
    CrdMissing {
        /// The kind.
        kind: &'static str,
    },
    /// The password could not be hashed.
    #[error("hashing the first password")]
    Hash(#[source] bcrypt::BcryptError),
    /// An object is not of the form of its kind.
    #[error("reading {what}: {message}")]
    Form {
        /// The object.
        what: String,
        /// What is wrong.
        message: String,
    },
    /// Others kept changing the same object.
    #[error("{what} kept being changed by others")]
    Contended {
        /// The object.
        what: String,
    },
    /// A CRD is there but does not become usable.
    #[error("CustomResourceDefinition {name} does not become ready: {message}")]
    CrdNotReady {
        /// Its name.
        name: String,
        /// What its conditions say.
        message: String,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Cluster { source, .. } => source.class(),
            Self::CrdMissing { .. } => Class::Missing,
            Self::Hash(_) => Class::Internal,
            Self::Form { .. } => Class::User,
            Self::Contended { .. } => Class::Conflict,
            Self::CrdNotReady { .. } => Class::Transient,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Cluster { source, .. } => source.reason(),
            Self::CrdMissing { .. } => "CrdMissing",
            Self::Hash(_) => "PasswordHashFailed",
            Self::Form { .. } => "MalformedObject",
            Self::Contended { .. } => "Contended",
            Self::CrdNotReady { .. } => "CrdNotReady",
        }
    }
}

/// What was created, by kind and name.
pub type Created = Vec<String>;

/// Whether `admin` needs a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admin {
    /// It gets one if it has none.
    Password,
    /// Nobody logs in: authentication is off, or the account is.
    None,
}

/// Creates what is missing in `namespace`, the namespace included; returns what was created.
pub async fn run(
    cluster: &Arc<Cluster>,
    namespace: &Namespace,
    ctx: &WriteCtx,
    admin: Admin,
    now: Timestamp,
) -> Result<Created, Error> {
    let mut boot = Bootstrap {
        cluster,
        writer: cluster.writer(),
        namespace,
        ctx,
        created: Vec::new(),
    };
    boot.namespace().await?;
    for name in [
        general::NAME,
        params::NAME,
        rbac::NAME,
        trust::KNOWN_HOSTS_NAME,
        trust::TLS_NAME,
    ] {
        boot.config_map(name).await?;
    }
    boot.signing_key().await?;
    if admin == Admin::Password && boot.is_admin_enabled().await? {
        boot.admin_password(now).await?;
    }
    boot.default_project().await?;
    Ok(boot.created)
}

struct Bootstrap<'a> {
    cluster: &'a Arc<Cluster>,
    writer: Writer,
    namespace: &'a Namespace,
    ctx: &'a WriteCtx,
    created: Created,
}

/// What creating an object came to.
#[derive(PartialEq, Eq)]
enum Outcome {
    Created,
    ThereAlready,
}

impl Bootstrap<'_> {
    async fn namespace(&mut self) -> Result<(), Error> {
        let name = self.namespace.as_str();
        let what = format!("creating namespace {name}");
        match self.read(&kind("Namespace"), "", name).await? {
            Some(_) => Ok(()),
            None => match self
                .writer
                .create_namespace(self.ctx, name, None, DryRun::No)
                .await
            {
                Ok(true) => {
                    self.created.push(format!("Namespace {name}"));
                    Ok(())
                }
                Ok(false) | Err(driftless_kube::Error::AlreadyExists { .. }) => Ok(()),
                Err(source) => Err(Error::Cluster { what, source }),
            },
        }
    }

    /// Creates a ConfigMap, or adds the label without which it would not be followed.
    async fn config_map(&mut self, name: &str) -> Result<(), Error> {
        let gvk = kind("ConfigMap");
        let data = match name {
            general::NAME => json!({ "resource.exclusions": DEFAULT_EXCLUSIONS }),
            trust::KNOWN_HOSTS_NAME => json!({ "ssh_known_hosts": DEFAULT_KNOWN_HOSTS }),
            _ => Value::Null,
        };
        for _ in 0..ATTEMPTS {
            match self.read(&gvk, self.namespace.as_str(), name).await? {
                Some(object) => {
                    return self.label(&gvk, &object).await;
                }
                None => {
                    let mut object = self.skeleton("ConfigMap", name);
                    if !data.is_null() {
                        object["data"] = data.clone();
                    }
                    if self.create(object).await? == Outcome::Created {
                        return Ok(());
                    }
                }
            }
        }
        Err(contended("ConfigMap", name))
    }

    async fn label(&self, gvk: &GroupVersionKind, object: &Object) -> Result<(), Error> {
        if object.label(annotation::LABEL_PART_OF) == Some(annotation::PART_OF_VALUE) {
            return Ok(());
        }
        tracing::info!(
            obj = object.name(),
            "Labelling settings so that they are followed"
        );
        let patch = json!({"metadata": {"labels": {
            annotation::LABEL_PART_OF: annotation::PART_OF_VALUE
        }}});
        self.patch(gvk, object.name(), &patch).await
    }

    async fn signing_key(&mut self) -> Result<(), Error> {
        let gvk = kind("Secret");
        let key = || {
            // The key is a text, so that it can be copied to and from other installations.
            let text = STANDARD.encode(rand::random::<[u8; 32]>());
            json!({ "server.secretkey": STANDARD.encode(text) })
        };
        for _ in 0..ATTEMPTS {
            match self.secret(credential::NAME).await? {
                Some((object, secret)) => {
                    self.label(&gvk, &object).await?;
                    let has_key = secret
                        .data
                        .get("server.secretkey")
                        .is_some_and(|value| !value.expose().is_empty());
                    if has_key || self.add(&object, key()).await? == Outcome::Created {
                        return Ok(());
                    }
                }
                None => {
                    let mut object = self.skeleton("Secret", credential::NAME);
                    object["type"] = json!("Opaque");
                    object["data"] = key();
                    if self.create(object).await? == Outcome::Created {
                        return Ok(());
                    }
                }
            }
        }
        Err(contended("Secret", credential::NAME))
    }

    /// Says whether the account is on. What is malformed is off: nobody is let in by mistake.
    async fn is_admin_enabled(&self) -> Result<bool, Error> {
        let found = self
            .read(&kind("ConfigMap"), self.namespace.as_str(), general::NAME)
            .await?;
        Ok(found
            .as_ref()
            .and_then(|object| object.str_at(&["data", "admin.enabled"]))
            .is_none_or(|text| crate::reader::boolean(text.trim()).unwrap_or(false)))
    }

    async fn admin_password(&mut self, now: Timestamp) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let Some((object, secret)) = self.secret(credential::NAME).await? else {
                self.signing_key().await?;
                continue;
            };
            if secret.text("admin.password").is_some() {
                return Ok(());
            }
            // Whoever creates this Secret first decides the password; a crash before the next step
            // loses nothing.
            let password = self.initial_password().await?;
            let hash = password::hash(password).await?;
            let data = json!({
                "admin.password": STANDARD.encode(hash.expose()),
                "admin.passwordMtime": STANDARD.encode(format!("{now:.0}")),
            });
            if self.add(&object, data).await? == Outcome::Created {
                return Ok(());
            }
        }
        Err(contended("Secret", credential::NAME))
    }

    async fn initial_password(&mut self) -> Result<Secret<String>, Error> {
        for _ in 0..ATTEMPTS {
            if let Some((_, secret)) = self.secret(INITIAL_PASSWORD_NAME).await?
                && let Some(password) = secret.text("password")
            {
                return Ok(Secret::new(password.to_owned()));
            }
            let password = password::generate();
            let mut object = self.skeleton("Secret", INITIAL_PASSWORD_NAME);
            object["type"] = json!("Opaque");
            object["data"] = json!({ "password": STANDARD.encode(password.expose()) });
            if self.create(object).await? == Outcome::Created {
                return Ok(password);
            }
        }
        Err(contended("Secret", INITIAL_PASSWORD_NAME))
    }

    async fn default_project(&mut self) -> Result<(), Error> {
        let gvk = GroupVersionKind::from_api_version(AppProject::API_VERSION, AppProject::KIND);
        let found = self
            .read(&gvk, self.namespace.as_str(), AppProject::DEFAULT)
            .await;
        let missing = |error| match error {
            Error::Cluster {
                source: driftless_kube::Error::UnknownKind { .. },
                ..
            } => Error::CrdMissing {
                kind: AppProject::KIND,
            },
            other => other,
        };
        if found.map_err(missing)?.is_none() {
            let project = AppProject::default_project(self.namespace.as_str());
            let value = serde_json::to_value(&project).map_err(|error| Error::Form {
                what: "the default AppProject".to_owned(),
                message: error.to_string(),
            })?;
            // Applied: the API server holds the creation of a kind that is new for two seconds.
            self.write(value, ApplyMode::ServerSide).await?;
        }
        Ok(())
    }

    fn skeleton(&self, kind: &str, name: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": self.namespace.as_str(),
                "labels": {
                    "app.kubernetes.io/name": name,
                    annotation::LABEL_PART_OF: annotation::PART_OF_VALUE,
                },
            },
        })
    }

    async fn create(&mut self, value: Value) -> Result<Outcome, Error> {
        self.write(value, ApplyMode::Create).await
    }

    async fn write(&mut self, value: Value, mode: ApplyMode) -> Result<Outcome, Error> {
        let object = object(value)?;
        let what = format!("{} {}", object.kind(), object.name());
        let options = ApplyOptions {
            mode,
            conflicts: Conflicts::Fail,
            ..ApplyOptions::default()
        };
        match self.writer.apply(self.ctx, &object, &options).await {
            Ok(_) => {
                self.created.push(what);
                Ok(Outcome::Created)
            }
            Err(
                driftless_kube::Error::AlreadyExists { .. }
                | driftless_kube::Error::Conflict { .. },
            ) => Ok(Outcome::ThereAlready),
            Err(source) => Err(Error::Cluster {
                what: format!("creating {what}"),
                source,
            }),
        }
    }

    /// Adds keys to a Secret, unless somebody changed it since it was read.
    async fn add(&self, object: &Object, data: Value) -> Result<Outcome, Error> {
        let patch = json!({
            "metadata": { "resourceVersion": object.resource_version() },
            "data": data,
        });
        match self.patch(&kind("Secret"), object.name(), &patch).await {
            Ok(()) => Ok(Outcome::Created),
            Err(Error::Cluster {
                source: driftless_kube::Error::Conflict { .. },
                ..
            }) => Ok(Outcome::ThereAlready),
            Err(error) => Err(error),
        }
    }

    async fn patch(&self, gvk: &GroupVersionKind, name: &str, patch: &Value) -> Result<(), Error> {
        let key = ResourceKey::new(&gvk.group, &gvk.kind, self.namespace.as_str(), name);
        self.writer
            .patch(
                self.ctx,
                gvk,
                &key,
                &Target::Object,
                PatchType::Merge,
                Bytes::from(patch.to_string()),
            )
            .await
            .map(|_| ())
            .map_err(|source| Error::Cluster {
                what: format!("changing {} {name}", gvk.kind),
                source,
            })
    }

    async fn secret(&self, name: &str) -> Result<Option<(Object, SecretObject)>, Error> {
        let found = self
            .read(&kind("Secret"), self.namespace.as_str(), name)
            .await?;
        let Some(object) = found else {
            return Ok(None);
        };
        let secret =
            driftless_api::read::from_value(object.to_value()).map_err(|error| Error::Form {
                what: format!("Secret {name}"),
                message: error.to_string(),
            })?;
        Ok(Some((object, secret)))
    }

    async fn read(
        &self,
        gvk: &GroupVersionKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, Error> {
        read(self.cluster, gvk, namespace, name).await
    }
}

/// Reads an object; `None` when it is not there.
async fn read(
    cluster: &Cluster,
    gvk: &GroupVersionKind,
    namespace: &str,
    name: &str,
) -> Result<Option<Object>, Error> {
    match cluster.get(gvk, namespace, name).await {
        Ok(object) => Ok(Some(object)),
        Err(
            driftless_kube::Error::NotFound { .. } | driftless_kube::Error::NamespaceMissing { .. },
        ) => Ok(None),
        Err(source) => Err(Error::Cluster {
            what: format!("reading {} {name}", gvk.kind),
            source,
        }),
    }
}

fn kind(kind: &str) -> GroupVersionKind {
    GroupVersionKind::new("", "v1", kind)
}

fn contended(kind: &str, name: &str) -> Error {
    Error::Contended {
        what: format!("{kind} {name}"),
    }
}

fn object(value: Value) -> Result<Object, Error> {
    Object::from_value(value).map_err(|error| Error::Form {
        what: "an object to create".to_owned(),
        message: error.to_string(),
    })
}

/// Kinds that change all the time or are answers to questions: nobody keeps them in Git.
const DEFAULT_EXCLUSIONS: &str = "\
- apiGroups: ['', discovery.k8s.io]
  kinds: [Endpoints, EndpointSlice]
- apiGroups: [authentication.k8s.io, authorization.k8s.io]
  kinds: ['*Review']
- apiGroups: [certificates.k8s.io]
  kinds: [CertificateSigningRequest]
- apiGroups: [cert-manager.io]
  kinds: [CertificateRequest]
- apiGroups: [cilium.io]
  kinds: [CiliumIdentity, CiliumEndpoint, CiliumEndpointSlice]
- apiGroups: [kyverno.io, reports.kyverno.io, wgpolicyk8s.io]
  kinds: ['*Report', '*ReportRequest', PolicyReport, ClusterPolicyReport, UpdateRequest]
";

/// Host keys that the big Git hosts publish.
const DEFAULT_KNOWN_HOSTS: &str = "\
github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl
gitlab.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf
bitbucket.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO
";
