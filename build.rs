//! Puts the git revision into the binary: `HOLMESGPT_API_REVISION` when set (container builds), else what git says.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=HOLMESGPT_API_REVISION");
    println!("cargo:rerun-if-changed=build.rs");
    if Path::new(".git/logs/HEAD").exists() {
        println!("cargo:rerun-if-changed=.git/logs/HEAD"); // grows with every commit
    }
    let given = std::env::var("HOLMESGPT_API_REVISION").ok().filter(|revision| !revision.is_empty());
    let revision = given.or_else(git_revision).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=HOLMESGPT_API_REVISION={revision}");
}

fn git_revision() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|revision| output.status.success() && !revision.is_empty())
}
