//! The binary: everything lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(holmesgpt_api::cli::run(std::env::args_os()))
}
