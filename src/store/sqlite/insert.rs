//! What is stored first: the insert, and what is found in its place.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{Error, Row};

use crate::event::ContentDigest;
use crate::notification::{Closed, Key, State, Stream};
use crate::store::{Append, Inserted, NewNotification, Start};

use super::batch::Batch;
use super::change::{Bound, Columns, bind_columns, bind_key};
use super::keys::keys_json;
use super::repeated::Repeated;

// One row for each key in the order of the array: whether it is there, its digest, and the end of its stream.
pub(super) const LOOK: &str = "SELECT n.id IS NOT NULL, n.digest, \
        (SELECT max(e.position) FROM orderhook_notifications e \
         WHERE e.source = j.value ->> 0 AND e.supplier = j.value ->> 2 AND e.order_code = j.value ->> 1) \
    FROM json_each(?1) j LEFT JOIN orderhook_notifications n \
        ON n.source = j.value ->> 0 AND n.order_code = j.value ->> 1 AND n.supplier = j.value ->> 2 \
        AND n.kind = j.value ->> 3 AND n.occurrence = j.value ->> 4 \
    ORDER BY j.key";

// ?1 to ?5 key, ?6 to ?13 the columns of the state, ?14 event id, ?15 position, ?16 memo, ?17 digest, ?18 traceparent,
// ?19 now, ?20 body.
static ADD: Repeated = Repeated::new(ADD_ONE, 20);

pub(super) const ADD_ONE: &str = "INSERT INTO orderhook_notifications (source, order_code, supplier, kind, occurrence, \
        state, unfinished, due_at, reference, reason, stream_rule, settled_at, settled_seq, \
        event_id, position, memo, digest, traceparent, created_at, reopened, ready_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, 0, \
        CASE WHEN NOT EXISTS (SELECT 1 FROM orderhook_notifications e \
            WHERE e.source = ?1 AND e.supplier = ?3 AND e.order_code = ?2 AND e.unfinished = 1) THEN ?8 END); \
    INSERT INTO orderhook_bodies (notification, body) SELECT last_insert_rowid(), ?20 WHERE ?20 IS NOT NULL";

/// Stores each slice whole or, when a position in it is stale, nothing of it.
pub(super) async fn insert(batch: &mut Batch<'_>, slices: &[&[NewNotification]]) -> Result<Vec<Vec<Inserted>>, Error> {
    let keys = keys_json(slices.iter().flat_map(|slice| slice.iter()).map(|new| &new.key));
    let mut found = sqlx::query(LOOK).bind(keys).fetch_all(&mut *batch.connection).await?.into_iter();
    let mut so_far = SoFar::default();
    let mut answers = Vec::with_capacity(slices.len());
    let mut wanted = Vec::new();
    for slice in slices {
        let judged = judge(slice, found.by_ref().take(slice.len()), &so_far)?;
        if !judged.answers.iter().any(|answer| matches!(answer, Inserted::Stale { .. })) {
            so_far.add(judged.adds);
            wanted.extend(slice.iter().zip(&judged.answers).filter_map(|(new, answer)| match answer {
                Inserted::New { position } => Some((new, *position)),
                _ => None,
            }));
        }
        answers.push(judged.answers);
    }
    add(batch, wanted).await?;
    Ok(answers)
}

/// What has come in and is not in the tables yet: the digests by key, and the ends of streams.
#[derive(Default)]
struct SoFar<'a> {
    digests: HashMap<&'a Key, Option<ContentDigest>>,
    ends: HashMap<Stream, u64>,
}

impl<'a> SoFar<'a> {
    fn add(&mut self, more: SoFar<'a>) {
        self.digests.extend(more.digests);
        self.ends.extend(more.ends);
    }
}

struct Judged<'a> {
    answers: Vec<Inserted>,
    adds: SoFar<'a>,
}

/// What would become of each of a slice, without a change.
fn judge<'a>(
    slice: &'a [NewNotification],
    found: impl Iterator<Item = SqliteRow>,
    so_far: &SoFar<'_>,
) -> Result<Judged<'a>, Error> {
    let mut adds = SoFar::default();
    let mut answers = Vec::with_capacity(slice.len());
    for (new, row) in slice.iter().zip(found) {
        let known = match row.try_get(0)? {
            // A damaged digest compares with nothing; reading the row itself says so.
            true => Some(row.try_get::<Option<&[u8]>, _>(1).ok().flatten().and_then(ContentDigest::from_bytes)),
            false => adds.digests.get(&new.key).or_else(|| so_far.digests.get(&new.key)).copied(),
        };
        if let Some(known) = known {
            let differs = known.zip(new.content_digest).is_some_and(|(known, new)| known.differs_from(&new));
            answers.push(if differs { Inserted::Differs } else { Inserted::Existing });
            continue;
        }
        let stream = new.key.stream();
        let stored_end = row.try_get::<Option<i64>, _>(2)?.and_then(|end| u64::try_from(end).ok()).unwrap_or(0);
        let end = so_far.ends.get(&stream).copied().unwrap_or(stored_end);
        let end = adds.ends.entry(stream).or_insert(end);
        let next = *end + 1;
        match new.append {
            Append::At(position) if position != next => answers.push(Inserted::Stale { next }),
            Append::Next | Append::At(_) => {
                *end = next;
                adds.digests.insert(&new.key, new.content_digest);
                answers.push(Inserted::New { position: next });
            }
        }
    }
    Ok(Judged { answers, adds })
}

async fn add(batch: &mut Batch<'_>, new: Vec<(&NewNotification, u64)>) -> Result<(), Error> {
    let mut left = new.into_iter();
    while left.len() > 0 {
        batch.touch();
        let (sql, times) = ADD.for_first_of(left.len());
        let mut query = sqlx::query(sql);
        for (new, position) in left.by_ref().take(times) {
            query = bind(query, batch, new, position);
        }
        query.execute(&mut *batch.connection).await?;
    }
    Ok(())
}

fn bind<'q>(query: Bound<'q>, batch: &mut Batch<'_>, new: &NewNotification, position: u64) -> Bound<'q> {
    let now = batch.now;
    let (state, body) = match &new.start {
        Start::Pending(body) => (State::Pending { due: now }, Some(body.shared())),
        Start::NotWanted => (State::Closed { at: now, why: Closed::NotWanted }, None),
        Start::Notified { reference } => (State::Notified { at: now, reference: reference.clone() }, None),
    };
    let columns = Columns::of(&state, batch);
    bind_columns(bind_key(query, &new.key), columns)
        .bind(new.event_id.as_str().to_owned())
        .bind(i64::try_from(position).unwrap_or(i64::MAX))
        .bind(new.memo.as_deref().map(<[u8]>::to_vec))
        .bind(new.content_digest.map(|digest| digest.to_bytes().to_vec()))
        .bind(new.traceparent.clone())
        .bind(now.as_micros())
        .bind(body)
}
