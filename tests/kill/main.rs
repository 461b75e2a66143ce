//! A sender dies at every point of its work, in every way; then somebody goes on. What the receivers saw is compared
//! with what the store says.
//!
//! `cargo test --features sqlite --test kill -- --nocapture` prints the table: point, number of endpoints, way of dying,
//! POSTs seen per endpoint, duplicates, what the record says, final state.

#![cfg(unix)]

mod case;
mod child;
mod front;
mod matrix;
mod more;
#[path = "../support/programs.rs"]
mod programs;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod trap;
