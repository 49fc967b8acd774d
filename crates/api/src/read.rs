//! Reading API objects with errors that name the field.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// An object could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// One field has a value of the wrong kind.
    #[error("field {path}: {message}")]
    Field {
        /// Where, such as `spec.source.helm.parameters[0].value`.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// The text is not JSON.
    #[error("not valid JSON: {message}")]
    Syntax {
        /// What is wrong and where.
        message: String,
    },
}

fn field(error: serde_path_to_error::Error<serde_json::Error>) -> Error {
    let path = error.path().to_string();
    let inner = error.into_inner();
    if inner.is_syntax() || inner.is_eof() {
        return Error::Syntax {
            message: inner.to_string(),
        };
    }
    // The path says where better than a column of a text that nobody sees.
    let position = format!(" at line {} column {}", inner.line(), inner.column());
    let message = inner.to_string();
    let message = message.strip_suffix(&position).unwrap_or(&message);
    Error::Field {
        path,
        message: message.to_owned(),
    }
}

/// Reads an object from JSON text.
pub fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(field)?;
    deserializer.end().map_err(|error| Error::Syntax {
        message: error.to_string(),
    })?;
    Ok(value)
}

/// Reads an object from a JSON value.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Application;

    fn message(json: &str) -> String {
        from_slice::<Application>(json.as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_wrong_type_names_its_path() {
        assert_eq!(
            message(r#"{"spec":{"source":{"helm":{"parameters":[{"name":"a"},{"value":1}]}}}}"#),
            "field spec.source.helm.parameters[1].value: invalid type: integer `1`, \
             expected a string"
        );
        assert!(
            message(r#"{"status":{"reconciledAt":"yesterday"}}"#).starts_with(
                "field status.reconciledAt: invalid time \"yesterday\", expected RFC 3339"
            )
        );
        assert!(message("{\"spec\":").starts_with("not valid JSON: EOF"));
    }

    #[test]
    fn null_is_absent() {
        let app: Application = from_slice(
            br#"{"metadata":{"creationTimestamp":null,"labels":null},"spec":{"sources":null,
                "destination":null,"syncPolicy":{"automated":null}},"status":null}"#,
        )
        .unwrap();
        assert_eq!(
            serde_json::to_value(&app).unwrap(),
            serde_json::json!({"metadata": {}, "spec": {"destination": {}, "syncPolicy": {}}})
        );
    }
}
