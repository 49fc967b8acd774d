//! What can go wrong when talking to a cluster, typed by what a caller does about it.

use std::time::Duration;

use driftless_core::{Class, Classify, ClusterUrl, GroupVersionKind};

/// One field the API server complains about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cause {
    /// Path of the field, such as `spec.selector`; may be empty.
    pub field: String,
    /// Reason in the API server's words, such as `FieldValueInvalid`.
    pub reason: String,
    /// Text for people. Never holds values of a Secret.
    pub message: String,
}

/// A request to a cluster that did not succeed.
///
/// Where the API server answered, the text is its own words (users match on them); values of
/// Secrets are removed before an error is built.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The cluster does not answer, or did not a moment ago (the circuit is open).
    #[error("cluster {cluster} is unreachable: {detail}")]
    Unreachable {
        /// The cluster.
        cluster: ClusterUrl,
        /// What the connection said.
        detail: String,
    },
    /// The cluster took the request and did not answer in time; whether it was done is unknown.
    #[error("{what} timed out after {} s", after.as_secs())]
    Timeout {
        /// What was being done.
        what: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The credentials are not accepted (401).
    #[error("cluster {cluster} does not accept the credentials: {message}")]
    Unauthorized {
        /// The cluster.
        cluster: ClusterUrl,
        /// The server's words.
        message: String,
    },
    /// The credentials are good but may not do this (403).
    #[error("{message}")]
    Forbidden {
        /// The server's words.
        message: String,
    },
    /// An admission webhook or policy said no.
    #[error("{message}")]
    Webhook {
        /// Name of the webhook or policy.
        webhook: String,
        /// The server's words.
        message: String,
    },
    /// Our own authorisation said no; nothing was sent.
    #[error("{message}")]
    Denied {
        /// Why.
        message: String,
    },
    /// The lease that covers this write is not held any more; nothing was sent.
    #[error("not written: lease {lease} is not held")]
    Fenced {
        /// Name of the lease.
        lease: String,
    },
    /// The object does not exist (404).
    #[error("{message}")]
    NotFound {
        /// The server's words.
        message: String,
    },
    /// The cluster serves no such kind.
    #[error("no matches for kind \"{}\" in version \"{}\"", gvk.kind, gvk.api_version())]
    UnknownKind {
        /// The kind that was asked for.
        gvk: GroupVersionKind,
    },
    /// The namespace does not exist.
    #[error("{message}")]
    NamespaceMissing {
        /// The namespace.
        namespace: String,
        /// The server's words.
        message: String,
    },
    /// The namespace is being deleted and takes no new objects.
    #[error("{message}")]
    NamespaceTerminating {
        /// The namespace.
        namespace: String,
        /// The server's words.
        message: String,
    },
    /// Somebody else changed or owns the same thing (409).
    #[error("{message}")]
    Conflict {
        /// The server's words.
        message: String,
    },
    /// The object exists already (409, on create).
    #[error("{message}")]
    AlreadyExists {
        /// The server's words.
        message: String,
    },
    /// The object is not valid (422).
    #[error("{message}")]
    Invalid {
        /// The server's words.
        message: String,
        /// Field by field.
        causes: Vec<Cause>,
    },
    /// The list position is too old (410).
    #[error("{message}")]
    Expired {
        /// The server's words.
        message: String,
    },
    /// The server asks to slow down (429), and went on asking.
    #[error("{message}")]
    TooManyRequests {
        /// The server's words.
        message: String,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// Any other refusal (4xx).
    #[error("{message}")]
    Rejected {
        /// HTTP status.
        code: u16,
        /// Reason in the server's words.
        status_reason: String,
        /// The server's words.
        message: String,
    },
    /// The server failed (5xx).
    #[error("{message}")]
    Server {
        /// HTTP status.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The answer cannot be read.
    #[error("cannot read the answer to {what}: {detail}")]
    Decode {
        /// What was being done.
        what: String,
        /// What is wrong.
        detail: String,
    },
    /// There are more objects than the caller takes.
    #[error("there are more than {most} objects of {what}")]
    TooMany {
        /// Their kind.
        what: String,
        /// What the caller takes.
        most: usize,
    },
    /// An object handed in lacks what a write needs (kind, name, …).
    #[error("cannot write the object: {detail}")]
    BadObject {
        /// What is missing.
        detail: String,
    },
}

impl Error {
    /// Says whether waiting and trying again can help without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        self.class() == Class::Transient
    }

    /// Returns the HTTP status behind the error; 0 where none was received.
    pub fn status_code(&self) -> u16 {
        match self {
            Self::Unauthorized { .. } => 401,
            Self::Forbidden { .. } | Self::Webhook { .. } | Self::NamespaceTerminating { .. } => {
                403
            }
            Self::NotFound { .. } | Self::NamespaceMissing { .. } => 404,
            Self::Conflict { .. } | Self::AlreadyExists { .. } => 409,
            Self::Expired { .. } => 410,
            Self::Invalid { .. } => 422,
            Self::TooManyRequests { .. } => 429,
            Self::Rejected { code, .. } | Self::Server { code, .. } => *code,
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Denied { .. }
            | Self::Fenced { .. }
            | Self::UnknownKind { .. }
            | Self::Decode { .. }
            | Self::TooMany { .. }
            | Self::BadObject { .. } => 0,
        }
    }

    /// Says whether an immutable field stands in the way, so that only delete and create can help.
    pub fn is_immutable(&self) -> bool {
        match self {
            Self::Invalid { message, causes } => {
                let says = |text: &str| {
                    text.contains("field is immutable")
                        || text.contains("may not change once set")
                        || text.contains("updates to statefulset spec for fields other than")
                        || text.contains("is immutable after creation")
                };
                says(message) || causes.iter().any(|cause| says(&cause.message))
            }
            _ => false,
        }
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::TooManyRequests { .. }
            | Self::Expired { .. }
            | Self::Server { .. }
            | Self::NamespaceTerminating { .. } => Class::Transient,
            Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::Webhook { .. }
            | Self::Denied { .. } => Class::Denied,
            Self::NotFound { .. } | Self::UnknownKind { .. } | Self::NamespaceMissing { .. } => {
                Class::Missing
            }
            Self::Conflict { .. } | Self::AlreadyExists { .. } | Self::Fenced { .. } => {
                Class::Conflict
            }
            Self::Invalid { .. }
            | Self::Rejected { .. }
            | Self::TooMany { .. }
            | Self::BadObject { .. } => Class::User,
            Self::Decode { .. } => Class::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "ClusterUnreachable",
            Self::Timeout { .. } => "ClusterTimeout",
            Self::Unauthorized { .. } => "ClusterUnauthorized",
            Self::Forbidden { .. } => "Forbidden",
            Self::Webhook { .. } => "DeniedByWebhook",
            Self::Denied { .. } => "NotPermitted",
            Self::Fenced { .. } => "LeaseLost",
            Self::NotFound { .. } => "NotFound",
            Self::UnknownKind { .. } => "UnknownKind",
            Self::NamespaceMissing { .. } => "NamespaceMissing",
            Self::NamespaceTerminating { .. } => "NamespaceTerminating",
            Self::Conflict { .. } => "Conflict",
            Self::AlreadyExists { .. } => "AlreadyExists",
            Self::Invalid { .. } => "Invalid",
            Self::Expired { .. } => "Expired",
            Self::TooManyRequests { .. } => "TooManyRequests",
            Self::Rejected { .. } => "Rejected",
            Self::Server { .. } => "ClusterError",
            Self::Decode { .. } => "UnreadableAnswer",
            Self::TooMany { .. } => "TooManyObjects",
            Self::BadObject { .. } => "BadObject",
        }
    }
}
