//! What lies between HTTP and handlers: credentials, bodies, queries, streams, headers.

pub mod auth;
pub mod body;
pub mod guard;
pub mod query;
pub mod stream;

pub use body::{Json, Reply};
pub use query::Query;
