//! Signed tokens: HS256, issuer `argocd` (argocd-contract §8).

use driftless_core::Secret;
use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::account::Capability;
use crate::identity::project_role;

/// Issuer of every token made here.
pub const ISSUER: &str = "argocd";

/// Longest token looked at; identity providers with many groups make long ones.
const MAX_LENGTH: usize = 64 * 1024;

/// Shortest signing key accepted: an empty or trivial key would let anybody sign.
const MIN_KEY: usize = 16;

/// What a token says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Subject: `<user>:login`, `<user>:apiKey` or `proj:<project>:<role>`.
    pub sub: String,
    /// Issued at, seconds since 1970.
    pub iat: i64,
    /// Not valid before, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Not valid from then on, seconds since 1970; absent for API tokens without an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Identifier.
    #[serde(default)]
    pub jti: String,
}

/// Whom a token's subject names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// An account, and the use the token is for.
    Account {
        /// Account name.
        name: String,
        /// Use.
        capability: Capability,
    },
    /// A role of a project.
    ProjectRole {
        /// Project name.
        project: String,
        /// Role name.
        role: String,
    },
}

/// Why a token was not accepted. The message is safe to show.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a token, or not one of ours.
    #[error("token is malformed")]
    Malformed,
    /// Signed with another key, another method, or not at all.
    #[error("signature is invalid")]
    Signature,
    /// Issued by somebody else.
    #[error("token was issued by another issuer")]
    Issuer,
    /// Its time is over.
    #[error("token is expired")]
    Expired,
    /// Its time has not come.
    #[error("token is not valid yet")]
    NotYet,
    /// The subject is not of a known form.
    #[error("token has an unknown subject")]
    Subject,
    /// No key to sign or verify with.
    #[error("server signing key is missing or too short")]
    Key,
}

/// Signs and verifies tokens with one key.
pub struct Signer {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Signer {
    /// Takes the key (`server.secretkey`).
    pub fn new(key: &Secret<Vec<u8>>) -> Result<Self, Error> {
        let bytes = key.expose();
        if bytes.len() < MIN_KEY {
            return Err(Error::Key);
        }
        Ok(Self {
            encoding: EncodingKey::from_secret(bytes),
            decoding: DecodingKey::from_secret(bytes),
        })
    }

    /// Signs `claims`.
    pub fn sign(&self, claims: &Claims) -> Result<String, Error> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding)
            .map_err(|_| Error::Key)
    }

    /// Verifies signature, issuer and times, in that order.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Error> {
        if token.len() > MAX_LENGTH {
            return Err(Error::Malformed);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are checked below, against the clock that was handed in.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature
                | ErrorKind::InvalidAlgorithm
                | ErrorKind::InvalidAlgorithmName
                | ErrorKind::UnsupportedAlgorithm => Error::Signature,
                _ => Error::Malformed,
            })?
            .claims;
        if claims.iss != ISSUER {
            return Err(Error::Issuer);
        }
        let second = now.as_second();
        if claims.exp.is_some_and(|exp| exp <= second) {
            return Err(Error::Expired);
        }
        // Two replicas' clocks may differ a little.
        if claims.nbf.is_some_and(|nbf| nbf > second + 5) {
            return Err(Error::NotYet);
        }
        Ok(claims)
    }
}

impl Claims {
    /// Reads whom the token is for.
    pub fn subject(&self) -> Result<Subject, Error> {
        if let Some((project, role)) = project_role(&self.sub) {
            return Ok(Subject::ProjectRole {
                project: project.to_owned(),
                role: role.to_owned(),
            });
        }
        let (name, capability) = match self.sub.rsplit_once(':') {
            Some((name, capability)) => (name, Capability::from_name(capability)),
            // Tokens of very old installations carry the bare name.
            None => (self.sub.as_str(), Some(Capability::Login)),
        };
        match capability {
            Some(capability) if !name.is_empty() && !name.contains(':') => Ok(Subject::Account {
                name: name.to_owned(),
                capability,
            }),
            _ => Err(Error::Subject),
        }
    }
}

impl Subject {
    /// Returns the `sub` claim.
    pub fn to_claim(&self) -> String {
        match self {
            Self::Account { name, capability } => format!("{name}:{}", capability.as_str()),
            Self::ProjectRole { project, role } => format!("proj:{project}:{role}"),
        }
    }
}
