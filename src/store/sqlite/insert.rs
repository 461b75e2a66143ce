//! What is stored first: the insert, and what is found in its place.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::event::{Body, ContentDigest};
use crate::notification::Ledger;
use crate::notification::transition::{self, Beginning, Judge, Present};
use crate::store::{Inserted, NewNotification};

use super::batch::Batch;
use super::change::{Bound, Columns, bind_columns, bind_key};
use super::error::Fault;
use super::history;
use super::statement::{Repeated, keys_json};

// One row for each key in the order of the array: whether it is there, its digest, and the end of its stream.
pub(super) const LOOK: &str = "SELECT n.id IS NOT NULL, n.digest, \
        (SELECT max(e.position) FROM orderhook_notifications e INDEXED BY orderhook_notifications_stream \
         WHERE e.source = j.value ->> 0 AND e.supplier = j.value ->> 2 AND e.order_code = j.value ->> 1) \
    FROM json_each(?1) j LEFT JOIN orderhook_notifications n INDEXED BY orderhook_notifications_key \
        ON n.source = j.value ->> 0 AND n.order_code = j.value ->> 1 AND n.supplier = j.value ->> 2 \
        AND n.kind = j.value ->> 3 AND n.occurrence = j.value ->> 4 \
    ORDER BY j.key";

// ?1 to ?5 key, ?6 to ?14 the columns of the state, ?15 event id, ?16 position, ?17 memo, ?18 digest, ?19 traceparent,
// ?20 now, ?21 first ledger, ?22 body.
static ADD: Repeated = Repeated::new(ADD_ONE, 22);

pub(super) const ADD_ONE: &str = "INSERT INTO orderhook_notifications (source, order_code, supplier, kind, occurrence, \
        state, unfinished, due_at, reference, reason, stream_rule, settled_at, settled_seq, put_off_to, \
        event_id, position, memo, digest, traceparent, created_at, first_ledger, reopened, ready_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, 0, \
        CASE WHEN NOT EXISTS (SELECT 1 FROM orderhook_notifications e INDEXED BY orderhook_notifications_unfinished \
            WHERE e.source = ?1 AND e.supplier = ?3 AND e.order_code = ?2 AND e.unfinished = 1) THEN ?8 END); \
    INSERT INTO orderhook_bodies (notification, body) SELECT last_insert_rowid(), ?22 WHERE ?22 IS NOT NULL";

/// Stores each slice whole or, when a position in it is stale, nothing of it.
pub(super) async fn insert(
    batch: &mut Batch<'_>,
    slices: &[&[NewNotification]],
) -> Result<Vec<Vec<Inserted>>, Fault> {
    let keys = keys_json(
        slices
            .iter()
            .flat_map(|slice| slice.iter())
            .map(|new| &new.key),
    );
    let found = sqlx::query(LOOK)
        .bind(keys)
        .fetch_all(&mut *batch.connection)
        .await?;
    let mut present = found
        .iter()
        .map(present)
        .collect::<Result<Vec<_>, _>>()?
        .into_iter();
    let mut judge = Judge::new();
    let mut answers = Vec::with_capacity(slices.len());
    let mut wanted = Vec::new();
    for slice in slices {
        let judged = judge.judge(slice, present.by_ref().take(slice.len()));
        if !judged
            .iter()
            .any(|answer| matches!(answer, Inserted::Stale { .. }))
        {
            wanted.extend(
                slice
                    .iter()
                    .zip(&judged)
                    .filter_map(|(new, answer)| match answer {
                        Inserted::New { position } => Some((new, *position)),
                        _ => None,
                    }),
            );
        }
        answers.push(judged);
    }
    add(batch, wanted).await?;
    Ok(answers)
}

/// What is there under a key.
fn present(row: &SqliteRow) -> Result<Present, Fault> {
    if row.try_get(0)? {
        // A damaged digest compares with nothing; reading the row itself says so.
        let digest = row
            .try_get::<Option<&[u8]>, _>(1)
            .ok()
            .flatten()
            .and_then(ContentDigest::from_bytes);
        return Ok(Present::Yes { digest });
    }
    let end = row
        .try_get::<Option<i64>, _>(2)?
        .and_then(|end| u64::try_from(end).ok());
    Ok(Present::No {
        stream_end: end.unwrap_or(0),
    })
}

async fn add(batch: &mut Batch<'_>, new: Vec<(&NewNotification, u64)>) -> Result<(), Fault> {
    let mut left = new.into_iter();
    let mut told = Vec::new();
    while left.len() > 0 {
        batch.touch();
        let (sql, times) = ADD.for_first_of(left.len());
        let mut query = sqlx::query(sql);
        for (new, position) in left.by_ref().take(times) {
            let beginning = transition::start(&new.start, batch.now);
            told.extend(beginning.history.clone().map(|entry| (&new.key, entry)));
            query = bind(query, batch, new, position, beginning);
        }
        query.execute(&mut *batch.connection).await?;
    }
    for (key, entry) in told {
        history::begin(batch, key, &entry).await?;
    }
    Ok(())
}

fn bind<'q>(
    query: Bound<'q>,
    batch: &mut Batch<'_>,
    new: &NewNotification,
    position: u64,
    beginning: Beginning<'_>,
) -> Bound<'q> {
    let now = batch.now;
    let columns = Columns::of(&beginning.change, batch);
    bind_columns(bind_key(query, &new.key), columns)
        .bind(new.event_id.as_str().to_owned())
        .bind(i64::try_from(position).unwrap_or(i64::MAX))
        .bind(new.memo.as_ref().map(|memo| memo.as_bytes().to_vec()))
        .bind(new.content_digest.map(|digest| digest.to_bytes().to_vec()))
        .bind(new.traceparent.clone())
        .bind(now.as_micros())
        .bind((new.ledger != Ledger::default()).then(|| new.ledger.encode()))
        .bind(beginning.body.map(Body::shared))
}
