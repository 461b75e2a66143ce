//! The news that an application can listen to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::notification::{FailureReason, Key, shown};
use crate::value::time::Timestamp;

/// An event in the life of a notification that an application may want to react to; see
/// [`DispatcherBuilder::listener`](crate::DispatcherBuilder::listener).
///
/// It is durable when the listener is called. When the process dies before the call, the listener misses it;
/// [`Dispatcher::settled_since`](crate::Dispatcher::settled_since) lists what was notified or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// The supplier is notified.
    Notified {
        /// Which notification.
        key: Key,
        /// The external reference.
        reference: String,
    },
    /// The notification has failed and waits for a person.
    Failed {
        /// Which notification.
        key: Key,
        /// Why it failed, and so what is to be repaired.
        reason: FailureReason,
    },
    /// An endpoint may have only one more try before it is given up: it is time to call the supplier. When the random
    /// spread of the delays turns out short, there is one more try than announced.
    LastTryAhead {
        /// Which notification.
        key: Key,
        /// When that try is due, on the store's timeline.
        due: Timestamp,
    },
}

/// `{"news", "order_code", "supplier", "event", "occurrence", "id"}`, and by its kind `"reference"`, `"reason"` or `"due"`.
/// `"news"` is `notified`, `failed` or `last_try_ahead`.
impl Serialize for News {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (news, key) = match self {
            News::Notified { key, .. } => ("notified", key),
            News::Failed { key, .. } => ("failed", key),
            News::LastTryAhead { key, .. } => ("last_try_ahead", key),
        };
        let mut shown = serializer.serialize_struct("News", 7)?;
        shown.serialize_field("news", news)?;
        shown::key::<S>(&mut shown, key, &key.event_id())?;
        match self {
            News::Notified { reference, .. } => shown.serialize_field("reference", reference)?,
            News::Failed { reason, .. } => shown.serialize_field("reason", reason)?,
            News::LastTryAhead { due, .. } => shown.serialize_field("due", due)?,
        }
        shown.end()
    }
}

type Hear = dyn Fn(&News) + Send + Sync;

/// The application's listener, if it has one.
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
