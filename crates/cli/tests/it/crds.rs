//! `driftless crds` and the committed files say the same.

use std::collections::BTreeSet;

use driftless_cli::crds;

#[test]
fn committed_files_are_current() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/crds");
    let mut names = BTreeSet::new();
    for (name, text) in crds::files() {
        let committed = std::fs::read_to_string(format!("{folder}/{name}")).unwrap_or_default();
        assert!(
            committed == text,
            "deploy/crds/{name} is not what the types say: run `cargo xtask codegen`"
        );
        names.insert(name);
    }
    let found: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, names, "deploy/crds has files that nothing generates");
}

#[test]
fn one_stream_with_every_crd() {
    let mut out = Vec::new();
    crds::run(&crds::Args::default(), &mut out).unwrap();
    let documents =
        driftless_yaml::parse_documents(&out, &driftless_yaml::Limits::default()).unwrap();
    let all = driftless_api::crds();
    assert_eq!(documents, all);
}
