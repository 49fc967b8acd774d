//! What the fuzz targets share: small budgets, so that many inputs are tried, and a chart and a base to work on.

use driftless_core::MemoryTree;
use driftless_gotemplate::Budget;
use driftless_helm::values::Overrides;
use driftless_helm::{Capabilities, Engine, Options, Release, load, render};
use driftless_kustomize::{Limits, Services};

/// Renders a chart of one template with the values of a user. Errors are answers; only a panic, a hang or memory
/// without end is a finding.
pub fn render_chart(engine: &Engine, template: &[u8], overrides: &Overrides) {
    let listing = "//- /Chart.yaml\napiVersion: v2\nname: c\nversion: 1.0.0\n//- /values.yaml\na: {b: 1}\nlist: [1, x, {y: z}]\n";
    let tree = MemoryTree::from_listing(listing).expect("a listing of our own");
    let root = driftless_core::tree::TreePath::root();
    let mut chart =
        load::from_tree(&tree, &root, &load::Limits::default()).expect("a chart of our own");
    chart.templates.push(driftless_helm::File::new(
        "templates/t.yaml",
        template.to_vec().into(),
    ));
    let options = options();
    let Ok(values) = overrides.to_map(&options.yaml) else {
        return;
    };
    let _ = render(engine, chart, &values, &options);
}

fn options() -> Options {
    Options {
        release: Release {
            name: "demo".to_owned(),
            namespace: "default".to_owned(),
            revision: 1,
            is_upgrade: false,
        },
        capabilities: Capabilities::default(),
        check_schema: false,
        budget: Budget {
            steps: 20_000,
            depth: 100,
            output: 1 << 20,
            value: 1 << 20,
            made: 8 << 20,
        },
        seed: Some(1.into()),
        yaml: driftless_yaml::Limits::default(),
    }
}

/// Builds the kustomization of a listing (`//- /path` before each file).
pub fn build_kustomization(listing: &str) {
    let Ok(tree) = MemoryTree::from_listing(listing) else {
        return;
    };
    let options = driftless_kustomize::Options {
        limits: Limits {
            files: 100,
            bytes: 1 << 20,
            file_bytes: 1 << 20,
            depth: 20,
            objects: 1_000,
        },
        ..driftless_kustomize::Options::default()
    };
    let outcome = driftless_kustomize::build(&tree, "", &options, Services::default());
    if let Ok(objects) = outcome.result {
        let _ = objects.to_yaml();
        let _ = objects.to_values();
    }
}

/// Splits an input into texts at NUL bytes.
pub fn texts<const N: usize>(data: &[u8]) -> Option<[&str; N]> {
    let text = std::str::from_utf8(data).ok()?;
    // A line that begins a file would be one of the listing, not of the text.
    if text.contains("//- ") {
        return None;
    }
    let parts: Vec<&str> = text.splitn(N, '\0').collect();
    parts.try_into().ok()
}
