//! Keeps every Application equal to what Git says.
pub mod queue;
