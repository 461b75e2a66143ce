//! One claim from start to end: the loop over endpoints, how much of each supplier may run at once, and what is reported.

pub(crate) mod deliver;
pub(crate) mod error;
pub(crate) mod lanes;
pub(crate) mod listener;
pub(crate) mod report;
