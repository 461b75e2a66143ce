//! Suppliers for tests, examples and benches: real HTTPS receivers on loopback that do as they are told and
//! record everything they see.
//!
//! ```ignore
//! let ca = Ca::new();                               // its `pem()` is the root that the client has to trust
//! let receiver = Receiver::start(&ca).await;        // answers 200 until told otherwise
//! receiver.script([Reply::Status(503), Reply::Hang]);
//! // .. let the crate send to `receiver.url("/orders")` ..
//! receiver.wait_for(3).await;
//! assert_eq!(receiver.received()[0].header("content-type"), Some("application/json"));
//! ```
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    unreachable_pub,
    reason = "compiled into every test binary, example and bench, each of which uses a part of it"
)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code: a panic is how it reports"
)]

mod ca;
mod forward;
mod program;
mod receiver;

pub use ca::{Ca, LOOPBACK_NAMES};
pub(crate) use forward::forward;
pub use program::{Finished, Program, built};
pub use receiver::{
    BlackHole, ClosedPort, Gate, Log, Mode, Received, Receiver, Reply, black_hole, closed_port,
};

/// A person who decides, for a reason that does not matter.
pub fn by() -> orderhook::notification::By {
    because("a test asks for it")
}

/// A person who decides for this reason.
pub fn because(why: &str) -> orderhook::notification::By {
    orderhook::notification::By::new("maria", why).unwrap()
}

/// What the person of [`by`] decides.
pub fn decided(action: orderhook::store::Action) -> orderhook::store::Intervention {
    orderhook::store::Intervention::new(action, by())
}

/// The number of notifications in each state.
pub async fn counts(
    store: &impl orderhook::store::Store,
    filter: &orderhook::store::Filter,
) -> orderhook::store::Counts {
    use orderhook::store::{Counts, Group};
    Counts::of_groups(&store.count(filter, Group::State).await.unwrap())
}
