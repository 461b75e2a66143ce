//! What a person decides about a notification.

/// What a person decides about a notification, and from which states. Exhaustive on purpose: a new variant must break
/// every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intervention {
    /// Makes a failed or unreadable notification pending and due now; `reopened` is one more, ledger and attempts stay.
    Reopen,
    /// Closes a notification that is pending, failed, unreadable, or being sent under a lease that has run out.
    Withdraw {
        /// Why, in the words of the person who withdraws it.
        reason: String,
    },
    /// Makes a notification notified that is pending, failed, unreadable, or being sent under a lease that has run out.
    MarkNotified {
        /// The external reference.
        reference: String,
    },
}
