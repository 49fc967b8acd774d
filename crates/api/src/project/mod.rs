//! The AppProject: what its Applications may do (argocd-contract §1.2).

pub mod window;

use std::collections::BTreeMap;

pub use window::SyncWindow;

use crate::meta::{ListMeta, ObjectMeta};
use crate::object::object;

object! {
    /// A project: what its Applications may deploy, from where, to where.
    AppProject {
        required {
            /// Metadata.
            metadata: ObjectMeta,
            /// What is allowed.
            spec: ProjectSpec,
        }
        /// `argoproj.io/v1alpha1`.
        api_version: String,
        /// `AppProject`.
        kind: String,
        /// Tokens of the roles.
        status: Option<Box<ProjectStatus>>,
    }
}

object! {
    /// What a project allows.
    ProjectSpec {
        /// Text for people, at most 255 characters.
        description: String,
        /// Repositories, globs; a leading `!` denies.
        source_repos: Vec<String>,
        /// Clusters and namespaces.
        destinations: Vec<ProjectDestination>,
        /// Cluster-scoped kinds that are allowed; none when empty.
        cluster_resource_whitelist: Vec<ClusterResourceRestriction>,
        /// Cluster-scoped kinds that are denied.
        cluster_resource_blacklist: Vec<ClusterResourceRestriction>,
        /// Namespaced kinds that are allowed; all when absent, none when empty.
        namespace_resource_whitelist: Option<Vec<GroupKindPattern>>,
        /// Namespaced kinds that are denied.
        namespace_resource_blacklist: Vec<GroupKindPattern>,
        /// Roles of users and tokens.
        roles: Vec<ProjectRole>,
        /// When syncs are allowed.
        sync_windows: Vec<SyncWindow>,
        /// Watches for objects that belong to no Application; off when absent.
        orphaned_resources: Option<Box<OrphanedResources>>,
        /// Namespaces whose Applications may use the project.
        source_namespaces: Vec<String>,
        /// Only clusters of this project may be used.
        permit_only_project_scoped_clusters: bool,
        /// Service accounts to act as.
        destination_service_accounts: Vec<DestinationServiceAccount>,
        /// Signatures that commits must have.
        source_integrity: Option<Box<SourceIntegrity>>,
        /// Keys that commits must be signed with; deprecated.
        signature_keys: Vec<SignatureKey>,
    }
}

object! {
    /// A cluster and namespace, globs; a leading `!` denies.
    ProjectDestination {
        /// Address of the API server.
        server: String,
        /// Name of the cluster.
        name: String,
        /// Namespace.
        namespace: String,
    }
}

object! {
    /// A cluster-scoped kind, and optionally names.
    ClusterResourceRestriction {
        required {
            /// API group, a glob.
            group: String,
            /// Kind, a glob.
            kind: String,
        }
        /// Name, a glob.
        name: String,
    }
}

object! {
    /// A namespaced kind.
    GroupKindPattern {
        required {
            /// API group, a glob.
            group: String,
            /// Kind, a glob.
            kind: String,
        }
    }
}

object! {
    /// A role that users and tokens can have.
    ProjectRole {
        required {
            /// Name.
            name: String,
        }
        /// Text for people.
        description: String,
        /// Policy lines.
        policies: Vec<String>,
        /// Groups of the identity provider that have the role.
        groups: Vec<String>,
        /// Tokens.
        jwt_tokens: Vec<JwtToken>,
    }
}

object! {
    /// A token that was issued.
    JwtToken {
        required {
            /// When it was issued, in seconds.
            iat: i64,
        }
        /// When it ends, in seconds; never when absent.
        exp: i64,
        /// Identity.
        id: String,
    }
}

object! {
    /// Tokens of a role.
    JwtTokens {
        /// Tokens.
        items: Vec<JwtToken>,
    }
}

object! {
    /// Tokens of the roles, beside the ones in the spec.
    ProjectStatus {
        /// Tokens by role.
        jwt_tokens_by_role: BTreeMap<String, JwtTokens>,
    }
}

object! {
    /// Watching for objects that belong to no Application.
    OrphanedResources {
        /// Whether Applications get a warning; yes when absent.
        warn: Option<bool>,
        /// Objects to leave out.
        ignore: Vec<OrphanedResourceKey>,
    }
}

object! {
    /// Objects that do not count as orphaned.
    OrphanedResourceKey {
        /// API group, a glob.
        group: String,
        /// Kind, a glob.
        kind: String,
        /// Name, a glob.
        name: String,
    }
}

object! {
    /// A service account to act as at a destination.
    DestinationServiceAccount {
        required {
            /// Address of the API server, a glob.
            server: String,
            /// Service account: `[namespace:]name`.
            default_service_account: String,
        }
        /// Namespace, a glob.
        namespace: String,
    }
}

object! {
    /// Signatures that sources must have.
    SourceIntegrity {
        /// Rules for Git.
        git: Option<Box<SourceIntegrityGit>>,
    }
}

object! {
    /// Rules for Git repositories.
    SourceIntegrityGit {
        /// Rules; at most one for each repository.
        policies: Vec<SourceIntegrityGitPolicy>,
    }
}

object! {
    /// One rule.
    SourceIntegrityGitPolicy {
        /// Repositories it is about.
        repos: Vec<SourceIntegrityRepo>,
        /// Which signatures are needed.
        gpg: Option<Box<SourceIntegrityGpg>>,
    }
}

object! {
    /// A repository a rule is about.
    SourceIntegrityRepo {
        required {
            /// Address, a glob.
            url: String,
        }
    }
}

object! {
    /// Which GPG signatures are needed.
    SourceIntegrityGpg {
        required {
            /// `none`, `head` or `strict`.
            mode: String,
        }
        /// Key ids.
        keys: Vec<String>,
    }
}

object! {
    /// A key that commits must be signed with.
    SignatureKey {
        required {
            /// Key id.
            #[serde(rename = "keyID")]
            key_id: String,
        }
    }
}

object! {
    /// A list of projects.
    no_schema AppProjectList {
        required {
            /// `argoproj.io/v1alpha1`.
            api_version: String,
            /// `AppProjectList`.
            kind: String,
            /// Metadata of the list.
            metadata: ListMeta,
            /// Projects.
            items: Vec<AppProject>,
        }
    }
}

impl AppProject {
    /// API group and version.
    pub const API_VERSION: &str = "argoproj.io/v1alpha1";
    /// Kind.
    pub const KIND: &str = "AppProject";
    /// Plural name in addresses.
    pub const PLURAL: &str = "appprojects";
    /// Name of the project that is always there.
    pub const DEFAULT: &str = "default";

    /// Builds the project that is created when there is none: everything is allowed.
    pub fn default_project(namespace: &str) -> Self {
        Self {
            api_version: Self::API_VERSION.to_owned(),
            kind: Self::KIND.to_owned(),
            metadata: ObjectMeta {
                name: Self::DEFAULT.to_owned(),
                namespace: namespace.to_owned(),
                ..ObjectMeta::default()
            },
            spec: ProjectSpec {
                source_repos: vec!["*".to_owned()],
                destinations: vec![ProjectDestination {
                    server: "*".to_owned(),
                    namespace: "*".to_owned(),
                    ..ProjectDestination::default()
                }],
                cluster_resource_whitelist: vec![ClusterResourceRestriction {
                    group: "*".to_owned(),
                    kind: "*".to_owned(),
                    ..ClusterResourceRestriction::default()
                }],
                ..ProjectSpec::default()
            },
            ..Self::default()
        }
    }
}
