//! Clusters: connections, discovery, what is in them, and the only code that writes to them.
//!
//! - [`cluster`]: [`Clusters`] is the registry, [`Cluster`] one connection with its state.
//! - [`live`]: what is in a cluster right now, by watch; [`Lookup`] never takes "could not read"
//!   for "is not there".
//! - [`mod@write`]: [`Writer`], the apply choke point.
//! - [`lease`], [`event`], [`log`], [`store`]: leases with fences, Events, container logs, and
//!   typed stores of the control plane's own objects.
//!
//! It does not know what an Application is: apps appear as tracking instances (strings).

pub mod cluster;
pub mod config;
pub mod discovery;
pub mod error;
pub mod event;
pub mod lease;
pub mod live;
pub mod log;
pub mod metrics;
mod queue;
pub mod store;
mod transport;
mod watch;
pub mod write;

pub use cluster::{Cluster, Clusters, Options};
pub use config::ClusterConfig;
pub use discovery::{Discovery, Resolved, Resource};
pub use error::Error;
pub use event::{Event, EventRecorder};
pub use lease::{Fence, Lease, LeaseOptions, LeaseState};
pub use live::{Change, Live, LiveObject, LiveSettings, Lookup, Wanted};
pub use metrics::Metrics;
pub use store::{Store, StoreScope};
pub use transport::{ClusterState, Impersonate, Version};
pub use write::{ApplyOptions, Authorise, DeleteOptions, WriteCtx, Writer};
