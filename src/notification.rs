//! The duty to tell one supplier one event of one order: its key, its states, its attempts, its ledger, and the pure
//! function that says what comes next.

mod attempt;
pub(crate) mod by;
pub(crate) mod claim;
mod decide;
pub(crate) mod insert;
pub(crate) mod intervention;
pub(crate) mod key;
mod ledger;
mod not_sent;
pub(crate) mod outcome;
pub(crate) mod prepared;
pub(crate) mod shown;
pub(crate) mod state;
pub(crate) mod step;
pub(crate) mod stored;
pub mod transition;

pub use attempt::Attempt;
pub use by::{By, HistoryEntry};
pub(crate) use claim::{Claim, Token};
pub(crate) use decide::{Decision, decide, expected, stream_rule};

pub use intervention::{Action, ActionName};
pub(crate) use key::Key;
pub use key::Stream;
pub use ledger::{EndpointStanding, GaveUp, Ledger, Standing};
pub(crate) use ledger::{Named, Round, Tried};
pub use outcome::{Blocked, NotSent, Unknown};
pub(crate) use state::NotificationState;
pub use state::{Closed, FailureReason, OrderState, StateName};
pub(crate) use step::{Step, Then, Written};
pub(crate) use stored::Notification;
