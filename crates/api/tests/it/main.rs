//! Objects as users write them, and the CRDs made from the types.

mod crd;
mod guard;
mod memory;
mod round_trip;
