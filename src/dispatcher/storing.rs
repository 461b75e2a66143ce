//! From an order to its rows in the store: the lookup of its suppliers, and the insert.

use std::collections::HashMap;
use std::sync::Arc;

use crate::delivery::deliver::no_answer;
use crate::delivery::engine::Engine;
use crate::delivery::error::Error;
use crate::delivery::report::{Entry, Report};
use crate::notification::prepared::{Enqueued, Stored};
use crate::store::{ClaimNew, Inserted, NewNotification};
use crate::supplier::Supplier;
use crate::value::names::SupplierId;

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
    ) -> Result<HashMap<SupplierId, Supplier>, Error> {
        let answers = tokio::select! {
            biased;
            answers = self.suppliers.find_all(ids) => answers,
            () = self.hand_back.cancelled() => return Err(Error::ShuttingDown),
        };
        let mut found = HashMap::with_capacity(ids.len());
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
        let inserted = self
            .store
            .insert(new, &ClaimNew::NONE)
            .await
            .map_err(Error::Store)?;
        let inserted = inserted.answers;
        if inserted.len() != new.len() {
            return Err(Error::Store(no_answer()));
        }
        if inserted
            .iter()
            .any(|inserted| matches!(inserted, Inserted::New { .. }))
        {
            self.bell.notify_one();
        }
        let mut enqueued = Enqueued::of(new, inserted);
        for (stored, new) in enqueued.stored.iter_mut().zip(new) {
            if stored.inserted == Inserted::Differs {
                // What was stored is stored, whether the other content can be read or not.
                let found = self.store.get(&stored.key).await.ok().flatten();
                stored.compare(new, found.and_then(|found| found.body).as_ref());
            }
        }
        Ok(enqueued)
    }

    pub(super) async fn notify(self: &Arc<Self>, new: &[NewNotification]) -> Result<Report, Error> {
        let enqueued = self.insert(new).await?;
        self.report_after_round(enqueued).await
    }

    /// One round for what was stored, and where it stands then.
    pub(crate) async fn report_after_round(
        self: &Arc<Self>,
        Enqueued { stored }: Enqueued,
    ) -> Result<Report, Error> {
        let keys = stored.iter().map(|stored| stored.key.clone()).collect();
        self.visit(keys, Visit::IfDue).await?;
        let mut entries = Vec::with_capacity(stored.len());
        for Stored {
            key,
            inserted,
            difference,
            ..
        } in stored
        {
            entries.push(Entry {
                notification: self.get(&key).await?,
                inserted,
                difference,
            });
        }
        Ok(Report { entries })
    }
}
