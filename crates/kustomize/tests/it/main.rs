//! Builds from text to text, bad input, the reference's corpus where it is there, and seeded mutations of input.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod bad_input;
mod behaviour;
mod corpus;
mod mutation;

use driftless_core::MemoryTree;
use driftless_kustomize::{Options, Outcome, Services, build};

/// Builds a folder of files written as one text.
fn outcome(listing: &str, path: &str, options: &Options) -> Outcome {
    let tree = MemoryTree::from_listing(listing).unwrap();
    build(&tree, path, options, Services::default())
}

/// Returns the result as YAML, or the message.
fn built(listing: &str, path: &str) -> Result<String, String> {
    outcome(listing, path, &Options::default())
        .result
        .and_then(|objects| objects.to_yaml())
        .map_err(|error| error.to_string())
}

#[track_caller]
fn check(listing: &str, path: &str, want: &str) {
    assert_eq!(built(listing, path).as_deref(), Ok(want));
}

#[track_caller]
fn refuses(listing: &str, path: &str, part: &str) {
    let error = built(listing, path).unwrap_err();
    assert!(error.contains(part), "{error}");
}
