//! Scratch.
use clap::Parser;
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: driftless_cli::template::Args,
}
fn main() {
    let cli = Cli::parse();
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
    let _ = driftless_cli::template::run(&cli.args, &mut out, &mut err);
}
