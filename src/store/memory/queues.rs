//! What can be claimed now or later, in the order in which it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::notification::transition::Queue;
use crate::store::{ClaimRequest, Pick};
use crate::value::names::SupplierId;
use crate::value::time::Timestamp;

/// The heads of streams that are pending or sending, by the moment from which they can be claimed. What is put off stands in
/// `due` and in the queue of its supplier.
#[derive(Debug, Default)]
pub(super) struct Queues {
    new: BTreeSet<Turn>,
    due: BTreeSet<Turn>,
    put_off: BTreeMap<SupplierId, BTreeSet<Turn>>,
}

/// The moment from which it can be claimed, and which it is.
pub(super) type Turn = (Timestamp, u64);

impl Queues {
    pub(super) fn insert(&mut self, queue: Queue, supplier: &SupplierId, turn: Turn) {
        match queue {
            Queue::New => self.new.insert(turn),
            Queue::Due | Queue::PutOff => self.due.insert(turn),
        };
        if queue == Queue::PutOff {
            self.put_off
                .entry(supplier.clone())
                .or_default()
                .insert(turn);
        }
    }

    pub(super) fn remove(&mut self, queue: Queue, supplier: &SupplierId, turn: Turn) {
        match queue {
            Queue::New => self.new.remove(&turn),
            Queue::Due | Queue::PutOff => self.due.remove(&turn),
        };
        if queue == Queue::PutOff
            && let Some(of_supplier) = self.put_off.get_mut(supplier)
        {
            of_supplier.remove(&turn);
            if of_supplier.is_empty() {
                self.put_off.remove(supplier);
            }
        }
    }

    /// What is due at the front of a queue, and when the first is due that is not handed out.
    pub(super) fn front(
        &self,
        queue: Queue,
        limit: u32,
        now: Timestamp,
    ) -> (Vec<Turn>, Option<Timestamp>) {
        let mut turns = match queue {
            Queue::New => self.new.iter(),
            Queue::Due | Queue::PutOff => self.due.iter(),
        };
        let mut chosen = Vec::new();
        for turn in turns.by_ref() {
            if turn.0 > now || chosen.len() == limit as usize {
                return (chosen, Some(turn.0));
            }
            chosen.push(*turn);
        }
        (chosen, None)
    }

    /// What is put off of these suppliers, earliest first.
    pub(super) fn put_off(&self, suppliers: &[SupplierId], request: &ClaimRequest) -> Vec<Turn> {
        let suppliers: BTreeSet<_> = suppliers.iter().take(Pick::MOST_SUPPLIERS).collect();
        let queues = suppliers
            .into_iter()
            .filter_map(|supplier| self.put_off.get(supplier));
        let mut turns: Vec<_> = queues
            .flat_map(|queue| queue.iter().take(request.limit as usize))
            .copied()
            .collect();
        turns.sort_unstable();
        turns
    }
}
