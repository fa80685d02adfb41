//! The binary: everything lives in the library.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    ExitCode::from(holmesgpt_api::cli::run(std::env::args_os()))
}
