//! Paid orders, and what each supplier gets of them.

mod address;
mod content;
mod created;
mod error;
mod extra;
mod line;
mod paid;
mod privacy;
mod quantity;
mod withheld;

pub use address::Address;
pub(crate) use content::Numbers;
pub use created::OrderCreated;
pub use error::OrderError;
pub use extra::Extra;
pub use line::{Item, Line};
pub use paid::PaidOrder;
pub use privacy::{Privacy, Rule};
pub use quantity::Quantity;
