//! `SqliteStore` where it is more than the contract: one file, several connections and processes, damage, power.

#![cfg(feature = "sqlite")]

mod contract;
mod damage;
mod frozen;
mod outbox;
mod sharing;
mod support;
