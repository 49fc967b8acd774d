//! The first password of `admin`.

use driftless_core::Secret;

use super::Error;

const LENGTH: usize = 16;
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Makes a password of letters and digits.
pub(super) fn generate() -> Secret<String> {
    let mut password = String::with_capacity(LENGTH);
    while password.len() < LENGTH {
        let byte = rand::random::<u8>();
        // The largest multiple of 62 below 256: without it the first letters would be likelier.
        if byte < 248
            && let Some(letter) = ALPHABET.get(usize::from(byte) % ALPHABET.len())
        {
            password.push(char::from(*letter));
        }
    }
    Secret::new(password)
}

/// Hashes a password, away from the threads that answer requests.
pub(super) async fn hash(password: Secret<String>) -> Result<Secret<String>, Error> {
    // The cost that the incumbent uses.
    let hashed = tokio::task::spawn_blocking(move || bcrypt::hash(password.expose(), 10)).await;
    match hashed {
        Ok(result) => result.map(Secret::new).map_err(Error::Hash),
        Err(_) => Err(Error::Form {
            what: "the hash of the first password".to_owned(),
            message: "the task ended early".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_differ() {
        let (one, other) = (generate(), generate());
        assert_eq!(one.expose().len(), LENGTH);
        assert!(one.expose().bytes().all(|byte| ALPHABET.contains(&byte)));
        assert_ne!(one, other);
    }
}
