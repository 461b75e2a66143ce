//! What the dispatcher does inside its own tasks: prepare, store, claim, deliver, look.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::delivery::deliver::{Admission, Calling, Held, no_answer};
use crate::delivery::error::Error;
use crate::delivery::report::{Enqueued, Entry, Report, Stored};
use crate::event::Event;
use crate::notification::{FailureReason, Key, Notification};
use crate::order::PaidOrder;
use crate::store::{
    ClaimRequest, Claims, Cursor, Filter, Inserted, Intervened, Intervention, Listing, NewNotification, Page, Pick,
    Selection, Start, StoreError, StoreErrorKind,
};
use crate::supplier::Supplier;
use crate::value::clock::Moment;
use crate::value::names::{OrderCode, SupplierId};

use super::{Inner, refuse_final};

/// The right to send one notification, and to do so from outside of a worker.
type Slot = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// How many notifications `resume` reopens in one step, and tries itself at most.
const REOPENED_AT_ONCE: u32 = 100;
const RESUMED: usize = 1000;

impl Inner {
    /// The notifications of an order, one for each supplier that has lines in it.
    pub(super) async fn prepare(&self, order: &PaidOrder) -> Result<Vec<NewNotification>, Error> {
        let mut new = Vec::new();
        for id in order.suppliers() {
            let supplier = self.supplier(id).await?;
            // A supplier out of the order's own list has lines in it.
            let event = Event::order_created(order, id, supplier.privacy()).map_err(Error::Event)?;
            new.extend(event.map(|event| self.new_notification(id, order.order_code(), event)));
        }
        Ok(new)
    }

    pub(super) async fn prepare_event(
        &self,
        supplier: &SupplierId,
        order: &OrderCode,
        event: Event,
    ) -> Result<Vec<NewNotification>, Error> {
        self.supplier(supplier).await?;
        Ok(vec![self.new_notification(supplier, order, event)])
    }

    pub(super) async fn supplier(&self, id: &SupplierId) -> Result<Supplier, Error> {
        let found = tokio::select! {
            biased;
            found = self.courier.suppliers.find(id) => found,
            () = self.courier.hand_back.cancelled() => return Err(Error::ShuttingDown),
        };
        found
            .map_err(|source| Error::Lookup { supplier: id.clone(), source })?
            .ok_or_else(|| Error::UnknownSupplier { supplier: id.clone() })
    }

    fn new_notification(&self, supplier: &SupplierId, order: &OrderCode, event: Event) -> NewNotification {
        let (source, kind, occurrence) = (self.source.clone(), event.kind().clone(), event.occurrence().clone());
        let key = Key::new(source, supplier.clone(), order.clone(), kind, occurrence);
        let mut new = NewNotification::new(key, Start::Pending(event.body().clone()));
        new.content_digest = Some(event.digest());
        new.memo = event.memo().cloned();
        new
    }

    pub(super) async fn store(&self, new: &[NewNotification]) -> Result<Enqueued, Error> {
        let inserted = self.courier.store.insert(new).await.map_err(Error::Store)?;
        if inserted.len() != new.len() {
            return Err(Error::Store(no_answer()));
        }
        if inserted.iter().any(|inserted| matches!(inserted, Inserted::New { .. })) {
            self.bell.notify_one();
        }
        let stored = |(new, inserted): (&NewNotification, Inserted)| Stored {
            key: new.key.clone(),
            event_id: new.event_id.clone(),
            inserted,
        };
        Ok(Enqueued { stored: new.iter().zip(inserted).map(stored).collect() })
    }

    pub(super) async fn notify(self: &Arc<Self>, new: &[NewNotification]) -> Result<Report, Error> {
        let enqueued = self.store(new).await?;
        self.tell(enqueued).await
    }

    /// One round for what was stored, and where it stands then.
    pub(super) async fn tell(self: &Arc<Self>, Enqueued { stored }: Enqueued) -> Result<Report, Error> {
        let keys = stored.iter().map(|stored| stored.key.clone()).collect();
        self.deliver(keys, Calling::WhatIsDue).await?;
        let mut entries = Vec::with_capacity(stored.len());
        for Stored { key, inserted, .. } in stored {
            entries.push(Entry { notification: self.get(&key).await?, inserted });
        }
        Ok(Report { entries })
    }

    /// Reopens all of it, so that it is pending for whoever delivers, and tries the first thousand itself, no more at a time
    /// than the supplier takes.
    pub(super) async fn resume(self: &Arc<Self>, supplier: SupplierId) -> Result<Report, Error> {
        let at_once = match self.supplier(&supplier).await {
            Ok(supplier) => supplier.max_concurrent(),
            Err(_) => Supplier::DEFAULT_MAX_CONCURRENT,
        };
        let reasons = FailureReason::OF_CONFIGURATION.to_vec();
        let selection = Selection::FailedFor { source: self.source.clone(), supplier, reasons };
        let mut resumed: Vec<Key> = Vec::new();
        // Each is reopened once: what a worker finds failing again meanwhile ends the loop.
        let mut reopened: HashSet<Key> = HashSet::new();
        while !self.stopping.is_cancelled() {
            let changed = self.intervene(&selection, &Intervention::Reopen, REOPENED_AT_ONCE).await?.changed;
            let new: Vec<Key> = changed.iter().filter(|key| reopened.insert((*key).clone())).cloned().collect();
            let all_new = new.len() == changed.len();
            let room = RESUMED.saturating_sub(resumed.len());
            resumed.extend(new.into_iter().take(room));
            if changed.is_empty() || !all_new {
                break;
            }
        }
        self.bell.notify_one();
        for chunk in resumed.chunks(at_once.get() as usize) {
            self.deliver(chunk.to_vec(), Calling::WhatIsOpen).await?;
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(resumed.len());
        for key in resumed {
            let mut notification = self.get(&key).await?;
            notification.body = None;
            entries.push(Entry { notification, inserted: Inserted::Existing });
        }
        Ok(Report { entries })
    }

    /// Claims these and delivers what was claimed, side by side, each as soon as there is a slot for it.
    ///
    /// What waits for another of its stream among them has its turn when that one is told.
    pub(super) async fn deliver(self: &Arc<Self>, mut keys: Vec<Key>, calling: Calling) -> Result<(), Error> {
        while !keys.is_empty() {
            let before = keys.len();
            self.deliver_claimable(&mut keys, calling).await?;
            if keys.len() == before {
                break;
            }
        }
        Ok(())
    }

    /// Delivers those that can be claimed now, and takes them off the list.
    async fn deliver_claimable(self: &Arc<Self>, keys: &mut Vec<Key>, calling: Calling) -> Result<(), Error> {
        let mut running = Vec::new();
        while !keys.is_empty() && !self.stopping.is_cancelled() {
            // The slot comes first: a claim that waits for one would be a lease that runs out.
            let mut slots = self.slots(keys.len()).await?;
            let pick = match calling {
                Calling::WhatIsDue => Pick::DueOf(keys.clone()),
                Calling::WhatIsOpen => Pick::NowOf(keys.clone()),
            };
            let limit = u32::try_from(slots.len()).unwrap_or(u32::MAX);
            let request = ClaimRequest::new(self.source.clone(), pick, limit, self.courier.timing.lease());
            let (asked, claims) = self.claim(&request).await?;
            let told = Moment::now();
            let all_were_there = claims.claims.len() == slots.len();
            for claim in claims.claims {
                keys.retain(|key| *key != claim.key);
                let slot = slots.pop();
                let held = Held {
                    claim,
                    calling,
                    now: claims.now,
                    told,
                    asked,
                    hand_back: self.courier.hand_back.clone(),
                    admission: Admission::Free,
                };
                let inner = Arc::clone(self);
                running.push(self.tasks.spawn(async move {
                    let delivered = inner.courier.deliver(held).await;
                    drop(slot);
                    delivered
                }));
            }
            if !all_were_there {
                break;
            }
        }
        let mut result = Ok(());
        for task in running {
            match task.await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => result = Err(Error::Store(error)),
                Err(_) => result = Err(Error::Panicked),
            }
        }
        result
    }

    /// Claims, and says when it asked: the leases count from there.
    pub(crate) async fn claim(&self, request: &ClaimRequest) -> Result<(Moment, Claims), Error> {
        let asked = Moment::now();
        let claims = self.courier.store.claim(request).await.map_err(Error::Store)?;
        for refused in &claims.refused {
            tracing::error!(row = refused.row, problem = refused.problem, "a row cannot be read");
        }
        Ok((asked, claims))
    }

    /// At least one slot, and as many more as are free, up to `wanted`; never the last quarter, which is the worker's.
    async fn slots(&self, wanted: usize) -> Result<Vec<Slot>, Error> {
        // The semaphores are never closed.
        let closed = |_| Error::ShuttingDown;
        let visitor = Arc::clone(&self.visitors).acquire_owned().await.map_err(closed)?;
        let first = (visitor, Arc::clone(&self.slots).acquire_owned().await.map_err(closed)?);
        let more = (1..wanted).map_while(|_| {
            let visitor = Arc::clone(&self.visitors).try_acquire_owned().ok()?;
            Some((visitor, Arc::clone(&self.slots).try_acquire_owned().ok()?))
        });
        Ok(std::iter::once(first).chain(more).collect())
    }

    /// All that a filter selects; for one order, so that it is bounded.
    pub(super) async fn all(&self, filter: &Filter) -> Result<Vec<Notification>, Error> {
        let mut notifications = Vec::new();
        let mut after: Option<Cursor> = None;
        loop {
            let listing = self.page(filter, after.take(), 500).await?;
            notifications.extend(listing.notifications);
            match listing.next {
                Some(cursor) => after = Some(cursor),
                None => return Ok(notifications),
            }
        }
    }

    /// One page, of which every row can be read.
    pub(super) async fn page(&self, filter: &Filter, after: Option<Cursor>, limit: u32) -> Result<Listing, Error> {
        let page = after.map_or(Page::first(limit), |cursor| Page::after(cursor, limit));
        let listing = self.courier.store.list(filter, &page).await.map_err(Error::Store)?;
        match listing.refused.first() {
            None => Ok(listing),
            Some(refused) => {
                let what = format!("{}: {}", refused.row, refused.problem);
                Err(Error::Store(StoreError::new(StoreErrorKind::Corrupt, what)))
            }
        }
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Notification, Error> {
        let found = self.courier.store.get(key).await.map_err(Error::Store)?;
        found.ok_or_else(|| Error::NotFound { key: Box::new(key.clone()) })
    }

    pub(super) async fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> Result<Intervened, Error> {
        self.courier.store.intervene(selection, intervention, limit).await.map_err(Error::Store)
    }

    /// An intervention on one notification that must not be final yet.
    pub(super) async fn decide_by_hand(&self, key: &Key, intervention: Intervention) -> Result<Notification, Error> {
        let intervened = self.intervene(&Selection::Keys(vec![key.clone()]), &intervention, 1).await?;
        let notification = self.get(key).await?;
        if !intervened.changed.is_empty() {
            self.bell.notify_one();
            return Ok(notification);
        }
        refuse_final(&notification)?;
        Err(Error::InFlight { key: Box::new(key.clone()) })
    }
}
