//! The source service against real Git: repositories made by the `git` program, served from disk, over HTTP and SSH.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::semicolon_if_nothing_returned,
    reason = "these are tests, helpers included"
)]

mod fixture;
mod host;
mod http;
mod local;
mod remote;
mod scale;
mod ssh;
