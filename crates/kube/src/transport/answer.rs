//! Reads refusals: HTTP status and `Status` object to typed error, without values of Secrets.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use driftless_core::{ClusterUrl, Secret};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Cause, Error};

/// Values that must not appear in texts.
#[derive(Clone, Default, Debug)]
pub(crate) struct Scrub(Vec<Secret<String>>);

/// What stands in place of a secret value, as in diffs.
const MASK: &str = "++++++++";
/// Shorter values would mask letters of ordinary words.
const SHORTEST: usize = 3;

impl Scrub {
    /// Collects the values of an object if it is a core `Secret`, encoded and decoded.
    pub(crate) fn of(object: &Map<String, Value>) -> Self {
        let is_secret = object.get("kind").and_then(Value::as_str) == Some("Secret")
            && object.get("apiVersion").and_then(Value::as_str) == Some("v1");
        if !is_secret {
            return Self::default();
        }
        let mut values = Vec::new();
        for field in ["data", "stringData"] {
            for value in object
                .get(field)
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(Map::values)
            {
                collect(value, &mut values);
            }
        }
        Self::from_values(values)
    }

    /// Collects every value in `part` of a Secret.
    pub(crate) fn all(part: &Value) -> Self {
        let mut values = Vec::new();
        collect(part, &mut values);
        Self::from_values(values)
    }

    fn from_values(mut values: Vec<String>) -> Self {
        values.retain(|value| value.len() >= SHORTEST);
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self(values.into_iter().map(Secret::new).collect())
    }

    /// Masks every known value in `text`.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in &self.0 {
            let value = value.expose();
            if text.contains(value) {
                text = text.replace(value, MASK);
            }
            // Values are quoted like Go strings in the server's words.
            let quoted = format!("{value:?}");
            let inner = quoted.trim_matches('"');
            if inner != value && text.contains(inner) {
                text = text.replace(inner, MASK);
            }
        }
        text
    }
}

/// Adds a value as it is, decoded and encoded; of lists and mappings, each value.
fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(map) => map.values().for_each(|item| collect(item, into)),
        Value::Null => {}
        value => {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            if let Ok(plain) = STANDARD.decode(&text) {
                into.push(String::from_utf8_lossy(&plain).into_owned());
            }
            into.push(STANDARD.encode(&text));
            into.push(text);
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    message: Option<String>,
    reason: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    name: Option<String>,
    kind: Option<String>,
    causes: Option<Vec<RawCause>>,
    retry_after_seconds: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawCause {
    reason: Option<String>,
    message: Option<String>,
    field: Option<String>,
}

/// Types a refusal.
pub(super) fn refusal(
    cluster: &ClusterUrl,
    code: StatusCode,
    retry_after: Option<Duration>,
    body: &[u8],
    scrub: &Scrub,
) -> Error {
    let status: Status = serde_json::from_slice(body).unwrap_or_else(|_| Status {
        message: Some(excerpt(body)),
        ..Status::default()
    });
    let message = status
        .message
        .filter(|message| !message.is_empty())
        .map_or_else(
            || format!("the server answered {code}"),
            |text| scrub.clean(&text),
        );
    let reason = status.reason.unwrap_or_default();
    let details = status.details.unwrap_or_default();
    let causes: Vec<Cause> = details
        .causes
        .unwrap_or_default()
        .into_iter()
        .map(|cause| Cause {
            field: cause.field.unwrap_or_default(),
            reason: cause.reason.unwrap_or_default(),
            message: scrub.clean(&cause.message.unwrap_or_default()),
        })
        .collect();
    if let Some(webhook) = webhook_name(&message) {
        return Error::Webhook { webhook, message };
    }
    match (code.as_u16(), reason.as_str()) {
        (401, _) => Error::Unauthorized {
            cluster: cluster.clone(),
            message,
        },
        (403, _) => match terminating(&message, &causes) {
            Some(namespace) => Error::NamespaceTerminating { namespace, message },
            None => Error::Forbidden { message },
        },
        (404, _) if details.kind.as_deref() == Some("namespaces") => Error::NamespaceMissing {
            namespace: details.name.unwrap_or_default(),
            message,
        },
        (404, _) => Error::NotFound { message },
        (409, "AlreadyExists") => Error::AlreadyExists { message },
        (409, _) => match terminating(&message, &causes) {
            Some(namespace) => Error::NamespaceTerminating { namespace, message },
            None => Error::Conflict { message },
        },
        (410, _) => Error::Expired { message },
        (422, _) => Error::Invalid { message, causes },
        (429, _) => Error::TooManyRequests {
            message,
            retry_after: retry_after.or(details.retry_after_seconds.map(Duration::from_secs)),
        },
        (504, "Timeout") => Error::Server { code: 504, message },
        (code @ 400..=499, _) => Error::Rejected {
            code,
            status_reason: reason,
            message,
        },
        (code, _) => Error::Server { code, message },
    }
}

/// Finds the webhook or policy that denied, in the API server's words.
fn webhook_name(message: &str) -> Option<String> {
    let name = if let Some(rest) = message.split("admission webhook \"").nth(1) {
        rest.split_once("\" denied the request")?.0
    } else if let Some(rest) = message.split("ValidatingAdmissionPolicy '").nth(1) {
        rest.split_once('\'')
            .filter(|(_, rest)| rest.contains("denied request"))?
            .0
    } else {
        return None;
    };
    Some(name.to_owned())
}

/// Finds the namespace that is being terminated.
fn terminating(message: &str, causes: &[Cause]) -> Option<String> {
    let by_cause = causes
        .iter()
        .any(|cause| cause.reason == "NamespaceTerminating");
    if !by_cause && !message.contains("because it is being terminated") {
        return None;
    }
    let name = message
        .split_once("in namespace ")
        .map(|(_, rest)| rest)
        .or_else(|| message.split_once("namespace ").map(|(_, rest)| rest))
        .unwrap_or_default();
    let name: String = name
        .trim_start_matches('"')
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    Some(name)
}

/// An answer that is no `Status` (a proxy's page): its beginning, on one line.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..body.len().min(300)).unwrap_or_default());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else {
            panic!("an object")
        };
        map
    }

    fn typed(code: u16, body: &Value) -> Error {
        let code = StatusCode::from_u16(code).unwrap();
        let cluster = ClusterUrl::new("https://c");
        refusal(
            &cluster,
            code,
            None,
            body.to_string().as_bytes(),
            &Scrub::default(),
        )
    }

    #[test]
    fn refusals_are_told_apart() {
        let denied = typed(
            403,
            &json!({"message":"admission webhook \"check.example.com\" denied the request: no","reason":"Forbidden"}),
        );
        assert!(
            matches!(&denied, Error::Webhook { webhook, .. } if webhook == "check.example.com")
        );
        let policy = typed(
            422,
            &json!({"message":"configmaps \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no","reason":"Invalid"}),
        );
        assert!(matches!(&policy, Error::Webhook { webhook, .. } if webhook == "p"));
        let terminating = typed(
            403,
            &json!({"message":"configmaps \"x\" is forbidden: unable to create new content in namespace gone because it is being terminated",
                "reason":"Forbidden","details":{"causes":[{"reason":"NamespaceTerminating"}]}}),
        );
        assert!(
            matches!(&terminating, Error::NamespaceTerminating { namespace, .. } if namespace == "gone")
        );
        let missing = typed(
            404,
            &json!({"message":"namespaces \"nope\" not found","reason":"NotFound","details":{"name":"nope","kind":"namespaces"}}),
        );
        assert!(
            matches!(&missing, Error::NamespaceMissing { namespace, .. } if namespace == "nope")
        );
        let invalid = typed(
            422,
            &json!({"message":"Deployment.apps \"x\" is invalid: spec.selector: field is immutable","reason":"Invalid",
                "details":{"causes":[{"reason":"FieldValueInvalid","message":"field is immutable","field":"spec.selector"}]}}),
        );
        assert!(invalid.is_immutable());
        assert!(matches!(
            typed(409, &json!({"reason":"AlreadyExists"})),
            Error::AlreadyExists { .. }
        ));
        assert!(matches!(
            typed(409, &json!({"reason":"Conflict"})),
            Error::Conflict { .. }
        ));
        assert!(matches!(
            typed(503, &json!("not a status")),
            Error::Server { code: 503, .. }
        ));
    }

    #[test]
    fn values_of_secrets_are_masked() {
        let scrub = Scrub::of(&object(json!({"apiVersion":"v1","kind":"Secret",
            "data":{"a":"aHVudGVyMg=="},"stringData":{"b":"s3cret \"quoted\""}})));
        let text = scrub.clean(
            "Invalid value: \"hunter2\": aHVudGVyMg== and s3cret \\\"quoted\\\" and s3cret \"quoted\"",
        );
        for value in ["hunter2", "aHVudGVyMg", "s3cret"] {
            assert!(!text.contains(value), "{text}");
        }
        let plain = Scrub::of(&object(
            json!({"apiVersion":"v1","kind":"ConfigMap","data":{"a":"word"}}),
        ));
        assert_eq!(plain.clean("word"), "word");
        assert!(!format!("{scrub:?}").contains("hunter2"));
    }
}
