//! Commands of the `driftless` binary that are not `serve`, as a library: the binary parses, this
//! crate does. Output goes to the writer it is given; nothing is printed anywhere else.
//!
//! Reading order: [`crds`], [`health`], [`diff`], [`template`], [`rollout`].

pub mod crds;
pub mod diff;
pub mod health;
pub mod rollout;
pub mod template;
