//! What may follow what: the life cycle of a parent order and its child orders, and what a client wants to know of it.

pub(super) mod child;
mod diagram;
pub(super) mod flow;
pub(super) mod lifecycle;
pub(super) mod memo;
pub(super) mod refusal;
mod table;
pub(super) mod transition;
mod wanted;
