//! The corpus of real charts, where it is: `DRIFTLESS_CORPUS`, or `../shared/corpus` beside the repository.

use std::path::{Path, PathBuf};

fn corpus() -> Option<PathBuf> {
    let named = std::env::var_os("DRIFTLESS_CORPUS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    named
        .into_iter()
        .chain([beside])
        .find(|folder| folder.join("helm").is_dir())
}

#[test]
fn every_chart_of_the_corpus_loads() {
    let Some(corpus) = corpus() else {
        eprintln!("skipped: the corpus is not here; set DRIFTLESS_CORPUS to its folder");
        return;
    };
    let mut loaded = 0;
    for entry in std::fs::read_dir(corpus.join("helm")).unwrap() {
        let case = entry.unwrap().path();
        let folder = case.join("chart");
        let mut tree = driftless_core::tree::MemoryTree::new();
        add(&mut tree, &folder, Path::new(""));
        let root = driftless_core::tree::TreePath::root();
        let limits = driftless_helm::load::Limits::default();
        match driftless_helm::load::from_tree(&tree, &root, &limits) {
            Ok(_) => loaded += 1,
            // Only charts that helm refuses in the same words.
            Err(error) => assert!(
                refusals(&case.join("cases")).contains(&error.to_string()),
                "{}: {error}",
                folder.display()
            ),
        }
    }
    assert!(loaded > 100, "{loaded} charts");
}

/// Returns what helm said where it refused the cases of a chart.
fn refusals(cases: &Path) -> String {
    let cases = std::fs::read_dir(cases).unwrap();
    let errors = cases.map(|case| case.unwrap().path().join("expected.error"));
    errors
        .filter_map(|error| std::fs::read_to_string(error).ok())
        .collect()
}

fn add(tree: &mut driftless_core::tree::MemoryTree, root: &Path, at: &Path) {
    for entry in std::fs::read_dir(root.join(at)).unwrap() {
        let entry = entry.unwrap();
        let path = at.join(entry.file_name());
        if entry.path().is_dir() {
            add(tree, root, &path);
        } else {
            let content = std::fs::read(entry.path()).unwrap();
            tree.insert(&path.to_string_lossy(), content).unwrap();
        }
    }
}
