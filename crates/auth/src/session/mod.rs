//! Sessions: from a password to a token, from a token to an identity.

use std::sync::Arc;

use arc_swap::ArcSwap;
use driftless_core::{Clock, Secret};
use jiff::{SignedDuration, Timestamp};

use crate::account::{Accounts, ApiToken, Capability, MAX_NAME};
use crate::identity::Identity;
use crate::limit::LoginLimits;
use crate::password;
use crate::revocation::Revocations;
use crate::token::{self, Claims, ISSUER, Signer, Subject};

/// A session with less time left than this is renewed by the next call.
const RENEW_SECONDS: i64 = 300;
/// A revoked token without an end is remembered this long, after which its account's list decides.
const ENDLESS_SECONDS: i64 = 10 * 365 * 24 * 3600;

/// What sessions depend on; replaced as a whole when settings change.
#[derive(Debug)]
pub struct Config {
    /// Local accounts.
    pub accounts: Accounts,
    /// HS256 key (`server.secretkey`).
    pub signing_key: Secret<Vec<u8>>,
    /// How long a session lasts (`users.session.duration`).
    pub session_duration: SignedDuration,
    /// Whether callers without credentials are let in (`users.anonymous.enabled`).
    pub anonymous_enabled: bool,
}

/// Tokens of project roles, looked up where projects are known.
pub trait ProjectTokens: Send + Sync {
    /// Returns the tokens of a role, or `None` when project or role do not exist.
    fn tokens(&self, project: &str, role: &str) -> Option<Vec<ApiToken>>;
}

/// Why a login or a token was refused. Messages are safe to show to the caller.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was sent.
    #[error("no credentials supplied")]
    NoCredentials,
    /// Name or password wrong, or too many attempts: one answer for all.
    #[error("Invalid username or password")]
    InvalidLogin,
    /// The name is longer than any account's.
    #[error("Username is too long ({MAX_NAME} bytes max)")]
    NameTooLong,
    /// The token itself is bad.
    #[error("invalid session: {0}")]
    Token(#[from] token::Error),
    /// It was ended by a logout or by an administrator.
    #[error("invalid session: token is revoked, please re-login")]
    Revoked,
    /// The account is gone, switched off, lost the capability, or no longer lists the token.
    #[error("invalid session: {0}")]
    Account(String),
}

/// An accepted token.
#[derive(Debug)]
pub struct Verified {
    /// Whom it speaks for.
    pub identity: Identity,
    /// What it says.
    pub claims: Claims,
    /// A fresh token to hand to the caller, when this one is about to end.
    pub renewed: Option<String>,
}

struct Active {
    config: Config,
    signer: Result<Signer, token::Error>,
}

/// All sessions of one server.
pub struct Sessions {
    active: ArcSwap<Active>,
    clock: Arc<dyn Clock>,
    limits: LoginLimits,
    revoked: Revocations,
}

impl Sessions {
    /// Starts with `config`.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Self {
        Self {
            active: ArcSwap::from_pointee(Active::new(config)),
            clock,
            limits: LoginLimits::default(),
            revoked: Revocations::default(),
        }
    }

    /// Replaces accounts and key; sessions that depended on what is gone are over.
    pub fn reload(&self, config: Config) {
        self.active.store(Arc::new(Active::new(config)));
    }

    /// Says whether callers without credentials are let in.
    pub fn anonymous_enabled(&self) -> bool {
        self.active.load().config.anonymous_enabled
    }

    /// Returns the revoked tokens.
    pub fn revocations(&self) -> &Revocations {
        &self.revoked
    }

    /// Logs in with a password and returns a session token.
    pub async fn login(&self, username: &str, password: Secret<String>) -> Result<String, Error> {
        if username.is_empty() || password.expose().is_empty() {
            return Err(Error::NoCredentials);
        }
        if username.len() > MAX_NAME {
            return Err(Error::NameTooLong);
        }
        let active = self.active.load_full();
        let now = self.clock.now();
        let account = active.config.accounts.get(username);
        let attempt = self
            .limits
            .admit(account.map(|_| username), now)
            .await
            .ok_or(Error::InvalidLogin)?;
        let hash = account.and_then(|account| account.password_hash.clone());
        let matches =
            tokio::task::spawn_blocking(move || password::verify(&password, hash.as_ref()))
                .await
                .unwrap_or(false);
        let may_log_in =
            account.is_some_and(|account| account.enabled && account.has(Capability::Login));
        if !(matches && may_log_in) {
            return Err(Error::InvalidLogin);
        }
        attempt.succeed();
        let subject = Subject::Account {
            name: username.to_owned(),
            capability: Capability::Login,
        };
        let end = now.as_second() + active.config.session_duration.as_secs();
        Ok(active.issue(&subject, now, Some(end), None)?)
    }

    /// Makes an API token for an account or a project role; the caller records `id` where
    /// such tokens are listed, without which the token is not accepted.
    pub fn issue_api_token(
        &self,
        subject: &Subject,
        id: &str,
        end: Option<i64>,
    ) -> Result<String, Error> {
        Ok(self
            .active
            .load()
            .issue(subject, self.clock.now(), end, Some(id))?)
    }

    /// Verifies a token and everything it depends on.
    pub fn verify(&self, token: &str, projects: &dyn ProjectTokens) -> Result<Verified, Error> {
        let active = self.active.load();
        let now = self.clock.now();
        let claims = active.signer()?.verify(token, now)?;
        if !claims.jti.is_empty() && self.revoked.contains(&claims.jti) {
            return Err(Error::Revoked);
        }
        match claims.subject()? {
            Subject::ProjectRole { project, role } => {
                let tokens = projects.tokens(&project, &role).ok_or_else(|| {
                    Error::Account(format!("project role {project}:{role} does not exist"))
                })?;
                if !is_listed(&tokens, &claims) {
                    return Err(Error::Account(
                        "token is revoked, please re-login".to_owned(),
                    ));
                }
                Ok(Verified {
                    identity: Identity::ProjectRole { project, role },
                    claims,
                    renewed: None,
                })
            }
            Subject::Account { name, capability } => {
                active.verify_account(name, capability, claims, now)
            }
        }
    }

    /// Ends a session. Returns whether there is something new to persist.
    pub fn revoke(&self, claims: &Claims) -> bool {
        if claims.jti.is_empty() || self.revoked.contains(&claims.jti) {
            return false;
        }
        // A renewed copy of the token carries the same identifier and may end later.
        let renewed =
            self.clock.now().as_second() + self.active.load().config.session_duration.as_secs();
        let own = claims
            .exp
            .unwrap_or(claims.iat.saturating_add(ENDLESS_SECONDS));
        self.revoked.insert(&claims.jti, own.max(renewed));
        true
    }
}

fn is_listed(tokens: &[ApiToken], claims: &Claims) -> bool {
    tokens.iter().any(|token| {
        if token.id.is_empty() {
            token.issued_at == claims.iat
        } else {
            token.id == claims.jti
        }
    })
}

impl Active {
    fn new(config: Config) -> Self {
        let signer = Signer::new(&config.signing_key);
        Self { config, signer }
    }

    fn signer(&self) -> Result<&Signer, token::Error> {
        self.signer.as_ref().map_err(|_| token::Error::Key)
    }

    fn issue(
        &self,
        subject: &Subject,
        now: Timestamp,
        end: Option<i64>,
        id: Option<&str>,
    ) -> Result<String, token::Error> {
        self.signer()?.sign(&Claims {
            iss: ISSUER.to_owned(),
            sub: subject.to_claim(),
            iat: now.as_second(),
            nbf: Some(now.as_second()),
            exp: end,
            jti: id.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned),
        })
    }

    fn verify_account(
        &self,
        name: String,
        capability: Capability,
        claims: Claims,
        now: Timestamp,
    ) -> Result<Verified, Error> {
        let account = self
            .config
            .accounts
            .get(&name)
            .ok_or_else(|| Error::Account(format!("account {name} does not exist")))?;
        if !account.enabled {
            return Err(Error::Account(format!("account {name} is disabled")));
        }
        if !account.has(capability) {
            let capability = capability.as_str();
            return Err(Error::Account(format!(
                "account {name} does not have {capability} capability"
            )));
        }
        // Without an identifier a token could never be revoked.
        if claims.jti.is_empty() {
            return Err(Error::Revoked);
        }
        let changed = account
            .password_mtime
            .is_some_and(|changed| claims.iat < changed.as_second());
        let mut renewed = None;
        match capability {
            Capability::ApiKey if !is_listed(&account.tokens, &claims) => {
                let id = &claims.jti;
                return Err(Error::Account(format!(
                    "account {name} does not have token with id {id}"
                )));
            }
            Capability::ApiKey => {}
            Capability::Login if claims.exp.is_none() => return Err(token::Error::Expired.into()),
            Capability::Login if changed => {
                return Err(Error::Account(
                    "account password has changed since token issued".to_owned(),
                ));
            }
            Capability::Login => {
                if claims
                    .exp
                    .is_some_and(|exp| exp - now.as_second() < RENEW_SECONDS)
                {
                    let end = now.as_second() + self.config.session_duration.as_secs();
                    let subject = claims.subject()?;
                    renewed = Some(self.issue(&subject, now, Some(end), Some(&claims.jti))?);
                }
            }
        }
        Ok(Verified {
            identity: Identity::Local { name },
            claims,
            renewed,
        })
    }
}

#[cfg(test)]
mod tests;
