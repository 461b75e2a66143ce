//! A row: what a database column could keep, and back again. What cannot be read is an error, never a panic.

use orderhook::event::{Body, ContentDigest, EventId, Memo, Occurrence};
use orderhook::notification::{ActionName, Attempt, By, Closed, HistoryEntry, Ledger, StateName};
use orderhook::store::{StoreError, StoreErrorKind};
use orderhook::supplier::StreamRule;
use orderhook::{
    EventKind, Key, Notification, NotificationState, OrderCode, Source, SupplierId, Timestamp,
};

/// Why a row that can be claimed waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    ForAFirstTry,
    ForAnotherTry,
    PutOff,
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Source, supplier, order, kind, occurrence.
    pub(super) names: [String; 5],
    pub(super) event_id: String,
    pub(super) position: u64,
    pub(super) state: StateName,
    /// Since when, until when or from when, as the state has it; microseconds.
    pub(super) at: i64,
    /// The reference, or the reason of a withdrawal.
    pub(super) text: Option<String>,
    pub(super) failure: Option<&'static str>,
    pub(super) passes: bool,
    pub(super) token: Option<i64>,
    pub(super) taken_over_before: bool,
    pub(super) waits: Waits,
    pub(super) reopened: u32,
    pub(super) ledger: Vec<u8>,
    /// A JSON array.
    pub(super) attempts: String,
    pub(super) body: Option<Vec<u8>>,
    pub(super) digest: Option<[u8; 33]>,
    pub(super) memo: Option<Vec<u8>>,
    pub(super) traceparent: Option<String>,
    /// When, what, and by whom.
    pub(super) history: Vec<(i64, ActionName, Option<By>)>,
    pub(super) created: i64,
    /// Its number among what became notified or failed; 0 when it is neither.
    pub(super) settled: u64,
}

impl Row {
    /// The row as the library has it.
    pub(super) fn read(&self) -> Result<Notification, StoreError> {
        let at = Timestamp::from_micros(self.at);
        let text = || self.text.clone().ok_or_else(|| corrupt("text"));
        let state = match self.state {
            StateName::Pending => NotificationState::Pending { due: at },
            StateName::Sending => NotificationState::Sending { until: at },
            StateName::Notified => NotificationState::Notified {
                at,
                reference: text()?,
            },
            StateName::Failed => {
                let word = self.failure.ok_or_else(|| corrupt("failure"))?;
                let reason = word
                    .parse()
                    .map_err(|error| corrupt("failure").caused_by(error))?;
                let stream = if self.passes {
                    StreamRule::Pass
                } else {
                    StreamRule::Hold
                };
                NotificationState::Failed { at, reason, stream }
            }
            StateName::Withdrawn => NotificationState::Closed {
                at,
                why: Closed::Withdrawn { reason: text()? },
            },
            StateName::NotWanted => NotificationState::Closed {
                at,
                why: Closed::NotWanted,
            },
            _ => return Err(corrupt("state")),
        };
        let created = Timestamp::from_micros(self.created);
        let event_id =
            EventId::from_stored(&self.event_id).map_err(|error| corrupt("id").caused_by(error))?;
        let mut notification =
            Notification::new(key(&self.names)?, event_id, self.position, state, created);
        notification.reopened = self.reopened;
        notification.ledger =
            Ledger::decode(&self.ledger).map_err(|error| corrupt("ledger").caused_by(error))?;
        notification.attempts = attempts(&self.attempts)?;
        notification.body = self.body.clone().map(Body::new);
        notification.content_digest = self.digest.map(digest);
        let memo = self.memo.clone().map(Memo::new).transpose();
        notification.memo = memo.map_err(|error| corrupt("memo").caused_by(error))?;
        notification.traceparent = self.traceparent.clone();
        notification.history = self
            .history
            .iter()
            .map(|(at, action, by)| {
                HistoryEntry::new(Timestamp::from_micros(*at), *action, by.clone())
            })
            .collect();
        Ok(notification)
    }
}

pub(super) fn key(names: &[String; 5]) -> Result<Key, StoreError> {
    let [source, supplier, order, kind, occurrence] = names;
    Ok(Key::new(
        Source::from_stored(source).map_err(|error| corrupt("source").caused_by(error))?,
        SupplierId::from_stored(supplier).map_err(|error| corrupt("supplier").caused_by(error))?,
        OrderCode::from_stored(order).map_err(|error| corrupt("order").caused_by(error))?,
        kind.parse::<EventKind>()
            .map_err(|error| corrupt("kind").caused_by(error))?,
        Occurrence::from_stored(occurrence)
            .map_err(|error| corrupt("occurrence").caused_by(error))?,
    ))
}

pub(super) fn attempts(lines: &str) -> Result<Vec<Attempt>, StoreError> {
    let attempts = lines.lines().map(Attempt::decode).collect::<Result<_, _>>();
    attempts.map_err(|error| corrupt("attempts").caused_by(error))
}

pub(super) fn digest(bytes: [u8; 33]) -> ContentDigest {
    ContentDigest::from_bytes(&bytes).unwrap()
}

pub(super) fn corrupt(column: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, format!("{column} cannot be read"))
}
