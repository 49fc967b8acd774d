//! How a failed request is told: `{error, code, message}` with the gRPC code.

use driftless_core::Class;

use crate::object::object;

/// A gRPC status code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Code {
    /// Done.
    Ok = 0,
    /// Stopped by the caller.
    Canceled = 1,
    /// Not known.
    Unknown = 2,
    /// The request is wrong.
    InvalidArgument = 3,
    /// Took too long.
    DeadlineExceeded = 4,
    /// Not there.
    NotFound = 5,
    /// There already.
    AlreadyExists = 6,
    /// Not allowed.
    PermissionDenied = 7,
    /// Too much.
    ResourceExhausted = 8,
    /// Not possible in the present state.
    FailedPrecondition = 9,
    /// Somebody else changed the same thing.
    Aborted = 10,
    /// Out of range.
    OutOfRange = 11,
    /// Not supported.
    Unimplemented = 12,
    /// Our bug.
    Internal = 13,
    /// Try again later.
    Unavailable = 14,
    /// Lost data.
    DataLoss = 15,
    /// Not logged in.
    Unauthenticated = 16,
}

impl Code {
    /// Returns the HTTP status of the gateway.
    pub fn http_status(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::Canceled => 408,
            Self::InvalidArgument | Self::FailedPrecondition | Self::OutOfRange => 400,
            Self::DeadlineExceeded => 504,
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Aborted => 409,
            Self::PermissionDenied => 403,
            Self::Unauthenticated => 401,
            Self::ResourceExhausted => 429,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
            Self::Unknown | Self::Internal | Self::DataLoss => 500,
        }
    }
}

impl From<Class> for Code {
    fn from(class: Class) -> Self {
        match class {
            Class::User => Self::InvalidArgument,
            Class::Denied => Self::PermissionDenied,
            Class::Missing => Self::NotFound,
            Class::Conflict => Self::Aborted,
            Class::Transient => Self::Unavailable,
            Class::Internal => Self::Internal,
        }
    }
}

object! {
    /// The body of a failed request.
    no_schema ErrorBody {
        required {
            /// The text.
            error: String,
            /// The gRPC code.
            code: i64,
            /// The text again.
            message: String,
        }
    }
}

impl ErrorBody {
    /// Builds a body.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            error: message.clone(),
            code: code as i64,
            message,
            ..Self::default()
        }
    }
}
