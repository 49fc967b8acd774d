//! Names of annotations, labels and finalizers (argocd-contract §1.1, §2).

/// Asks for a refresh: `normal` or `hard`.
pub const REFRESH: &str = "argocd.argoproj.io/refresh";
/// When the refresh was asked for, to notice a newer request.
pub const REFRESH_TIMESTAMP: &str = "argocd.argoproj.io/refresh-timestamp";
/// Asks for hydration.
pub const HYDRATE: &str = "argocd.argoproj.io/hydrate";
/// When hydration was asked for.
pub const HYDRATE_TIMESTAMP: &str = "argocd.argoproj.io/hydrate-timestamp";
/// Asks an ApplicationSet to run its generators again.
pub const APPLICATION_SET_REFRESH: &str = "argocd.argoproj.io/application-set-refresh";
/// Leaves an Application or a cluster alone.
pub const SKIP_RECONCILE: &str = "argocd.argoproj.io/skip-reconcile";
/// Paths whose change concerns the Application.
pub const MANIFEST_GENERATE_PATHS: &str = "argocd.argoproj.io/manifest-generate-paths";
/// How to compare.
pub const COMPARE_OPTIONS: &str = "argocd.argoproj.io/compare-options";
/// Confirms deletions that wait for it.
pub const DELETION_APPROVED: &str = "argocd.argoproj.io/deletion-approved";
/// Another instance that manages the Application.
pub const MANAGED_BY_URL: &str = "argocd.argoproj.io/managed-by-url";
/// Field manager to take over from when moving to server-side apply.
pub const CLIENT_SIDE_APPLY_MIGRATION_MANAGER: &str =
    "argocd.argoproj.io/client-side-apply-migration-manager";
/// Which Application an object belongs to.
pub const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
/// Which instance an object belongs to.
pub const INSTALLATION_ID: &str = "argocd.argoproj.io/installation-id";
/// Sync options of one object.
pub const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
/// Sync wave.
pub const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";
/// Kinds of hook.
pub const HOOK: &str = "argocd.argoproj.io/hook";
/// When a hook is deleted.
pub const HOOK_DELETE_POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
/// Leaves an object out of the Application's health.
pub const IGNORE_HEALTHCHECK: &str = "argocd.argoproj.io/ignore-healthcheck";
/// Changes of an object do not cause a refresh.
pub const IGNORE_RESOURCE_UPDATES: &str = "argocd.argoproj.io/ignore-resource-updates";
/// Adds no addresses from ingresses and gateways.
pub const IGNORE_DEFAULT_LINKS: &str = "argocd.argoproj.io/ignore-default-links";
/// Judges a pod as if it were always restarted.
pub const IGNORE_RESTART_POLICY: &str = "argocd.argoproj.io/ignore-restart-policy";
/// Prefix of links to show: `link.argocd.argoproj.io/<id>`.
pub const LINK_PREFIX: &str = "link.argocd.argoproj.io/";
/// Prefix of a notice to show.
pub const NOTICE_PREFIX: &str = "notice.argocd.argoproj.io/";
/// Prefix of view preferences.
pub const PREFERENCE_PREFIX: &str = "pref.argocd.argoproj.io/";
/// Bookkeeping of notifications that were sent.
pub const NOTIFIED: &str = "notified.notifications.argoproj.io";
/// Helm's: `keep` leaves an object when its Application is deleted.
pub const HELM_RESOURCE_POLICY: &str = "helm.sh/resource-policy";
/// Helm's kinds of hook.
pub const HELM_HOOK: &str = "helm.sh/hook";
/// Helm's wave.
pub const HELM_HOOK_WEIGHT: &str = "helm.sh/hook-weight";
/// Helm's rule for deleting hooks.
pub const HELM_HOOK_DELETE_POLICY: &str = "helm.sh/hook-delete-policy";
/// On Secrets: `argocd.argoproj.io` means the API made them and may delete them.
pub const MANAGED_BY: &str = "managed-by";
/// Value of [`MANAGED_BY`].
pub const MANAGED_BY_VALUE: &str = "argocd.argoproj.io";

/// How much of an Application a prune may delete without confirmation (Driftless): a number, a
/// percentage, or `off`.
pub const PRUNE_BUDGET: &str = "driftless.dev/prune-budget";
/// The revision that is quarantined and why (Driftless): kept so that a restart remembers it.
pub const QUARANTINE: &str = "driftless.dev/quarantine";
/// The running operation and the waves among which its prunes are mirrored (Driftless), so that a process that
/// takes the operation over prunes in the same order.
pub const PRUNE_WAVES: &str = "driftless.dev/prune-waves";
/// Automation leaves the Application alone (Driftless): a reason, or JSON with `reason`, `by` and `until`.
pub const SUSPEND: &str = "driftless.dev/suspend";
/// What must be ready before automation syncs the Application (Driftless).
pub const DEPENDS_ON: &str = "driftless.dev/depends-on";
/// Asks for a rollback (Driftless): a history id, or `previous`.
pub const ROLLBACK: &str = "driftless.dev/rollback";
/// Who asked for it with the annotation (Driftless).
pub const ROLLBACK_BY: &str = "driftless.dev/rollback-by";

/// Label of Secrets: what they hold.
pub const LABEL_SECRET_TYPE: &str = "argocd.argoproj.io/secret-type";
/// Value of [`LABEL_SECRET_TYPE`]: a cluster.
pub const SECRET_TYPE_CLUSTER: &str = "cluster";
/// Value of [`LABEL_SECRET_TYPE`]: a repository.
pub const SECRET_TYPE_REPOSITORY: &str = "repository";
/// Value of [`LABEL_SECRET_TYPE`]: credentials for repositories with a prefix.
pub const SECRET_TYPE_REPO_CREDS: &str = "repo-creds";
/// Value of [`LABEL_SECRET_TYPE`]: a repository to push to.
pub const SECRET_TYPE_REPOSITORY_WRITE: &str = "repository-write";
/// Value of [`LABEL_SECRET_TYPE`]: credentials for pushing to repositories with a prefix.
pub const SECRET_TYPE_REPO_WRITE_CREDS: &str = "repo-write-creds";
/// Value of [`LABEL_SECRET_TYPE`]: credentials of an SCM provider.
pub const SECRET_TYPE_SCM_CREDS: &str = "scm-creds";
/// Label that settings objects carry, with the value [`PART_OF_VALUE`].
pub const LABEL_PART_OF: &str = "app.kubernetes.io/part-of";
/// Value of [`LABEL_PART_OF`].
pub const PART_OF_VALUE: &str = "argocd";
/// Default label that names the Application of an object.
pub const LABEL_INSTANCE: &str = "app.kubernetes.io/instance";
/// Label of cluster Secrets that asks for labels with what is known about the cluster.
pub const LABEL_AUTO_CLUSTER_INFO: &str = "argocd.argoproj.io/auto-label-cluster-info";
/// Label of cluster Secrets with the Kubernetes version.
pub const LABEL_KUBERNETES_VERSION: &str = "argocd.argoproj.io/kubernetes-version";

/// Deletes managed objects before the Application goes, in the foreground.
pub const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";
/// The same, said explicitly.
pub const FINALIZER_FOREGROUND: &str = "resources-finalizer.argocd.argoproj.io/foreground";
/// Deletes managed objects in the background.
pub const FINALIZER_BACKGROUND: &str = "resources-finalizer.argocd.argoproj.io/background";
/// Runs PreDelete hooks.
pub const FINALIZER_PRE_DELETE: &str = "pre-delete-finalizer.argocd.argoproj.io";
/// Removes PreDelete hooks.
pub const FINALIZER_PRE_DELETE_CLEANUP: &str = "pre-delete-finalizer.argocd.argoproj.io/cleanup";
/// Runs PostDelete hooks.
pub const FINALIZER_POST_DELETE: &str = "post-delete-finalizer.argocd.argoproj.io";
/// Removes PostDelete hooks.
pub const FINALIZER_POST_DELETE_CLEANUP: &str = "post-delete-finalizer.argocd.argoproj.io/cleanup";
/// Keeps a running hook from vanishing.
pub const FINALIZER_HOOK: &str = "argocd.argoproj.io/hook-finalizer";

/// How managed objects are deleted with their Application.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cascade {
    /// They stay.
    Orphan,
    /// Deleted, waiting for their dependents.
    Foreground,
    /// Deleted, their dependents later.
    Background,
}

/// Reads from the finalizers of an Application how its objects are deleted.
pub fn cascade<S: AsRef<str>>(finalizers: &[S]) -> Cascade {
    let has = |name: &str| {
        finalizers
            .iter()
            .any(|finalizer| finalizer.as_ref() == name)
    };
    if has(FINALIZER_BACKGROUND) {
        Cascade::Background
    } else if has(FINALIZER) || has(FINALIZER_FOREGROUND) {
        Cascade::Foreground
    } else {
        Cascade::Orphan
    }
}

/// Says whether a finalizer is one of ours, to be dropped when a cluster is gone for good.
pub fn is_our_finalizer(finalizer: &str) -> bool {
    let name = finalizer.split('/').next().unwrap_or_default();
    [FINALIZER, FINALIZER_PRE_DELETE, FINALIZER_POST_DELETE].contains(&name)
}

/// Reads a boolean annotation as Go's `ParseBool` does; anything else is false.
pub fn is_true(value: Option<&str>) -> bool {
    matches!(value, Some("1" | "t" | "T" | "true" | "TRUE" | "True"))
}

/// A request to refresh.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Refresh {
    /// Look at the newest revision.
    Normal,
    /// Also render again.
    Hard,
}

impl Refresh {
    /// Reads the value of [`REFRESH`]: `hard`, and anything else is normal.
    pub fn from_annotation(value: &str) -> Self {
        if value == "hard" {
            Self::Hard
        } else {
            Self::Normal
        }
    }

    /// Returns the value of [`REFRESH`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Hard => "hard",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cascade_follows_the_finalizers() {
        assert_eq!(cascade::<&str>(&[]), Cascade::Orphan);
        assert_eq!(cascade(&["x", FINALIZER]), Cascade::Foreground);
        assert_eq!(cascade(&[FINALIZER_FOREGROUND]), Cascade::Foreground);
        assert_eq!(cascade(&[FINALIZER_BACKGROUND]), Cascade::Background);
        assert!(is_our_finalizer(FINALIZER_POST_DELETE_CLEANUP));
        assert!(!is_our_finalizer("foregroundDeletion"));
    }
}
