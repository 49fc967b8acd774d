//! `argocd-secret`: the signing key, passwords, tokens, webhook secrets (argocd-contract §7.3).

use std::collections::BTreeMap;

use driftless_core::Secret;
use jiff::Timestamp;
use serde::Deserialize;

use crate::diagnostic::Diagnostic;
use crate::object::SecretObject;

/// Name of the Secret.
pub const NAME: &str = "argocd-secret";

/// A token that was issued; the token itself is not stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IssuedToken {
    /// Identity.
    pub id: String,
    /// When it was issued, in seconds.
    pub iat: i64,
    /// When it ends, in seconds; never when zero.
    pub exp: i64,
}

/// How an account proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountSecret {
    /// Bcrypt hash of the password.
    pub password_hash: Option<Secret<String>>,
    /// When the password was set; older sessions are over.
    pub password_mtime: Option<Timestamp>,
    /// Tokens that were issued.
    pub tokens: Vec<IssuedToken>,
}

/// Secrets by which a webhook proves who sent it; absent means not verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookSecrets {
    /// GitHub.
    pub github: Option<Secret<String>>,
    /// GitLab.
    pub gitlab: Option<Secret<String>>,
    /// Bitbucket Cloud.
    pub bitbucket_uuid: Option<Secret<String>>,
    /// Bitbucket Server.
    pub bitbucket_server: Option<Secret<String>>,
    /// Gogs.
    pub gogs: Option<Secret<String>>,
    /// Azure DevOps user.
    pub azure_username: Option<Secret<String>>,
    /// Azure DevOps password.
    pub azure_password: Option<Secret<String>>,
    /// Harbor.
    pub harbor: Option<Secret<String>>,
}

/// A certificate with its key, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificate {
    /// Certificate chain.
    pub certificate: String,
    /// Key.
    pub key: Secret<String>,
}

/// What `argocd-secret` holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Key that signs sessions.
    pub signing_key: Option<Secret<Vec<u8>>>,
    /// Accounts by name, `admin` among them.
    pub accounts: BTreeMap<String, AccountSecret>,
    /// Webhooks.
    pub webhooks: WebhookSecrets,
    /// Certificate of the server.
    pub certificate: Option<ServerCertificate>,
}

impl Credentials {
    /// Reads the Secret; a key that cannot be read keeps its value of `previous`.
    pub fn read(secret: &SecretObject, previous: Option<&Self>) -> (Self, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let hidden = |key: &str| secret.text(key).map(|text| Secret::new(text.to_owned()));
        let mut accounts: BTreeMap<String, AccountSecret> = BTreeMap::new();
        for key in secret.data.keys() {
            let Some((name, field)) = account_field(key) else {
                continue;
            };
            let old = previous.and_then(|previous| previous.accounts.get(name));
            let account = accounts.entry(name.to_owned()).or_default();
            let problem = read_account(secret, key, field, account, old);
            diagnostics.extend(problem);
        }
        let certificate = match (secret.text("tls.crt"), hidden("tls.key")) {
            (Some(certificate), Some(key)) => Some(ServerCertificate {
                certificate: certificate.to_owned(),
                key,
            }),
            _ => None,
        };
        let credentials = Self {
            signing_key: secret
                .data
                .get("server.secretkey")
                .map(|value| Secret::new(value.expose().to_vec()))
                .filter(|key| !key.expose().is_empty()),
            accounts,
            webhooks: WebhookSecrets {
                github: hidden("webhook.github.secret"),
                gitlab: hidden("webhook.gitlab.secret"),
                bitbucket_uuid: hidden("webhook.bitbucket.uuid"),
                bitbucket_server: hidden("webhook.bitbucketserver.secret"),
                gogs: hidden("webhook.gogs.secret"),
                azure_username: hidden("webhook.azuredevops.username"),
                azure_password: hidden("webhook.azuredevops.password"),
                harbor: hidden("webhook.harbor.secret"),
            },
            certificate,
        };
        (credentials, diagnostics)
    }
}

#[derive(Clone, Copy)]
enum Field {
    Password,
    PasswordMtime,
    Tokens,
}

/// Takes `admin.password` or `accounts.<name>.password` apart.
fn account_field(key: &str) -> Option<(&str, Field)> {
    let rest = match key.strip_prefix("accounts.") {
        Some(rest) => rest,
        None if key.starts_with("admin.") => key,
        None => return None,
    };
    let (name, field) = rest.rsplit_once('.')?;
    let field = match field {
        "password" => Field::Password,
        "passwordMtime" => Field::PasswordMtime,
        "tokens" => Field::Tokens,
        _ => return None,
    };
    Some((name, field))
}

fn read_account(
    secret: &SecretObject,
    key: &str,
    field: Field,
    account: &mut AccountSecret,
    old: Option<&AccountSecret>,
) -> Option<Diagnostic> {
    let text = secret.text(key)?;
    let problem = |message: &str, hint: &str| {
        Some(Diagnostic {
            object: format!("Secret {NAME}"),
            key: key.to_owned(),
            message: message.to_owned(),
            hint: format!("{hint}; the last good value stays"),
        })
    };
    match field {
        Field::Password if text.starts_with("$2") => {
            account.password_hash = Some(Secret::new(text.to_owned()));
            None
        }
        Field::Password => {
            account.password_hash = old.and_then(|old| old.password_hash.clone());
            problem("not a bcrypt hash", "write the bcrypt hash of the password")
        }
        Field::PasswordMtime => match text.parse() {
            Ok(time) => {
                account.password_mtime = Some(time);
                None
            }
            Err(_) => {
                account.password_mtime = old.and_then(|old| old.password_mtime);
                problem("not a time", "write RFC 3339, such as 2026-01-31T10:00:00Z")
            }
        },
        Field::Tokens => match serde_json::from_str(text) {
            Ok(tokens) => {
                account.tokens = tokens;
                None
            }
            Err(_) => {
                account.tokens = old.map(|old| old.tokens.clone()).unwrap_or_default();
                problem("not a JSON list of tokens", "write [{id, iat, exp}]")
            }
        },
    }
}
