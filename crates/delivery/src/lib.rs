//! Runs ModelRollouts in a cluster: looks at each target, asks the state machine what is next, and does it.
//!
//! - [`target`]: what can be rolled out, one module for each kind, behind one trait.
//! - [`measure`]: where measurements come from, behind one trait.
//!
//! # Invariants
//!
//! - What is decided is decided by `driftless_rollout::machine`; nothing here has an opinion.
//! - Every write goes through `kube::Writer`, fenced by the controller's lease.
//! - What is remembered is in the rollout's status, stored before it is acted upon; the process may end at any point.
//! - What cannot be read leads to waiting, never to an action.

pub mod measure;
pub mod target;

pub use measure::Measurer;
pub use target::{Ctx, Seen, Target};
