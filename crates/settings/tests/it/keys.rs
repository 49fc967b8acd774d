//! Keys of the ConfigMaps: values, mistakes, last good values.

use std::time::Duration;

use driftless_settings::general::{IgnoreStatus, TrackingMethod};
use serde_json::json;

use crate::build::{after, build, config_map, secret, texts};

#[test]
fn general_keys_are_read() {
    let settings = build(
        vec![config_map(
            "argocd-cm",
            json!({
                "url": " https://cd.example.com ",
                "additionalUrls": "- https://cd2.example.com\n",
                "installationID": "east",
                "application.instanceLabelKey": "example.com/app",
                "application.resourceTrackingMethod": "annotation+label",
                "timeout.reconciliation": "3m",
                "timeout.hard.reconciliation": "24h",
                "webhook.maxPayloadSizeMB": "10",
                "admin.enabled": "false",
                "accounts.ci": "apiKey",
                "accounts.ana": "login, apiKey",
                "accounts.ana.enabled": "false",
                "users.session.duration": "8h",
                "exec.enabled": "true",
                "exec.shells": "zsh,bash",
                "ui.bannercontent": "Maintenance",
                "ui.bannerpermanent": "true",
                "ui.bannerposition": "both",
                "resource.exclusions": "- apiGroups: ['*.cilium.io']\n  kinds: ['*']\n  clusters: ['https://*']\n",
                "resource.compareoptions": "ignoreResourceStatusField: crd\nignoreAggregatedRoles: true\n",
                "resource.customizations.ignoreDifferences.apps_Deployment": "jsonPointers: [/spec/replicas]\n",
                "resource.customizations.ignoreDifferences.all": "managedFieldsManagers: [kube-controller-manager]\n",
                "resource.customizations.health.argoproj.io_Application": "return {}",
                "resource.customizations": "serving.kserve.io/InferenceService:\n  health.lua: |\n    return hs\n  ignoreDifferences: |\n    jsonPointers: [/spec/x]\n\"*.crossplane.io/*\":\n  health.lua: x\n",
                "somebody.elses.key": "x",
            }),
        )],
        Vec::new(),
    );
    let general = &settings.general;
    assert_eq!(texts(&settings.diagnostics), Vec::<String>::new());
    assert_eq!(general.url, "https://cd.example.com");
    assert_eq!(general.additional_urls, ["https://cd2.example.com"]);
    assert_eq!(general.tracking, TrackingMethod::AnnotationAndLabel);
    assert_eq!(general.timing.reconciliation, Duration::from_secs(180));
    assert_eq!(general.timing.jitter, Duration::from_secs(36));
    assert_eq!(general.timing.webhook_max_payload, 10 << 20);
    assert!(!general.is_admin_enabled());
    assert!(general.accounts["ci"].api_key && !general.accounts["ci"].login);
    assert!(!general.accounts["ana"].enabled);
    assert_eq!(
        general.server.session_duration,
        Duration::from_secs(8 * 3600)
    );
    assert_eq!(general.server.exec_shells, ["zsh", "bash"]);
    assert_eq!(general.compare.ignore_status, IgnoreStatus::Crd);
    assert!(general.compare.ignore_aggregated_roles);
    assert!(
        general.compare.ignore_differences_on_updates,
        "default of a part that is not set"
    );
    assert_eq!(general.unknown_keys, ["somebody.elses.key"]);
    let of = |group, kind| -> Vec<String> {
        general
            .overrides_of(group, kind)
            .map(|item| format!("{}/{}", item.group, item.kind))
            .collect()
    };
    assert_eq!(of("apps", "Deployment"), ["*/*", "apps/Deployment"]);
    assert_eq!(
        of("rds.crossplane.io", "Database"),
        ["*/*", "*.crossplane.io/*"]
    );
    let inference = general
        .overrides_of("serving.kserve.io", "InferenceService")
        .last()
        .unwrap();
    assert_eq!(inference.health_lua.trim(), "return hs");
    assert_eq!(inference.ignore_differences.json_pointers, ["/spec/x"]);
}

#[test]
fn defaults() {
    let general = build(Vec::new(), Vec::new()).general;
    assert_eq!(general.timing.reconciliation, Duration::from_secs(30));
    assert_eq!(general.timing.jitter, Duration::from_secs(6));
    assert_eq!(general.instance_label_key, "app.kubernetes.io/instance");
    assert_eq!(
        general.server.session_duration,
        Duration::from_secs(24 * 3600)
    );
    assert!(general.is_admin_enabled() && general.server.in_cluster);
}

#[test]
fn resources_are_filtered() {
    let filter = |data| build(vec![config_map("argocd-cm", data)], Vec::new());
    let none = filter(json!({}));
    assert!(none.general.filter.excludes("", "Event", "https://a"));
    assert!(
        none.general
            .filter
            .excludes("events.k8s.io", "Event", "https://a")
    );
    assert!(
        none.general
            .filter
            .excludes("coordination.k8s.io", "Lease", "https://a")
    );
    assert!(!none.general.filter.excludes("", "ConfigMap", "https://a"));
    let both = filter(json!({
        "resource.inclusions": "- apiGroups: [apps, '']\n",
        "resource.exclusions": "- kinds: [Secret]\n  clusters: [https://prod*]\n",
    }));
    assert!(both.general.filter.excludes("batch", "Job", "https://a"));
    assert!(!both.general.filter.excludes("", "Secret", "https://test"));
    assert!(both.general.filter.excludes("", "Secret", "https://prod-1"));
}

#[test]
fn a_mistake_keeps_the_last_good_value_and_touches_nothing_else() {
    let first = build(
        vec![config_map(
            "argocd-cm",
            json!({"timeout.reconciliation": "3m", "url": "https://a"}),
        )],
        Vec::new(),
    );
    let wrong = json!({
        "timeout.reconciliation": "soon",
        "url": "https://b",
        "exec.enabled": "maybe",
        "resource.exclusions": "- apiGroups: [x\n",
        "passwordPattern": "(",
    });
    let second = after(
        &first,
        vec![config_map("argocd-cm", wrong.clone())],
        Vec::new(),
    );
    assert_eq!(
        second.general.timing.reconciliation,
        Duration::from_secs(180)
    );
    assert_eq!(second.general.url, "https://b");
    assert!(!second.general.server.exec);
    let told = texts(&second.diagnostics);
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told[0].starts_with(
        "ConfigMap argocd-cm, key exec.enabled: \"maybe\" is neither true nor false \
         (write \"true\" or \"false\"; the default is used)"
    ));
    assert!(told[3].starts_with(
        "ConfigMap argocd-cm, key timeout.reconciliation: unable to parse soon as a duration \
         (write a duration such as 30s, 3m or 24h; the last good value stays)"
    ));
    // It stays over any number of snapshots, and goes when the key is put right or removed.
    let third = after(&second, vec![config_map("argocd-cm", wrong)], Vec::new());
    assert_eq!(third, second);
    let fourth = after(&third, vec![config_map("argocd-cm", json!({}))], Vec::new());
    assert_eq!(
        fourth.general.timing.reconciliation,
        Duration::from_secs(30)
    );
    assert!(fourth.diagnostics.is_empty());
}

#[test]
fn a_mistake_never_opens_an_account() {
    let settings = build(
        vec![config_map(
            "argocd-cm",
            json!({"accounts.ana": "login", "accounts.ana.enabled": "flase", "accounts.bob": "logn"}),
        )],
        Vec::new(),
    );
    assert!(!settings.general.accounts["ana"].enabled);
    assert!(!settings.general.accounts["bob"].login);
    assert_eq!(settings.diagnostics.len(), 2);
}

#[test]
fn params_and_policies() {
    let settings = build(
        vec![
            config_map(
                "argocd-cmd-params-cm",
                json!({
                    "application.namespaces": "team-*, risk",
                    "controller.sync.wave.delay.seconds": "0",
                    "controller.self.heal.timeout.seconds": "5",
                    "controller.status.processors": "many",
                    "reposerver.max.combined.directory.manifests.size": "10M",
                }),
            ),
            config_map(
                "argocd-rbac-cm",
                json!({
                    "policy.csv": "p, role:dev, applications, get, */*, allow",
                    "policy.10-team.csv": "g, risk, role:dev",
                    "policy.default": "role:readonly",
                    "scopes": "[groups, email]",
                    "policy.matchMode": "regex",
                }),
            ),
        ],
        Vec::new(),
    );
    assert_eq!(settings.params.application_namespaces, ["team-*", "risk"]);
    assert_eq!(settings.params.controller.wave_delay, Duration::ZERO);
    assert_eq!(
        settings.params.controller.self_heal.timeout,
        Some(Duration::from_secs(5))
    );
    assert_eq!(settings.params.controller.status_processors, 20);
    assert_eq!(settings.params.repo.max_directory_bytes, 10_000_000);
    assert_eq!(settings.rbac.scopes, ["groups", "email"]);
    assert_eq!(settings.rbac.match_mode.as_str(), "regex");
    assert_eq!(
        settings.rbac.to_csv(),
        "p, role:dev, applications, get, */*, allow\ng, risk, role:dev\n"
    );
    assert_eq!(settings.diagnostics.len(), 1);
}

#[test]
fn accounts_and_webhooks_of_the_secret() {
    let data = json!({
        "server.secretkey": "key",
        "admin.password": "$2a$10$abc",
        "admin.passwordMtime": "2026-01-31T10:00:00Z",
        "accounts.ci.tokens": "[{\"id\":\"a\",\"iat\":1,\"exp\":2}]",
        "webhook.github.secret": "hush",
    });
    let first = build(Vec::new(), vec![secret("argocd-secret", "", data.clone())]);
    let credentials = &first.credentials;
    assert_eq!(credentials.signing_key.as_ref().unwrap().expose(), b"key");
    assert_eq!(credentials.accounts["ci"].tokens[0].exp, 2);
    assert_eq!(
        credentials.webhooks.github.as_ref().unwrap().expose(),
        "hush"
    );
    let mut broken = data;
    broken["admin.passwordMtime"] = json!("last week");
    broken["accounts.ci.tokens"] = json!("{");
    let second = after(
        &first,
        Vec::new(),
        vec![secret("argocd-secret", "", broken)],
    );
    assert_eq!(second.credentials, first.credentials, "last good values");
    assert_eq!(
        texts(&second.diagnostics),
        [
            "Secret argocd-secret, key accounts.ci.tokens: not a JSON list of tokens \
             (write [{id, iat, exp}]; the last good value stays)",
            "Secret argocd-secret, key admin.passwordMtime: not a time \
             (write RFC 3339, such as 2026-01-31T10:00:00Z; the last good value stays)"
        ]
    );
}
