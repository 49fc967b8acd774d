//! Development tasks.

#![allow(clippy::disallowed_methods, reason = "a tool reads and writes files")]

mod codegen;
mod schema;
mod tidy;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match args.as_slice() {
        ["codegen"] => codegen::run(&root),
        ["tidy"] => tidy::run(&root),
        ["schema", swagger] => schema::run(&PathBuf::from(swagger), &root),
        _ => bail!("usage: cargo xtask tidy | codegen | schema SWAGGER_JSON"),
    }
}
