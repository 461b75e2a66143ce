//! Secrets and personal data are planted everywhere and appear nowhere but at the receivers: not in a log of any crate at
//! trace level, not in an error, a `Debug`, a panic, a listing, or the output of the tool.

mod captured;
mod echoed;
mod planted;
mod program;
mod sending;
#[path = "../support/mod.rs"]
mod support;
mod values;
#[allow(
    dead_code,
    reason = "shared with the tests of `notify`, which use more of it"
)]
#[path = "../notify/world.rs"]
mod world;
