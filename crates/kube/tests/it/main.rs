//! Against a real cluster: `DRIFTLESS_DEVCLUSTER` names the program that starts one
//! (default `target/tools/devcluster`).

mod dev;
mod live;
mod write;
