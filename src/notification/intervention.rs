//! What a person decides about a notification.

use crate::value::words::words;

use super::by::By;

/// The decision of a person or program about notifications. Exhaustive on purpose: a new field must break every store
/// at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intervention {
    /// The action that is decided.
    pub action: Action,
    /// The person or program that decides it, and why. It becomes an entry of the history, in the same atomic step.
    pub by: By,
}

impl Intervention {
    /// The decision for this action by this person or program.
    pub fn new(action: Action, by: By) -> Self {
        Intervention { action, by }
    }
}

/// The actions that can be decided about a notification, and from which states. What is being sent under a live lease is left
/// alone by all of them. Exhaustive on purpose: a new variant must break every store at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Makes a failed or [unreadable](crate::NotificationState::Unreadable) notification pending and due now, with a fresh
    /// schedule. Ledger and attempts stay: endpoints that have accepted are not called again. `reopened` is one more.
    Reopen,
    /// The same as [`Reopen`](Self::Reopen) for a failed or unreadable notification. One that is pending, or is being sent
    /// under a lease that has run out, stays as it is: only the history says that a person asked for a try.
    Retry,
    /// Closes a notification that is pending, failed, unreadable, or being sent under a lease that has run out. The reason
    /// of the decision becomes the reason of the state.
    Withdraw,
    /// Makes a notification notified that is pending, failed, unreadable, or being sent under a lease that has run out.
    MarkNotified {
        /// The supplier's own reference for the order, as it was told; the order code where there is none.
        reference: String,
    },
    /// Blanks what a notified or closed notification holds about people: body, attempts, replies, ledger, digest, trace,
    /// the reference or the reason of its state, and the texts of its history so far. Its key, event id, position, memo
    /// and state stay, and so it is never sent again. Its own entry in the history keeps its texts.
    Erase,
    /// Removes a notified or closed notification with everything that is kept of it. The same order can be stored and sent
    /// again afterwards.
    Forget,
}

impl Action {
    /// The name of the action, without its arguments.
    pub fn name(&self) -> ActionName {
        match self {
            Action::Reopen => ActionName::Reopen,
            Action::Retry => ActionName::Retry,
            Action::Withdraw => ActionName::Withdraw,
            Action::MarkNotified { .. } => ActionName::MarkNotified,
            Action::Erase => ActionName::Erase,
            Action::Forget => ActionName::Forget,
        }
    }
}

/// The name of an [`Action`], as the history has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ActionName {
    /// `reopen`
    Reopen,
    /// `retry`
    Retry,
    /// `withdraw`
    Withdraw,
    /// `mark_notified`
    MarkNotified,
    /// `erase`
    Erase,
    /// `forget`
    Forget,
}

words! {
    ActionName {
        Reopen => "reopen",
        Retry => "retry",
        Withdraw => "withdraw",
        MarkNotified => "mark_notified",
        Erase => "erase",
        Forget => "forget",
    }
}
