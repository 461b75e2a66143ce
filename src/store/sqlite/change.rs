//! The one place where a state changes: keeps the indexes of what is ready in step with the streams.

use std::collections::HashSet;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::notification::transition::{Change, Queue};
use crate::notification::{Closed, Key, NotificationState};
use crate::supplier::StreamRule;
use crate::value::time::Timestamp;

use super::batch::{Batch, LOOKING, WRITING};
use super::error::Fault;
use super::statement::{Bound, Filled, MOST, Part, Together};

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

/// Whether something unfinished of its stream stands before the row `n`, or behind it.
macro_rules! beside_in_stream {
    ($where:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM orderhook_notifications e INDEXED BY orderhook_notifications_unfinished \
             WHERE e.source = n.source AND e.supplier = n.supplier AND e.order_code = n.order_code AND e.unfinished = 1 \
                AND e.position ",
            $where,
            " n.position)"
        )
    };
}

/// A table `j` of keys, as [`bind_key`] binds them. One that is filled up with NULL has no source.
pub(super) const KEYS: &str =
    "WITH j (number, source, order_code, supplier, kind, occurrence) AS (VALUES ";

// Of these keys those that are there: its number, id, token, number of attempts, and whether others of its stream stand before
// it or behind it.
pub(super) static FIND: Together = Together::new(
    LOOKING,
    &[Part {
        before: KEYS,
        is_numbered: true,
        columns: 5,
        after: concat!(
            ") SELECT j.number, n.id, n.token, (SELECT count(*) FROM orderhook_attempts a WHERE a.notification = n.id), ",
            beside_in_stream!("<"),
            ", ",
            beside_in_stream!(">"),
            " FROM j CROSS JOIN orderhook_notifications n INDEXED BY orderhook_notifications_key \
        ON n.source = j.source AND n.order_code = j.order_code AND n.supplier = j.supplier \
        AND n.kind = j.kind AND n.occurrence = j.occurrence"
        ),
    }],
);

const ATTEMPTS: Part = Part {
    before: "INSERT OR IGNORE INTO orderhook_attempts (notification, number, attempt) SELECT * FROM (VALUES ",
    is_numbered: false,
    columns: 3,
    after: ") v WHERE v.column1 IS NOT NULL",
};

const UPDATE: Part = Part {
    before: "WITH v (id, token, ledger, reopens, ready_at, state, unfinished, due_at, reference, reason, stream_rule, settled_at, \
        settled_seq, put_off_to) AS (VALUES ",
    is_numbered: false,
    columns: 14,
    after: ") UPDATE orderhook_notifications AS n SET token = v.token, ledger = coalesce(v.ledger, n.ledger), \
        reopened = n.reopened + v.reopens, ready_at = v.ready_at, state = v.state, unfinished = v.unfinished, \
        due_at = v.due_at, reference = v.reference, reason = v.reason, stream_rule = v.stream_rule, \
        settled_at = v.settled_at, settled_seq = v.settled_seq, put_off_to = v.put_off_to \
     FROM v WHERE n.id = v.id",
};

/// What is recorded of rows.
pub(super) static RECORD: Together = Together::new(WRITING, &[ATTEMPTS, UPDATE]);
/// What becomes of rows, when there is no attempt to be recorded.
pub(super) static MOVE: Together = Together::new(WRITING, &[UPDATE]);

/// Looks for these keys, whose numbers are their places.
pub(super) fn looks_for<'a>(
    together: &'static Together,
    keys: impl Iterator<Item = &'a Key>,
) -> Vec<Filled> {
    let keys: Vec<_> = keys.collect();
    let look = |keys: &[&Key]| {
        let look = together.for_rows(keys.len());
        look.rows(keys, |query, key| bind_key(query, key))
    };
    keys.chunks(MOST).map(look).collect()
}

// ?1 source, ?2 supplier, ?3 order code of a stream: the others, when one of it has been reopened and stands before them now.
pub(super) const HOLD_BACK: &str = "UPDATE orderhook_notifications \
        INDEXED BY orderhook_notifications_unfinished SET ready_at = NULL \
    WHERE source = ?1 AND supplier = ?2 AND order_code = ?3 AND unfinished = 1 AND ready_at IS NOT NULL \
        AND position > (SELECT min(position) FROM orderhook_notifications INDEXED BY orderhook_notifications_unfinished \
            WHERE source = ?1 AND supplier = ?2 AND order_code = ?3 AND unfinished = 1)";

// The head of the stream. It waits for its time only; one that is there already keeps its moment.
pub(super) const LET_GO: &str = "UPDATE orderhook_notifications SET ready_at = due_at \
    WHERE ready_at IS NULL AND due_at IS NOT NULL AND id = (SELECT id FROM orderhook_notifications \
            INDEXED BY orderhook_notifications_unfinished \
        WHERE source = ?1 AND supplier = ?2 AND order_code = ?3 AND unfinished = 1 ORDER BY position LIMIT 1)";

/// What is to be changed of one notification.
#[derive(Debug)]
pub(super) struct RowChange<'a> {
    pub(super) key: &'a Key,
    pub(super) fence: Fence,
    pub(super) change: Change,
    /// Attempts as they are stored, and the number of the first.
    pub(super) attempts: (Vec<String>, u32),
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
            attempts: (Vec::new(), 0),
            ledger: None,
        }
    }
}

/// How many of these are changed at once. What is of one stream depends on what came before; and what settles first has the
/// first number.
fn at_once<'a>(keys: impl Iterator<Item = &'a Key>) -> usize {
    let mut streams = HashSet::new();
    keys.take_while(|key| streams.insert(key.stream())).count()
}

/// The first looks of [`apply`], for changes of these keys.
pub(super) fn looks<'a>(keys: impl Iterator<Item = &'a Key> + Clone) -> Vec<Filled> {
    let first = at_once(keys.clone());
    looks_for(&FIND, keys.take(first))
}

/// Makes the changes, one after another; `false` for one whose fence is closed, of which nothing is changed.
pub(super) async fn apply(
    batch: &mut Batch<'_>,
    changes: Vec<RowChange<'_>>,
) -> Result<Vec<bool>, Fault> {
    let looks = looks(changes.iter().map(|change| change.key));
    apply_with(batch, changes, looks).await
}

/// The same with the first [`looks`], of which the batch may have begun with the first.
pub(super) async fn apply_with(
    batch: &mut Batch<'_>,
    changes: Vec<RowChange<'_>>,
    looks: impl IntoIterator<Item = Filled>,
) -> Result<Vec<bool>, Fault> {
    let mut changed = vec![false; changes.len()];
    let mut left: Vec<_> = changes.into_iter().enumerate().collect();
    let mut found = batch.read(looks).await?;
    while !left.is_empty() {
        let later = left.split_off(at_once(left.iter().map(|(_, change)| change.key)));
        make(batch, left, found, &mut changed).await?;
        found = batch
            .read(self::looks(later.iter().map(|(_, change)| change.key)))
            .await?;
        left = later;
    }
    Ok(changed)
}

/// Makes changes of which no two are of one stream.
async fn make(
    batch: &mut Batch<'_>,
    changes: Vec<(usize, RowChange<'_>)>,
    found: Vec<(usize, SqliteRow)>,
    changed: &mut [bool],
) -> Result<(), Fault> {
    let mut found = found.iter().map(Found::read).peekable();
    let (mut updates, mut attempts) = (Vec::new(), Vec::new());
    let (mut reopened, mut gone) = (Vec::new(), Vec::new());
    for (place, (number, change)) in changes.into_iter().enumerate() {
        let is_it = |found: &Result<Found, Fault>| match found {
            Ok(found) => found.place == place,
            Err(_) => true,
        };
        let Some(found) = found.next_if(is_it).transpose()? else {
            continue;
        };
        if let Fence::Token(token) = change.fence
            && found.token != Some(token)
        {
            continue;
        }
        if let Some(changed) = changed.get_mut(number) {
            *changed = true;
        }
        let (lines, first) = change.attempts;
        let first = i64::from(first).min(found.attempts);
        attempts.extend((first..).zip(lines).map(|(n, line)| (found.id, n, line)));
        let columns = Columns::of(&change.change, batch);
        if matches!(change.change.state, NotificationState::Pending { .. })
            || (found.has_others_behind && !columns.unfinished)
        {
            batch.tell();
        }
        if found.has_others_behind {
            reopened.extend(change.change.reopens.then_some(change.key));
            gone.extend((!columns.unfinished).then_some(change.key));
        }
        updates.push(Update {
            id: found.id,
            token: found.token.filter(|_| change.change.keeps_token()),
            ledger: change.ledger,
            reopens: change.change.reopens,
            ready_at: columns.due_at.filter(|_| !found.has_others_before),
            columns,
        });
    }
    record(batch, updates, attempts).await?;
    for (sql, streams) in [(HOLD_BACK, reopened), (LET_GO, gone)] {
        for key in streams {
            let query = sqlx::query(sql)
                .bind(key.source.shared())
                .bind(key.supplier.shared())
                .bind(key.order.shared());
            query.execute(batch.connection().await?).await?;
        }
    }
    Ok(())
}

/// A row that is to be changed.
struct Found {
    place: usize,
    id: i64,
    token: Option<i64>,
    attempts: i64,
    has_others_before: bool,
    has_others_behind: bool,
}

impl Found {
    fn read((place, row): &(usize, SqliteRow)) -> Result<Found, Fault> {
        Ok(Found {
            place: *place,
            id: row.try_get(1)?,
            token: row.try_get(2)?,
            attempts: row.try_get(3)?,
            has_others_before: row.try_get(4)?,
            has_others_behind: row.try_get(5)?,
        })
    }
}

/// What becomes of one row.
pub(super) struct Update {
    pub(super) id: i64,
    pub(super) token: Option<i64>,
    /// `None`: it stays as it is.
    pub(super) ledger: Option<Vec<u8>>,
    pub(super) reopens: bool,
    /// Its moment, while it is the head of its stream.
    pub(super) ready_at: Option<i64>,
    pub(super) columns: Columns,
}

/// Writes rows, each of which must be there, and with them attempts: of which notification, its number, and how it is stored.
pub(super) async fn record(
    batch: &mut Batch<'_>,
    updates: Vec<Update>,
    attempts: Vec<(i64, i64, String)>,
) -> Result<(), Fault> {
    let row = |query: Bound<'static>, update: Update| {
        let query = query
            .bind(update.id)
            .bind(update.token)
            .bind(update.ledger)
            .bind(i64::from(update.reopens))
            .bind(update.ready_at);
        bind_columns(query, update.columns)
    };
    let line = |query: Bound<'static>, (id, number, line): (i64, i64, String)| {
        query.bind(id).bind(number).bind(line)
    };
    let (mut updates, mut attempts) = (updates.into_iter(), attempts.into_iter());
    loop {
        let (rows, lines) = (updates.len().min(MOST), attempts.len().min(MOST));
        let (updates, attempts) = (updates.by_ref().take(rows), attempts.by_ref().take(lines));
        let writes = match (rows, lines) {
            (0, 0) => return Ok(()),
            (rows, 0) => MOVE.for_rows(rows).rows(updates, row),
            (rows, lines) => RECORD
                .for_rows(rows.max(lines))
                .rows(attempts, line)
                .rows(updates, row),
        };
        batch.write(writes).await?;
    }
}

/// Binds the five names of a key, in the order of its index.
pub(super) fn bind_key<'q>(query: Bound<'q>, key: &Key) -> Bound<'q> {
    query
        .bind(key.source.shared())
        .bind(key.order.shared())
        .bind(key.supplier.shared())
        .bind(key.kind.as_str().to_owned())
        .bind(key.occurrence.shared())
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
