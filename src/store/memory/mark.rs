//! What is kept for ever of a notification that has come to its end, packed: that it has, and what a later call needs to
//! know of it. Body, attempts, ledger and trace are gone.

use std::time::Duration;

use crate::event::{ContentDigest, EventId, EventKind, Memo, Occurrence};
use crate::notification::{Closed, Key, Notification, NotificationState};
use crate::value::names::{OrderCode, Source, SupplierId};
use crate::value::time::Timestamp;

use super::index::Shared;

/// The names that many notifications have in common.
#[derive(Debug, Default)]
pub(super) struct Names {
    sources: Shared<Source>,
    suppliers: Shared<SupplierId>,
    kinds: Shared<EventKind>,
}

/// A notification that is notified or closed.
#[derive(Debug)]
pub(super) struct Mark(Box<[u8]>);

const NOTIFIED: u8 = 0;
const NOTIFIED_AS_ORDER: u8 = 1;
const WITHDRAWN: u8 = 2;
const NOT_WANTED: u8 = 3;

impl Mark {
    /// Packs what stays of a notification, and the number of the row before it in its order. `None` when it has not come to
    /// its end.
    pub(super) fn pack(
        notification: &Notification,
        previous: u64,
        names: &mut Names,
    ) -> Option<Mark> {
        let key = &notification.key;
        let (word, at, text) = match &notification.state {
            NotificationState::Notified { at, reference } if reference == key.order.as_str() => {
                (NOTIFIED_AS_ORDER, at, "")
            }
            NotificationState::Notified { at, reference } => (NOTIFIED, at, reference.as_str()),
            NotificationState::Closed {
                at,
                why: Closed::Withdrawn { reason },
            } => (WITHDRAWN, at, reason.as_str()),
            NotificationState::Closed {
                at,
                why: Closed::NotWanted,
            } => (NOT_WANTED, at, ""),
            NotificationState::Pending { .. }
            | NotificationState::Sending { .. }
            | NotificationState::Failed { .. }
            | NotificationState::Unreadable { .. } => {
                return None;
            }
        };
        let event_id = if notification.event_id == key.event_id() {
            ""
        } else {
            notification.event_id.as_str()
        };
        let mut packed = Packed(vec![word]);
        packed.number(previous);
        packed.number(names.sources.number(&key.source));
        packed.number(names.suppliers.number(&key.supplier));
        packed.number(names.kinds.number(&key.kind));
        packed.bytes(key.occurrence.as_str().as_bytes());
        packed.bytes(key.order.as_str().as_bytes());
        packed.number(notification.position);
        packed.number(u64::from(notification.reopened));
        packed.moment(*at);
        packed.moment(notification.created_at);
        packed.bytes(text.as_bytes());
        packed.bytes(event_id.as_bytes());
        packed.bytes(
            notification
                .content_digest
                .map(|digest| digest.to_bytes())
                .as_ref()
                .map_or(&[], |it| &it[..]),
        );
        match &notification.memo {
            None => packed.number(0),
            Some(memo) => {
                packed.number(1);
                packed.bytes(memo.as_bytes());
            }
        }
        Some(Mark(packed.0.into_boxed_slice()))
    }

    /// The row before it in its order.
    pub(super) fn previous(&self) -> u64 {
        let mut packed = Unpacked(self.0.get(1..).unwrap_or_default());
        packed.number().unwrap_or(0)
    }

    /// The notification that it was made of, as far as it is kept.
    pub(super) fn unpack(&self, names: &Names) -> Option<Notification> {
        let (word, rest) = self.0.split_first()?;
        let mut packed = Unpacked(rest);
        packed.number()?;
        let source = names.sources.value(packed.number()?)?.clone();
        let supplier = names.suppliers.value(packed.number()?)?.clone();
        let kind = names.kinds.value(packed.number()?)?.clone();
        let occurrence = Occurrence::from_stored(packed.text()?).ok()?;
        let order = OrderCode::from_stored(packed.text()?).ok()?;
        let key = Key::new(source, supplier, order, kind, occurrence);
        let position = packed.number()?;
        let reopened = u32::try_from(packed.number()?).ok()?;
        let (at, created_at) = (packed.moment()?, packed.moment()?);
        let text = packed.text()?.to_owned();
        let state = match *word {
            NOTIFIED => NotificationState::Notified {
                at,
                reference: text,
            },
            NOTIFIED_AS_ORDER => NotificationState::Notified {
                at,
                reference: key.order.as_str().to_owned(),
            },
            WITHDRAWN => NotificationState::Closed {
                at,
                why: Closed::Withdrawn { reason: text },
            },
            _ => NotificationState::Closed {
                at,
                why: Closed::NotWanted,
            },
        };
        let event_id = match packed.text()? {
            "" => key.event_id(),
            text => EventId::from_stored(text).ok()?,
        };
        let mut notification = Notification::new(key, event_id, position, state, created_at);
        notification.reopened = reopened;
        notification.content_digest = ContentDigest::from_bytes(packed.bytes()?);
        if packed.number()? == 1 {
            notification.memo = Some(Memo::new(packed.bytes()?).ok()?);
        }
        Some(notification)
    }
}

/// Bytes that are written one after another. Small numbers take one byte.
struct Packed(Vec<u8>);

impl Packed {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            // The lowest seven bits, and the mark that more follow.
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A moment of the store's timeline, which is never before 1970.
    fn moment(&mut self, moment: Timestamp) {
        self.number(u64::try_from(moment.as_micros()).unwrap_or(0));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
}

/// The same, read.
struct Unpacked<'a>(&'a [u8]);

impl<'a> Unpacked<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn moment(&mut self) -> Option<Timestamp> {
        Some(Timestamp::UNIX_EPOCH.after(Duration::from_micros(self.number()?)))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_as_it_was() {
        let name = |text: &str| OrderCode::new(text).unwrap();
        let at = |micros| Timestamp::from_micros(micros);
        let reason = "called off".to_owned();
        let mut names = Names::default();
        for (n, state) in [
            NotificationState::Notified {
                at: at(1_800_000_000_000_001),
                reference: "A-1".to_owned(),
            },
            NotificationState::Notified {
                at: at(5),
                reference: "R-\u{1f4de}".to_owned(),
            },
            NotificationState::Closed {
                at: at(0),
                why: Closed::Withdrawn { reason },
            },
            NotificationState::Closed {
                at: at(300),
                why: Closed::NotWanted,
            },
        ]
        .into_iter()
        .enumerate()
        {
            let mut key = Key::order_created(
                Source::new("shop").unwrap(),
                SupplierId::new("north").unwrap(),
                name("A-1"),
            );
            let mut notification =
                Notification::new(key.clone(), key.event_id(), 300, state.clone(), at(7));
            if n % 2 == 1 {
                key.occurrence = Occurrence::new("child-1").unwrap();
                let event_id = EventId::from_stored("msg_of_its_own").unwrap();
                notification =
                    Notification::new(key, event_id, 1, state, at(1_700_000_000_000_000));
                notification.content_digest = Some(ContentDigest::of(b"content"));
                notification.memo = Some(Memo::new([0_u8; 0]).unwrap());
                notification.reopened = 3;
            }
            let mark = Mark::pack(&notification, 77, &mut names).unwrap();
            assert_eq!(mark.previous(), 77);
            assert_eq!(mark.unpack(&names), Some(notification));
        }
        let pending = NotificationState::Pending { due: at(1) };
        let key = Key::order_created(
            Source::new("shop").unwrap(),
            SupplierId::new("north").unwrap(),
            name("A-1"),
        );
        let notification = Notification::new(key.clone(), key.event_id(), 1, pending, at(1));
        assert!(Mark::pack(&notification, 0, &mut names).is_none());
    }
}
