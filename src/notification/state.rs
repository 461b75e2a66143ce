//! The state of a notification, and of an order.

use crate::supplier::StreamRule;
use crate::value::time::Timestamp;
use crate::value::words::words;

use super::Notification;

/// The state of a notification. `Notified` and `Closed` are final; `Failed` and `Unreadable` wait for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotificationState {
    /// It is sent when it is due and is the first unfinished one of its stream.
    Pending {
        /// From when a worker may send it, by the store's time. One that is put off, because its supplier or an endpoint could
        /// not be called, is sent earlier when that is over.
        due: Timestamp,
    },
    /// A worker holds the claim to send it.
    Sending {
        /// When the lease of the claim runs out, after which another worker may take over.
        until: Timestamp,
    },
    /// The supplier is notified. It is never sent again.
    Notified {
        /// When that was recorded.
        at: Timestamp,
        /// The external reference: the supplier's own when its reply has one, else the order code.
        reference: String,
    },
    /// It could not be delivered. A person repairs the cause and reopens it ([`retry`](crate::Dispatcher::retry),
    /// [`resume`](crate::Dispatcher::resume)), or withdraws it.
    Failed {
        /// When that was recorded.
        at: Timestamp,
        /// Why it failed, and so what is to be repaired.
        reason: FailureReason,
        /// Whether later notifications of the stream wait for it.
        stream: StreamRule,
    },
    /// It is not sent, by a person's or the supplier's wish.
    Closed {
        /// When that was recorded.
        at: Timestamp,
        /// Why it is not sent.
        why: Closed,
    },
    /// Its row in the store is damaged: it could not be read when it was to be claimed, and was set aside so that the
    /// others go on. It holds its stream. A person repairs the row and [retries](crate::Dispatcher::retry) it, or
    /// [withdraws](crate::Dispatcher::withdraw) it. As long as the row cannot be read, listings have it in
    /// [`refused`](crate::store::Listing::refused).
    Unreadable {
        /// When that was recorded.
        at: Timestamp,
    },
}

impl NotificationState {
    /// The name of the state.
    pub fn name(&self) -> StateName {
        match self {
            NotificationState::Pending { .. } => StateName::Pending,
            NotificationState::Sending { .. } => StateName::Sending,
            NotificationState::Notified { .. } => StateName::Notified,
            NotificationState::Failed { .. } => StateName::Failed,
            NotificationState::Closed {
                why: Closed::Withdrawn { .. },
                ..
            } => StateName::Withdrawn,
            NotificationState::Closed {
                why: Closed::NotWanted,
                ..
            } => StateName::NotWanted,
            NotificationState::Unreadable { .. } => StateName::Unreadable,
        }
    }

    /// Whether later notifications of its stream wait for it. Notified and closed ones, and failed ones with
    /// [`StreamRule::Pass`], do not hold the stream.
    pub fn holds_stream(&self) -> bool {
        match self {
            NotificationState::Pending { .. }
            | NotificationState::Sending { .. }
            | NotificationState::Unreadable { .. } => true,
            NotificationState::Failed { stream, .. } => *stream == StreamRule::Hold,
            NotificationState::Notified { .. } | NotificationState::Closed { .. } => false,
        }
    }

    /// The moment from which it can be claimed, when it is the oldest unfinished of its stream: when it is due, or when its
    /// lease runs out. `None` when time alone does not make it claimable.
    pub fn claimable_from(&self) -> Option<Timestamp> {
        match self {
            NotificationState::Pending { due } => Some(*due),
            NotificationState::Sending { until } => Some(*until),
            NotificationState::Notified { .. }
            | NotificationState::Failed { .. }
            | NotificationState::Closed { .. }
            | NotificationState::Unreadable { .. } => None,
        }
    }
}

/// The name of a state, as it is listed, counted and filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StateName {
    /// `pending`
    Pending,
    /// `sending`
    Sending,
    /// `notified`
    Notified,
    /// `failed`
    Failed,
    /// `withdrawn`
    Withdrawn,
    /// `not_wanted`
    NotWanted,
    /// `unreadable`
    Unreadable,
}

words! {
    StateName {
        Pending => "pending",
        Sending => "sending",
        Notified => "notified",
        Failed => "failed",
        Withdrawn => "withdrawn",
        NotWanted => "not_wanted",
        Unreadable => "unreadable",
    }
}

impl StateName {
    /// Whether a notification in this state never changes any more: notified, withdrawn or not wanted.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            StateName::Notified | StateName::Withdrawn | StateName::NotWanted
        )
    }
}

/// The reason for which a notification is closed without having been sent to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// A person withdrew it.
    Withdrawn {
        /// Why, in that person's words.
        reason: String,
    },
    /// The supplier has not subscribed to this stage of fulfilment; it is kept so that its stream stays whole.
    NotWanted,
}

/// The reason for which a notification failed, and so what a person has to repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureReason {
    /// The supplier has no webhook URL.
    NoEndpoints,
    /// The supplier is no longer known.
    SupplierRemoved,
    /// The supplier's configuration cannot be used.
    Config,
    /// The schedule of its endpoints has come to its end, by default after 72 h, and what has been accepted is not
    /// enough.
    Exhausted,
    /// An endpoint answered 410 Gone, and the supplier's acceptance rule cannot be met without it.
    EndpointGone,
    /// It may have been received, and the supplier's policy is not to resend in that case.
    HeldUnknown,
}

impl FailureReason {
    /// The reasons that a repaired configuration removes; [`resume`](crate::Dispatcher::resume) reopens these.
    pub const OF_CONFIGURATION: [FailureReason; 3] = [
        FailureReason::NoEndpoints,
        FailureReason::SupplierRemoved,
        FailureReason::Config,
    ];
}

words! {
    FailureReason {
        NoEndpoints => "no_endpoints",
        SupplierRemoved => "supplier_removed",
        Config => "config",
        Exhausted => "exhausted",
        EndpointGone => "endpoint_gone",
        HeldUnknown => "held_unknown",
    }
}

/// The state of an order, which follows from the states of its notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrderState {
    /// Every notification is notified or closed.
    Notified,
    /// At least one is being sent or waits for its time, and none has failed.
    InProgress,
    /// At least one has failed or cannot be read, and waits for a person.
    Error,
}

words! {
    OrderState {
        Notified => "notified",
        InProgress => "in_progress",
        Error => "error",
    }
}

impl OrderState {
    /// The state of an order with these notifications; without any it is [`Notified`](OrderState::Notified).
    pub fn of<'a>(notifications: impl IntoIterator<Item = &'a Notification>) -> Self {
        notifications
            .into_iter()
            .fold(OrderState::Notified, |so_far, notification| {
                match (so_far, &notification.state) {
                    (OrderState::Error, _)
                    | (
                        _,
                        NotificationState::Failed { .. } | NotificationState::Unreadable { .. },
                    ) => OrderState::Error,
                    (_, NotificationState::Pending { .. } | NotificationState::Sending { .. }) => {
                        OrderState::InProgress
                    }
                    (
                        other,
                        NotificationState::Notified { .. } | NotificationState::Closed { .. },
                    ) => other,
                }
            })
    }
}
