//! What a person decides.

/// What a person decides. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intervention {
    /// Failed or unreadable: pending and due now; `reopened` is one more, ledger and attempts stay.
    Reopen,
    /// Pending, failed, unreadable, and sending with a lease that has run out: closed.
    Withdraw {
        /// In the words of the person who withdraws it.
        reason: String,
    },
    /// Pending, failed, unreadable, and sending with a lease that has run out: notified.
    MarkNotified {
        /// The external reference.
        reference: String,
    },
}
