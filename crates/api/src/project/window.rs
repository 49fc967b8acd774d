//! Times at which syncs are allowed or denied (argocd-contract §1.2: sync window).

use crate::object::object;
use crate::value::string_enum;

string_enum! {
    /// Whether a window allows or denies.
    WindowKind {
        /// Allows.
        Allow = "allow",
        /// Denies.
        Deny = "deny",
    }
}

object! {
    /// A time at which syncs are allowed or denied.
    SyncWindow {
        /// Allows or denies.
        kind: WindowKind,
        /// Start, a cron expression of five fields.
        schedule: String,
        /// Length, a Go duration.
        duration: String,
        /// Applications, globs.
        applications: Vec<String>,
        /// Namespaces, globs.
        namespaces: Vec<String>,
        /// Clusters, globs over name or address.
        clusters: Vec<String>,
        /// All three lists must match instead of any.
        and_operator: bool,
        /// Syncs by hand pass.
        manual_sync: bool,
        /// Time zone; UTC when empty.
        time_zone: String,
        /// Text for people.
        description: String,
        /// A sync that began before the window may go on.
        sync_overrun: bool,
    }
}
