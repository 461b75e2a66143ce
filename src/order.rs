//! Paid orders, and what each supplier is told of them.

mod address;
mod content;
mod created;
mod error;
mod line;
mod paid;
mod privacy;

pub use address::Address;
pub use created::OrderCreated;
pub use error::OrderError;
pub use line::{Item, Line};
pub use paid::PaidOrder;
pub use privacy::{Privacy, Rule};
