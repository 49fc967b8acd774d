//! Addresses that may carry credentials.

use std::fmt;

/// An address whose `Debug` and `Display` hide user information and query.
///
/// Understands URLs (`https://user:token@host/x?sig=…`) and scp-like Git addresses
/// (`git@host:path`), whose user name is not secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafeUrl(String);

impl SafeUrl {
    /// Wraps an address.
    pub fn new(address: impl Into<String>) -> Self {
        Self(address.into())
    }

    /// Returns the address with its credentials, for the one call that connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str(&self.0);
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        match authority.rsplit_once('@') {
            Some((user, host)) if !user.contains(':') && scheme == "ssh" => {
                write!(f, "{scheme}://{user}@{host}{path}")
            }
            Some((_, host)) => write!(f, "{scheme}://****@{host}{path}"),
            None => write!(f, "{scheme}://{authority}{path}"),
        }
    }
}

impl fmt::Debug for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::SafeUrl;

    #[test]
    fn credentials_and_queries_are_hidden() {
        let shown = |address: &str| SafeUrl::new(address).to_string();
        assert_eq!(
            shown("https://bob:hunter2@git.example/x.git?sig=1"),
            "https://****@git.example/x.git"
        );
        assert_eq!(
            shown("https://token@git.example/x"),
            "https://****@git.example/x"
        );
        assert_eq!(shown("https://git.example/a@b"), "https://git.example/a@b");
        assert_eq!(shown("ssh://git@git.example/x"), "ssh://git@git.example/x");
        assert_eq!(
            shown("ssh://git:pw@git.example/x"),
            "ssh://****@git.example/x"
        );
        assert_eq!(shown("git@git.example:x/y.git"), "git@git.example:x/y.git");
    }
}
