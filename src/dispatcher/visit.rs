//! The delivery of a notification for a caller who waits for it: `notify`, `retry`, `resume`, and what a drain comes back to.

use std::sync::Arc;

use crate::delivery::deliver::{Calling, Delivered, Held, Way};
use crate::delivery::engine::Engine;
use crate::delivery::error::Error;
use crate::delivery::report::{Entry, Report};
use crate::delivery::traffic::{Entry as TrafficEntry, Waits, Who};
use crate::notification::{By, FailureReason, Key, StateName};
use crate::store::{Action, Filter, Inserted, Intervention, Page, Pick, Selection};
use crate::supplier::Supplier;
use crate::value::names::SupplierId;

/// What came of a wish to deliver one notification.
pub(super) enum Visited {
    Delivered(Delivered),
    /// It is not due, finished, in other hands, or behind another of its stream.
    NotClaimable,
    /// Nothing was claimed, because there was no slot or no room at the supplier.
    NoRoom,
}

/// Why one notification is delivered by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Visit {
    /// It is due.
    IfDue,
    /// It was due, and has been put off because others were called.
    WasDue,
    /// A person asks for it.
    Now,
}

impl Visit {
    fn who(self) -> Who {
        match self {
            Visit::Now => Who::Person,
            Visit::IfDue | Visit::WasDue => Who::Visitor,
        }
    }

    fn pick(self, key: Key) -> Pick {
        match self {
            Visit::IfDue => Pick::DueOf(vec![key]),
            Visit::WasDue | Visit::Now => Pick::NowOf(vec![key]),
        }
    }

    fn calling(self) -> Calling {
        match self {
            Visit::Now => Calling::WhatIsOpen,
            Visit::IfDue | Visit::WasDue => Calling::WhatIsDue,
        }
    }
}

/// How many notifications `resume` reopens in one step, and tries itself at most.
const REOPENED_AT_ONCE: u32 = 100;
const RESUMED: usize = 1000;

impl Engine {
    /// Reopens all of it, so that it is pending for every worker, and tries the first thousand itself, no more at a time
    /// than the supplier takes.
    pub(super) async fn resume(
        self: &Arc<Self>,
        supplier: SupplierId,
        by: By,
    ) -> Result<Report, Error> {
        let reopen = Intervention::new(Action::Reopen, by);
        let at_once = match self.supplier(&supplier).await {
            Ok(supplier) => supplier.max_concurrent(),
            Err(_) => Supplier::DEFAULT_MAX_CONCURRENT,
        };
        let mut resumed: Vec<Key> = Vec::new();
        let mut filter = Filter::of(self.source.clone());
        filter.supplier = Some(supplier);
        filter.states = vec![StateName::Failed];
        filter.reasons = FailureReason::OF_CONFIGURATION.to_vec();
        let mut page = Page::first(REOPENED_AT_ONCE);
        // Page by page, so that each is reopened once although a worker may find it failing again meanwhile.
        while !self.stopping.is_cancelled() {
            let listing = self
                .store
                .list(&filter, &page)
                .await
                .map_err(Error::Store)?;
            let failed = listing.notifications.into_iter();
            let keys: Vec<Key> = failed.map(|failed| failed.key).collect();
            if !keys.is_empty() {
                let changed = self
                    .intervene(&Selection::Keys(keys), &reopen, REOPENED_AT_ONCE)
                    .await?;
                let room = RESUMED.saturating_sub(resumed.len());
                resumed.extend(changed.changed.into_iter().take(room));
                self.workers.ring();
            }
            match listing.next {
                Some(cursor) => page = Page::after(cursor, REOPENED_AT_ONCE),
                None => break,
            }
        }
        for chunk in resumed.chunks(at_once.get() as usize) {
            self.visit(chunk.to_vec(), Visit::IfDue).await?;
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(resumed.len());
        for key in resumed {
            let mut notification = self.get(&key).await?;
            notification.body = None;
            entries.push(Entry {
                notification,
                inserted: Inserted::Existing,
                difference: None,
            });
        }
        Ok(Report { entries })
    }

    /// Claims these and delivers what was claimed, side by side, each as soon as there is room for it; what finds none
    /// within 5 s is left to the next worker that claims it.
    ///
    /// What waits for another of its stream among them has its turn when that one is notified.
    pub(super) async fn visit(
        self: &Arc<Self>,
        mut keys: Vec<Key>,
        visit: Visit,
    ) -> Result<(), Error> {
        let mut result = Ok(());
        while !keys.is_empty() && !self.stopping.is_cancelled() {
            let visits: Vec<_> = keys
                .drain(..)
                .map(|key| {
                    let engine = Arc::clone(self);
                    self.tasks.spawn(Box::pin(async move {
                        (engine.visit_one(&key, visit).await, key)
                    }))
                })
                .collect();
            let mut delivered = 0;
            for visit in visits {
                match visit.await {
                    Ok((Ok(Visited::Delivered(_)), _)) => delivered += 1,
                    Ok((Ok(Visited::NotClaimable), key)) => keys.push(key),
                    Ok((Ok(Visited::NoRoom), _)) => {}
                    Ok((Err(error), _)) => result = Err(error),
                    Err(_) => result = Err(Error::Panicked),
                }
            }
            if delivered == 0 {
                break;
            }
        }
        result
    }

    /// Waits for room at the supplier and for a slot, then claims and delivers: a claim that waits would be a lease that
    /// runs out.
    pub(super) async fn visit_one(
        self: &Arc<Self>,
        key: &Key,
        visit: Visit,
    ) -> Result<Visited, Error> {
        let who = visit.who();
        let found = self.look_up(&key.supplier, &self.stopping).await;
        let limit = match &found {
            Ok(Some(supplier)) => supplier.max_concurrent(),
            _ => Supplier::DEFAULT_MAX_CONCURRENT,
        };
        let room = async {
            let stay = match self
                .traffic
                .enter(&key.supplier, limit.get(), who, Waits::WithNew)
            {
                TrafficEntry::In(stay) => stay,
                TrafficEntry::Wait(waiting) => waiting.await.ok()?,
                TrafficEntry::Full => return None,
            };
            Some((stay, self.traffic.visitor_seat().await.ok()?))
        };
        let room = tokio::select! {
            biased;
            () = self.stopping.cancelled() => None,
            room = room => room,
            () = tokio::time::sleep(self.traffic.pace().visit) => None,
        };
        let Some((stay, seat)) = room.filter(|_| !self.stopping.is_cancelled()) else {
            return Ok(Visited::NoRoom);
        };
        let claimed = self.claim(visit.pick(key.clone()), 1, None).await?;
        let Some(claim) = claimed.claims.into_iter().next() else {
            return Ok(Visited::NotClaimable);
        };
        let held = Held {
            claim,
            calling: visit.calling(),
            now: claimed.now,
            told: claimed.told,
            asked: claimed.asked,
            hand_back: self.hand_back.clone(),
            way: Way::Visit(who, stay),
            seat: Some(seat),
            found: Some(found),
        };
        self.deliver(held)
            .await
            .map(Visited::Delivered)
            .map_err(Error::Store)
    }
}
