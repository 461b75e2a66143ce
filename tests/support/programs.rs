//! The example programs, as real processes.
#![allow(dead_code, unreachable_pub, reason = "compiled into several test binaries, each of which uses a part of it")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The example `order_paid`, built with the store in SQLite. Cargo builds examples only when all tests are asked for, so
/// it is asked for here: at once when nothing has changed.
pub fn order_paid() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("order_paid")).clone()
}

fn build(name: &str) -> PathBuf {
    // target/<profile>/deps/<this test>
    let this = std::env::current_exe().expect("a test has a path");
    let folder = this.ancestors().nth(2).expect("a test binary lies in target/<profile>/deps");
    let target = folder.parent().expect("the profile's folder lies in the target folder");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--quiet", "--features", "sqlite", "--example", name, "--target-dir"]).arg(target);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "the example {name}: {}", String::from_utf8_lossy(&output.stderr));
    folder.join("examples").join(name)
}
