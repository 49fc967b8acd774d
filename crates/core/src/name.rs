//! Newtypes for strings that must not be swapped.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! string_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps `text` as it is.
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(Arc::from(text.as_ref()))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Says whether the text is empty.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

string_newtype!(
    /// The name of an Application.
    AppName
);
string_newtype!(
    /// The name of an AppProject.
    ProjectName
);
string_newtype!(
    /// A Kubernetes namespace; empty for cluster-scoped objects.
    Namespace
);
string_newtype!(
    /// A repository address as the user wrote it. It may hold credentials: print it through
    /// [`crate::SafeUrl`].
    RepoUrl
);
string_newtype!(
    /// A resolved revision: a full commit SHA, a chart version or an OCI digest.
    Revision
);
string_newtype!(
    /// The API address of a cluster, without a trailing slash
    /// (`https://kubernetes.default.svc` is the cluster Driftless runs in or was given).
    ClusterUrl
);

impl ClusterUrl {
    /// Returns the address of the cluster Driftless runs in or was given (argocd-contract §7.5).
    pub fn in_cluster() -> Self {
        Self::new("https://kubernetes.default.svc")
    }
}

/// One Application: namespace and name of its object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AppKey {
    /// Namespace of the Application object.
    pub namespace: Namespace,
    /// Name of the Application object.
    pub name: AppName,
}

impl AppKey {
    /// Builds a key.
    pub fn new(namespace: impl Into<Namespace>, name: impl Into<AppName>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// Returns the instance name that marks managed objects: the app's name, or
    /// `<namespace>_<name>` outside the control-plane namespace (argocd-contract §2.2).
    pub fn instance(&self, control_namespace: &Namespace) -> String {
        if self.namespace == *control_namespace {
            self.name.to_string()
        } else {
            format!("{}_{}", self.namespace, self.name)
        }
    }
}

impl fmt::Display for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
