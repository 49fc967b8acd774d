//! Requests signed for AWS (signature version 4), and where the keys come from: the environment, or a role that the pod's
//! own token stands for.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driftless_core::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{MeasureError, Providers};
use crate::http::Request;

/// Region and credentials.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Region, such as `eu-west-1`.
    pub region: String,
    /// Where the keys come from.
    pub credentials: Credentials,
    /// Address to ask instead of AWS' own, for tests and private endpoints.
    pub endpoint: Option<String>,
    kept: Arc<Mutex<Vec<Kept>>>,
}

/// Where the keys come from.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// They are given.
    Keys {
        /// Its id.
        id: String,
        /// The key.
        secret: Secret<String>,
        /// Token of a session, if it is one.
        token: Option<Secret<String>>,
    },
    /// A role that a token in a file stands for (IAM roles for service accounts).
    WebIdentity {
        /// The role.
        role: String,
        /// The file, read each time.
        token_file: PathBuf,
    },
}

#[derive(Clone, Debug)]
struct Kept {
    role: String,
    keys: Keys,
    until: Timestamp,
}

#[derive(Clone, Debug)]
struct Keys {
    id: String,
    secret: Secret<String>,
    token: Option<Secret<String>>,
}

impl Aws {
    /// Makes it of its parts.
    pub fn new(region: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            region: region.into(),
            credentials,
            endpoint: None,
            kept: Arc::default(),
        }
    }

    /// Reads the variables that AWS' own tools read; nothing when they are not set.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let region = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"))?;
        let keys = set("AWS_ACCESS_KEY_ID").zip(set("AWS_SECRET_ACCESS_KEY"));
        let credentials = match keys {
            Some((id, secret)) => Credentials::Keys {
                id,
                secret: Secret::new(secret),
                token: set("AWS_SESSION_TOKEN").map(Secret::new),
            },
            None => Credentials::WebIdentity {
                role: set("AWS_ROLE_ARN")?,
                token_file: set("AWS_WEB_IDENTITY_TOKEN_FILE")?.into(),
            },
        };
        Some(Self::new(region, credentials))
    }

    /// Returns the address of a service.
    pub(super) fn address(&self, service: &str, region: &str) -> String {
        match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => {
                let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
                format!("https://{service}.{region}.amazonaws.com{suffix}/")
            }
        }
    }
}

impl Providers {
    /// Signs a request, as another role when one is named.
    pub(super) async fn sign(
        &self,
        request: &mut Request,
        region: &str,
        role: &str,
        service: &str,
        now: Timestamp,
    ) -> Result<(), MeasureError> {
        let Some(aws) = &self.options.aws else {
            return Err(MeasureError::Refused(
                "there are no AWS credentials: set AWS_REGION and a role for the service account, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".into(),
            ));
        };
        let mut keys = match &aws.credentials {
            Credentials::Keys { id, secret, token } => Keys {
                id: id.clone(),
                secret: secret.clone(),
                token: token.clone(),
            },
            Credentials::WebIdentity { role, token_file } => {
                self.web_identity(aws, role, token_file, now).await?
            }
        };
        if !role.is_empty() {
            keys = self.assumed(aws, role, &keys, region, now).await?;
        }
        sign(request, &keys, region, service, now);
        Ok(())
    }

    async fn web_identity(
        &self,
        aws: &Aws,
        role: &str,
        file: &PathBuf,
        now: Timestamp,
    ) -> Result<Keys, MeasureError> {
        if let Some(keys) = aws.kept(role, now) {
            return Ok(keys);
        }
        let token = tokio::fs::read_to_string(file).await.map_err(|error| {
            MeasureError::Refused(format!("reading the token of the service account: {error}"))
        })?;
        let fields = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("RoleSessionName", "driftless"),
            ("RoleArn", role),
            ("WebIdentityToken", token.trim()),
        ];
        let request = sts(aws, &aws.region, &fields)?;
        let pointer = "/AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult";
        self.role(aws, role, request, pointer, now).await
    }

    async fn assumed(
        &self,
        aws: &Aws,
        role: &str,
        keys: &Keys,
        region: &str,
        now: Timestamp,
    ) -> Result<Keys, MeasureError> {
        if let Some(keys) = aws.kept(role, now) {
            return Ok(keys);
        }
        let fields = [
            ("Action", "AssumeRole"),
            ("RoleSessionName", "driftless"),
            ("RoleArn", role),
        ];
        let mut request = sts(aws, region, &fields)?;
        sign(&mut request, keys, region, "sts", now);
        let pointer = "/AssumeRoleResponse/AssumeRoleResult";
        self.role(aws, role, request, pointer, now).await
    }

    async fn role(
        &self,
        aws: &Aws,
        role: &str,
        request: Request,
        pointer: &str,
        now: Timestamp,
    ) -> Result<Keys, MeasureError> {
        let failed =
            |why: &str| MeasureError::Unreachable(format!("taking on the AWS role {role}: {why}"));
        let answer = self.http.send(request).await?;
        // Its words are not shown: they may hold what was sent.
        if !answer.is_success() {
            return Err(failed(&format!("the server answers {}", answer.status)));
        }
        let body = answer.json()?;
        let found = body.pointer(&format!("{pointer}/Credentials"));
        let text = |name: &str| {
            found
                .and_then(|found| found.get(name))
                .and_then(Json::as_str)
        };
        let (Some(id), Some(secret), Some(token)) = (
            text("AccessKeyId"),
            text("SecretAccessKey"),
            text("SessionToken"),
        ) else {
            return Err(failed("the answer has no credentials"));
        };
        let keys = Keys {
            id: id.to_owned(),
            secret: Secret::new(secret.to_owned()),
            token: Some(Secret::new(token.to_owned())),
        };
        // Roles are given for an hour at least; the half of the shortest is on the safe side.
        let until = now
            .saturating_add(SignedDuration::from_mins(7))
            .unwrap_or(now);
        aws.keep(role, &keys, until);
        Ok(keys)
    }
}

impl Aws {
    fn kept(&self, role: &str, now: Timestamp) -> Option<Keys> {
        let kept = self.kept.lock();
        let found = kept
            .iter()
            .find(|kept| kept.role == role && now < kept.until);
        found.map(|kept| kept.keys.clone())
    }

    fn keep(&self, role: &str, keys: &Keys, until: Timestamp) {
        let mut kept = self.kept.lock();
        kept.retain(|kept| kept.role != role);
        kept.push(Kept {
            role: role.to_owned(),
            keys: keys.clone(),
            until,
        });
    }
}

fn sts(aws: &Aws, region: &str, fields: &[(&str, &str)]) -> Result<Request, MeasureError> {
    let url = Url::parse(&aws.address("sts", region))
        .map_err(|error| MeasureError::Refused(format!("the address of AWS STS: {error}")))?;
    let mut request = Request::new(Method::POST, url);
    let fields: Vec<_> = [("Version", "2011-06-15")]
        .into_iter()
        .chain(fields.iter().copied())
        .collect();
    request.form(&fields);
    request.header("accept", "application/json");
    request.timeout = Duration::from_secs(10);
    Ok(request)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Encodes as AWS does: everything but letters, digits and `-_.~`.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Signs a request.
fn sign(request: &mut Request, keys: &Keys, region: &str, service: &str, now: Timestamp) {
    let moment = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let date = now.strftime("%Y%m%d").to_string();
    request.header("x-amz-date", &moment);
    if let Some(token) = &keys.token {
        request.header("x-amz-security-token", token.expose());
    }
    let host = match (request.url.host_str(), request.url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let mut headers = vec![("host".to_owned(), host)];
    for (name, value) in &request.headers {
        let name = name.to_ascii_lowercase();
        if name == "content-type" || name.starts_with("x-amz-") {
            headers.push((name, value.trim().to_owned()));
        }
    }
    headers.sort();
    let mut query: Vec<(String, String)> = request
        .url
        .query_pairs()
        .map(|(name, value)| (encoded(&name), encoded(&value)))
        .collect();
    query.sort();
    let query: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let path: Vec<String> = request.url.path().split('/').map(encoded).collect();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let mut lines = String::new();
    for (name, value) in &headers {
        let _ = writeln!(lines, "{name}:{value}");
    }
    let canonical = [
        request.method.as_str(),
        &path.join("/"),
        &query.join("&"),
        &lines,
        &names,
        &hex(&Sha256::digest(&request.body)),
    ]
    .join("\n");
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let digest = hex(&Sha256::digest(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}");
    let key = mac(format!("AWS4{}", keys.secret.expose()).as_bytes(), &date);
    let key = [region, service, "aws4_request"]
        .iter()
        .fold(key, |key, part| mac(&key, part));
    let signature = hex(&mac(&key, &text));
    let value = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.id
    );
    request.header("authorization", &value);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS' own documents: a list of IAM users.
    #[test]
    fn the_signature_of_the_documents() {
        let url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
        let mut request = Request::new(Method::GET, Url::parse(url).unwrap());
        request.header(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        );
        let keys = Keys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            token: None,
        };
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        sign(&mut request, &keys, "us-east-1", "iam", now);
        let (_, value) = request.headers.last().unwrap();
        let signature = value.rsplit('=').next().unwrap();
        assert_eq!(
            signature,
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    #[test]
    fn variables_as_the_tools_of_aws() {
        let keys = |name: &str| match name {
            "AWS_REGION" => Some("eu-west-1".to_owned()),
            "AWS_ACCESS_KEY_ID" => Some("id".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("hush".to_owned()),
            _ => None,
        };
        let aws = Aws::from_variables(keys).unwrap();
        assert!(!format!("{aws:?}").contains("hush"));
        assert_eq!(
            aws.address("monitoring", "eu-west-1"),
            "https://monitoring.eu-west-1.amazonaws.com/"
        );
        assert!(Aws::from_variables(|_| None).is_none());
    }
}
