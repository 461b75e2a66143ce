//! The rules that a supplier is sent by.

use crate::value::words::words;

/// When a supplier with several endpoints counts as notified; judged on the list of endpoints as it is at that moment.
///
/// An endpoint that is [silent](crate::Worker#who-is-called-when) is left out of a round, and costs no try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acceptance {
    /// When all listed endpoints have accepted. The default for everything but the stages of fulfilment.
    Every,
    /// When at least one endpoint has accepted. Every endpoint that is not left out is called once a round. The default
    /// for the stages of fulfilment.
    Any,
    /// When at least one endpoint has accepted. The next one is called only if the one before did not accept, or is
    /// left out (failover).
    First,
}

words! {
    Acceptance {
        Every => "every",
        Any => "any",
        First => "first",
    }
}

/// What is done when an event may have been received and no answer came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnUnknown {
    /// It is sent again, with the same id and bytes; the receiver deduplicates. The default.
    #[default]
    Resend,
    /// It is not sent to that endpoint again until a person [retries](crate::Dispatcher::retry) it.
    Hold,
}

words! {
    OnUnknown {
        Resend => "resend",
        Hold => "hold",
    }
}

/// What a notification that failed means for the later ones of its stream: the notifications of the same order for the same
/// supplier.
///
/// Only a stage of a fulfilment order can be passed, where the supplier is [configured](crate::Supplier::stages_that_fail) so:
/// everything else that shares a stream was meant to come in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamRule {
    /// They wait until the failed one is notified or withdrawn. The default.
    #[default]
    Hold,
    /// They are sent; the failure stays visible.
    Pass,
}

words! {
    StreamRule {
        Hold => "hold",
        Pass => "pass",
    }
}

/// Whether notifications are sent to a supplier at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activity {
    /// They are sent. The default.
    #[default]
    Active,
    /// They are put off, without a try; a worker looks every 5 s whether the supplier is active again.
    Paused,
}

words! {
    Activity {
        Active => "active",
        Paused => "paused",
    }
}
