//! The source service against real Git: repositories made by the `git` program, served from disk, over HTTP and SSH.

mod fixture;
mod local;
