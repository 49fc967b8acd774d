//! Sync options: `Key=value` texts in the spec, in an operation, or in an annotation
//! (argocd-contract §2.3).

/// Keys.
pub const PRUNE: &str = "Prune";
/// What happens when the Application is deleted.
pub const DELETE: &str = "Delete";
/// Schema validation.
pub const VALIDATE: &str = "Validate";
/// No dry run for kinds that do not exist yet.
pub const SKIP_DRY_RUN_ON_MISSING_RESOURCE: &str = "SkipDryRunOnMissingResource";
/// Prunes after everything else.
pub const PRUNE_LAST: &str = "PruneLast";
/// Replaces instead of applying.
pub const REPLACE: &str = "Replace";
/// Deletes and creates again.
pub const FORCE: &str = "Force";
/// Server-side apply.
pub const SERVER_SIDE_APPLY: &str = "ServerSideApply";
/// Takes over from client-side apply.
pub const CLIENT_SIDE_APPLY_MIGRATION: &str = "ClientSideApplyMigration";
/// Applies only what is out of sync.
pub const APPLY_OUT_OF_SYNC_ONLY: &str = "ApplyOutOfSyncOnly";
/// How pruned objects are deleted.
pub const PRUNE_PROPAGATION_POLICY: &str = "PrunePropagationPolicy";
/// Fails when an object belongs to another Application.
pub const FAIL_ON_SHARED_RESOURCE: &str = "FailOnSharedResource";
/// Leaves ignored fields as they are.
pub const RESPECT_IGNORE_DIFFERENCES: &str = "RespectIgnoreDifferences";
/// Creates the destination namespace.
pub const CREATE_NAMESPACE: &str = "CreateNamespace";

/// Says whether `key=value` is among the options.
pub fn has<S: AsRef<str>>(options: &[S], key: &str, value: &str) -> bool {
    self::values(options, key).any(|found| found == value)
}

/// Returns the value of a key; the last one wins.
pub fn value<'a, S: AsRef<str>>(options: &'a [S], key: &'a str) -> Option<&'a str> {
    values(options, key).last()
}

fn values<'a, S: AsRef<str>>(
    options: &'a [S],
    key: &'a str,
) -> impl Iterator<Item = &'a str> + use<'a, S> {
    options.iter().filter_map(move |option| {
        let (name, value) = option.as_ref().split_once('=')?;
        (name.trim() == key).then_some(value.trim())
    })
}

/// Splits the value of an annotation ([`crate::annotation::SYNC_OPTIONS`]) into options.
pub fn from_annotation(value: &str) -> Vec<&str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|option| !option.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_looked_up_by_key_and_value() {
        let options = from_annotation("Prune=false, ServerSideApply=true,,Prune=confirm");
        assert!(has(&options, PRUNE, "false"));
        assert!(!has(&options, REPLACE, "true"));
        assert_eq!(value(&options, PRUNE), Some("confirm"));
        assert_eq!(value(&options, FORCE), None);
    }
}
