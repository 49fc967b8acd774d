//! Who is calling.

use std::fmt;

/// A caller whose credentials were verified, or nobody.
///
/// The variants keep apart what would be equal as strings: a user of an identity provider who is
/// called `admin` is not the local account `admin`.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum Identity {
    /// No credentials, and anonymous access is allowed.
    Anonymous,
    /// A local account.
    Local {
        /// Account name.
        name: String,
    },
    /// A role of a project, by one of its tokens.
    ProjectRole {
        /// Project name.
        project: String,
        /// Role name.
        role: String,
    },
    /// A user of an identity provider.
    External {
        /// The provider's stable identifier of the user.
        subject: String,
        /// Name to show.
        name: String,
        /// Groups the provider vouches for.
        groups: Vec<String>,
        /// Issuer.
        issuer: String,
    },
    /// Authorisation is switched off (`--disable-auth`): everything is allowed.
    Unrestricted,
}

impl Identity {
    /// Returns the subject that access policies name, without groups.
    pub fn subject(&self) -> String {
        match self {
            Self::Anonymous | Self::Unrestricted => String::new(),
            Self::Local { name } => name.clone(),
            Self::ProjectRole { project, role } => format!("proj:{project}:{role}"),
            Self::External { subject, .. } => subject.clone(),
        }
    }

    /// Returns the name for events, logs and `initiatedBy`; empty for nobody.
    pub fn username(&self) -> String {
        match self {
            Self::External { name, .. } => name.clone(),
            other => other.subject(),
        }
    }

    /// Returns the groups that access policies may name.
    pub fn groups(&self) -> &[String] {
        match self {
            Self::External { groups, .. } => groups,
            _ => &[],
        }
    }

    /// Says whether somebody was recognised.
    pub fn is_authenticated(&self) -> bool {
        !matches!(self, Self::Anonymous)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Unrestricted => f.write_str("unrestricted"),
            other => f.write_str(&other.username()),
        }
    }
}

/// Splits `proj:<project>:<role>`.
pub fn project_role(subject: &str) -> Option<(&str, &str)> {
    let (project, role) = subject.strip_prefix("proj:")?.split_once(':')?;
    (!project.is_empty() && !role.is_empty() && !role.contains(':')).then_some((project, role))
}
