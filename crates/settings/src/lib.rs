//! The ConfigMaps and Secrets of the control plane as immutable snapshots that follow their objects.
//!
//! One mistake stays where it is: a key or Secret that cannot be read gives a [`Diagnostic`] that
//! names object, key and remedy, and what it said before stays in effect. A list that could not be
//! read is not an empty list. Values of Secrets are never printed.
//!
//! Never here: defaults of other components, compiling policies, connecting to anything but the
//! control plane's own namespace.
//!
//! Reading order: [`live`], [`snapshot`], [`general`], [`params`], [`rbac`], [`credential`],
//! [`repository`], [`cluster`], [`trust`], [`reference`], [`bootstrap`].

pub mod bootstrap;
pub mod cluster;
pub mod credential;
pub mod diagnostic;
pub mod general;
pub mod live;
pub mod object;
pub mod params;
pub mod rbac;
mod reader;
pub mod reference;
pub mod repository;
pub mod snapshot;
pub mod trust;

pub use cluster::Clusters;
pub use diagnostic::Diagnostic;
pub use general::General;
pub use live::SettingsHandle;
pub use repository::Repositories;
pub use snapshot::{Inputs, NotReady, Readable, Settings};
