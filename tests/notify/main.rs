//! A paid order reaches its suppliers: real dispatchers, real HTTPS receivers, and at the end of each test the comparison
//! of what the receivers saw with what the store says.

mod at_once;
mod by_hand;
mod configuration;
mod conflicts;
mod content;
mod decided;
mod events;
mod leases;
mod policies;
mod races;
mod recipients;
mod replies;
mod sequence;
mod shown;
mod signing;
mod stores;
#[path = "../support/mod.rs"]
mod support;
mod world;
