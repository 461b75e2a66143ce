//! The example programs, as real processes.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "compiled into several test binaries, each of which uses a part of it"
)]

use std::path::PathBuf;

/// The example `order_paid`; see [`example`].
pub fn order_paid() -> PathBuf {
    example("order_paid")
}

/// An example that `cargo test` has built.
pub fn example(name: &'static str) -> PathBuf {
    crate::support::built(name)
}
