//! The error of making an event.

/// Why something is not (part of) an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// Not the name of a kind.
    #[error("an event kind is 1 to 64 characters out of a-z, 0-9, '.', '_' and '-'")]
    Kind,
    /// The name of a kind that the crate uses itself.
    #[error(
        "order.created and the names of the ten stages (digitization_completed, digitization_rejected, order_assigned, \
         accept, reject, reassign, shipped, order_picked_up, delivered, split) are kinds of the crate itself: give an \
         event of your own another name, as in shop.shipped"
    )]
    ReservedKind,
    /// Not an occurrence.
    #[error("an occurrence is at most 200 characters, all of them visible")]
    Occurrence,
    /// Not an id.
    #[error("an event id is 1 to 64 visible ASCII characters")]
    Id,
    /// Not a trace context.
    #[error("a traceparent is 00-, 32 hexadecimal digits, -, 16, - and 2, in lower case")]
    TraceParent,
    /// Too long a memo.
    #[error("a memo has at most 2048 bytes")]
    Memo,
    /// The content is not JSON.
    #[error("the content of the event cannot be written as JSON")]
    Encode,
}
