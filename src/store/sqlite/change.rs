//! The one place where a state changes: keeps the indexes of what is ready in step with the streams.

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Row, Sqlite};

use crate::notification::transition::{Change, Queue};
use crate::notification::{Closed, Key, NotificationState};
use crate::supplier::StreamRule;
use crate::value::time::Timestamp;

use super::batch::Batch;
use super::error::Fault;
use super::statement::Repeated;

/// The words for a [`StreamRule`] in the column `stream_rule`, as version 1 of the schema has them.
pub(super) const HOLDS: &str = "holds";
pub(super) const PASSES: &str = "passes";

/// A change as it stands in its columns.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) state: &'static str,
    pub(super) unfinished: bool,
    pub(super) due_at: Option<i64>,
    pub(super) reference: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) stream_rule: Option<&'static str>,
    pub(super) settled_at: Option<i64>,
    pub(super) settled_seq: Option<i64>,
    pub(super) put_off_to: Option<i64>,
}

impl Columns {
    pub(super) fn of(change: &Change, batch: &mut Batch<'_>) -> Columns {
        let state = &change.state;
        let due_at = state.claimable_from().map(Timestamp::as_micros);
        let mut columns = Columns {
            state: state.name().as_str(),
            unfinished: state.holds_stream(),
            due_at,
            reference: None,
            reason: None,
            stream_rule: None,
            settled_at: None,
            settled_seq: change.settles().then(|| batch.next_settled()),
            put_off_to: due_at.filter(|_| change.queue == Queue::PutOff),
        };
        match state {
            NotificationState::Pending { .. } | NotificationState::Sending { .. } => {}
            NotificationState::Unreadable { at } => columns.settled_at = Some(at.as_micros()),
            NotificationState::Notified { at, reference } => {
                columns.settled_at = Some(at.as_micros());
                columns.reference = Some(reference.clone());
            }
            NotificationState::Failed { at, reason, stream } => {
                columns.settled_at = Some(at.as_micros());
                columns.reason = Some(reason.as_str().to_owned());
                columns.stream_rule = Some(match stream {
                    StreamRule::Hold => HOLDS,
                    StreamRule::Pass => PASSES,
                });
            }
            NotificationState::Closed { at, why } => {
                columns.settled_at = Some(at.as_micros());
                columns.reason = match why {
                    Closed::Withdrawn { reason } => Some(reason.clone()),
                    Closed::NotWanted => None,
                };
            }
        }
        columns
    }
}

/// Which row, and on which condition.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fence {
    /// Only under this token.
    Token(i64),
    /// Whatever it is: the caller has looked at it in this transaction.
    Looked,
}

// ?1 to ?5 key, ?6 token or NULL, ?7 attempts, ?8 the number of the first, ?9 ledger, ?10 reopened more,
// ?11 to ?19 the columns of the state, ?20 whether the token is kept, ?21 comes back when it was changed.
static CHANGE: Repeated = Repeated::new(CHANGE_ONE, 21);

pub(super) const CHANGE_ONE: &str = concat!(
    // Under the condition of the change itself, and before the change: afterwards the token may be gone.
    "INSERT OR IGNORE INTO orderhook_attempts (notification, number, attempt) \
     SELECT n.id, min(?8, (SELECT count(*) FROM orderhook_attempts a WHERE a.notification = n.id)) + j.key, j.value \
     FROM orderhook_notifications n INDEXED BY orderhook_notifications_key CROSS JOIN json_each(?7) j \
     WHERE ",
    of_key!(),
    " AND (?6 IS NULL OR n.token = ?6); ",
    "UPDATE orderhook_notifications AS n INDEXED BY orderhook_notifications_key SET \
        token = CASE WHEN ?20 THEN n.token END, ledger = coalesce(?9, n.ledger), reopened = n.reopened + ?10, \
        state = ?11, unfinished = ?12, due_at = ?13, reference = ?14, reason = ?15, stream_rule = ?16, \
        settled_at = ?17, settled_seq = ?18, put_off_to = ?19, \
        ready_at = CASE WHEN ?13 IS NOT NULL AND NOT EXISTS ( \
            SELECT 1 FROM orderhook_notifications e INDEXED BY orderhook_notifications_unfinished \
            WHERE e.source = ?1 AND e.supplier = ?3 AND e.order_code = ?2 AND e.unfinished = 1 \
                AND e.position < n.position) THEN ?13 END \
     WHERE ",
    of_key!(),
    " AND (?6 IS NULL OR n.token = ?6) RETURNING ?21; ",
    // Only what is reopened can come to stand before others that were not held back.
    "UPDATE orderhook_notifications INDEXED BY orderhook_notifications_unfinished SET ready_at = NULL \
     WHERE ?10 = 1 AND source = ?1 AND supplier = ?3 AND order_code = ?2 AND unfinished = 1 AND ready_at IS NOT NULL \
        AND position > (SELECT min(position) FROM orderhook_notifications INDEXED BY orderhook_notifications_unfinished \
            WHERE source = ?1 AND supplier = ?3 AND order_code = ?2 AND unfinished = 1); ",
    // The head itself waits for its time only. One that is there already keeps its moment.
    "UPDATE orderhook_notifications SET ready_at = due_at \
     WHERE ready_at IS NULL AND due_at IS NOT NULL AND id = (SELECT id FROM orderhook_notifications INDEXED BY orderhook_notifications_unfinished \
        WHERE source = ?1 AND supplier = ?3 AND order_code = ?2 AND unfinished = 1 ORDER BY position LIMIT 1)"
);

/// What is to be changed of one notification.
#[derive(Debug)]
pub(super) struct RowChange<'a> {
    pub(super) key: &'a Key,
    pub(super) fence: Fence,
    pub(super) change: Change,
    /// A JSON array of attempts, and the number of the first.
    pub(super) attempts: Option<(String, u32)>,
    /// `None`: it stays as it is.
    pub(super) ledger: Option<Vec<u8>>,
}

impl<'a> RowChange<'a> {
    /// A change of the state alone.
    pub(super) fn to(key: &'a Key, fence: Fence, change: Change) -> Self {
        RowChange {
            key,
            fence,
            change,
            attempts: None,
            ledger: None,
        }
    }
}

/// Makes the changes, one after another; `false` for one whose fence is closed, of which nothing is changed.
pub(super) async fn apply(
    batch: &mut Batch<'_>,
    changes: Vec<RowChange<'_>>,
) -> Result<Vec<bool>, Fault> {
    let mut changed = vec![false; changes.len()];
    let mut left = changes.into_iter().enumerate();
    while left.len() > 0 {
        let (sql, times) = CHANGE.for_first_of(left.len());
        let mut query = sqlx::query(sql);
        for (number, change) in left.by_ref().take(times) {
            query = bind(query, batch, number, change);
        }
        for row in query.fetch_all(&mut *batch.connection).await? {
            let number = usize::try_from(row.try_get::<i64, _>(0)?).ok();
            if let Some(changed) = number.and_then(|number| changed.get_mut(number)) {
                *changed = true;
                batch.touch();
            }
        }
    }
    Ok(changed)
}

fn bind<'q>(
    query: Bound<'q>,
    batch: &mut Batch<'_>,
    number: usize,
    change: RowChange<'_>,
) -> Bound<'q> {
    let columns = Columns::of(&change.change, batch);
    let (attempts, first) = change.attempts.unzip();
    let token = match change.fence {
        Fence::Token(token) => Some(token),
        Fence::Looked => None,
    };
    let query = bind_key(query, change.key)
        .bind(token)
        .bind(attempts.unwrap_or_else(|| "[]".to_owned()))
        .bind(first.map_or(0, i64::from))
        .bind(change.ledger)
        .bind(i64::from(change.change.reopens));
    bind_columns(query, columns)
        .bind(change.change.keeps_token())
        .bind(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A statement with some of its arguments.
pub(super) type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Binds the five names of a key, in the order of its index.
pub(super) fn bind_key<'q>(query: Bound<'q>, key: &Key) -> Bound<'q> {
    query
        .bind(key.source.as_str().to_owned())
        .bind(key.order.as_str().to_owned())
        .bind(key.supplier.as_str().to_owned())
        .bind(key.kind.as_str().to_owned())
        .bind(key.occurrence.as_str().to_owned())
}

/// Binds the nine columns of a state.
pub(super) fn bind_columns<'q>(query: Bound<'q>, columns: Columns) -> Bound<'q> {
    query
        .bind(columns.state)
        .bind(i64::from(columns.unfinished))
        .bind(columns.due_at)
        .bind(columns.reference)
        .bind(columns.reason)
        .bind(columns.stream_rule)
        .bind(columns.settled_at)
        .bind(columns.settled_seq)
        .bind(columns.put_off_to)
}

/// The row of the key in ?1 to ?5.
macro_rules! of_key {
    () => {
        "n.source = ?1 AND n.order_code = ?2 AND n.supplier = ?3 AND n.kind = ?4 AND n.occurrence = ?5"
    };
}
pub(super) use of_key;
