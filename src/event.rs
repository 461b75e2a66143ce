//! Events: what a supplier receives, encoded once and named the same on every machine.

mod body;
mod difference;
mod digest;
pub(crate) mod encoded;
mod error;
mod hex;
mod id;
pub(crate) mod kind;
mod occurrence;
mod stage;
mod traceparent;

pub use body::{Body, Memo};
pub use difference::Difference;
pub use digest::ContentDigest;
pub(crate) use encoded::Event;
pub use error::EventError;
pub(crate) use hex::hex;
pub use id::EventId;
pub(crate) use kind::EventKind;
pub use kind::OwnKind;
pub use occurrence::Occurrence;
pub use stage::Stage;
pub use traceparent::TraceParent;

#[cfg(test)]
mod tests;
