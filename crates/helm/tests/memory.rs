//! The memory of a process that renders over and over. It has a process of its own: beside other tests the memory
//! of the process would be theirs too.

#![allow(clippy::unwrap_used, reason = "tests")]

use driftless_core::tree::{MemoryTree, TreePath};
use driftless_gotemplate::Budget;
use driftless_helm::values::Overrides;
use driftless_helm::{Capabilities, Chart, Engine, Options, Release, Show, load, render};

/// What the maps of one render hold.
const HELD: usize = 100_000;

/// Renders that follow the first ones.
const RENDERS: usize = 600;

#[test]
fn stays_flat_over_many_renders() {
    // Each of these renders makes maps that hold themselves; they have to be given back.
    let chart = chart(&format!(
        "{{{{ $big := dict \"text\" (repeat {HELD} \"x\") }}}}{{{{ $_ := set $big \"self\" (list (dict \"up\" $big)) }}}}\
         {{{{ $_ := set . \"big\" $big }}}}a: b"
    ));
    for _ in 0..20 {
        once(&chart);
    }
    let before = resident();
    for _ in 0..RENDERS {
        once(&chart);
    }
    let after = resident();
    assert!(
        after < before + (RENDERS * HELD / 2) as u64,
        "{before} bytes before, {after} after"
    );
}

/// Returns the listing of a chart of one template.
fn chart(template: &str) -> String {
    format!(
        "//- /Chart.yaml\napiVersion: v2\nname: c\nversion: 1.0.0\n//- /templates/t.yaml\n{template}\n"
    )
}

/// Reads and renders a chart given as a listing of files.
fn once(listing: &str) {
    let tree = MemoryTree::from_listing(listing).unwrap();
    let chart: Chart = load::from_tree(&tree, &TreePath::root(), &load::Limits::default()).unwrap();
    let options = Options {
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
    };
    let values = Overrides::default().to_map(&options.yaml).unwrap();
    let output = render(&Engine::default(), chart, &values, &options).unwrap();
    assert!(output.to_text(Show::default()).contains("a: b"));
}

/// Returns the memory of this process that is in use, in bytes, as the system counts it.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
