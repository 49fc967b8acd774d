//! A repository as a user configured it, and its identity.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use driftless_core::{Class, Classify, ProjectName, SafeUrl, Secret};
use sha2::{Digest, Sha256};

/// How to prove who we are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Credentials {
    /// Anonymous access, or whatever the address itself carries.
    #[default]
    None,
    /// User name and password or token.
    Basic {
        /// User name; hosts that want only a token accept any.
        username: String,
        /// Password or token.
        password: Secret<String>,
    },
    /// `Authorization: Bearer …`.
    Bearer(Secret<String>),
    /// An OpenSSH or PEM private key without pass phrase.
    SshKey(Secret<String>),
}

/// A client certificate for TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientCertificate {
    /// Certificate chain, PEM.
    pub certificate: String,
    /// Private key, PEM.
    pub key: Secret<String>,
}

/// How HTTPS peers are verified.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tls {
    /// Accept any certificate (`insecure: "true"`).
    pub insecure: bool,
    /// Certificates trusted besides the system's, PEM (`argocd-tls-certs-cm`).
    pub ca_bundle: Option<Arc<str>>,
    /// Certificate to present.
    pub client: Option<ClientCertificate>,
}

/// How SSH peers are verified.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ssh {
    /// Accept any host key (`insecure` or `insecureIgnoreHostKey`).
    pub insecure_ignore_host_key: bool,
    /// Known host keys (`argocd-ssh-known-hosts-cm`). Without any, no host is trusted.
    pub known_hosts: Option<Arc<str>>,
}

/// One repository: address, credentials and how to connect (argocd-contract §7.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repository {
    /// Address as the user wrote it; it may carry credentials.
    pub url: SafeUrl,
    /// The project whose Secret this is; `None` for one that every project may use. Repositories of different
    /// scopes never share fetched objects, so that nobody reads what another's credentials fetched.
    pub scope: Option<ProjectName>,
    /// How to prove who we are.
    pub credentials: Credentials,
    /// HTTPS settings.
    pub tls: Tls,
    /// SSH settings.
    pub ssh: Ssh,
    /// HTTP proxy for this repository.
    pub proxy: Option<SafeUrl>,
    /// Hosts that bypass the proxy, comma separated.
    pub no_proxy: String,
    /// Whether submodules are part of the tree. Not supported yet: a submodule reads as an unreadable entry.
    pub submodules: bool,
    /// `depth` as configured. One commit is fetched whatever it says: reading a commit needs no history.
    pub depth: Option<NonZeroU32>,
}

impl Repository {
    /// Describes a repository that needs no credentials.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: SafeUrl::new(url),
            scope: None,
            credentials: Credentials::None,
            tls: Tls::default(),
            ssh: Ssh::default(),
            proxy: None,
            no_proxy: String::new(),
            submodules: false,
            depth: None,
        }
    }

    /// Returns the identity under which fetched objects are stored: normalised address and scope.
    pub fn id(&self) -> RepositoryId {
        let mut hash = Sha256::new();
        hash.update(normalise(self.url.expose()).as_bytes());
        if let Some(scope) = &self.scope {
            hash.update([0]);
            hash.update(scope.as_str().as_bytes());
        }
        RepositoryId(hex(&hash.finalize()[..16]).into())
    }

    /// Reads the address, refusing schemes and shapes that are never legal.
    pub fn address(&self) -> Result<Address, Error> {
        Address::parse(self.url.expose())
    }
}

/// The identity of a repository: equal for addresses that differ only in spelling.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryId(Arc<str>);

impl RepositoryId {
    /// Returns the identity as 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an address cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Not an address at all.
    #[error("repository URL {url} is not valid: {problem}")]
    Invalid {
        /// The address without credentials.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A scheme that is not supported.
    #[error(
        "repository URL {url} has scheme {scheme:?}; use https, http, ssh, file or user@host:path"
    )]
    Scheme {
        /// The address without credentials.
        url: String,
        /// The scheme as given.
        scheme: String,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        Class::User
    }

    fn reason(&self) -> &'static str {
        "InvalidRepositoryURL"
    }
}

/// An address taken apart. Parts come from the user: they are validated here, once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// `https://` or `http://`.
    Http(url::Url),
    /// `ssh://user@host:port/path` or `user@host:path`.
    Ssh {
        /// User name; `None` leaves it to the SSH client.
        user: Option<String>,
        /// Host name or address.
        host: String,
        /// Port, when it is not 22.
        port: Option<u16>,
        /// Path on the host.
        path: String,
    },
    /// `file:///path` or an absolute path.
    Local(std::path::PathBuf),
}

impl Address {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let invalid = |problem| Error::Invalid {
            url: SafeUrl::new(text).to_string(),
            problem,
        };
        if text.is_empty() {
            return Err(invalid("it is empty"));
        }
        if text.starts_with('-') {
            return Err(invalid("it starts with '-'"));
        }
        if text.chars().any(char::is_control) {
            return Err(invalid("it holds control characters"));
        }
        if text.starts_with('/') {
            return Ok(Self::Local(text.into()));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Self::parse_scp(text).ok_or_else(|| invalid("no scheme and no host"));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => {
                let url = url::Url::parse(text).map_err(|_| invalid("it does not parse"))?;
                if url.host_str().is_none_or(str::is_empty) {
                    return Err(invalid("no host"));
                }
                Ok(Self::Http(url))
            }
            "ssh" | "git+ssh" | "ssh+git" => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
                // A password has no use with SSH; it is dropped rather than refused.
                let user = user.split(':').next().unwrap_or_default();
                let (host, port) = split_port(host).ok_or_else(|| invalid("bad port"))?;
                Self::ssh(user, host, port, path)
                    .ok_or_else(|| invalid("no usable host, user or path"))
            }
            "file" => match rest.strip_prefix("localhost").unwrap_or(rest) {
                path if path.starts_with('/') => Ok(Self::Local(path.into())),
                _ => Err(invalid("a file URL needs an absolute path")),
            },
            _ => Err(Error::Scheme {
                url: SafeUrl::new(text).to_string(),
                scheme: scheme.to_owned(),
            }),
        }
    }

    fn parse_scp(text: &str) -> Option<Self> {
        let (host, path) = text.split_once(':')?;
        let (user, host) = host.rsplit_once('@').unwrap_or(("", host));
        if host.contains('/') || path.starts_with(':') {
            return None;
        }
        Self::ssh(user, host, None, path)
    }

    /// Accepts only what cannot be taken for an option or more than one word.
    fn ssh(user: &str, host: &str, port: Option<u16>, path: &str) -> Option<Self> {
        let plain = |text: &str, extra: &str| {
            !text.starts_with('-')
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c) || extra.contains(c))
        };
        let path_is_safe = !path.is_empty() && !path.trim_start_matches('/').starts_with('-');
        if host.is_empty() || !plain(host, ":[]") || !plain(user, "+%@") || !path_is_safe {
            return None;
        }
        Some(Self::Ssh {
            user: (!user.is_empty()).then(|| user.to_owned()),
            host: host.to_ascii_lowercase(),
            port: port.filter(|port| *port != 22),
            path: path.to_owned(),
        })
    }
}

/// Splits `host:port`; a host in brackets may hold colons.
fn split_port(host: &str) -> Option<(&str, Option<u16>)> {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => Some((name, Some(port.parse().ok()?))),
        _ => Some((host, None)),
    }
}

/// Writes an address so that spellings of the same repository are equal: no user, lower-case host, no default
/// port, no trailing `/` or `.git`, scp-like addresses as `ssh://`. Text that is no address stays as it is.
pub fn normalise(url: &str) -> String {
    let edge = |character: char| character == '/' || character.is_whitespace();
    let trim = |path: &str| {
        let mut path = path.trim_matches(edge);
        while let Some(shorter) = path.strip_suffix(".git") {
            path = shorter.trim_end_matches(edge);
        }
        path.to_owned()
    };
    match Address::parse(url) {
        Ok(Address::Http(url)) => {
            let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
            let port = url.port().map(|port| format!(":{port}"));
            let port = port.unwrap_or_default();
            format!("{}://{host}{port}/{}", url.scheme(), trim(url.path()))
        }
        Ok(Address::Ssh {
            host, port, path, ..
        }) => {
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("ssh://{host}{port}/{}", trim(&path))
        }
        Ok(Address::Local(path)) => {
            format!("file:///{}", path.to_string_lossy().trim_matches(edge))
        }
        Err(_) => url.trim().to_owned(),
    }
}

/// Says whether two addresses name the same repository as a webhook sees it: scheme, user, port of SSH, letter
/// case and `.git` do not matter (argocd-contract §6.10).
pub fn same_repository(one: &str, other: &str) -> bool {
    let reduce = |url: &str| {
        let url = normalise(url).to_lowercase();
        match url.split_once("://") {
            Some(("file", path)) => format!("file:{path}"),
            Some((_, rest)) => {
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                let host = match host.rsplit_once(':') {
                    Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
                    _ => host,
                };
                format!("{host}/{path}")
            }
            None => url,
        }
    };
    reduce(one) == reduce(other)
}

/// Writes bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").ok();
            text
        })
}

#[cfg(test)]
mod tests;
