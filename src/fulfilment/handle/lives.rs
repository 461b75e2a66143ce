//! The lives of fulfilment orders that were looked at lately, so that a stage costs the same whatever came before it.
//!
//! What is kept may be behind the store, never ahead of it, and that does no harm: a stage is stored at a position, and the
//! store refuses one that is taken. A refusal always comes from a life that was just read to its end.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::{EventKind, Occurrence};
use crate::notification::{Key, Notification, Stream};
use crate::store::Cursor;

use crate::fulfilment::{FoldError, Lifecycle, NotAllowed, Transition};

/// The most stages that are kept, of all lives together, and the most lives.
const MOST_EVENTS: usize = 50_000;
const MOST_LIVES: usize = 1_000;

/// The life of one order as far as its stream was read.
#[derive(Clone, Debug, Default)]
pub(in crate::fulfilment) struct Life {
    pub(in crate::fulfilment) cycle: Lifecycle,
    /// What is in the stream; not all of it need be a stage.
    known: HashSet<(EventKind, Occurrence)>,
    /// Of the last notification that was read; 0 before the first.
    pub(in crate::fulfilment) position: u64,
    /// Where the last full page ended.
    pub(in crate::fulfilment) cursor: Option<Cursor>,
}

impl Life {
    pub(in crate::fulfilment) fn knows(&self, key: &Key) -> bool {
        self.known
            .contains(&(key.kind.clone(), key.occurrence.clone()))
    }

    pub(in crate::fulfilment) fn check(&self, event: &Transition) -> Result<(), NotAllowed> {
        self.cycle.check(event)
    }

    /// Takes what a listing has, in the order of positions; what was taken before is passed over.
    pub(in crate::fulfilment) fn read(
        &mut self,
        mut notifications: Vec<Notification>,
    ) -> Result<(), FoldError> {
        notifications.sort_by_key(|notification| notification.position);
        let read = self.position;
        for notification in notifications.into_iter().filter(|one| one.position > read) {
            let key = notification.key;
            // What else is in the stream may have a memo of its own.
            if let Some(memo) = notification.memo.filter(|_| key.kind.stage().is_some()) {
                let position = self.cycle.events().len();
                let event = Transition::from_memo(memo.as_bytes())
                    .map_err(|error| FoldError::Memo { position, error })?;
                self.cycle
                    .apply(&event)
                    .map_err(|error| FoldError::NotAllowed { position, error })?;
            }
            self.known.insert((key.kind, key.occurrence));
            self.position = notification.position;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.known.len().max(self.cycle.events().len())
    }
}

/// The lives that were looked at lately, by stream.
#[derive(Default)]
pub(in crate::fulfilment) struct Lives(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    lives: HashMap<Stream, (Arc<Life>, u64)>,
    events: usize,
    uses: u64,
}

impl Lives {
    pub(in crate::fulfilment) fn get(&self, stream: &Stream) -> Option<Arc<Life>> {
        let mut kept = self.lock();
        kept.uses += 1;
        let now = kept.uses;
        let (life, used) = kept.lives.get_mut(stream)?;
        *used = now;
        Some(Arc::clone(life))
    }

    pub(in crate::fulfilment) fn put(&self, stream: Stream, life: Arc<Life>) {
        let mut kept = self.lock();
        kept.uses += 1;
        let now = kept.uses;
        kept.events += life.size();
        if let Some((old, _)) = kept.lives.insert(stream, (life, now)) {
            kept.events -= old.size();
        }
        while kept.lives.len() > MOST_LIVES || kept.events > MOST_EVENTS {
            let oldest = kept
                .lives
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(stream, _)| stream.clone());
            let Some((old, _)) = oldest.and_then(|stream| kept.lives.remove(&stream)) else {
                return;
            };
            kept.events -= old.size();
        }
    }

    /// Adds a stage that was just stored at this position, if that is the next one of what is kept.
    pub(in crate::fulfilment) fn add(
        &self,
        stream: &Stream,
        key: &Key,
        position: u64,
        event: &Transition,
    ) {
        let mut kept = self.lock();
        let Some((life, _)) = kept
            .lives
            .get_mut(stream)
            .filter(|(life, _)| life.position + 1 == position)
        else {
            return;
        };
        let before = life.size();
        let life = Arc::make_mut(life);
        // It was checked; if it does not follow all the same, nothing is added and the next look reads it.
        if life.cycle.apply(event).is_ok() {
            life.known
                .insert((key.kind.clone(), key.occurrence.clone()));
            life.position = position;
        }
        let after = life.size();
        kept.events += after - before;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // What a panic leaves may be behind, and may be thrown away.
        self.0.lock().unwrap_or_else(|poisoned| {
            let mut kept = PoisonError::into_inner(poisoned);
            *kept = Kept::default();
            kept
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::names::{OrderCode, Source, SupplierId};

    fn stream(n: usize) -> Stream {
        let (source, supplier) = (
            Source::new("shop").unwrap(),
            SupplierId::new("clinic").unwrap(),
        );
        Stream::new(source, supplier, OrderCode::new(format!("P-{n}")).unwrap())
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_longest_unused_goes_first() {
        let lives = Lives::default();
        for n in 0..MOST_LIVES {
            lives.put(stream(n), Arc::default());
        }
        assert!(lives.get(&stream(0)).is_some());
        lives.put(stream(MOST_LIVES), Arc::default());
        assert!(lives.get(&stream(0)).is_some() && lives.get(&stream(1)).is_none());

        let mut long = Life::default();
        long.known.extend((0..MOST_EVENTS / 2).map(|n| {
            (
                EventKind::OrderCreated,
                Occurrence::new(&n.to_string()).unwrap(),
            )
        }));
        let long = Arc::new(long);
        for n in 0..4 {
            lives.put(stream(n), Arc::clone(&long));
        }
        assert!(
            lives.get(&stream(2)).is_some() && lives.get(&stream(1)).is_none(),
            "two of them are as much as is kept"
        );
        assert_eq!(lives.lock().events, MOST_EVENTS);
    }
}
