//! What everything is made of: names, money, time, secrets, and the fields of JSON objects.

pub(crate) mod clock;
pub(crate) mod fields;
pub(crate) mod money;
pub(crate) mod names;
pub(crate) mod secret;
pub(crate) mod time;
