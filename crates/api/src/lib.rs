//! The types that people and programs send to Driftless and read from it: Applications, projects,
//! REST requests, and the names of annotations, labels and finalizers.
//!
//! Layer 1: types, defaults and validation; no input or output and no behaviour. Field names,
//! defaults and messages are the ones of `argoproj.io/v1alpha1`. Reading is lenient: `null` is
//! absent, unknown fields and unknown enum texts survive a round trip at every level, and what was
//! absent stays absent when written.
//!
//! Reading order: [`application`], [`project`], [`rollout`], [`analysis`], [`meta`], [`extra`].

pub mod analysis;
pub mod annotation;
pub mod application;
pub mod crd;
pub mod duration;
pub mod extra;
pub mod meta;
mod object;
pub mod project;
pub mod read;
pub mod request;
pub mod rollout;
pub mod sync_option;
pub mod time;
pub mod validation;
pub mod value;

pub use application::{Application, ApplicationList};
pub use crd::{analysis_crds, crds};
pub use extra::Extra;
pub use meta::{ListMeta, ObjectMeta};
pub use project::{AppProject, AppProjectList};
pub use rollout::{ModelRollout, ModelRolloutList};
pub use time::Time;
