//! Spellings of one repository are one; hostile addresses are refused.

use proptest::prelude::*;

use super::*;

#[test]
fn spellings_of_one_repository_share_an_identity() {
    let id = |url: &str| Repository::new(url).id();
    for other in [
        "https://GitHub.example/org/app",
        "https://bob:pw@github.example/org/app.git/",
        "https://github.example:443/org/app.git",
    ] {
        assert_eq!(
            id("https://github.example/org/app.git"),
            id(other),
            "{other}"
        );
    }
    assert_eq!(
        id("git@github.example:org/app.git"),
        id("ssh://git@github.example:22/org/app")
    );
    assert_ne!(
        id("https://github.example/org/app"),
        id("https://github.example/org/App")
    );
    assert_ne!(id("http://h/a"), id("https://h/a"));
    assert_eq!(id("file:///srv/git/app"), id("/srv/git/app/"));
    assert_ne!(id("file:///srv/git/app"), id("/srv/git/app.git"));
    let mut scoped = Repository::new("https://github.example/org/app");
    scoped.scope = Some("team".into());
    assert_ne!(scoped.id(), id("https://github.example/org/app"));
}

#[test]
fn hostile_addresses_are_refused() {
    for url in [
        "",
        "-oProxyCommand=touch x",
        "ssh://-oProxyCommand=x/y",
        "-x@host:path",
        "git@-host:path",
        "git@host:-path",
        "git@host:/-path",
        "ext::sh -c id",
        "ftp://host/x",
        "https://",
        "ssh://host:99999/x",
        "file://relative",
        "https://h/a\nb",
        "ssh://git@ho st/x",
        "just-a-word",
    ] {
        assert!(Address::parse(url).is_err(), "{url:?}");
    }
}

#[test]
fn errors_hide_credentials() {
    let error = Address::parse("ftp://bob:hunter2@h/x").unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn webhook_addresses_match_across_schemes() {
    for other in [
        "https://github.example/org/app",
        "git@github.example:org/app.git",
        "ssh://git@github.example:2222/Org/App",
        "http://user@github.example:8080/org/app.git",
    ] {
        assert!(
            same_repository("https://github.example/org/app.git", other),
            "{other}"
        );
    }
    assert!(!same_repository(
        "https://github.example/org/app",
        "https://github.example/org/app2"
    ));
    assert!(!same_repository(
        "https://github.example/org/app",
        "https://other.example/org/app"
    ));
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing(url in "(https?://|ssh://|git@|file:///|/)?[a-zA-Z0-9@:/._ -]{0,40}") {
        let once = normalise(&url);
        prop_assert_eq!(normalise(&once), once);
    }

    #[test]
    fn parsing_never_panics(url in "\\PC{0,60}") {
        let _ = Address::parse(&url);
        let _ = same_repository(&url, &url);
    }
}
