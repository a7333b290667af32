//! The binary: arguments in, exit code out. What commands do is in `app::commands`.

use std::process::ExitCode;

use arbees::app::commands;
use arbees::cli::Args;
use clap::Parser;

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("arbees: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let exit = runtime.block_on(commands::run(args));
    // Nothing that still runs may hold the process up: what was promised is on disk.
    runtime.shutdown_background();
    exit.into()
}
