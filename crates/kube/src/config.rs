//! How a cluster is reached: the contents of a cluster Secret, parsed and checked.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use driftless_core::{Class, Classify, ClusterUrl, Namespace, SafeUrl, Secret};
use serde::Deserialize;

/// Why a cluster Secret or kubeconfig cannot be used.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum Error {
    /// A key of the Secret is missing or empty.
    #[error("cluster Secret has no '{key}'")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// `config` is not the JSON it should be.
    #[error("'config' of cluster {server} is not valid JSON: line {line}, column {column}")]
    ConfigJson {
        /// The cluster.
        server: ClusterUrl,
        /// Line of the JSON text.
        line: usize,
        /// Column of the JSON text.
        column: usize,
    },
    /// A field holds something unusable. The value is not repeated: it may be secret.
    #[error("'{field}' of cluster {server} is not valid: {detail}")]
    Field {
        /// The cluster.
        server: ClusterUrl,
        /// Field of `config`.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The Secret asks to run a program.
    #[error(
        "cluster {server} uses '{field}', which runs the program '{command}'; programs are not run \
         for credentials: use bearerToken or client certificates"
    )]
    Exec {
        /// The cluster.
        server: ClusterUrl,
        /// Field of `config`.
        field: &'static str,
        /// The program.
        command: String,
    },
    /// The connection could not be set up.
    #[error("cannot set up the connection to cluster {server}: {detail}")]
    Connection {
        /// The cluster.
        server: ClusterUrl,
        /// What is wrong.
        detail: String,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        Class::User
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Exec { .. } => "ExecPluginRefused",
            _ => "InvalidClusterSecret",
        }
    }
}

/// How to prove who we are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Credentials {
    /// Nothing beside a client certificate, if there is one.
    #[default]
    None,
    /// A bearer token.
    Bearer(Secret<String>),
    /// User name and password.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret<String>,
    },
}

/// A client certificate with its key, PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Certificate chain, PEM.
    pub certificate: Vec<u8>,
    /// Private key, PEM.
    pub key: Secret<Vec<u8>>,
}

/// One cluster as its Secret describes it (argocd-contract §7.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterConfig {
    /// Name for people; the server's address where the Secret has none.
    pub name: String,
    /// Address, without a trailing slash.
    pub server: ClusterUrl,
    /// Bearer token or user and password.
    pub credentials: Credentials,
    /// Client certificate.
    pub identity: Option<Identity>,
    /// Certificate authorities, PEM; the system's where absent.
    pub ca: Option<Vec<u8>>,
    /// The server's certificate is not checked.
    pub insecure: bool,
    /// Name to check in the server's certificate instead of the address.
    pub server_name: Option<String>,
    /// Only these namespaces are read and written; all where empty.
    pub namespaces: Vec<Namespace>,
    /// With `namespaces`: cluster-scoped objects may be managed too.
    pub cluster_resources: bool,
    /// Proxy to reach the server through (`http`, `https`, `socks5`).
    pub proxy: Option<SafeUrl>,
    /// Project this cluster belongs to, if not all.
    pub project: Option<String>,
}

impl ClusterConfig {
    /// Describes a cluster by its address alone.
    pub fn new(name: impl Into<String>, server: ClusterUrl) -> Self {
        Self {
            name: name.into(),
            server,
            credentials: Credentials::None,
            identity: None,
            ca: None,
            insecure: false,
            server_name: None,
            namespaces: Vec::new(),
            cluster_resources: false,
            proxy: None,
            project: None,
        }
    }

    /// Reads the (base64-decoded) data of a cluster Secret.
    pub fn from_secret(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, Error> {
        let text = |key: &'static str| {
            data.get(key)
                .map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let server = text("server").ok_or(Error::MissingKey { key: "server" })?;
        let server = ClusterUrl::new(server.trim_end_matches('/'));
        let raw: RawConfig = match data.get("config") {
            Some(bytes) if !bytes.is_empty() => {
                serde_json::from_slice(bytes).map_err(|error| Error::ConfigJson {
                    server: server.clone(),
                    line: error.line(),
                    column: error.column(),
                })?
            }
            _ => RawConfig::default(),
        };
        raw.refuse_programs(&server)?;
        let identity = raw.identity(&server)?;
        let tls = raw.tls_client_config.unwrap_or_default();
        let ca = tls
            .ca_data
            .map(|data| decode(&server, "tlsClientConfig.caData", data.as_bytes()))
            .transpose()?
            .filter(|pem| !pem.is_empty());
        let credentials = match (raw.bearer_token, raw.username) {
            (Some(token), _) if !token.expose().is_empty() => Credentials::Bearer(token),
            (_, Some(username)) if !username.is_empty() => Credentials::Basic {
                username,
                password: raw.password.unwrap_or_default(),
            },
            _ => Credentials::None,
        };
        Ok(Self {
            name: text("name").unwrap_or_else(|| server.to_string()),
            credentials,
            identity,
            ca,
            insecure: tls.insecure,
            server_name: tls.server_name.filter(|name| !name.is_empty()),
            namespaces: text("namespaces")
                .unwrap_or_default()
                .split(',')
                .map(str::trim)
                .filter(|ns| !ns.is_empty())
                .map(Namespace::from)
                .collect(),
            cluster_resources: text("clusterResources").is_some_and(|text| {
                matches!(text.as_str(), "true" | "True" | "TRUE" | "1" | "t" | "T")
            }),
            proxy: raw
                .proxy_url
                .filter(|url| !url.is_empty())
                .map(SafeUrl::new),
            project: text("project"),
            server,
        })
    }

    /// Lowers to the client library's configuration.
    pub(crate) fn to_kube(&self) -> Result<kube::Config, Error> {
        let field = |field: &'static str, detail: String| Error::Field {
            server: self.server.clone(),
            field,
            detail,
        };
        let uri: http::Uri = self
            .server
            .as_str()
            .parse()
            .map_err(|error: http::uri::InvalidUri| field("server", error.to_string()))?;
        if uri.scheme().is_none() || uri.host().is_none() {
            return Err(field(
                "server",
                "not an address such as https://host:6443".into(),
            ));
        }
        let mut config = kube::Config::new(uri);
        config.accept_invalid_certs = self.insecure;
        config.tls_server_name.clone_from(&self.server_name);
        if let Some(pem) = &self.ca {
            let ders =
                certificates(pem).map_err(|detail| field("tlsClientConfig.caData", detail))?;
            config.root_cert = Some(ders);
        }
        match &self.credentials {
            Credentials::None => {}
            Credentials::Bearer(token) => {
                config.auth_info.token = Some(token.expose().clone().into());
            }
            Credentials::Basic { username, password } => {
                config.auth_info.username = Some(username.clone());
                config.auth_info.password = Some(password.expose().clone().into());
            }
        }
        if let Some(identity) = &self.identity {
            config.auth_info.client_certificate_data = Some(STANDARD.encode(&identity.certificate));
            config.auth_info.client_key_data = Some(STANDARD.encode(identity.key.expose()).into());
        }
        if let Some(proxy) = &self.proxy {
            let uri = proxy
                .expose()
                .parse()
                .map_err(|error: http::uri::InvalidUri| field("proxyUrl", error.to_string()))?;
            config.proxy_url = Some(uri);
        }
        Ok(config)
    }
}

/// Splits a PEM bundle into DER certificates.
fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let mut ders = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        ders.push(certificate.map_err(|error| error.to_string())?.to_vec());
    }
    if ders.is_empty() {
        return Err("holds no PEM certificate".to_owned());
    }
    Ok(ders)
}

fn decode(server: &ClusterUrl, field: &'static str, data: &[u8]) -> Result<Vec<u8>, Error> {
    let compact: Vec<u8> = data
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    STANDARD.decode(compact).map_err(|error| Error::Field {
        server: server.clone(),
        field,
        detail: match error {
            base64::DecodeError::InvalidByte(at, _) => format!("not base64 at character {at}"),
            _ => "not base64".to_owned(),
        },
    })
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawConfig {
    username: Option<String>,
    password: Option<Secret<String>>,
    bearer_token: Option<Secret<String>>,
    tls_client_config: Option<RawTls>,
    aws_auth_config: Option<RawAws>,
    exec_provider_config: Option<RawExec>,
    proxy_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawTls {
    insecure: bool,
    server_name: Option<String>,
    ca_data: Option<String>,
    cert_data: Option<String>,
    key_data: Option<Secret<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawAws {
    cluster_name: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawExec {
    command: Option<String>,
}

impl RawConfig {
    fn refuse_programs(&self, server: &ClusterUrl) -> Result<(), Error> {
        let refused = |field, command: &str| Error::Exec {
            server: server.clone(),
            field,
            command: command.to_owned(),
        };
        if let Some(command) = self
            .exec_provider_config
            .as_ref()
            .and_then(|e| e.command.as_deref())
            && !command.is_empty()
        {
            return Err(refused("execProviderConfig", command));
        }
        if self.aws_auth_config.as_ref().is_some_and(|aws| {
            aws.cluster_name
                .as_deref()
                .is_some_and(|name| !name.is_empty())
        }) {
            return Err(refused("awsAuthConfig", "argocd-k8s-auth"));
        }
        Ok(())
    }

    fn identity(&self, server: &ClusterUrl) -> Result<Option<Identity>, Error> {
        let Some(tls) = &self.tls_client_config else {
            return Ok(None);
        };
        let certificate = tls.cert_data.as_deref().filter(|data| !data.is_empty());
        let key = tls
            .key_data
            .as_ref()
            .filter(|data| !data.expose().is_empty());
        match (certificate, key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Identity {
                certificate: decode(server, "tlsClientConfig.certData", certificate.as_bytes())?,
                key: Secret::new(decode(
                    server,
                    "tlsClientConfig.keyData",
                    key.expose().as_bytes(),
                )?),
            })),
            _ => Err(Error::Field {
                server: server.clone(),
                field: "tlsClientConfig",
                detail: "certData and keyData go together".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(entries: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn a_full_secret_is_read() {
        let config = ClusterConfig::from_secret(&secret(&[
            ("name", "prod"),
            ("server", "https://10.0.0.1:6443/"),
            ("namespaces", "a, b,,"),
            ("clusterResources", "true"),
            ("project", "ml"),
            (
                "config",
                r#"{"bearerToken":"t0ken","tlsClientConfig":{"insecure":true,"serverName":"k8s"},"proxyUrl":"http://u:p@proxy:3128"}"#,
            ),
        ]))
        .unwrap();
        assert_eq!(config.server.as_str(), "https://10.0.0.1:6443");
        assert_eq!(
            config.credentials,
            Credentials::Bearer(Secret::new("t0ken".to_owned()))
        );
        assert_eq!(
            config.namespaces,
            [Namespace::from("a"), Namespace::from("b")]
        );
        assert!(config.cluster_resources && config.insecure);
        assert_eq!(config.server_name.as_deref(), Some("k8s"));
        assert_eq!(config.project.as_deref(), Some("ml"));
        let shown = format!("{config:?}");
        assert!(
            !shown.contains("t0ken") && !shown.contains("u:p"),
            "{shown}"
        );
    }

    #[test]
    fn programs_are_refused_by_name() {
        let error = ClusterConfig::from_secret(&secret(&[
            ("server", "https://x"),
            (
                "config",
                r#"{"execProviderConfig":{"command":"/bin/steal"}}"#,
            ),
        ]))
        .unwrap_err();
        assert_eq!(error.reason(), "ExecPluginRefused");
        assert!(error.to_string().contains("/bin/steal"));
        let aws = ClusterConfig::from_secret(&secret(&[
            ("server", "https://x"),
            ("config", r#"{"awsAuthConfig":{"clusterName":"c"}}"#),
        ]));
        assert!(matches!(
            aws,
            Err(Error::Exec {
                field: "awsAuthConfig",
                ..
            })
        ));
    }

    #[test]
    fn errors_name_the_field_and_hide_the_value() {
        let error = ClusterConfig::from_secret(&secret(&[
            ("server", "https://x"),
            (
                "config",
                r#"{"tlsClientConfig":{"certData":"aGk=","keyData":"hunter2!"}}"#,
            ),
        ]))
        .unwrap_err();
        assert!(error.to_string().contains("keyData"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let error = ClusterConfig::from_secret(&secret(&[
            ("server", "https://x"),
            ("config", "{\"bearerToken\": hunter2}"),
        ]))
        .unwrap_err();
        assert!(matches!(error, Error::ConfigJson { line: 1, .. }));
        assert!(matches!(
            ClusterConfig::from_secret(&secret(&[("name", "x")])),
            Err(Error::MissingKey { key: "server" })
        ));
    }

    #[test]
    fn a_server_that_is_no_address_is_told() {
        let config = ClusterConfig::new("x", ClusterUrl::new("not an address"));
        assert!(matches!(
            config.to_kube(),
            Err(Error::Field {
                field: "server",
                ..
            })
        ));
    }
}
