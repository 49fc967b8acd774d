//! Rendering into Git before syncing from it (argocd-contract §1.1: sourceHydrator).

use super::source::{Directory, Helm, Kustomize, Plugin, Source};
use crate::object::object;
use crate::time::Time;
use crate::value::string_enum;

object! {
    /// Renders a dry source, pushes the result to Git and syncs from there.
    SourceHydrator {
        required {
            /// What to render.
            dry_source: DrySource,
            /// Where the rendered manifests are synced from.
            sync_source: SyncSource,
        }
        /// Branch to push to instead of the sync branch.
        hydrate_to: Option<Box<HydrateTo>>,
    }
}

object! {
    /// What to render.
    DrySource {
        required {
            /// Git repository.
            #[serde(rename = "repoURL")]
            repo_url: String,
            /// Revision to render.
            target_revision: String,
            /// Directory to render.
            path: String,
        }
        /// Helm options.
        helm: Option<Box<Helm>>,
        /// Kustomize options.
        kustomize: Option<Box<Kustomize>>,
        /// Plain directory options.
        directory: Option<Box<Directory>>,
        /// Config management plugin options.
        plugin: Option<Box<Plugin>>,
    }
}

object! {
    /// Where rendered manifests are synced from.
    SyncSource {
        required {
            /// Branch.
            target_branch: String,
            /// Directory; never the root.
            path: String,
        }
        /// Repository; the dry source's when empty.
        #[serde(rename = "repoURL")]
        repo_url: String,
    }
}

object! {
    /// Branch to push rendered manifests to.
    HydrateTo {
        required {
            /// Branch.
            target_branch: String,
        }
    }
}

impl SourceHydrator {
    /// Returns the source that is synced.
    pub fn to_sync_source(&self) -> Source {
        let repo_url = if self.sync_source.repo_url.is_empty() {
            &self.dry_source.repo_url
        } else {
            &self.sync_source.repo_url
        };
        Source {
            repo_url: repo_url.clone(),
            path: self.sync_source.path.clone(),
            target_revision: self.sync_source.target_branch.clone(),
            ..Source::default()
        }
    }

    /// Returns the source that is rendered.
    pub fn to_dry_source(&self) -> Source {
        let dry = &self.dry_source;
        Source {
            repo_url: dry.repo_url.clone(),
            path: dry.path.clone(),
            target_revision: dry.target_revision.clone(),
            helm: dry.helm.clone(),
            kustomize: dry.kustomize.clone(),
            directory: dry.directory.clone(),
            plugin: dry.plugin.clone(),
            ..Source::default()
        }
    }
}

string_enum! {
    /// How far a hydration is.
    HydratePhase {
        /// Under way.
        Hydrating = "Hydrating",
        /// Ended with an error.
        Failed = "Failed",
        /// Ended well.
        Hydrated = "Hydrated",
    }
}

object! {
    /// State of hydration, in `status.sourceHydrator`.
    SourceHydratorStatus {
        /// The latest hydration.
        current_operation: Option<Box<HydrateOperation>>,
        /// The latest hydration that ended well.
        last_successful_operation: Option<Box<SuccessfulHydrateOperation>>,
        /// Dry revision that was compared last.
        last_compared_dry_revision: String,
    }
}

object! {
    /// One hydration.
    HydrateOperation {
        required {
            /// How far it is.
            phase: HydratePhase,
            /// What happened.
            message: String,
        }
        /// When it began.
        started_at: Option<Time>,
        /// When it ended.
        finished_at: Option<Time>,
        /// Dry revision.
        #[serde(rename = "drySHA")]
        dry_sha: String,
        /// Commit that was pushed.
        #[serde(rename = "hydratedSHA")]
        hydrated_sha: String,
        /// The hydrator as it was then.
        source_hydrator: Option<Box<SourceHydrator>>,
    }
}

object! {
    /// A hydration that ended well.
    SuccessfulHydrateOperation {
        /// Dry revision.
        #[serde(rename = "drySHA")]
        dry_sha: String,
        /// Commit that was pushed.
        #[serde(rename = "hydratedSHA")]
        hydrated_sha: String,
        /// The hydrator as it was then.
        source_hydrator: Option<Box<SourceHydrator>>,
    }
}
