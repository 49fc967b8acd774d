//! How a new version takes traffic: what is wanted next, and how it is judged.
//!
//! Everything here is a pure function. A component observes the target, its pods and its route, hands over what it saw
//! and the time, does what the answer asks for, and stores the state. The same inputs give the same decisions, so that
//! every decision can be replayed.
//!
//! - [`value`] and [`expression`]: measured values and the conditions over them.
//! - [`statistics`]: sequential tests of the new version against the stable one.
//! - [`judge`]: measurements over time become a verdict.
//! - [`plan`]: the steps, and what they ask for at any place.
//! - [`machine`]: the state machine: state, observation and time to actions and decisions.
//! - [`route`]: weights in the objects that route traffic.
//! - [`managed`]: routes by header and mirrors in them.
//! - [`version`]: what of an object makes its version, and what its pods use.
//! - [`fit`]: whether new pods fit, before anything is touched.
//! - [`simulate`]: a simulated target, for tests and for replaying recorded metrics.
//!
//! # Invariants
//!
//! - No clock, no randomness, no input or output.
//! - No weight is asked for on a version without ready pods; pods come before traffic.
//! - From every state an abort leads to the traffic there was before.
//! - Missing data never let a version pass.

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]
#![cfg_attr(
    test,
    allow(
        clippy::needless_pass_by_value,
        reason = "`json!` arguments read better"
    )
)]

pub mod expression;
pub mod fit;
pub mod judge;
pub mod machine;
pub mod managed;
pub mod plan;
pub mod route;
pub mod simulate;
pub mod statistics;
pub mod value;
pub mod version;

pub use value::Value;
