//! Charts through the public API: what they render to, what is refused, and that nothing runs away.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_push_string,
    reason = "tests"
)]

mod archive;
mod bomb;
mod chart;
mod corpus;
mod noise;

use driftless_core::tree::{MemoryTree, TreePath};
use driftless_gotemplate::Budget;
use driftless_helm::values::Overrides;
use driftless_helm::{Capabilities, Chart, Engine, Error, Options, Release, Show, load, render};

/// Options as `helm template demo .` has them.
fn options() -> Options {
    Options {
        release: Release {
            name: "demo".to_owned(),
            namespace: "default".to_owned(),
            revision: 1,
            is_upgrade: false,
        },
        capabilities: Capabilities::default(),
        check_schema: true,
        budget: Budget::default(),
        seed: Some(1.into()),
        yaml: driftless_yaml::Limits::default(),
    }
}

fn load(listing: &str) -> Result<Chart, Error> {
    let tree = MemoryTree::from_listing(listing).unwrap();
    load::from_tree(&tree, &TreePath::root(), &load::Limits::default())
}

/// Renders a chart given as a listing of files.
fn rendered(listing: &str, overrides: &Overrides, options: &Options) -> Result<String, Error> {
    let values = overrides.to_map(&options.yaml)?;
    let text = render(&Engine::default(), load(listing)?, &values, options)?;
    let show = Show {
        crds: true,
        ..Show::default()
    };
    Ok(text.to_text(show))
}

/// Renders one template of a chart that has nothing else, under a budget that tests can wait for.
fn template(text: &str) -> Result<String, Error> {
    let listing = format!(
        "//- /Chart.yaml\napiVersion: v2\nname: c\nversion: 1.0.0\n//- /templates/t.yaml\n{text}\n"
    );
    let mut options = options();
    options.budget = Budget {
        steps: 300_000,
        output: 4 << 20,
        value: 8 << 20,
        made: 64 << 20,
        ..Budget::default()
    };
    rendered(&listing, &Overrides::default(), &options)
}
