//! `SqliteStore` where it is more than the contract: one file, several connections and processes, damage, power.

#![cfg(feature = "sqlite")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows both in test functions; here are their helpers, too"
)]

#[path = "../support/mod.rs"]
mod receivers;

mod contract;
mod costs;
mod damage;
mod dropped;
mod frozen;
mod measure;
mod names;
mod outbox;
mod sharing;
mod stages;
mod support;
mod version_1;
mod working;
