//! Every future of the crate may be dropped at any await. Each is dropped at every await that it reaches, and afterwards what
//! real receivers have seen is compared with what the store says.

#[path = "../support/mod.rs"]
mod support;

mod by_hand;
mod cut;
mod front;
#[cfg(feature = "sqlite")]
mod open_files;
mod points;
mod reads;
mod runtimes;
#[cfg(feature = "fulfilment")]
mod stages;
mod stores;
#[cfg(feature = "sqlite")]
mod transactions;
mod workers;
mod world;
