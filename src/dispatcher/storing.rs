//! From an order to its rows in the store: the lookup of its suppliers, and the insert.

use std::sync::Arc;

use crate::delivery::at_once::AtOnce;
use crate::delivery::deliver::{Delivered, End, no_answer};
use crate::delivery::engine::Engine;
use crate::delivery::error::Error;
use crate::delivery::report::{Entry, Report};
use crate::delivery::traffic::Who;
use crate::notification::prepared::Enqueued;
use crate::notification::{Claim, Key, Notification, transition};
use crate::store::{ClaimNew, Inserted, Insertion, NewNotification, Start};
use crate::supplier::Supplier;
use crate::value::clock::Moment;
use crate::value::hashed::FastMap;
use crate::value::names::SupplierId;
use crate::value::time::Timestamp;

use super::visit::Visit;

impl Engine {
    /// The supplier as the lookup has it now.
    pub(crate) async fn supplier(&self, id: &SupplierId) -> Result<Supplier, Error> {
        let found = self.suppliers(std::slice::from_ref(id)).await?;
        found
            .into_values()
            .next()
            .ok_or_else(|| Error::UnknownSupplier {
                supplier: id.clone(),
            })
    }

    /// Those of the suppliers that the lookup knows.
    pub(super) async fn suppliers(
        &self,
        ids: &[SupplierId],
    ) -> Result<FastMap<SupplierId, Supplier>, Error> {
        let answers = tokio::select! {
            biased;
            answers = self.suppliers.find_all(ids) => answers,
            () = self.hand_back.cancelled() => return Err(Error::ShuttingDown),
        };
        let mut found = FastMap::with_capacity_and_hasher(ids.len(), Default::default());
        for (id, answer) in ids.iter().zip(answers) {
            let supplier = answer.map_err(|source| Error::Lookup {
                supplier: id.clone(),
                source,
            })?;
            found.extend(supplier.map(|supplier| (id.clone(), supplier)));
        }
        Ok(found)
    }

    pub(crate) async fn insert(&self, new: &[NewNotification]) -> Result<Enqueued, Error> {
        let stored = self.insert_and_claim(new, &ClaimNew::NONE).await?;
        Ok(stored.enqueued)
    }

    /// Stores these; and what a worker of this process would send at once it sends, without another look at the store.
    pub(super) async fn insert_and_send(
        self: &Arc<Self>,
        new: Vec<NewNotification>,
        suppliers: FastMap<SupplierId, Supplier>,
    ) -> Result<Enqueued, Error> {
        if !self.workers.would_send_at_once() {
            return self.insert(&new).await;
        }
        // In a task of its own: a handler whose client has gone away strands nothing that was claimed, and a shutdown waits
        // until it has begun.
        let engine = Arc::clone(self);
        self.run(async move {
            let stored = engine
                .insert_in_rooms(&new, &suppliers, Who::Worker)
                .await?;
            let mut left = Vec::new();
            for at_once in stored.at_once {
                if let Err(at_once) = engine.workers.start(&engine, at_once) {
                    left.push(at_once.claim);
                }
            }
            engine.give_back(left).await?;
            Ok(stored.enqueued)
        })
        .await
    }

    /// Stores these, and claims those for which there is room already.
    async fn insert_in_rooms(
        &self,
        new: &[NewNotification],
        suppliers: &FastMap<SupplierId, Supplier>,
        who: Who,
    ) -> Result<StoredAtOnce, Error> {
        let room = |new: &NewNotification| {
            let room = self.room_for(new, suppliers.get(&new.key.supplier)?, who)?;
            Some((new.key.clone(), room))
        };
        let rooms: Vec<_> = new.iter().filter_map(room).collect();
        let claim = ClaimNew {
            keys: rooms.iter().map(|(key, _)| key.clone()).collect(),
            lease: self.timing.lease(),
        };
        let asked = Moment::now();
        let stored = self.insert_and_claim(new, &claim).await?;
        let told = Moment::now();
        let mut rooms = rooms.into_iter();
        let at_once = stored.claims.into_iter().filter_map(|claim| {
            // Both are in the order of the insert.
            let (_, room) = rooms.by_ref().find(|(key, _)| *key == claim.key)?;
            Some(AtOnce {
                claim,
                room,
                now: stored.now,
                asked,
                told,
            })
        });
        Ok(StoredAtOnce {
            at_once: at_once.collect(),
            enqueued: stored.enqueued,
            now: stored.now,
        })
    }

    async fn insert_and_claim(
        &self,
        new: &[NewNotification],
        claim: &ClaimNew,
    ) -> Result<StoredAndClaimed, Error> {
        let inserted = self.store.insert(new, claim).await.map_err(Error::Store)?;
        let Insertion {
            now,
            answers,
            claims,
            ..
        } = inserted;
        if answers.len() != new.len() {
            return Err(Error::Store(no_answer()));
        }
        let is_new = |answer: &&Inserted| matches!(answer, Inserted::New { .. });
        if answers.iter().filter(is_new).count() > claims.len() {
            self.workers.ring();
        }
        let mut enqueued = Enqueued::of(new, answers);
        for (stored, new) in enqueued.stored.iter_mut().zip(new) {
            if stored.inserted == Inserted::Differs {
                // What was stored is stored, whether the other content can be read or not.
                let found = self.store.get(&stored.key).await.ok().flatten();
                stored.compare(new, found.and_then(|found| found.body).as_ref());
            }
        }
        Ok(StoredAndClaimed {
            enqueued,
            now,
            claims,
        })
    }

    /// Stores these and makes one round for them: at once where there is room.
    pub(super) async fn notify(
        self: &Arc<Self>,
        new: Vec<NewNotification>,
        suppliers: &FastMap<SupplierId, Supplier>,
    ) -> Result<Report, Error> {
        let stored = self.insert_in_rooms(&new, suppliers, Who::Visitor).await?;
        let now = stored.now;
        let mut others: Vec<_> = new.iter().map(|new| new.key.clone()).collect();
        others.retain(|key| !stored.at_once.iter().any(|begun| begun.claim.key == *key));
        let (delivered, visited) = tokio::join!(
            self.to_their_ends(stored.at_once),
            self.visit(others, Visit::IfDue)
        );
        let mut ends = delivered?;
        visited?;
        let mut entries = Vec::with_capacity(new.len());
        for (stored, new) in stored.enqueued.stored.into_iter().zip(new) {
            let end = ends.remove(&stored.key);
            let notification = match (end, stored.inserted) {
                // It was new, and nobody but us has touched it since.
                (Some(end), Inserted::New { position }) => at_its_end(new, position, now, end),
                _ => self.get(&stored.key).await?,
            };
            entries.push(Entry {
                notification,
                inserted: stored.inserted,
                difference: stored.difference,
            });
        }
        Ok(Report { entries })
    }

    /// Delivers side by side, a single one right here; the ends of those that came to one.
    async fn to_their_ends(
        self: &Arc<Self>,
        begun: Vec<AtOnce>,
    ) -> Result<FastMap<Key, End>, Error> {
        let is_single = begun.len() == 1;
        let mut delivered = Vec::with_capacity(begun.len());
        let mut tasks = Vec::new();
        for at_once in begun {
            let key = at_once.claim.key.clone();
            let held = at_once.held(self.hand_back.clone());
            if is_single {
                delivered.push((key, Box::pin(self.deliver(held)).await));
            } else {
                tasks.push((key, self.start(held, |delivered| delivered)));
            }
        }
        for (key, task) in tasks {
            delivered.push((key, task.await.map_err(|_| Error::Panicked)?));
        }
        let mut ends = FastMap::default();
        for (key, delivered) in delivered {
            if let Delivered::Settled(end) = delivered.map_err(Error::Store)? {
                ends.insert(key, *end);
            }
        }
        Ok(ends)
    }

    /// One round for what was stored, and where it stands then.
    #[cfg(feature = "fulfilment")]
    pub(crate) async fn report_after_round(
        self: &Arc<Self>,
        Enqueued { stored }: Enqueued,
    ) -> Result<Report, Error> {
        let keys = stored.iter().map(|stored| stored.key.clone()).collect();
        self.visit(keys, Visit::IfDue).await?;
        let mut entries = Vec::with_capacity(stored.len());
        for stored in stored {
            entries.push(Entry {
                notification: self.get(&stored.key).await?,
                inserted: stored.inserted,
                difference: stored.difference,
            });
        }
        Ok(Report { entries })
    }
}

/// What was stored, with the claims that came with it.
struct StoredAndClaimed {
    enqueued: Enqueued,
    now: Timestamp,
    claims: Vec<Claim>,
}

/// The same, each claim with the room that was kept for it.
struct StoredAtOnce {
    enqueued: Enqueued,
    now: Timestamp,
    at_once: Vec<AtOnce>,
}

/// What the store has of a notification that was new and came to this end: it need not be asked.
fn at_its_end(
    new: NewNotification,
    position: u64,
    created_at: Timestamp,
    end: End,
) -> Notification {
    let state = transition::step(&end.then, end.at).state;
    let mut notification = Notification::new(new.key, new.event_id, position, state, created_at);
    notification.body = match new.start {
        Start::Pending { body, .. } => Some(body),
        Start::NotWanted | Start::Notified { .. } => None,
    };
    notification.ledger = end.ledger;
    notification.attempts = end.attempts;
    notification.memo = new.memo;
    notification.content_digest = new.content_digest;
    notification.traceparent = new.traceparent;
    notification.without_replies()
}
