//! From ConfigMaps and Secrets to what the server and its sessions need.

use std::sync::Arc;

use driftless_auth::account::Accounts;
use driftless_auth::policy::MatchMode;
use driftless_auth::{Account, ApiToken, Capability, Enforcer, Sessions, session};
use driftless_core::Secret;
use driftless_settings::SettingsHandle;
use driftless_settings::rbac;
use jiff::SignedDuration;

use crate::deps::{Banner, Settings, SettingsSource};

/// Settings that follow their objects.
pub(super) struct Live(SettingsHandle);

impl Live {
    pub(super) fn new(handle: &SettingsHandle) -> Self {
        Self(handle.clone())
    }
}

impl SettingsSource for Live {
    fn current(&self) -> Arc<Settings> {
        Arc::new(lower(&self.0.current()))
    }
}

fn lower(settings: &driftless_settings::Settings) -> Settings {
    let (general, params) = (&settings.general, &settings.params);
    let (ui, server) = (&general.ui, &general.server);
    Settings {
        url: general.url.clone(),
        app_label_key: general.instance_label_key.clone(),
        tracking_method: general.tracking.as_str().to_owned(),
        banner: Banner {
            content: ui.banner_content.clone(),
            url: ui.banner_url.clone(),
            permanent: ui.banner_permanent,
            position: ui.banner_position.clone(),
        },
        anonymous_enabled: server.anonymous,
        sync_with_replace_allowed: params.server.sync_replace_allowed,
        max_pod_logs: server.max_pod_logs as usize,
        rollback_enforced: server.rollback_enforced,
        fine_grained_inheritance: !server.fine_grained_inheritance_disabled,
        badge_enabled: ui.status_badge,
        max_webhook_body: general.timing.webhook_max_payload as usize,
        application_namespaces: params.application_namespaces.clone(),
    }
}

/// Returns the accounts, with what each may do from one object and how it proves who it is from the other.
pub(super) fn lower_accounts(settings: &driftless_settings::Settings) -> session::Config {
    let (general, credentials) = (&settings.general, &settings.credentials);
    let mut accounts = Accounts::new();
    for (name, rule) in &general.accounts {
        let secret = credentials.accounts.get(name).cloned().unwrap_or_default();
        let capabilities = [
            (rule.login, Capability::Login),
            (rule.api_key, Capability::ApiKey),
        ];
        let account = Account {
            enabled: rule.enabled,
            capabilities: capabilities
                .into_iter()
                .filter_map(|(has, capability)| has.then_some(capability))
                .collect(),
            password_hash: secret.password_hash,
            password_mtime: secret.password_mtime,
            tokens: secret
                .tokens
                .into_iter()
                .map(|token| ApiToken {
                    id: token.id,
                    issued_at: token.iat,
                    expires_at: token.exp,
                })
                .collect(),
        };
        accounts.insert(name.clone(), account);
    }
    session::Config {
        accounts,
        signing_key: credentials
            .signing_key
            .clone()
            .unwrap_or_else(|| Secret::new(Vec::new())),
        session_duration: SignedDuration::try_from(general.server.session_duration)
            .unwrap_or(SignedDuration::from_hours(24)),
        anonymous_enabled: general.server.anonymous,
    }
}

/// Takes over the policies; broken ones leave what was there before in force.
pub(super) fn reload_policy(enforcer: &Enforcer, settings: &driftless_settings::Settings) {
    let policies = &settings.rbac;
    let mode = match policies.match_mode {
        rbac::MatchMode::Glob => MatchMode::Glob,
        rbac::MatchMode::Regex => MatchMode::Regex,
    };
    if let Err(error) = enforcer.reload(&policies.to_csv(), mode, &policies.default_role) {
        let error = driftless_core::class::render_chain(&error);
        tracing::warn!(
            error,
            obj = rbac::NAME,
            "Access policies were not taken over"
        );
    }
}

/// Follows the settings until they are gone.
pub(super) async fn follow(
    settings: SettingsHandle,
    sessions: Arc<Sessions>,
    enforcer: Arc<Enforcer>,
) {
    let mut changes = settings.subscribe();
    let mut before = settings.current();
    while changes.changed().await.is_ok() {
        let now = settings.current();
        if !Arc::ptr_eq(&now.general, &before.general)
            || !Arc::ptr_eq(&now.credentials, &before.credentials)
        {
            sessions.reload(lower_accounts(&now));
        }
        if !Arc::ptr_eq(&now.rbac, &before.rbac) {
            reload_policy(&enforcer, &now);
        }
        before = now;
    }
}
