//! One claim from start to end: the loop over endpoints, who may call when, and what is reported.

pub(crate) mod at_once;
pub(crate) mod deliver;
pub(crate) mod engine;
pub(crate) mod error;
pub(crate) mod health;
pub(crate) mod listener;
pub(crate) mod pace;
pub(crate) mod random;
pub(crate) mod report;
pub(crate) mod traffic;
