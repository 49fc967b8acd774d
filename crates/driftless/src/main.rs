//! The driftless binary: parse, wire, run.
fn main() {}
