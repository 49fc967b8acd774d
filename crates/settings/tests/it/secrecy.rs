//! Values of Secrets are printed nowhere.

use serde_json::json;

use crate::build::{build, config_map, inputs, secret};

const PLANTED: &str = "hunter2-planted";

#[test]
fn nothing_that_is_printed_holds_a_planted_secret() {
    let all = |key: &str| json!({ "url": "https://git.example/x", key: PLANTED });
    let config_maps = vec![config_map(
        "argocd-cm",
        json!({"oidc.config": format!("clientSecret: {PLANTED}"), "dex.config": PLANTED}),
    )];
    let secrets = vec![
        secret("a", "repository", all("password")),
        secret(
            "b",
            "repository",
            json!({"url": format!("https://u:{PLANTED}@git.example/y")}),
        ),
        secret("c", "repo-creds", all("bearerToken")),
        secret("d", "repo-creds", all("sshPrivateKey")),
        secret("e", "repository", all("tlsClientCertKey")),
        secret("e2", "repository", all("insecure")),
        secret("e3", "repository", all("depth")),
        secret("e4", "repository", all("type")),
        secret(
            "f",
            "cluster",
            json!({"server": "https://c", "config": format!("{{\"bearerToken\":\"{PLANTED}\"}}")}),
        ),
        secret(
            "g",
            "cluster",
            json!({"server": "https://d", "config": format!("{{\"bearerToken\":{PLANTED}}}")}),
        ),
        secret(
            "g2",
            "cluster",
            json!({"server": "https://e", "shard": PLANTED}),
        ),
        secret(
            "argocd-secret",
            "",
            json!({
                "server.secretkey": PLANTED,
                "admin.password": PLANTED,
                "admin.passwordMtime": PLANTED,
                "accounts.ci.tokens": PLANTED,
                "webhook.github.secret": PLANTED,
                "tls.key": PLANTED,
                "tls.crt": "x",
            }),
        ),
        secret("other", "", json!({"token": PLANTED})),
    ];
    let settings = build(config_maps.clone(), secrets.clone());
    let mut printed = format!(
        "{settings:?} {settings:#?} {:?}",
        inputs(config_maps, secrets)
    );
    for diagnostic in settings.diagnostics.iter() {
        printed.push_str(&diagnostic.to_string());
    }
    for url in ["https://git.example/x", "https://git.example/y"] {
        match settings.repositories.repository(url, None) {
            Ok(repository) => printed.extend([format!("{repository:?}")]),
            Err(error) => printed.extend([format!("{error} {error:?}")]),
        }
    }
    assert!(settings.diagnostics.len() >= 6, "the mistakes are told");
    let found: Vec<&str> = printed
        .match_indices(PLANTED)
        .map(|(at, _)| &printed[at.saturating_sub(80)..at + PLANTED.len()])
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn references_lead_to_values() {
    let settings = build(
        Vec::new(),
        vec![
            secret("argocd-secret", "", json!({"oidc.clientSecret": PLANTED})),
            secret("extra", "", json!({"key": "other"})),
            secret(
                "unrelated",
                "repository",
                json!({"url": "https://x", "password": "p"}),
            ),
        ],
    );
    let resolve = |text: &str| settings.references.resolve(text);
    assert_eq!(resolve("$oidc.clientSecret").unwrap().expose(), PLANTED);
    assert_eq!(resolve("$extra:key").unwrap().expose(), "other");
    assert_eq!(resolve("plain").unwrap().expose(), "plain");
    assert!(
        resolve("$unrelated:password")
            .unwrap_err()
            .to_string()
            .contains("has no label")
    );
    assert!(
        resolve("$extra:none")
            .unwrap_err()
            .to_string()
            .contains("key none of Secret extra")
    );
}
