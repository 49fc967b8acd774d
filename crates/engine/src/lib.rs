//! The heart: what differs, what is healthy, what must happen next.
//!
//! Everything here is a pure function of its arguments. A component reads the world, calls one of these
//! modules, does what the answer says and writes down what came of it.
//!
//! - [`tracking`]: how an object says which application manages it.
//! - [`annotation`]: what an object's annotations ask for (hooks, waves, sync options), parsed once.
//! - [`diff`]: whether an object is what Git says, and why not. It asks the API server's own record of
//!   who owns which field, so defaults and other controllers' fields are no drift.
//! - [`health`]: how an object is doing, and an application as the sum of its objects.
//! - [`resource_tree`]: an application's objects and what their controllers made of them.
//! - [`prune`]: whether extra objects may be deleted. Too many at once may not.
//! - [`script`]: users' own Lua, within a budget of steps, memory and time.
//! - [`action`]: what people can have done to an object (restart, promote, pause).
//! - [`sync`]: the plan of a sync operation (phases, waves, order) and the machine that walks it step by
//!   step, from recorded results alone, so that any process can go on where another one died.
//!
//! # Invariants
//!
//! - No clock, no randomness, no input or output. The same arguments give the same answer.
//! - No Argo CD API types: components lower them to the inputs here.
//! - Nothing here decides to delete on missing knowledge: "could not read" has its own variants, and they
//!   lead to waiting or to an error.

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]
#![cfg_attr(
    test,
    allow(
        clippy::needless_pass_by_value,
        reason = "`json!` arguments read better"
    )
)]

pub mod action;
pub mod annotation;
pub mod cel;
pub mod diff;
pub mod health;
pub mod prune;
pub mod script;
pub mod sync;
pub mod tracking;
pub mod updates;
