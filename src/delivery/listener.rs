//! What the host is told, after it has become durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::notification::{FailureReason, Key};
use crate::value::time::Timestamp;

/// Something that the host may want to know about a notification. It is durable when it is told; a crash can keep the host
/// from hearing it, and then [`Dispatcher::settled_since`](crate::Dispatcher::settled_since) tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// The supplier was told.
    Notified {
        /// Which notification.
        key: Key,
        /// The external reference.
        reference: String,
    },
    /// It could not be done; somebody has to repair something.
    Failed {
        /// Which notification.
        key: Key,
        /// What is to be repaired.
        reason: FailureReason,
    },
    /// Time to call somebody: an endpoint may have one more try only before it is given up. It has one more than announced when
    /// the delays turn out short.
    LastTryAhead {
        /// Which notification.
        key: Key,
        /// When that try is due, on the store's timeline.
        due: Timestamp,
    },
}

type Hear = dyn Fn(&News) + Send + Sync;

/// Whoever wants to hear.
#[derive(Clone)]
pub(crate) struct Listener(Option<Arc<Hear>>);

impl Listener {
    pub(crate) fn nobody() -> Self {
        Listener(None)
    }

    pub(crate) fn new(hear: impl Fn(&News) + Send + Sync + 'static) -> Self {
        Listener(Some(Arc::new(hear)))
    }

    pub(crate) fn tell(&self, news: &News) {
        let Some(hear) = &self.0 else { return };
        // The host's code. What it leaves behind is its own; ours is done with this news, and goes on.
        if catch_unwind(AssertUnwindSafe(|| hear(news))).is_err() {
            tracing::error!("the listener panicked");
        }
    }
}
