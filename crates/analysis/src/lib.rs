//! Judgement's outside: what a rollout asks for, and where its metrics come from.
//!
//! - [`lower`]: a ModelRollout and its templates become a plan and a list of metric sources.
//! - [`source`]: one metric's source, with its arguments filled in.
//!
//! It decides nothing: conditions, limits and tests are `driftless_rollout`'s.

pub mod lower;
pub mod source;

pub use lower::{Lowered, Needs, SecretName, SecretPlace, Values};
pub use source::{MetricSource, numbers};
