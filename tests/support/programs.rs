//! The example programs, as real processes.
#![allow(dead_code, unreachable_pub, reason = "compiled into several test binaries, each of which uses a part of it")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{LazyLock, Mutex};

/// The example `order_paid`; see [`example`].
pub fn order_paid() -> PathBuf {
    example("order_paid")
}

/// An example, built with the store in SQLite if the tests are. Cargo builds examples only when all tests are asked for, so
/// it is asked for here: at once when nothing has changed.
pub fn example(name: &'static str) -> PathBuf {
    static BUILT: LazyLock<Mutex<HashMap<&str, PathBuf>>> = LazyLock::new(Mutex::default);
    let mut built = BUILT.lock().expect("a build that failed has said so");
    built.entry(name).or_insert_with(|| build(name)).clone()
}

fn build(name: &str) -> PathBuf {
    // target/<profile>/deps/<this test>
    let this = std::env::current_exe().expect("a test has a path");
    let folder = this.ancestors().nth(2).expect("a test binary lies in target/<profile>/deps");
    let target = folder.parent().expect("the profile's folder lies in the target folder");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--quiet", "--example", name, "--target-dir"]).arg(target);
    if cfg!(feature = "sqlite") {
        cargo.args(["--features", "sqlite"]);
    }
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "the example {name}: {}", String::from_utf8_lossy(&output.stderr));
    folder.join("examples").join(name)
}
