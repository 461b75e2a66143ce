//! What a person decides about notifications: try again, close, mark, erase, forget; and what is dropped with time.

use std::time::Duration;

use crate::delivery::engine::Engine;
use crate::delivery::error::Error;
use crate::delivery::report::Report;
use crate::notification::{By, Closed, Key, Notification, NotificationState};
use crate::store::{
    Action, ClaimNew, Filter, Inserted, Intervened, Intervention, NewNotification, Selection, Start,
};
use crate::value::names::{OrderCode, SupplierId};
use crate::value::visible::is_visible;

use super::Dispatcher;
use super::visit::Visit;

impl Dispatcher {
    /// Tries a notification at once, for a person who asks for it: also before it is due, also when it has failed or
    /// was set aside as unreadable, and also at endpoints that are silent. Endpoints that have accepted are not called
    /// again. A notification that another worker or process is sending is left alone and returned as it is; so is one
    /// for which there was no room within 5 s, which is then pending: see [the
    /// limits](Self#limits-of-notify-retry-and-resume). One that is [delayed](crate::report::Prepared::delayed_by) stays
    /// pending until its delay is over.
    ///
    /// `by` says who asks for it and why; the [history](Notification::history) of the notification keeps it.
    ///
    /// # Errors
    /// [`Error::AlreadyNotified`], [`Error::Closed`], [`Error::NotFound`], [`Error::Store`], [`Error::ShuttingDown`],
    /// [`Error::Panicked`].
    pub async fn retry(&self, key: &Key, by: &By) -> Result<Notification, Error> {
        let (key, by) = (key.clone(), by.clone());
        self.run(async move |engine| {
            refuse_final(&engine.get(&key).await?)?;
            let one = Selection::Keys(vec![key.clone()]);
            let retried = Intervention::new(Action::Retry, by);
            engine.intervene(&one, &retried, 1).await?;
            engine.visit(vec![key.clone()], Visit::Now).await?;
            engine.get(&key).await
        })
        .await
    }

    /// Reopens every notification of this supplier that failed because of its configuration (`no_endpoints`,
    /// `supplier_removed`, `config`), so that any worker delivers it. It makes one round of calls for the first
    /// thousand of them itself, no more at a time than the supplier's
    /// [`max_concurrent`](crate::SupplierBuilder::max_concurrent); the report has those. See [the
    /// limits](Self#limits-of-notify-retry-and-resume).
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Panicked`]; what was reopened before stays pending. [`Error::ShuttingDown`].
    pub async fn resume(&self, supplier: &SupplierId, by: &By) -> Result<Report, Error> {
        let (supplier, by) = (supplier.clone(), by.clone());
        self.run(async move |engine| engine.resume(supplier, by).await)
            .await
    }

    /// Closes a notification that is not notified yet, for example because the order was refunded. The reason in `by`
    /// becomes the reason of its state.
    ///
    /// # Errors
    /// [`Error::AlreadyNotified`], [`Error::Closed`], [`Error::InFlight`] while it is being sent,
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn withdraw(&self, key: &Key, by: &By) -> Result<Notification, Error> {
        self.engine
            .decide_by_hand(key, Action::Withdraw, by.clone())
            .await
    }

    /// Records that the supplier knows of the event from elsewhere: by phone, or from the system before this one. A
    /// notification that is not stored yet is stored as notified, so that an order from before the go-live is never
    /// sent. A stage of a fulfilment order has to be stored first: its key does not say all that the life cycle of its order
    /// needs. The handle for stages, `fulfilment::Fulfilment`, has a `mark_notified` that stores it.
    ///
    /// # Errors
    /// [`Error::AlreadyNotified`], [`Error::Closed`], [`Error::InFlight`] while it is being sent, [`Error::NotFound`]
    /// for a stage that is not stored, [`Error::Store`]; [`Error::InvalidArgument`] for a reference that is not 1 to 200
    /// visible characters.
    pub async fn mark_notified(
        &self,
        key: &Key,
        reference: &str,
        by: &By,
    ) -> Result<Notification, Error> {
        refuse_unfit("reference", reference)?;
        let reference = reference.to_owned();
        if key.kind.stage().is_none() {
            let start = Start::Notified {
                reference: reference.clone(),
                by: by.clone(),
            };
            let new = NewNotification::new(key.clone(), start);
            let inserted = self.engine.store.insert(&[new], &ClaimNew::NONE).await?;
            if let [Inserted::New { .. }] = inserted.answers[..] {
                return self.engine.get(key).await;
            }
        }
        self.engine
            .decide_by_hand(key, Action::MarkNotified { reference }, by.clone())
            .await
    }

    /// Blanks what the notifications of an order that are notified or closed hold about people: body, attempts, replies and
    /// the texts that people have written ([`Action::Erase`]). They are never sent again. What is open or failed is left
    /// alone; withdraw it first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn erase(&self, order: &OrderCode, by: &By) -> Result<Intervened, Error> {
        self.of_order(order, Action::Erase, by).await
    }

    /// Removes the notifications of an order that are notified or closed, with everything that is kept of them
    /// ([`Action::Forget`]). The same order can be stored and sent again afterwards.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn forget(&self, order: &OrderCode, by: &By) -> Result<Intervened, Error> {
        self.of_order(order, Action::Forget, by).await
    }

    async fn of_order(
        &self,
        order: &OrderCode,
        action: Action,
        by: &By,
    ) -> Result<Intervened, Error> {
        let mut filter = Filter::of(self.engine.source.clone());
        filter.order = Some(order.clone());
        let selection = Selection::Matching(filter);
        let decided = Intervention::new(action, by.clone());
        self.engine.intervene(&selection, &decided, u32::MAX).await
    }

    /// Drops the bodies, attempts and replies of notifications that have been notified or closed for at least so long, at
    /// most `limit` of them; the number of those that had any. Repeat it while it answers `limit`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn prune(&self, older_than: Duration, limit: u32) -> Result<u32, Error> {
        let Engine { store, source, .. } = &*self.engine;
        Ok(store.prune(source, older_than, limit).await?)
    }
}

impl Engine {
    pub(super) async fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> Result<Intervened, Error> {
        self.store
            .intervene(selection, intervention, limit)
            .await
            .map_err(Error::Store)
    }

    /// An intervention on one notification that must not be final yet.
    pub(crate) async fn decide_by_hand(
        &self,
        key: &Key,
        action: Action,
        by: By,
    ) -> Result<Notification, Error> {
        let intervention = Intervention::new(action, by);
        let intervened = self
            .intervene(&Selection::Keys(vec![key.clone()]), &intervention, 1)
            .await?;
        let notification = self.get(key).await?;
        if !intervened.changed.is_empty() {
            self.workers.ring();
            return Ok(notification);
        }
        refuse_final(&notification)?;
        Err(Error::InFlight {
            key: Box::new(key.clone()),
        })
    }
}

/// A text that a person writes is kept as long as the row and is shown to others.
pub(crate) fn refuse_unfit(argument: &'static str, text: &str) -> Result<(), Error> {
    let fits =
        !text.trim().is_empty() && text.chars().count() <= 200 && text.chars().all(is_visible);
    let problem = "must be 1 to 200 characters, all of them visible";
    if fits {
        Ok(())
    } else {
        Err(Error::InvalidArgument { argument, problem })
    }
}

pub(super) fn refuse_final(notification: &Notification) -> Result<(), Error> {
    let key = || Box::new(notification.key.clone());
    match &notification.state {
        NotificationState::Notified { reference, .. } => Err(Error::AlreadyNotified {
            key: key(),
            reference: reference.clone(),
        }),
        NotificationState::Closed {
            why: Closed::Withdrawn { .. } | Closed::NotWanted,
            ..
        } => Err(Error::Closed { key: key() }),
        NotificationState::Pending { .. }
        | NotificationState::Sending { .. }
        | NotificationState::Failed { .. }
        | NotificationState::Unreadable { .. } => Ok(()),
    }
}
