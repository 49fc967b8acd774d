//! Bcrypt passwords.

use driftless_core::Secret;

/// Cost of new hashes; the incumbent's value, so that both read each other's.
const COST: u32 = 10;

/// A hash no password matches, verified for unknown accounts so that they take as long as known ones.
const DECOY: &str = "$2b$10$abcdefghijklmnopqrstuuwTQ1cyJ2kp1oIGTiLNmt/vpIRHv6GK2";

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bcrypt reads 72 bytes and no more.
    #[error("password is longer than 72 bytes")]
    TooLong,
    /// The random source failed.
    #[error("hash a password")]
    Hash(#[source] bcrypt::BcryptError),
}

/// Hashes a password. Takes tens of milliseconds: call it off the async threads.
pub fn hash(password: &Secret<String>) -> Result<Secret<String>, Error> {
    if password.expose().len() > 72 {
        return Err(Error::TooLong);
    }
    bcrypt::hash(password.expose(), COST)
        .map(Secret::new)
        .map_err(Error::Hash)
}

/// Says whether `password` belongs to `hash`; without a hash it takes as long and says no.
/// Takes tens of milliseconds: call it off the async threads.
pub fn verify(password: &Secret<String>, hash: Option<&Secret<String>>) -> bool {
    let known = hash.map_or(DECOY, |hash| hash.expose().as_str());
    let matches = bcrypt::verify(password.expose(), known).unwrap_or(false);
    matches && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_matches() {
        let right = Secret::new("correct horse".to_owned());
        let hashed = hash(&right).expect("hash");
        assert!(verify(&right, Some(&hashed)));
        assert!(!verify(&Secret::new("wrong".to_owned()), Some(&hashed)));
        assert!(!verify(&Secret::new(String::new()), Some(&hashed)));
        assert!(!verify(&right, None));
        assert!(!verify(&right, Some(&Secret::new("not a hash".to_owned()))));
    }

    #[test]
    fn the_decoy_is_a_well_formed_hash() {
        // A malformed one would be refused at once and tell unknown accounts apart by time.
        assert!(bcrypt::verify("x", DECOY).is_ok());
    }
}
