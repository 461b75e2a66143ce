//! The tool that people script: `order_paid` as a process, against real HTTPS receivers. What stands here is its interface.

mod bench;
mod drained;
mod input;
mod lasting;
mod lines;
#[path = "../support/mod.rs"]
mod support;
mod unheard;
