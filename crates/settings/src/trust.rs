//! `argocd-ssh-known-hosts-cm` and `argocd-tls-certs-cm`: whom to trust (argocd-contract §7.6).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;

/// Name of the ConfigMap with SSH host keys.
pub const KNOWN_HOSTS_NAME: &str = "argocd-ssh-known-hosts-cm";
/// Name of the ConfigMap with certificates.
pub const TLS_NAME: &str = "argocd-tls-certs-cm";

/// Whom to trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// SSH host keys, in the form of `known_hosts`.
    pub known_hosts: Option<Arc<str>>,
    /// Certificates by host, PEM.
    pub certificates: BTreeMap<String, Arc<str>>,
}

impl Trust {
    /// Reads both ConfigMaps; what cannot be read keeps its value of `previous`.
    pub fn read(
        known_hosts: &BTreeMap<String, String>,
        certificates: &BTreeMap<String, String>,
        previous: Option<&Self>,
    ) -> (Self, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let mut trust = Self {
            known_hosts: known_hosts
                .get("ssh_known_hosts")
                .filter(|text| !text.trim().is_empty())
                .map(|text| Arc::from(text.as_str())),
            certificates: BTreeMap::new(),
        };
        for (host, pem) in certificates {
            if pem.trim().is_empty() {
                continue;
            }
            if pem.contains("-----BEGIN CERTIFICATE-----") {
                trust
                    .certificates
                    .insert(host.clone(), Arc::from(pem.as_str()));
                continue;
            }
            diagnostics.push(Diagnostic {
                object: format!("ConfigMap {TLS_NAME}"),
                key: host.clone(),
                message: "no PEM certificate".to_owned(),
                hint:
                    "write the certificate from -----BEGIN CERTIFICATE----- to the end; the last \
                       good value stays"
                        .to_owned(),
            });
            if let Some(old) = previous.and_then(|previous| previous.certificates.get(host)) {
                trust.certificates.insert(host.clone(), old.clone());
            }
        }
        (trust, diagnostics)
    }

    /// Returns the certificates for an address, by its host without port.
    pub fn certificates_for(&self, url: &str) -> Option<&Arc<str>> {
        self.certificates.get(host_of(url)?)
    }
}

/// Returns the host of an address, without user and port.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}
