//! Paid orders, and what each supplier gets of them.

pub(crate) mod address;
pub(crate) mod builder;
mod content;
mod created;
mod error;
mod extra;
mod head;
pub(crate) mod line;
pub(crate) mod paid;
mod privacy;
mod quantity;
mod withheld;

pub use builder::{LineBuilder, PaidOrderBuilder};
pub(crate) use content::{Numbers, is_same_content};
pub use created::OrderCreated;
pub use error::OrderError;
pub use extra::Extra;
pub use line::Item;
pub(crate) use paid::PaidOrder;
pub use privacy::{Privacy, Rule};
pub use quantity::Quantity;
