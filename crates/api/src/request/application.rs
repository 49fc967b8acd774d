//! Requests and answers about Applications.

use serde::{Deserialize, Serialize};

use crate::application::operation::SyncStrategy;
use crate::application::{Application, Info, RetryStrategy, SyncOperationResource};
use crate::object::object;
use crate::project::SyncWindow;
use crate::time::Time;
use crate::value::string_enum;

/// Which Applications, for list, watch and get.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationQuery {
    /// Name; all when empty.
    pub name: String,
    /// Refreshes first: `normal` or `hard`.
    pub refresh: String,
    /// Projects; all when empty.
    pub projects: Vec<String>,
    /// Projects, the other name of the same thing.
    pub project: Vec<String>,
    /// Version from which to watch.
    pub resource_version: String,
    /// Label selector.
    pub selector: String,
    /// Repository address.
    pub repo: String,
    /// Namespace of the Application.
    pub app_namespace: String,
    /// Fields to return, comma separated; a leading `-` leaves them out.
    pub fields: String,
    /// Text to search for (Driftless).
    pub search: String,
    /// Health to filter by (Driftless).
    pub health: Vec<String>,
    /// Sync status to filter by (Driftless).
    pub sync: Vec<String>,
    /// Most items to return (Driftless); all when zero.
    pub limit: i64,
    /// Items to skip (Driftless).
    pub offset: i64,
}

/// Options of deleting an Application.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeleteQuery {
    /// Deletes the managed objects too; yes when absent.
    pub cascade: Option<bool>,
    /// `foreground` or `background`.
    pub propagation_policy: String,
    /// Namespace of the Application.
    pub app_namespace: String,
    /// Project.
    pub project: String,
}

/// One object of an Application.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceQuery {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub resource_name: String,
    /// API version of the object.
    pub version: String,
    /// API group of the object.
    pub group: String,
    /// Kind of the object.
    pub kind: String,
    /// Kind of patch.
    pub patch_type: String,
    /// Deletes at once.
    pub force: bool,
    /// Leaves the dependents.
    pub orphan: bool,
    /// Namespace of the Application.
    pub app_namespace: String,
    /// Project.
    pub project: String,
}

/// Which objects to compare, with `GET …/managed-resources`.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagedResourcesQuery {
    /// Namespace of the object; all when empty.
    pub namespace: String,
    /// Name of the object; all when empty.
    pub name: String,
    /// API version of the object; all when empty.
    pub version: String,
    /// API group of the object; all when empty.
    pub group: String,
    /// Kind of the object; all when empty.
    pub kind: String,
    /// Namespace of the Application.
    pub app_namespace: String,
    /// Project.
    pub project: String,
}

/// Which logs.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogsQuery {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod_name: String,
    /// Container; the first when empty.
    pub container: String,
    /// Only the last seconds.
    pub since_seconds: i64,
    /// Only from this time on, RFC 3339.
    pub since_time: String,
    /// Only until this time, RFC 3339.
    pub until_time: String,
    /// Only the last lines; all when zero.
    pub tail_lines: i64,
    /// Goes on as lines are written.
    pub follow: bool,
    /// Only lines with this text; a leading `!` inverts.
    pub filter: String,
    /// Whether `filter` minds upper and lower case.
    pub match_case: bool,
    /// Logs of the container before the last restart.
    pub previous: bool,
    /// API group of the object whose pods are meant.
    pub group: String,
    /// Kind of the object whose pods are meant.
    pub kind: String,
    /// Name of the object whose pods are meant.
    pub resource_name: String,
    /// Namespace of the Application.
    pub app_namespace: String,
    /// Project.
    pub project: String,
}

object! {
    /// Starts a sync.
    no_schema ApplicationSyncRequest {
        /// Application.
        name: String,
        /// Revision to sync to; the spec's when empty.
        revision: String,
        /// Writes nothing.
        dry_run: bool,
        /// Deletes objects that are no longer in Git.
        prune: bool,
        /// How to apply.
        strategy: Option<Box<SyncStrategy>>,
        /// Limits the sync to these objects.
        resources: Vec<SyncOperationResource>,
        /// Manifests to use instead of Git.
        manifests: Vec<String>,
        /// Free text.
        infos: Vec<Info>,
        /// When to try again.
        retry_strategy: Option<Box<RetryStrategy>>,
        /// Sync options of this sync.
        sync_options: Option<SyncOptions>,
        /// Namespace of the Application.
        app_namespace: String,
        /// Project.
        project: String,
        /// Positions, from 1, of the sources that `revisions` is about.
        source_positions: Vec<i64>,
        /// Revisions of those sources.
        revisions: Vec<String>,
    }
}

object! {
    /// A list of sync options.
    no_schema SyncOptions {
        /// Options.
        items: Vec<String>,
    }
}

object! {
    /// Goes back to a sync of the history.
    no_schema RollbackRequest {
        /// Application.
        name: String,
        /// Number in the history; the one before the last when zero.
        id: i64,
        /// Writes nothing.
        dry_run: bool,
        /// Deletes objects that were not there.
        prune: bool,
        /// Namespace of the Application.
        app_namespace: String,
        /// Project.
        project: String,
    }
}

object! {
    /// Patches an Application.
    no_schema PatchRequest {
        /// Application.
        name: String,
        /// The patch, as JSON.
        patch: String,
        /// `json` or `merge`.
        patch_type: String,
        /// Namespace of the Application.
        app_namespace: String,
        /// Project.
        project: String,
    }
}

string_enum! {
    /// What happened to an object that is watched.
    WatchEventType {
        /// New, or there from the beginning.
        Added = "ADDED",
        /// Changed.
        Modified = "MODIFIED",
        /// Gone.
        Deleted = "DELETED",
    }
}

/// One event of the stream of Applications.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ApplicationWatchEvent<A = Application> {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: WatchEventType,
    /// The Application as it is now, or was before it went.
    pub application: A,
}

object! {
    /// The comparison of each managed object.
    no_schema ManagedResourcesResponse {
        required {
            /// Comparisons.
            items: Vec<ResourceDiff>,
        }
    }
}

object! {
    /// The comparison of one object. States are JSON texts, `null` when there is none.
    no_schema ResourceDiff {
        /// API group.
        group: String,
        /// Kind.
        kind: String,
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// What Git says.
        target_state: String,
        /// What the cluster says.
        live_state: String,
        /// Deprecated.
        diff: String,
        /// Whether it is a hook.
        hook: bool,
        /// The live state without what is ignored.
        normalized_live_state: String,
        /// The live state as it would be after a sync.
        predicted_live_state: String,
        /// Version of the live object.
        resource_version: String,
        /// Whether the two differ.
        modified: bool,
    }
}

object! {
    /// One object as JSON text.
    no_schema ResourceResponse {
        required {
            /// The object.
            manifest: String,
        }
    }
}

object! {
    /// One line of a log.
    no_schema LogEntry {
        required {
            /// The line.
            content: String,
        }
        /// When it was written.
        time_stamp: Option<Time>,
        /// When it was written, to the nanosecond.
        time_stamp_str: String,
        /// The pod that wrote it.
        pod_name: String,
        /// Whether it is the last.
        last: bool,
    }
}

object! {
    /// Who changed a revision, and why.
    no_schema RevisionMetadata {
        /// Author.
        author: String,
        /// When.
        date: Option<Time>,
        /// Tags.
        tags: Vec<String>,
        /// Message.
        message: String,
        /// Signature.
        signature_info: String,
    }
}

object! {
    /// What a chart says about itself.
    no_schema ChartDetails {
        /// Description.
        description: String,
        /// Home page.
        home: String,
        /// Maintainers.
        maintainers: Vec<String>,
    }
}

object! {
    /// Whether a sync is allowed now.
    no_schema SyncWindowsResponse {
        /// Windows that are open.
        active_windows: Vec<SyncWindow>,
        /// Windows that concern the Application.
        assigned_windows: Vec<SyncWindow>,
        /// Whether a sync by hand is allowed.
        can_sync: bool,
    }
}

object! {
    /// Links to show.
    no_schema LinksResponse {
        required {
            /// Links.
            items: Vec<Link>,
        }
    }
}

object! {
    /// A link to show.
    no_schema Link {
        required {
            /// Title.
            title: String,
            /// Address.
            url: String,
        }
        /// Text for people.
        description: String,
        /// Icon.
        icon_class: String,
    }
}
