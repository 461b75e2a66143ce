//! The entry point of an application: it stores orders and notifies their suppliers.

mod builder;
pub(crate) mod by_hand;
pub(crate) mod recipients;
mod stored;
mod storing;
mod visit;
pub(crate) mod worker;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::delivery::engine::Engine;
use crate::delivery::error::Error;
use crate::delivery::report::{EndpointCheck, OrderReport, Report};
use crate::event::{Event, TraceParent};
use crate::notification::prepared::{Enqueued, Prepared};
use crate::notification::{Key, Ledger, Notification, OrderState};
use crate::order::PaidOrder;
use crate::store::{Counts, Filter, Group, Listing, NewNotification, Page, Start, Store};
use crate::supplier::Supplier;
use crate::supplier::lookup::Suppliers;
use crate::supplier::signing::check_keys;
use crate::value::hashed::FastMap;
use crate::value::names::{OrderCode, Source, SupplierId};

pub use builder::DispatcherBuilder;
use recipients::Recipients;

/// Stores orders and notifies their suppliers: the entry point of this crate. Build one, keep it in the application's
/// state, and clone it freely: clones are handles of the same dispatcher.
///
/// - [`enqueue`](Self::enqueue) is for request handlers: it returns after one durable write, and a
///   [`Worker`](crate::Worker) delivers what is stored. [`prepare`](Self::prepare) is the same for the caller's own
///   transaction.
/// - [`notify`](Self::notify) stores the order, calls its suppliers and waits for them, up to the
///   [`timeout`](DispatcherBuilder::timeout) (60 s) per URL.
/// - [`retry`](Self::retry), [`resume`](Self::resume), [`withdraw`](Self::withdraw) and
///   [`mark_notified`](Self::mark_notified) are what a person does about a notification that failed or waits.
/// - [`order`](Self::order), [`notification`](Self::notification), [`list`](Self::list), [`count`](Self::count) and
///   [`settled_since`](Self::settled_since) show what is stored.
///
/// # Limits of `notify`, `retry` and `resume`
///
/// Their calls count against the same limits as those of the workers of this dispatcher: the slots of
/// [`concurrency`](DispatcherBuilder::concurrency), of which they hold three quarters at most, and each supplier's
/// [`max_concurrent`](crate::SupplierBuilder::max_concurrent). They wait at most 5 s for room. A notification that had
/// none by then is returned as it is stored, usually [`Pending`](crate::NotificationState::Pending), without an attempt, and a
/// worker delivers it.
///
/// An endpoint that does not answer at the moment is *silent* (see [`Worker`](crate::Worker#who-is-called-when)).
/// `notify` and `resume` leave it out, as a worker does; `retry` calls it.
///
/// # Example
///
/// A handler stores an order; a person who finds it in error looks at it, repairs the configuration, and has it sent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::collections::HashMap;
/// use std::sync::{Arc, RwLock};
///
/// use orderhook::notification::{By, OrderState};
/// use orderhook::{Dispatcher, MemoryStore, PaidOrder, Source, Supplier, SupplierId, Worker};
///
/// // A supplier for whom no one has entered a URL yet.
/// let books = SupplierId::new("north-books")?;
/// let unfinished = Supplier::builder(books.clone()).build()?;
/// let suppliers = Arc::new(RwLock::new(HashMap::from([(books.clone(), unfinished)])));
/// let dispatcher = Dispatcher::builder(Source::new("shop")?, MemoryStore::new(), Arc::clone(&suppliers)).build()?;
///
/// # let json = br#"{"order_code": "MKT-1", "channel": "web", "currency": "EUR", "shipping_charges": "0",
/// #     "built_at": "2026-03-01T10:00:00Z", "lines": [{"supplier": "north-books", "sku": "NB-1", "name": "Tide Tables",
/// #     "quantity": 1, "unit_price": "14.31"}]}"#;
/// let order = PaidOrder::from_json(json)?;
/// let enqueued = dispatcher.enqueue(&order).await?;
/// assert_eq!((enqueued.stored.len(), enqueued.conflicts().count()), (1, 0));
///
/// // In a program: `tokio::spawn(Worker::new(&dispatcher).run())`.
/// assert_eq!(Worker::new(&dispatcher).drain().await?.failed, 1);
/// let found = dispatcher.order(order.order_code()).await?;
/// assert_eq!(found.map(|found| found.state), Some(OrderState::Error));
///
/// // Closed by a person; or a URL is entered, and `dispatcher.resume(&books, &by)` sends it.
/// let by = By::new("maria", "the order was refunded")?;
/// let closed = dispatcher.withdraw(&dispatcher.key(&books, order.order_code()), &by).await?;
/// assert_eq!(closed.state.name().as_str(), "withdrawn");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Dispatcher {
    pub(crate) engine: Arc<Engine>,
    /// What the notifications that are stored through this handle carry.
    pub(crate) traceparent: Option<TraceParent>,
}

impl Dispatcher {
    /// Begins a dispatcher for an installation, with its store and its supplier lookup.
    ///
    /// `source` names the installation for ever: it is part of every event id, and keeps staging and production, or two
    /// marketplaces, apart in one store.
    pub fn builder(
        source: Source,
        store: impl Store,
        suppliers: impl Suppliers,
    ) -> DispatcherBuilder {
        DispatcherBuilder::new(source, store, suppliers)
    }

    /// A handle of the same dispatcher; the notifications that are stored through it carry this trace context, which is sent
    /// with each of their POSTs as the header `traceparent` (W3C Trace Context). It holds for orders, events of the
    /// application's own and stages of fulfilment orders alike.
    ///
    /// ```
    /// use orderhook::event::TraceParent;
    /// use orderhook::{Dispatcher, MemoryStore, PaidOrder, Source};
    ///
    /// # async fn handler(dispatcher: &Dispatcher, header: &str, order: &PaidOrder) -> Result<(), Box<dyn std::error::Error>> {
    /// let trace: TraceParent = header.parse()?; // the `traceparent` of the request that is being handled
    /// dispatcher.with_traceparent(trace).enqueue(order).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_traceparent(&self, traceparent: TraceParent) -> Self {
        Dispatcher {
            engine: Arc::clone(&self.engine),
            traceparent: Some(traceparent),
        }
    }

    /// The name of the installation.
    pub fn source(&self) -> &Source {
        &self.engine.source
    }

    /// The key of the one `order.created` of an order for a supplier.
    pub fn key(&self, supplier: &SupplierId, order: &OrderCode) -> Key {
        Key::order_created(self.engine.source.clone(), supplier.clone(), order.clone())
    }

    /// Stores `order.created` for each supplier that has lines in the order: one durable write. It waits for no supplier; a
    /// worker sends what is stored, and one that runs in this process begins at once where there is room.
    ///
    /// On a durable store, each notification that is stored ends as notified, as a visible failure, or closed by a
    /// person. An order that was stored before is not stored again. Other content under the same order code is reported
    /// as a conflict ([`Enqueued::conflicts`]) for the suppliers whose part differs, with the places in which it does, and
    /// changes nothing.
    ///
    /// # Errors
    /// [`Error::UnknownSupplier`], [`Error::Lookup`] or [`Error::Event`]: nothing was stored. [`Error::Store`]: it is
    /// not certain whether anything was stored; call again, the same order is stored once. So is [`Error::Panicked`].
    /// [`Error::ShuttingDown`] after [`shutdown`](Self::shutdown).
    pub async fn enqueue(&self, order: &PaidOrder) -> Result<Enqueued, Error> {
        let recipients = self.suppliers_of(order.suppliers()).await?;
        let prepared = self.prepare_with(order, &recipients)?;
        self.ensure_open()?;
        self.engine
            .insert_and_send(prepared.into_rows(), recipients.into_found())
            .await
    }

    /// Stores prepared rows: one durable write, nothing is sent. It is the second half of [`enqueue`](Self::enqueue), for
    /// rows that are to be [delayed](Prepared::delayed_by).
    ///
    /// ```
    /// # use orderhook::{Dispatcher, MemoryStore, NotificationState, PaidOrder, Source, SuppliersFile};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let suppliers = SuppliersFile::open("examples/suppliers.json")?;
    /// # let dispatcher = Dispatcher::builder(Source::new("shop")?, MemoryStore::new(), suppliers).build()?;
    /// # let order = PaidOrder::from_json(include_bytes!("../examples/paid-order.json"))?;
    /// // Customers may cancel within ten minutes.
    /// let prepared = dispatcher.prepare(&order).await?.delayed_by(Duration::from_secs(600));
    /// dispatcher.enqueue_prepared(&prepared).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Store`]: it is not certain whether anything was stored; call again, the same rows are stored once.
    /// [`Error::ShuttingDown`].
    pub async fn enqueue_prepared(&self, prepared: &Prepared) -> Result<Enqueued, Error> {
        self.ensure_open()?;
        self.engine.insert(prepared.rows()).await
    }

    /// Makes the rows of an order without storing them, for an insert in the caller's own transaction (with `insert_in`
    /// of a SQL store): what is rolled back is never sent. Call [`wake`](Self::wake) after the commit.
    ///
    /// It asks the supplier lookup, so make it before the transaction begins: a lookup that needs a connection of the same
    /// pool would wait for the transaction. When the order is known only inside the transaction, use
    /// [`suppliers_of`](Self::suppliers_of) and [`prepare_with`](Self::prepare_with).
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue), but for [`Error::Store`].
    pub async fn prepare(&self, order: &PaidOrder) -> Result<Prepared, Error> {
        let recipients = self.suppliers_of(order.suppliers()).await?;
        self.prepare_with(order, &recipients)
    }

    /// Looks up suppliers before a transaction begins, for [`prepare_with`](Self::prepare_with) inside it. An id that the
    /// lookup does not know is left out.
    ///
    /// ```
    /// # use orderhook::{Dispatcher, MemoryStore, PaidOrder, Source, Supplier, SupplierId};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let north = SupplierId::new("north-books")?;
    /// # let supplier = Supplier::builder(north.clone()).endpoint("https://hooks.north-books.example/").build()?;
    /// # let suppliers = std::collections::HashMap::from([(north.clone(), supplier)]);
    /// # let dispatcher = Dispatcher::builder(Source::new("shop")?, MemoryStore::new(), suppliers).build()?;
    /// # let json = include_bytes!("../examples/paid-order.json");
    /// let recipients = dispatcher.suppliers_of([&north]).await?;
    ///
    /// // Inside the transaction, once the order has its code:
    /// let order = PaidOrder::from_json(json)?;
    /// let prepared = dispatcher.prepare_with(&order, &recipients);
    /// assert!(prepared.is_err(), "the order has lines of two more suppliers");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Lookup`] when a supplier could not be looked up, [`Error::ShuttingDown`].
    pub async fn suppliers_of<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a SupplierId>,
    ) -> Result<Recipients, Error> {
        self.ensure_open()?;
        let ids: Vec<_> = ids.into_iter().cloned().collect();
        let found = self.engine.suppliers(&ids).await?;
        Ok(Recipients::new(&self.engine, found))
    }

    /// Makes the rows of an order from suppliers that were looked up before. It waits for nothing, and so can be called
    /// inside a transaction.
    ///
    /// # Errors
    /// [`Error::UnknownSupplier`] when a supplier of the order is not among them, [`Error::Event`],
    /// [`Error::ShuttingDown`]; [`Error::InvalidArgument`] for suppliers that another dispatcher has looked up.
    pub fn prepare_with(
        &self,
        order: &PaidOrder,
        recipients: &Recipients,
    ) -> Result<Prepared, Error> {
        self.ensure_open()?;
        if !recipients.are_of(&self.engine) {
            return Err(Error::InvalidArgument {
                argument: "recipients",
                problem: "must have been looked up by the same dispatcher",
            });
        }
        let mut rows = Vec::new();
        for id in order.suppliers() {
            rows.extend(self.row_of_order(order, recipients.supplier(id)?)?);
        }
        Ok(Prepared::new(rows))
    }

    /// Makes the row of one event without storing it: [`prepare`](Self::prepare) for one event and one supplier.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue), but for [`Error::Store`].
    pub async fn prepare_event(
        &self,
        supplier: &SupplierId,
        order: &OrderCode,
        event: Event,
    ) -> Result<Prepared, Error> {
        self.ensure_open()?;
        Ok(Prepared::new(
            self.rows_of_event(supplier, order, event).await?,
        ))
    }

    /// Stores one event for one supplier: one durable write, nothing is sent. The event's
    /// [`Occurrence`](crate::event::Occurrence) tells it apart from others of its kind about the same order.
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
        let found = self.engine.supplier(supplier).await?;
        let new = vec![self.row(&found, order, event)];
        let suppliers = FastMap::from_iter([(supplier.clone(), found)]);
        self.engine.insert_and_send(new, suppliers).await
    }

    /// Stores what is new and makes one round of calls for what is new or due: suppliers side by side, the endpoints of
    /// each supplier one after another.
    ///
    /// It waits for the suppliers, **up to the [`timeout`](DispatcherBuilder::timeout) per URL, 60 s by default**; in a
    /// request handler use [`enqueue`](Self::enqueue). The work is done in a task of the dispatcher's own: dropping this
    /// future stops the waiting, not the delivery. A notification that is not due, is being sent by another worker or
    /// process, has failed or is final is reported as it is, and so is one for which there was no room within 5 s: see [the
    /// limits](Self#limits-of-notify-retry-and-resume).
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue); and [`Error::Panicked`], after which the order may be stored: call again, or leave it
    /// to a worker. A refused, lost or blocked POST is no error: it is in the report.
    pub async fn notify(&self, order: &PaidOrder) -> Result<Report, Error> {
        let (this, order) = (self.clone(), order.clone());
        self.run(async move |engine| {
            let recipients = this.suppliers_of(order.suppliers()).await?;
            let prepared = this.prepare_with(&order, &recipients)?;
            engine
                .notify(prepared.into_rows(), recipients.found())
                .await
        })
        .await
    }

    /// Stores and sends one event for one supplier: [`notify`](Self::notify) for one event.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    pub async fn notify_event(
        &self,
        supplier: &SupplierId,
        order: &OrderCode,
        event: Event,
    ) -> Result<Report, Error> {
        let (this, supplier, order) = (self.clone(), supplier.clone(), order.clone());
        self.run(async move |engine| {
            let found = engine.supplier(&supplier).await?;
            let new = vec![this.row(&found, &order, event)];
            let suppliers = FastMap::from_iter([(supplier, found)]);
            engine.notify(new, &suppliers).await
        })
        .await
    }

    /// The notification of this key, with its body and all attempts; `None` when it is not stored.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn notification(&self, key: &Key) -> Result<Option<Notification>, Error> {
        self.engine.store.get(key).await.map_err(Error::Store)
    }

    /// The state of an order and its notifications, without their bodies; `None` when nothing is stored about it.
    ///
    /// # Errors
    /// [`Error::Store`], also when a row of the order cannot be read
    /// ([`Corrupt`](crate::store::StoreErrorKind::Corrupt)); [`list`](Self::list) shows the others.
    pub async fn order(&self, order: &OrderCode) -> Result<Option<OrderReport>, Error> {
        let mut filter = Filter::of(self.engine.source.clone());
        filter.order = Some(order.clone());
        let notifications = self.engine.all(&filter).await?;
        let state = OrderState::of(&notifications);
        Ok((!notifications.is_empty()).then_some(OrderReport {
            state,
            notifications,
        }))
    }

    /// A page of the notifications that a filter selects, oldest first, without their bodies. Rows that cannot be read
    /// are in [`Listing::refused`].
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, Error> {
        self.engine
            .store
            .list(filter, page)
            .await
            .map_err(Error::Store)
    }

    /// The number of notifications in each state.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn count(&self, filter: &Filter) -> Result<Counts, Error> {
        let groups = self.engine.store.count(filter, Group::State).await?;
        Ok(Counts::of_groups(&groups))
    }

    /// The notifications that were notified or failed after a cursor, in the order in which that was recorded: what a
    /// [`listener`](DispatcherBuilder::listener) may have missed in a crash. Begin with [`Page::first`], keep the
    /// listing's `next`, and ask again later with [`Page::after`]. A notification may come twice; none is left out.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn settled_since(&self, page: &Page) -> Result<Listing, Error> {
        self.engine
            .store
            .settled(&self.engine.source, page)
            .await
            .map_err(Error::Store)
    }

    /// Checks each endpoint of a configuration without sending an event: may it be dialled, does its name resolve, does
    /// the TLS handshake succeed. Before each POST the address is judged in the same way: only public addresses and port 443
    /// are dialled, unless [`allow_network`](DispatcherBuilder::allow_network) has named the network.
    ///
    /// When signing keys are configured and none of them is valid now, the verdict is
    /// [`NoValidSigningKey`](crate::report::Verdict::NoValidSigningKey): nothing would be sent. A server that asks for a client
    /// certificate is given a second to refuse the connection.
    pub async fn check(&self, supplier: &Supplier) -> Vec<EndpointCheck> {
        let mut checks = Vec::with_capacity(supplier.endpoints().len());
        let client_certificate_until = self.engine.out.client_certificate_until().await;
        for endpoint in supplier.endpoints() {
            let checked = self.engine.out.check_url(endpoint.url()).await;
            let keys = check_keys(supplier.signing_keys(), SystemTime::now().into());
            checks.push(EndpointCheck::new(
                endpoint.shown().to_owned(),
                checked,
                keys,
                client_certificate_until,
            ));
        }
        checks
    }

    /// Makes the workers of this dispatcher look at the store now: call it after the commit of a transaction in which
    /// rows of [`prepare`](Self::prepare) were inserted. Without it they find the rows at their next look, within
    /// the second that is the default of [`with_poll`](crate::Worker::with_poll).
    pub fn wake(&self) {
        self.engine.workers.ring();
    }

    /// Ends the work of this dispatcher and of its workers: from now on no POST begins, and calls that store or send an
    /// event fail with [`Error::ShuttingDown`]. Waits for the POSTs under way; after the grace period those that are
    /// left are cut, and what was claimed is handed back for another process.
    ///
    /// A POST that is cut is recorded with what is known of it: not sent while there was no connection, the status once
    /// it has arrived, otherwise unknown.
    pub async fn shutdown(&self, grace: Duration) {
        self.engine.stopping.cancel();
        self.engine.tasks.close();
        if tokio::time::timeout(grace, self.engine.tasks.wait())
            .await
            .is_err()
        {
            self.engine.hand_back.cancel();
            self.engine.tasks.wait().await;
        }
    }

    async fn rows_of_event(
        &self,
        supplier: &SupplierId,
        order: &OrderCode,
        event: Event,
    ) -> Result<Vec<NewNotification>, Error> {
        let supplier = self.engine.supplier(supplier).await?;
        Ok(vec![self.row(&supplier, order, event)])
    }

    /// The row of an order for one supplier, if the order has lines of it.
    fn row_of_order(
        &self,
        order: &PaidOrder,
        supplier: &Supplier,
    ) -> Result<Option<NewNotification>, Error> {
        let event = Event::order_created(order, supplier.id(), supplier.privacy());
        let event = event.map_err(Error::Event)?;
        Ok(event.map(|event| self.row(supplier, order.order_code(), event)))
    }

    fn row(&self, supplier: &Supplier, order: &OrderCode, event: Event) -> NewNotification {
        let key = Key::new(
            self.engine.source.clone(),
            supplier.id().clone(),
            order.clone(),
            event.kind().clone(),
            event.occurrence().clone(),
        );
        let mut row = NewNotification::new(key, Start::pending(event.body().clone()));
        row.ledger = Ledger::expecting(supplier.endpoints().first());
        row.content_digest = Some(event.digest());
        row.memo = event.memo().cloned();
        row.traceparent = self.traceparent.as_ref().map(ToString::to_string);
        row
    }

    pub(crate) fn ensure_open(&self) -> Result<(), Error> {
        if self.engine.stopping.is_cancelled() {
            Err(Error::ShuttingDown)
        } else {
            Ok(())
        }
    }

    /// Does the work in a task of the dispatcher's own.
    pub(crate) async fn run<T, E, F>(&self, work: impl FnOnce(Arc<Engine>) -> F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.ensure_open()?;
        self.engine.run(work(Arc::clone(&self.engine))).await
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher")
            .field("source", &self.engine.source)
            .finish_non_exhaustive()
    }
}
