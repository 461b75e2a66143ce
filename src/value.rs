//! What everything is made of: names, money, time, secrets, and the reading of JSON.

pub(crate) mod clock;
pub(crate) mod decimal;
pub(crate) mod fields;
pub(crate) mod folded;
pub(crate) mod hashed;
pub(crate) mod invalid;
pub(crate) mod json;
pub(crate) mod money;
pub(crate) mod names;
pub(crate) mod network;
pub(crate) mod secret;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod visible;
pub(crate) mod words;

pub use invalid::InvalidValue;
pub use names::Note;
pub use network::Network;
pub use time::OffsetTimestamp;
