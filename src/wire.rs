//! The only way out: one request, the guard and the name resolution before it, and the one file that knows the HTTP client.

pub(crate) mod descriptors;
pub(crate) mod dns;
mod escapes;
pub(crate) mod guard;
mod hidden;
pub(crate) mod kept_reply;
pub(crate) mod request;
pub(crate) mod retry_after;
pub(crate) mod send;
