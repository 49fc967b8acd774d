//! Paths stay inside, links are followed inside and refused outside.

use super::*;

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

#[test]
fn parts_are_normalised_and_never_leave_the_root() {
    assert_eq!(path("/a//b/./c/../d").as_str(), "a/b/d");
    assert_eq!(path("").to_string(), ".");
    assert!(matches!(
        TreePath::parse("a/../../b"),
        Err(Error::Escapes { .. })
    ));
    assert!(matches!(
        TreePath::parse("a\0b"),
        Err(Error::Escapes { .. })
    ));
    assert_eq!(path("a/b").relative_to(&path("a")), Some("b"));
    assert_eq!(path("ab").relative_to(&path("a")), None);
    assert!(!path("ab/c").is_under(&path("a")));
}

#[test]
fn links_are_followed_inside_the_tree_only() {
    let mut tree = MemoryTree::new();
    tree.insert("base/x.yaml", "x").unwrap();
    tree.insert_link("overlay/base", "../base").unwrap();
    tree.insert_link("overlay/out", "../../etc/passwd").unwrap();
    tree.insert_link("overlay/abs", "/etc/passwd").unwrap();
    tree.insert_link("loop", "loop").unwrap();
    assert_eq!(
        read_file(&tree, &path("overlay/base/x.yaml"), 10).unwrap(),
        "x"
    );
    for escaping in ["overlay/out", "overlay/abs"] {
        assert!(matches!(
            read_file(&tree, &path(escaping), 10),
            Err(Error::Escapes { .. })
        ));
    }
    assert!(matches!(
        read_file(&tree, &path("loop"), 10),
        Err(Error::LinkLoop { .. })
    ));
    assert!(matches!(
        read_file(&tree, &path("nothing"), 10),
        Err(Error::Missing { .. })
    ));
}

#[test]
fn folder_ids_follow_content() {
    let one = MemoryTree::from_listing("//- /a/x\n1\n//- /b/y\n2\n").unwrap();
    let two = MemoryTree::from_listing("//- /a/x\n1\n//- /b/y\n3\n").unwrap();
    let id = |tree: &MemoryTree, at: &str| tree.entry(&path(at)).unwrap().unwrap().id;
    assert_eq!(id(&one, "a"), id(&two, "a"));
    assert_ne!(id(&one, "b"), id(&two, "b"));
    assert_ne!(id(&one, ""), id(&two, ""));
}

#[test]
fn reads_are_bounded() {
    let tree = MemoryTree::from_listing("//- /a\n0123456789").unwrap();
    assert!(matches!(
        tree.read(&path("a"), 9),
        Err(Error::TooLarge {
            size: 10,
            limit: 9,
            ..
        })
    ));
}
