//! Judgement's outside: what a rollout asks for, and where its metrics come from.
//!
//! - [`lower`]: a ModelRollout and its templates become a plan and a list of metric sources.
//! - [`source`]: one metric's source, with its arguments filled in.
//! - [`provider`]: sources are asked; [`Measure`] is the trait, [`Providers`] the real ones.
//!
//! It decides nothing: conditions, limits and tests are `driftless_rollout`'s.

mod http;
mod path;

pub mod lower;
pub mod provider;
pub mod source;

pub use http::Reach;
pub use lower::{Lowered, Needs, SecretName, SecretPlace, Values};
pub use provider::{Ctx, Measure, MeasureError, Options, Providers};
pub use source::{MetricSource, numbers};
