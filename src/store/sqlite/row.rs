//! One row, read. What cannot be is said by the name of the column, never by its content.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite};

use crate::event::{Body, ContentDigest, EventId, EventKind, Memo, Occurrence};
use crate::notification::{Attempt, Closed, FailureReason, Key, Ledger, Notification, State, StateName, StreamRule};
use crate::store::{Claim, Refused, StoreError, StoreErrorKind, Token};
use crate::value::names::{OrderCode, Source, SupplierId};
use crate::value::time::Timestamp;

/// The columns that [`notification`] reads, in this order. With `concat!` because statements are constants.
macro_rules! columns {
    () => {
        "n.id, n.source, n.supplier, n.order_code, n.kind, n.occurrence, n.event_id, n.position, n.state, n.due_at, \
         n.reopened, n.ledger, n.memo, n.digest, n.traceparent, n.reference, n.reason, n.stream_rule, n.created_at, \
         n.settled_at"
    };
}
pub(super) use columns;

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
        StoreError::new(StoreErrorKind::Corrupt, format!("the row with id {id} of orderhook_notifications: {}", self.0))
    }
}

pub(super) fn id(row: &SqliteRow) -> i64 {
    // The primary key: an integer in any table that the statements fit.
    row.try_get(0).unwrap_or_default()
}

/// Everything but the body.
pub(super) fn notification(row: &SqliteRow) -> Read<Notification> {
    let event_id = EventId::from_stored(get(row, 6, "its event_id cannot be read")?);
    let event_id = event_id.map_err(|_| Damage("its event_id is not one"))?;
    let position = u64::try_from(get::<i64>(row, 7, "its position cannot be read")?);
    let position = position.ok().filter(|position| *position > 0).ok_or(Damage("its position is not above 0"))?;
    let created_at = moment(get(row, 18, "its created_at cannot be read")?);
    let mut notification = Notification::new(key(row)?, event_id, position, state(row)?, created_at);
    let reopened = u32::try_from(get::<i64>(row, 10, "its reopened cannot be read")?);
    notification.reopened = reopened.map_err(|_| Damage("its reopened is out of range"))?;
    notification.ledger = ledger(row)?;
    let memo: Option<&[u8]> = get(row, 12, "its memo cannot be read")?;
    notification.memo = memo.map(Memo::new).transpose().map_err(|_| Damage("its memo is too long"))?;
    let digest: Option<&[u8]> = get(row, 13, "its digest cannot be read")?;
    let digest = digest.map(|bytes| ContentDigest::from_bytes(bytes).ok_or(Damage("its digest is not one")));
    notification.content_digest = digest.transpose()?;
    notification.traceparent = get(row, 14, "its traceparent cannot be read")?;
    notification.attempts = attempts(get(row, 20, "its attempts cannot be read")?)?;
    let body: Option<&[u8]> = get(row, 21, "its body cannot be read")?;
    notification.body = body.map(Body::new);
    Ok(notification)
}

/// A claim on a row that is read before it is handed out.
pub(super) fn claim(row: &SqliteRow, token: i64) -> Read<Claim> {
    let notification = notification(row)?;
    let taken_over = match notification.state {
        State::Pending { .. } => false,
        State::Sending { .. } => true,
        _ => return Err(Damage("its state and its ready_at do not fit together")),
    };
    let body = notification.body.ok_or(Damage("its body is gone although it is not finished"))?;
    let token = Token::new(token);
    let mut claim = Claim::new(notification.key, token, notification.event_id, notification.position, body);
    claim.ledger = notification.ledger;
    claim.reopened = notification.reopened;
    claim.attempts = u32::try_from(notification.attempts.len()).unwrap_or(u32::MAX);
    claim.taken_over = taken_over;
    claim.traceparent = notification.traceparent;
    Ok(claim)
}

pub(super) fn key(row: &SqliteRow) -> Read<Key> {
    const PROBLEM: &str = "its key cannot be read";
    let damaged = Damage(PROBLEM);
    Ok(Key::new(
        Source::from_stored(get::<&str>(row, 1, PROBLEM)?).map_err(|_| damaged)?,
        SupplierId::from_stored(get::<&str>(row, 2, PROBLEM)?).map_err(|_| damaged)?,
        OrderCode::from_stored(get::<&str>(row, 3, PROBLEM)?).map_err(|_| damaged)?,
        EventKind::new(get(row, 4, PROBLEM)?).map_err(|_| damaged)?,
        Occurrence::from_stored(get(row, 5, PROBLEM)?).map_err(|_| damaged)?,
    ))
}

pub(super) fn state(row: &SqliteRow) -> Read<State> {
    let due = || {
        let due: Option<i64> = get(row, 9, "its due_at cannot be read")?;
        due.map(moment).ok_or(Damage("its due_at is missing"))
    };
    let at = || {
        let at: Option<i64> = get(row, 19, "its settled_at cannot be read")?;
        at.map(moment).ok_or(Damage("its settled_at is missing"))
    };
    let reason = || get::<Option<&str>>(row, 16, "its reason cannot be read")?.ok_or(Damage("its reason is missing"));
    let word: &str = get(row, 8, "its state cannot be read")?;
    let Some(name) = StateName::ALL.into_iter().find(|name| name.as_str() == word) else {
        return Err(Damage("its state is not a known word"));
    };
    Ok(match name {
        StateName::Pending => State::Pending { due: due()? },
        StateName::Sending => State::Sending { until: due()? },
        StateName::Notified => {
            let reference: Option<String> = get(row, 15, "its reference cannot be read")?;
            State::Notified { at: at()?, reference: reference.ok_or(Damage("its reference is missing"))? }
        }
        StateName::Failed => {
            let reason = reason()?.parse::<FailureReason>().map_err(|_| Damage("its reason is not a known word"))?;
            let stream = match get::<Option<&str>>(row, 17, "its stream_rule cannot be read")? {
                Some(HOLDS) => StreamRule::Holds,
                Some(PASSES) => StreamRule::Passes,
                _ => return Err(Damage("its stream_rule is not a known word")),
            };
            State::Failed { at: at()?, reason, stream }
        }
        StateName::Withdrawn => State::Closed { at: at()?, why: Closed::Withdrawn { reason: reason()?.to_owned() } },
        StateName::NotWanted => State::Closed { at: at()?, why: Closed::NotWanted },
    })
}

pub(super) const HOLDS: &str = "holds";
pub(super) const PASSES: &str = "passes";

fn ledger(row: &SqliteRow) -> Read<Ledger> {
    match get::<Option<&[u8]>>(row, 11, "its ledger cannot be read")? {
        None => Ok(Ledger::default()),
        Some(bytes) => Ledger::decode(bytes).map_err(|_| Damage("its ledger cannot be decoded")),
    }
}

fn attempts(lines: Option<&str>) -> Read<Vec<Attempt>> {
    let attempt = |line| serde_json::from_str(line).map_err(|_| Damage("one of its attempts cannot be decoded"));
    lines.map_or(Ok(Vec::new()), |lines| lines.split('\n').map(attempt).collect())
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
