//! One row, read. What cannot be is said by the name of the column, never by its content.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite};

use crate::event::{Body, ContentDigest, EventId, EventKind, Memo, Occurrence};
use crate::notification::transition::Queue;
use crate::notification::{
    Attempt, Claim, Closed, Key, Ledger, Notification, NotificationState, StateName, Token,
    transition,
};
use crate::store::{Refused, StoreError, StoreErrorKind};
use crate::supplier::StreamRule;
use crate::value::names::{OrderCode, Source, SupplierId};
use crate::value::time::Timestamp;

use super::change::{HOLDS, PASSES};
use super::history;

/// The columns that [`notification`] reads, in this order. With `concat!` because statements are constants.
macro_rules! columns {
    () => {
        "n.id, n.source, n.supplier, n.order_code, n.kind, n.occurrence, n.event_id, n.position, n.state, n.due_at, \
         n.reopened, coalesce(n.ledger, n.first_ledger), n.memo, n.digest, n.traceparent, n.reference, n.reason, n.stream_rule, n.created_at, \
         n.settled_at"
    };
}
pub(super) use columns;

/// The columns that [`claim`] reads, in this order: the first twelve as in [`columns`].
macro_rules! claim_columns {
    () => {
        "n.id, n.source, n.supplier, n.order_code, n.kind, n.occurrence, n.event_id, n.position, n.state, n.due_at, \
         n.reopened, coalesce(n.ledger, n.first_ledger), n.traceparent, n.ledger IS NULL, \
         (SELECT count(*) FROM orderhook_attempts WHERE notification = n.id), b.body"
    };
}
pub(super) use claim_columns;

/// Where each column stands in the rows that are read.
pub(super) mod column {
    pub(in super::super) const ID: usize = 0;
    pub(in super::super) const SOURCE: usize = 1;
    pub(in super::super) const SUPPLIER: usize = 2;
    pub(in super::super) const ORDER_CODE: usize = 3;
    pub(in super::super) const KIND: usize = 4;
    pub(in super::super) const OCCURRENCE: usize = 5;
    pub(in super::super) const EVENT_ID: usize = 6;
    pub(in super::super) const POSITION: usize = 7;
    pub(in super::super) const STATE: usize = 8;
    pub(in super::super) const DUE_AT: usize = 9;
    pub(in super::super) const REOPENED: usize = 10;
    pub(in super::super) const LEDGER: usize = 11;
    pub(in super::super) const MEMO: usize = 12;
    pub(in super::super) const DIGEST: usize = 13;
    pub(in super::super) const TRACEPARENT: usize = 14;
    pub(in super::super) const REFERENCE: usize = 15;
    pub(in super::super) const REASON: usize = 16;
    pub(in super::super) const STREAM_RULE: usize = 17;
    pub(in super::super) const CREATED_AT: usize = 18;
    pub(in super::super) const SETTLED_AT: usize = 19;
    /// What comes after the columns in the statements that read whole notifications.
    pub(in super::super) const ATTEMPTS: usize = 20;
    pub(in super::super) const BODY: usize = 21;
    /// In the statement that reads one.
    pub(in super::super) const HISTORY: usize = 22;
}

/// Where the others stand in the rows that claims are made of.
pub(super) mod claim_column {
    pub(in super::super) const TRACEPARENT: usize = 12;
    /// Whether no holder has recorded anything.
    pub(in super::super) const IS_NEW: usize = 13;
    pub(in super::super) const ATTEMPTS: usize = 14;
    pub(in super::super) const BODY: usize = 15;
    /// In the statement that reads by keys.
    pub(in super::super) const READY_AT: usize = 16;
    pub(in super::super) const PLACE: usize = 17;
}

/// The attempts of a row in their order, one JSON a line: JSON has no bare line feed inside.
macro_rules! attempt_lines {
    () => {
        "(SELECT group_concat(attempt, char(10) ORDER BY number) FROM orderhook_attempts WHERE notification = n.id)"
    };
}
pub(super) use attempt_lines;

/// Why a row is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage(&'static str);

type Read<T> = Result<T, Damage>;

impl Damage {
    /// For the listing of what was refused.
    pub(super) fn of_row(self, id: i64) -> Refused {
        Refused::new(format!("orderhook_notifications, id {id}"), self.0)
    }

    /// For a caller who wanted just this row.
    pub(super) fn error(self, id: i64) -> StoreError {
        StoreError::new(
            StoreErrorKind::Corrupt,
            format!(
                "the row with id {id} of orderhook_notifications: {}",
                self.0
            ),
        )
    }
}

pub(super) fn id(row: &SqliteRow) -> i64 {
    // The primary key: an integer in any table that the statements fit.
    row.try_get(column::ID).unwrap_or_default()
}

/// Everything but the body.
pub(super) fn notification(row: &SqliteRow) -> Read<Notification> {
    let created_at = moment(get(
        row,
        column::CREATED_AT,
        "its created_at cannot be read",
    )?);
    let mut notification = Notification::new(
        key(row)?,
        event_id(row)?,
        position(row)?,
        state(row)?,
        created_at,
    );
    notification.reopened = reopened(row)?;
    notification.ledger = ledger(row)?;
    notification.memo = memo(get(row, column::MEMO, "its memo cannot be read")?)?;
    notification.content_digest = digest(get(row, column::DIGEST, "its digest cannot be read")?)?;
    notification.traceparent = get(row, column::TRACEPARENT, "its traceparent cannot be read")?;
    notification.attempts = attempts(get(row, column::ATTEMPTS, "its attempts cannot be read")?)?;
    let body: Option<&[u8]> = get(row, column::BODY, "its body cannot be read")?;
    notification.body = body.map(Body::new);
    Ok(notification)
}

/// Everything, with its history, of a row of the statement for one key.
pub(super) fn whole(row: &SqliteRow) -> Read<Notification> {
    const PROBLEM: &str = "its history cannot be read";
    let history = get::<&str>(row, column::HISTORY, PROBLEM)?;
    let mut notification = notification(row)?;
    notification.history = history::decode(history).ok_or(Damage(PROBLEM))?;
    Ok(notification)
}

/// The claim on a row that is read before it is handed out: as much as is needed to send it, and no more.
pub(super) fn claim(row: &SqliteRow, token: Token) -> Read<Claim> {
    let not_allowed =
        Damage("it is to be sent, and its state or its missing body does not allow that");
    let word: &str = get(row, column::STATE, "its state cannot be read")?;
    let due: Option<i64> = get(row, column::DUE_AT, "its due_at cannot be read")?;
    let due = due.map(moment).ok_or(Damage("its due_at is missing"))?;
    let state = match word.parse() {
        Ok(StateName::Pending) => NotificationState::Pending { due },
        Ok(StateName::Sending) => NotificationState::Sending { until: due },
        Ok(_) => return Err(not_allowed),
        Err(_) => return Err(Damage("its state is not a known word")),
    };
    let body: Option<&[u8]> = get(row, claim_column::BODY, "its body cannot be read")?;
    let body = Body::new(body.ok_or(not_allowed)?);
    let mut claim = Claim::new(key(row)?, token, event_id(row)?, position(row)?, body);
    claim.ledger = ledger(row)?;
    claim.reopened = reopened(row)?;
    let attempts: i64 = get(
        row,
        claim_column::ATTEMPTS,
        "its attempts cannot be counted",
    )?;
    claim.attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    claim.traceparent = get(
        row,
        claim_column::TRACEPARENT,
        "its traceparent cannot be read",
    )?;
    transition::claim(&state, claim).ok_or(not_allowed)
}

fn event_id(row: &SqliteRow) -> Read<EventId> {
    let event_id = EventId::from_stored(get(row, column::EVENT_ID, "its event_id cannot be read")?);
    event_id.map_err(|_| Damage("its event_id is not one"))
}

fn position(row: &SqliteRow) -> Read<u64> {
    let position: i64 = get(row, column::POSITION, "its position cannot be read")?;
    let position = u64::try_from(position).ok();
    position
        .filter(|position| *position > 0)
        .ok_or(Damage("its position is not above 0"))
}

fn reopened(row: &SqliteRow) -> Read<u32> {
    let reopened: i64 = get(row, column::REOPENED, "its reopened cannot be read")?;
    u32::try_from(reopened).map_err(|_| Damage("its reopened is out of range"))
}

/// Which columns of a row cannot be read of those that a notification can be without, and whether its attempts cannot.
pub(super) fn unreadable_extras(row: &SqliteRow) -> (Vec<&'static str>, bool) {
    let memo = get::<Option<&[u8]>>(row, column::MEMO, "").and_then(memo);
    let digest = get::<Option<&[u8]>>(row, column::DIGEST, "").and_then(digest);
    let traceparent = get::<Option<&str>>(row, column::TRACEPARENT, "");
    let ledger = ledger(row);
    let columns = [
        ("ledger", ledger.is_err()),
        ("first_ledger", ledger.is_err()),
        ("memo", memo.is_err()),
        ("digest", digest.is_err()),
        ("traceparent", traceparent.is_err()),
    ];
    let attempts = get(row, column::ATTEMPTS, "").and_then(attempts);
    (
        columns
            .into_iter()
            .filter(|(_, is_damaged)| *is_damaged)
            .map(|(name, _)| name)
            .collect(),
        attempts.is_err(),
    )
}

/// The queue that a row waits in, as far as it matters once the row is handed out.
pub(super) fn queue(row: &SqliteRow) -> Queue {
    match row.try_get(claim_column::IS_NEW) {
        Ok(true) => Queue::New,
        _ => Queue::Due,
    }
}

pub(super) fn key(row: &SqliteRow) -> Read<Key> {
    const PROBLEM: &str = "its key cannot be read";
    let damaged = Damage(PROBLEM);
    Ok(Key::new(
        Source::from_stored(get::<&str>(row, column::SOURCE, PROBLEM)?).map_err(|_| damaged)?,
        SupplierId::from_stored(get::<&str>(row, column::SUPPLIER, PROBLEM)?)
            .map_err(|_| damaged)?,
        OrderCode::from_stored(get::<&str>(row, column::ORDER_CODE, PROBLEM)?)
            .map_err(|_| damaged)?,
        get::<&str>(row, column::KIND, PROBLEM)?
            .parse::<EventKind>()
            .map_err(|_| damaged)?,
        Occurrence::from_stored(get(row, column::OCCURRENCE, PROBLEM)?).map_err(|_| damaged)?,
    ))
}

pub(super) fn state(row: &SqliteRow) -> Read<NotificationState> {
    let due = || {
        let due: Option<i64> = get(row, column::DUE_AT, "its due_at cannot be read")?;
        due.map(moment).ok_or(Damage("its due_at is missing"))
    };
    let at = || {
        let at: Option<i64> = get(row, column::SETTLED_AT, "its settled_at cannot be read")?;
        at.map(moment).ok_or(Damage("its settled_at is missing"))
    };
    let reason = || {
        get::<Option<&str>>(row, column::REASON, "its reason cannot be read")?
            .ok_or(Damage("its reason is missing"))
    };
    let word: &str = get(row, column::STATE, "its state cannot be read")?;
    let name = word
        .parse()
        .map_err(|_| Damage("its state is not a known word"))?;
    Ok(match name {
        StateName::Pending => NotificationState::Pending { due: due()? },
        StateName::Sending => NotificationState::Sending { until: due()? },
        StateName::Notified => {
            let reference: Option<String> =
                get(row, column::REFERENCE, "its reference cannot be read")?;
            NotificationState::Notified {
                at: at()?,
                reference: reference.ok_or(Damage("its reference is missing"))?,
            }
        }
        StateName::Failed => {
            let reason = reason()?
                .parse()
                .map_err(|_| Damage("its reason is not a known word"))?;
            let stream =
                get::<Option<&str>>(row, column::STREAM_RULE, "its stream_rule cannot be read")?;
            let stream = match stream {
                Some(HOLDS) => StreamRule::Hold,
                Some(PASSES) => StreamRule::Pass,
                _ => return Err(Damage("its stream_rule is not a known word")),
            };
            NotificationState::Failed {
                at: at()?,
                reason,
                stream,
            }
        }
        StateName::Withdrawn => NotificationState::Closed {
            at: at()?,
            why: Closed::Withdrawn {
                reason: reason()?.to_owned(),
            },
        },
        StateName::NotWanted => NotificationState::Closed {
            at: at()?,
            why: Closed::NotWanted,
        },
        StateName::Unreadable => NotificationState::Unreadable { at: at()? },
    })
}

fn ledger(row: &SqliteRow) -> Read<Ledger> {
    match get::<Option<&[u8]>>(row, column::LEDGER, "its ledger cannot be read")? {
        None => Ok(Ledger::default()),
        Some(bytes) => Ledger::decode(bytes).map_err(|_| Damage("its ledger cannot be decoded")),
    }
}

fn memo(bytes: Option<&[u8]>) -> Read<Option<Memo>> {
    bytes
        .map(Memo::new)
        .transpose()
        .map_err(|_| Damage("its memo is too long"))
}

fn digest(bytes: Option<&[u8]>) -> Read<Option<ContentDigest>> {
    bytes
        .map(|bytes| ContentDigest::from_bytes(bytes).ok_or(Damage("its digest is not one")))
        .transpose()
}

fn attempts(lines: Option<&str>) -> Read<Vec<Attempt>> {
    let attempt =
        |line| Attempt::decode(line).map_err(|_| Damage("one of its attempts cannot be decoded"));
    lines.map_or(Ok(Vec::new()), |lines| {
        lines.split('\n').map(attempt).collect()
    })
}

/// The body of a row, if there is one that can be read.
pub(super) fn body(row: &SqliteRow) -> Option<Body> {
    let body: Option<&[u8]> = row.try_get(column::BODY).ok()?;
    body.map(Body::new)
}

fn moment(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn get<'r, T>(row: &'r SqliteRow, column: usize, problem: &'static str) -> Read<T>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(column).map_err(|_| Damage(problem))
}
