//! What a receiver reads: events as portals, and this crate, send them.

pub(super) mod details;
pub(super) mod event;
pub(super) mod line;
pub(super) mod portal_date;
pub(super) mod stage_ref;
