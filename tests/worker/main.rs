//! The worker on the store in memory, with real receivers, and with time that a test moves as it likes.

#[path = "../support/mod.rs"]
mod support;

mod backend;
mod configuration;
mod cut;
mod drain;
mod dropped;
mod interruptions;
mod isolation;
mod leases;
mod limits;
mod listener;
mod retry_after;
mod running;
mod schedule;
mod shutdown;
mod spy;
mod stopping;
mod streams;
mod unknown;
mod visitors;
mod world;
