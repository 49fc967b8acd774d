//! Development tasks.

#![allow(clippy::disallowed_methods, reason = "a tool reads and writes files")]

mod codegen;
mod schema;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match args.as_slice() {
        ["codegen"] => codegen::run(&root),
        ["schema", swagger] => schema::run(&PathBuf::from(swagger), &root),
        _ => bail!("usage: cargo xtask codegen | schema SWAGGER_JSON"),
    }
}
