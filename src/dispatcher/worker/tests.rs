//! Isolation by endpoint in simulated time: the scheduler, the ledger and the store as they are, with endpoints that are
//! simulated. Hours go by in seconds. A failure prints the seed of its run.

mod load;
mod outages;
mod single;
mod wakes;
mod world;
