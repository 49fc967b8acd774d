//! The one error every operation returns, for every transport (argocd-contract §8).

use std::fmt;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use driftless_core::class::render_chain;
use driftless_core::{Class, Classify};
use http::{StatusCode, header};

/// gRPC status codes, with their HTTP mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Code {
    /// The request is wrong whatever the state.
    InvalidArgument = 3,
    /// It took too long.
    DeadlineExceeded = 4,
    /// Something named does not exist.
    NotFound = 5,
    /// It exists already.
    AlreadyExists = 6,
    /// The caller may not do this.
    PermissionDenied = 7,
    /// Too much was asked for.
    ResourceExhausted = 8,
    /// The state does not allow it now.
    FailedPrecondition = 9,
    /// Somebody else changed the same thing.
    Aborted = 10,
    /// Not offered here.
    Unimplemented = 12,
    /// Our bug.
    Internal = 13,
    /// Something needed does not answer.
    Unavailable = 14,
    /// Who is calling is not known.
    Unauthenticated = 16,
}

impl Code {
    /// Returns the HTTP status.
    pub fn http(self) -> StatusCode {
        match self {
            Self::InvalidArgument | Self::FailedPrecondition => StatusCode::BAD_REQUEST,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::AlreadyExists | Self::Aborted => StatusCode::CONFLICT,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
        }
    }

    /// Returns the name gRPC gives the code, for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "InvalidArgument",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::NotFound => "NotFound",
            Self::AlreadyExists => "AlreadyExists",
            Self::PermissionDenied => "PermissionDenied",
            Self::ResourceExhausted => "ResourceExhausted",
            Self::FailedPrecondition => "FailedPrecondition",
            Self::Aborted => "Aborted",
            Self::Unimplemented => "Unimplemented",
            Self::Internal => "Internal",
            Self::Unavailable => "Unavailable",
            Self::Unauthenticated => "Unauthenticated",
        }
    }
}

/// A refusal, as the caller sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiError {
    /// gRPC code.
    pub code: Code,
    /// Text for the caller; never holds secrets or internals.
    pub message: String,
    /// HTTP status where it says more than the code's own (413, 415).
    status: Option<StatusCode>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl ApiError {
    /// Refuses with a code and a text.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            status: None,
        }
    }

    /// Refuses with another HTTP status than the code's own.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// The request is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// The state does not allow it now.
    pub fn precondition(message: impl Into<String>) -> Self {
        Self::new(Code::FailedPrecondition, message)
    }

    /// Something named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// The answer for what is forbidden and for what might not exist: one for both.
    pub fn denied() -> Self {
        Self::new(Code::PermissionDenied, "permission denied")
    }

    /// Hides `error` from the caller: logs it under an id and shows the id.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        Self::internal_text(&render_chain(error))
    }

    /// Hides `text` from the caller: logs it under an id and shows the id.
    pub fn internal_text(text: &str) -> Self {
        let id = uuid::Uuid::new_v4();
        tracing::error!(req = %id, error = text, "Request failed");
        Self::new(Code::Internal, format!("internal error (id {id})"))
    }

    /// Maps an error of a lower layer by its class.
    pub fn from_classified<E: Classify + 'static>(error: &E) -> Self {
        let code = match error.class() {
            Class::User => Code::InvalidArgument,
            Class::Denied => Code::PermissionDenied,
            Class::Missing => Code::NotFound,
            Class::Conflict => Code::Aborted,
            Class::Transient => Code::Unavailable,
            Class::Internal => return Self::internal(error),
        };
        Self::new(code, render_chain(error))
    }

    /// Returns the HTTP status.
    pub fn http(&self) -> StatusCode {
        self.status.unwrap_or_else(|| self.code.http())
    }

    /// Returns the JSON body: `{error, code, message}`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "error": self.message,
            "code": self.code as i32,
            "message": self.message,
        })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let code = self.code;
        let mut response = Response::new(Body::from(self.to_json().to_string()));
        *response.status_mut() = self.http();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/json"),
        );
        response.extensions_mut().insert(code);
        response
    }
}
