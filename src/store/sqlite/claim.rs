//! Who may send next.
//!
//! What can be claimed now or later stands in one partial index by supplier and moment. A claim looks at each supplier
//! that stands in it once, and then takes from the front of as many as the answer has places: neither the length of a
//! backlog nor the streams that are held back make it slower.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use sqlx::{Error, Row};

use crate::notification::Key;
use crate::store::{ClaimRequest, Claims, Pick};
use crate::time::Timestamp;

use super::batch::Batch;
use super::keys::keys_json;
use super::row;

/// A damaged row is looked at again after so long.
const DAMAGED: Duration = Duration::from_secs(600);

// One row per supplier: where its front stands, and when the first of what is not due yet will be.
const SUPPLIERS: &str = "WITH RECURSIVE suppliers (supplier) AS ( \
        SELECT min(supplier) FROM orderhook_notifications WHERE source = ?1 AND ready_at IS NOT NULL \
        UNION ALL \
        SELECT (SELECT min(n.supplier) FROM orderhook_notifications n \
                WHERE n.source = ?1 AND n.supplier > s.supplier AND n.ready_at IS NOT NULL) \
        FROM suppliers s WHERE s.supplier IS NOT NULL) \
    SELECT s.supplier, \
        (SELECT n.id FROM orderhook_notifications n WHERE n.source = ?1 AND n.supplier = s.supplier \
            AND n.ready_at <= ?2 ORDER BY n.ready_at, n.id LIMIT 1), \
        (SELECT n.ready_at FROM orderhook_notifications n WHERE n.source = ?1 AND n.supplier = s.supplier \
            AND n.ready_at <= ?2 ORDER BY n.ready_at, n.id LIMIT 1), \
        (SELECT n.ready_at FROM orderhook_notifications n WHERE n.source = ?1 AND n.supplier = s.supplier \
            AND n.ready_at > ?2 ORDER BY n.ready_at LIMIT 1) \
    FROM suppliers s WHERE s.supplier IS NOT NULL";

const FRONT: &str = "SELECT ready_at, id FROM orderhook_notifications \
    WHERE source = ?1 AND supplier = ?2 AND ready_at <= ?3 ORDER BY ready_at, id LIMIT ?4";

const OF_KEYS: &str = "SELECT DISTINCT n.ready_at, n.id, n.supplier FROM json_each(?1) j JOIN orderhook_notifications n \
        ON n.source = j.value ->> 0 AND n.order_code = j.value ->> 1 AND n.supplier = j.value ->> 2 \
        AND n.kind = j.value ->> 3 AND n.occurrence = j.value ->> 4 \
    WHERE n.source = ?2 AND n.ready_at IS NOT NULL AND (n.ready_at <= ?3 OR (?4 AND n.state = 'pending')) \
    ORDER BY n.ready_at, n.id";

const READ: &str = concat!(
    "SELECT ",
    row::columns!(),
    ", ",
    row::attempt_lines!(),
    ", b.body \
     FROM json_each(?1) j JOIN orderhook_notifications n ON n.id = j.value \
        LEFT JOIN orderhook_bodies b ON b.notification = n.id \
     ORDER BY j.key"
);

// ?1 an array of [id, token], ?2 the end of the lease.
const HAND_OUT: &str = "UPDATE orderhook_notifications SET state = 'sending', due_at = ?2, ready_at = ?2, \
        token = j.value ->> 1 \
    FROM json_each(?1) j WHERE orderhook_notifications.id = j.value ->> 0";

const PUT_ASIDE: &str =
    "UPDATE orderhook_notifications SET ready_at = ?2 WHERE id IN (SELECT value FROM json_each(?1))";

/// A row that could be claimed: since when, and which.
type Candidate = (i64, i64);

/// Hands out what the request may have.
pub(super) async fn claim(batch: &mut Batch<'_>, request: &ClaimRequest) -> Result<Claims, Error> {
    let mut answer = Claims::at(batch.now);
    let mut candidates = match &request.pick {
        Pick::Due => due(batch, request, &mut answer.next_due).await?,
        Pick::DueOf(keys) => of_keys(batch, request, keys, false).await?,
        Pick::NowOf(keys) => of_keys(batch, request, keys, true).await?,
    };
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let cut = candidates.get(limit).map(|(ready_at, _)| Timestamp::from_micros(*ready_at));
    answer.next_due = earliest(answer.next_due, cut);
    candidates.truncate(limit);
    if !candidates.is_empty() {
        hand_out(batch, &candidates, request.lease, &mut answer).await?;
    }
    Ok(answer)
}

/// What is due, oldest first and one more than the limit; of each supplier as much as there is room for.
async fn due(
    batch: &mut Batch<'_>,
    request: &ClaimRequest,
    next_due: &mut Option<Timestamp>,
) -> Result<Vec<Candidate>, Error> {
    let (source, now) = (request.source.as_str(), batch.now.as_micros());
    let room: HashMap<&str, u32> = request.room.iter().rev().map(|(id, room)| (id.as_str(), *room)).collect();
    let suppliers = sqlx::query(SUPPLIERS).bind(source).bind(now).fetch_all(&mut *batch.connection).await?;
    let mut fronts = Vec::new();
    for row in suppliers {
        // A name that is not text is damage of these rows only; listings show them as refused.
        let Ok(supplier) = row.try_get::<String, _>(0) else { continue };
        let room = room.get(supplier.as_str()).copied().unwrap_or(request.per_supplier);
        if room == 0 {
            continue;
        }
        *next_due = earliest(*next_due, row.try_get::<Option<i64>, _>(3)?.map(Timestamp::from_micros));
        if let (Some(id), Some(ready_at)) = (row.try_get::<Option<i64>, _>(1)?, row.try_get::<Option<i64>, _>(2)?) {
            fronts.push(((ready_at, id), supplier, room));
        }
    }
    // Whoever's front is not among the first has nothing that is.
    let most = i64::from(request.limit) + 1;
    fronts.sort_unstable();
    fronts.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let mut candidates: Vec<Candidate> = Vec::new();
    for (front, supplier, room) in fronts {
        let room = i64::from(room).min(most);
        if room == 1 {
            candidates.push(front);
            continue;
        }
        let query = sqlx::query(FRONT).bind(source).bind(supplier).bind(now).bind(room);
        for row in query.fetch_all(&mut *batch.connection).await? {
            candidates.push((row.try_get(0)?, row.try_get(1)?));
        }
    }
    candidates.sort_unstable();
    Ok(candidates)
}

async fn of_keys(
    batch: &mut Batch<'_>,
    request: &ClaimRequest,
    keys: &[Key],
    also_not_due: bool,
) -> Result<Vec<Candidate>, Error> {
    let query = sqlx::query(OF_KEYS)
        .bind(keys_json(keys.iter()))
        .bind(request.source.as_str())
        .bind(batch.now.as_micros())
        .bind(also_not_due);
    let room: HashMap<&str, u32> = request.room.iter().rev().map(|(id, room)| (id.as_str(), *room)).collect();
    let mut used: HashMap<String, u32> = HashMap::new();
    let mut candidates = Vec::new();
    for row in query.fetch_all(&mut *batch.connection).await? {
        let supplier: String = row.try_get(2)?;
        let room = room.get(supplier.as_str()).copied().unwrap_or(request.per_supplier);
        let used = used.entry(supplier).or_default();
        if *used < room {
            *used += 1;
            candidates.push((row.try_get(0)?, row.try_get(1)?));
        }
    }
    Ok(candidates)
}

async fn hand_out(
    batch: &mut Batch<'_>,
    candidates: &[Candidate],
    lease: Duration,
    answer: &mut Claims,
) -> Result<(), Error> {
    let ids = Value::from(candidates.iter().map(|(_, id)| *id).collect::<Vec<_>>()).to_string();
    let mut handed_out = Vec::with_capacity(candidates.len());
    let mut damaged = Vec::new();
    for row in sqlx::query(READ).bind(ids).fetch_all(&mut *batch.connection).await? {
        let (id, token) = (row::id(&row), batch.next_token());
        match row::claim(&row, token) {
            Ok(claim) => {
                answer.claims.push(claim);
                handed_out.push(Value::from(vec![id, token]));
            }
            Err(damage) => {
                answer.refused.push(damage.of_row(id));
                damaged.push(Value::from(id));
            }
        }
    }
    let now = batch.now;
    if !damaged.is_empty() {
        let query = sqlx::query(PUT_ASIDE).bind(Value::from(damaged).to_string()).bind(now.after(DAMAGED).as_micros());
        query.execute(&mut *batch.connection).await?;
        // They have taken the places of others.
        answer.next_due = earliest(answer.next_due, Some(now));
    }
    if !handed_out.is_empty() {
        let query = sqlx::query(HAND_OUT).bind(Value::from(handed_out).to_string()).bind(now.after(lease).as_micros());
        query.execute(&mut *batch.connection).await?;
    }
    batch.touch();
    Ok(())
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}
