//! Stages of fulfilment orders, from the offer to the wire: real dispatchers and workers, real HTTPS receivers, the store in
//! memory and SQLite. At the end of each test what the receivers saw is compared with what the store says.

mod acceptance;
mod bodies;
mod many;
mod nodes;
mod offering;
#[path = "../support/programs.rs"]
mod programs;
mod streams;
mod subscriptions;
#[path = "../support/mod.rs"]
mod support;
mod tool;
mod troubled;
mod world;
