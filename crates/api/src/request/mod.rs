//! Requests and answers of the REST API (argocd-contract §8).
//!
//! Names are the ones of the JSON gateway. Resource trees belong to the engine.

pub mod application;
pub mod error;
pub mod query;
pub mod session;

pub use application::{
    ApplicationQuery, ApplicationSyncRequest, ApplicationWatchEvent, DeleteQuery, LogEntry,
    LogsQuery, ManagedResourcesResponse, PatchRequest, ResourceDiff, ResourceQuery,
    ResourceResponse, RollbackRequest, WatchEventType,
};
pub use error::{Code, ErrorBody};

use crate::object::object;

object! {
    /// An answer that says only that it is done.
    no_schema Empty {}
}

/// One line of a stream: `{"result": …}` or `{"error": …}`.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StreamLine<T> {
    /// An item.
    Result(T),
    /// The stream ends with an error.
    Error(ErrorBody),
}
