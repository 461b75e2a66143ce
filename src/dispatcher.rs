//! The front door: an order goes in, its suppliers are told.

mod builder;
mod lives;
mod round;
mod stages;
pub(crate) mod worker;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::delivery::engine::Engine;
use crate::delivery::error::Error;
use crate::delivery::report::{EndpointCheck, Enqueued, OrderReport, Prepared, Report};
use crate::delivery::traffic::Who;
use crate::event::Event;
use crate::notification::{Closed, Key, Notification, OrderState, State};
use crate::order::PaidOrder;
use crate::store::{Counts, Filter, Inserted, Intervention, Listing, NewNotification, Page, Selection, Start, Store};
use crate::supplier::Supplier;
use crate::supplier::lookup::Suppliers;
use crate::supplier::signing::check_keys;
use crate::value::names::{OrderCode, Source, SupplierId};
use crate::value::visible::is_visible;

pub use builder::DispatcherBuilder;

/// Tells suppliers about orders. Build one, keep it in the application's state, clone it freely: clones are handles.
///
/// In a request handler call [`enqueue`](Self::enqueue), which returns after one durable write. [`notify`](Self::notify)
/// also waits for the suppliers, up to a minute per URL.
#[derive(Clone)]
pub struct Dispatcher {
    pub(crate) engine: Arc<Engine>,
    lives: Arc<lives::Lives>,
}

impl Dispatcher {
    /// Begins a dispatcher for an installation, with its storage and its supplier lookup.
    ///
    /// `source` names the installation for ever: it is part of every event id, and keeps staging and production, or two
    /// marketplaces, apart in one store.
    pub fn builder(source: Source, store: impl Store, suppliers: impl Suppliers) -> DispatcherBuilder {
        DispatcherBuilder::new(source, store, suppliers)
    }

    /// The name of the installation.
    pub fn source(&self) -> &Source {
        &self.engine.source
    }

    /// The key of the one `order.created` of an order for a supplier.
    pub fn key(&self, supplier: &SupplierId, order: &OrderCode) -> Key {
        Key::order_created(self.engine.source.clone(), supplier.clone(), order.clone())
    }

    /// Stores `order.created` for each supplier that has lines in the order: one durable write, nothing is sent.
    ///
    /// When this has returned, each of them ends as notified, as a visible failure, or closed by somebody. An order that
    /// was stored before is not stored again; other content under the same code is reported as a conflict for the
    /// suppliers whose part differs, and changes nothing.
    ///
    /// # Errors
    /// [`Error::UnknownSupplier`], [`Error::Lookup`] or [`Error::Event`]: nothing was stored. [`Error::Store`]: it is not
    /// certain that anything was; call again, the same order is stored once.
    pub async fn enqueue(&self, order: &PaidOrder) -> Result<Enqueued, Error> {
        self.ensure_open()?;
        let new = self.engine.prepare(order).await?;
        self.engine.insert(&new).await
    }

    /// Makes the rows of an order without storing them, for an insert in the caller's own transaction.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue), without the store's.
    pub async fn prepare(&self, order: &PaidOrder) -> Result<Prepared, Error> {
        self.ensure_open()?;
        Ok(Prepared { rows: self.engine.prepare(order).await? })
    }

    /// Makes the row of one event without storing it, for an insert in the caller's own transaction.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue), without the store's.
    pub async fn prepare_event(
        &self,
        supplier: &SupplierId,
        order: &OrderCode,
        event: Event,
    ) -> Result<Prepared, Error> {
        self.ensure_open()?;
        Ok(Prepared { rows: self.engine.prepare_event(supplier, order, event).await? })
    }

    /// Stores one event for one supplier, with the caller's occurrence: one durable write, nothing is sent.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    pub async fn enqueue_event(
        &self,
        supplier: &SupplierId,
        order: &OrderCode,
        event: Event,
    ) -> Result<Enqueued, Error> {
        self.ensure_open()?;
        let new = self.engine.prepare_event(supplier, order, event).await?;
        self.engine.insert(&new).await
    }

    /// Stores what is new and does one round for what is new or due: suppliers side by side, the endpoints of each one
    /// after another.
    ///
    /// It waits for the suppliers, **up to a minute per URL**; in a request handler use [`enqueue`](Self::enqueue). The
    /// work is done in a task of the dispatcher's own: dropping this future stops the waiting, not the delivery. What is
    /// not due, being sent by somebody else, failed or final is reported as it is.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue). A refused, lost or blocked POST is no error: it is in the report.
    pub async fn notify(&self, order: &PaidOrder) -> Result<Report, Error> {
        let order = order.clone();
        self.run(async move |engine| {
            let new = engine.prepare(&order).await?;
            engine.notify(&new).await
        })
        .await
    }

    /// [`notify`](Self::notify) for one event and one supplier, with the caller's occurrence.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    pub async fn notify_event(&self, supplier: &SupplierId, order: &OrderCode, event: Event) -> Result<Report, Error> {
        let (supplier, order) = (supplier.clone(), order.clone());
        self.run(async move |engine| {
            let new = engine.prepare_event(&supplier, &order, event).await?;
            engine.notify(&new).await
        })
        .await
    }

    /// Tries a notification at once, by hand: also before it is due, and also when it has failed. Endpoints that have
    /// accepted are not called again. One that somebody is sending is left alone and returned as it is.
    ///
    /// # Errors
    /// [`Error::AlreadyNotified`], [`Error::Closed`], [`Error::NotFound`], [`Error::Store`].
    pub async fn retry(&self, key: &Key) -> Result<Notification, Error> {
        let key = key.clone();
        self.run(async move |engine| {
            let notification = engine.get(&key).await?;
            refuse_final(&notification)?;
            if matches!(notification.state, State::Failed { .. } | State::Unreadable { .. }) {
                engine.intervene(&Selection::Keys(vec![key.clone()]), &Intervention::Reopen, 1).await?;
            }
            engine.visit(vec![key.clone()], Who::Person).await?;
            engine.get(&key).await
        })
        .await
    }

    /// Reopens all that failed for want of a configuration of this supplier (`no_endpoints`, `supplier_removed`,
    /// `config`), so that it is pending for every worker, and tries the first thousand itself, no more at a time than the
    /// supplier takes. The report has those.
    ///
    /// # Errors
    /// [`Error::Store`]; what was reopened until then stays pending.
    pub async fn resume(&self, supplier: &SupplierId) -> Result<Report, Error> {
        let supplier = supplier.clone();
        self.run(async move |engine| engine.resume(supplier).await).await
    }

    /// Closes a notification that is not notified yet, for example because the order was refunded.
    ///
    /// # Errors
    /// [`Error::AlreadyNotified`], [`Error::Closed`], [`Error::InFlight`] while somebody is sending it,
    /// [`Error::NotFound`], [`Error::Store`]; [`Error::Setting`] for a reason that is not 1 to 200 visible characters.
    pub async fn withdraw(&self, key: &Key, reason: &str) -> Result<Notification, Error> {
        refuse_unfit("reason", reason)?;
        self.engine.decide_by_hand(key, Intervention::Withdraw { reason: reason.to_owned() }).await
    }

    /// Records that the supplier was told elsewhere: by phone, or by the system before this one. A notification that is
    /// not stored yet is stored as notified, so that an order from before the go-live is never sent. Not so a stage of
    /// fulfilment: its key does not say all that the life of its order has to know, so it is enqueued first.
    ///
    /// # Errors
    /// [`Error::AlreadyNotified`], [`Error::Closed`], [`Error::InFlight`] while somebody is sending it,
    /// [`Error::NotFound`] for a stage that is not stored, [`Error::Store`]; [`Error::Setting`] for a reference that is not 1
    /// to 200 visible characters.
    pub async fn mark_notified(&self, key: &Key, reference: &str) -> Result<Notification, Error> {
        refuse_unfit("reference", reference)?;
        let reference = reference.to_owned();
        if key.kind.stage().is_some() {
            return self.engine.decide_by_hand(key, Intervention::MarkNotified { reference }).await;
        }
        let new = NewNotification::new(key.clone(), Start::Notified { reference: reference.clone() });
        let inserted = self.engine.store.insert(&[new]).await.map_err(Error::Store)?;
        match inserted.first() {
            Some(Inserted::New { .. }) => self.engine.get(key).await,
            _ => self.engine.decide_by_hand(key, Intervention::MarkNotified { reference }).await,
        }
    }

    /// One notification with everything.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn notification(&self, key: &Key) -> Result<Option<Notification>, Error> {
        self.engine.store.get(key).await.map_err(Error::Store)
    }

    /// Where an order stands, with its notifications; `None` when nothing is stored about it.
    ///
    /// # Errors
    /// [`Error::Store`], also when a row of the order cannot be read.
    pub async fn order(&self, order: &OrderCode) -> Result<Option<OrderReport>, Error> {
        let mut filter = Filter::of(self.engine.source.clone());
        filter.order = Some(order.clone());
        let notifications = self.engine.all(&filter).await?;
        let state = OrderState::of(&notifications);
        Ok((!notifications.is_empty()).then_some(OrderReport { state, notifications }))
    }

    /// Notifications of the whole installation, page by page, without their bodies.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, Error> {
        self.engine.store.list(filter, page).await.map_err(Error::Store)
    }

    /// How many notifications there are in each state.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn count(&self, filter: &Filter) -> Result<Counts, Error> {
        self.engine.store.count(filter).await.map_err(Error::Store)
    }

    /// What was notified or failed since a cursor, in the order in which it was recorded: what a listener may have missed in a
    /// crash. Begin without a cursor, keep the listing's `next`, and ask again later with it. May repeat, never skips.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn settled_since(&self, page: &Page) -> Result<Listing, Error> {
        self.engine.store.settled(&self.engine.source, page).await.map_err(Error::Store)
    }

    /// What the guard, name resolution and TLS say about each endpoint of a configuration: the same guard that judges when
    /// sending. Sends no event. An endpoint that can be reached is told apart when there are signing keys and none of them
    /// is valid now, for nothing is sent to it then. A server that asks for a client certificate is given a second to refuse
    /// the connection.
    pub async fn check(&self, supplier: &Supplier) -> Vec<EndpointCheck> {
        let mut checks = Vec::with_capacity(supplier.endpoints().len());
        let client_certificate_until = self.engine.out.client_certificate_until().await;
        for endpoint in supplier.endpoints() {
            let checked = self.engine.out.check_url(endpoint.url()).await;
            let keys = check_keys(supplier.signing_keys(), SystemTime::now().into());
            checks.push(EndpointCheck::new(endpoint.shown().to_owned(), checked, keys, client_certificate_until));
        }
        checks
    }

    /// Says that something may have been stored behind the dispatcher's back: call it after the commit of a transaction
    /// that an event was inserted in. A hint; without it the next look finds the event.
    pub fn wake(&self) {
        self.engine.bell.notify_one();
    }

    /// Takes nothing new, waits for what is being sent, and after the grace period hands back the rest. A POST that is in
    /// flight then is cut and recorded with what is known of it: not sent while there was no connection, the status once
    /// it has arrived, else unknown.
    pub async fn shutdown(&self, grace: Duration) {
        self.engine.stopping.cancel();
        self.engine.tasks.close();
        if tokio::time::timeout(grace, self.engine.tasks.wait()).await.is_err() {
            self.engine.hand_back.cancel();
            self.engine.tasks.wait().await;
        }
    }

    fn ensure_open(&self) -> Result<(), Error> {
        if self.engine.stopping.is_cancelled() { Err(Error::ShuttingDown) } else { Ok(()) }
    }

    /// Does the work in a task of the dispatcher's own.
    async fn run<T, F>(&self, work: impl FnOnce(Arc<Engine>) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.ensure_open()?;
        self.engine.run(work(Arc::clone(&self.engine))).await
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("source", &self.engine.source).finish_non_exhaustive()
    }
}

/// What a person writes is kept for ever and shown to others.
fn refuse_unfit(setting: &'static str, text: &str) -> Result<(), Error> {
    let fits = !text.trim().is_empty() && text.chars().count() <= 200 && text.chars().all(is_visible);
    let problem = "must be 1 to 200 characters, all of them visible";
    if fits { Ok(()) } else { Err(Error::Setting { setting, problem }) }
}

fn refuse_final(notification: &Notification) -> Result<(), Error> {
    let key = || Box::new(notification.key.clone());
    match &notification.state {
        State::Notified { reference, .. } => Err(Error::AlreadyNotified { key: key(), reference: reference.clone() }),
        State::Closed { why: Closed::Withdrawn { .. } | Closed::NotWanted, .. } => Err(Error::Closed { key: key() }),
        State::Pending { .. } | State::Sending { .. } | State::Failed { .. } | State::Unreadable { .. } => Ok(()),
    }
}
