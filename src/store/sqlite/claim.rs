//! Who may send next.
//!
//! What can be claimed now or later stands in one partial index by supplier and moment. A claim looks at each supplier
//! that stands in it once, and then takes from the front of as many as the answer has places: neither the length of a
//! backlog nor the streams that are held back make it slower.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Error, Row};

use crate::store::{ClaimRequest, Claims, Pick};
use crate::value::time::Timestamp;

use super::batch::Batch;
use super::keys::keys_json;
use super::row;

/// A damaged row is looked at again after so long.
const DAMAGED: Duration = Duration::from_secs(600);

// One row per supplier: where its front stands, and when the first of what is not due yet will be.
pub(super) const SUPPLIERS: &str = "WITH RECURSIVE suppliers (supplier) AS ( \
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

pub(super) const FRONT: &str = "SELECT ready_at, id FROM orderhook_notifications \
    WHERE source = ?1 AND supplier = ?2 AND ready_at <= ?3 ORDER BY ready_at, id LIMIT ?4";

// ?1 an array of ids.
pub(super) const READ: &str = concat!(
    "SELECT ",
    row::columns!(),
    ", ",
    row::attempt_lines!(),
    ", b.body \
     FROM json_each(?1) j JOIN orderhook_notifications n ON n.id = j.value \
        LEFT JOIN orderhook_bodies b ON b.notification = n.id \
     ORDER BY j.key"
);

// The same by key, with the moment and the place of the key in the array.
pub(super) const READ_KEYS: &str = concat!(
    "SELECT ",
    row::columns!(),
    ", ",
    row::attempt_lines!(),
    ", b.body, n.ready_at, j.key \
     FROM json_each(?1) j JOIN orderhook_notifications n \
        ON n.source = j.value ->> 0 AND n.order_code = j.value ->> 1 AND n.supplier = j.value ->> 2 \
        AND n.kind = j.value ->> 3 AND n.occurrence = j.value ->> 4 \
        LEFT JOIN orderhook_bodies b ON b.notification = n.id \
     WHERE n.ready_at IS NOT NULL AND (n.ready_at <= ?2 OR n.state = 'pending') \
     ORDER BY j.key"
);

// ?1 an array of [id, token, end of the lease].
pub(super) const HAND_OUT: &str = "UPDATE orderhook_notifications SET state = 'sending', token = j.value ->> 1, \
        due_at = j.value ->> 2, ready_at = j.value ->> 2 \
    FROM json_each(?1) j WHERE orderhook_notifications.id = j.value ->> 0";

pub(super) const PUT_ASIDE: &str =
    "UPDATE orderhook_notifications SET ready_at = ?2 WHERE id IN (SELECT value FROM json_each(?1))";

/// A row that could be claimed: since when, and which.
type Candidate = (i64, i64);

/// Hands out what each request may have; requests for certain notifications come first.
pub(super) async fn claim(batch: &mut Batch<'_>, requests: &[&ClaimRequest]) -> Result<Vec<Claims>, Error> {
    let mut answers: Vec<_> = requests.iter().map(|_| Claims::at(batch.now)).collect();
    of_keys(batch, requests, &mut answers).await?;
    for (request, answer) in requests.iter().zip(&mut answers) {
        if matches!(request.pick, Pick::Due) {
            let candidates = due(batch, request, &mut answer.next_due).await?;
            let candidates = cut(candidates, request, answer);
            if candidates.is_empty() {
                continue;
            }
            let ids = Value::from(candidates.iter().map(|(_, id)| *id).collect::<Vec<_>>()).to_string();
            let mut given = Given::default();
            for row in sqlx::query(READ).bind(ids).fetch_all(&mut *batch.connection).await? {
                given.give(batch, &row, request.lease, answer);
            }
            given.record(batch).await?;
        }
    }
    Ok(answers)
}

/// The first of them, as many as the request may have.
fn cut(mut candidates: Vec<Candidate>, request: &ClaimRequest, answer: &mut Claims) -> Vec<Candidate> {
    candidates.sort_unstable();
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let first_left_out = candidates.get(limit).map(|(ready_at, _)| Timestamp::from_micros(*ready_at));
    answer.next_due = earliest(answer.next_due, first_left_out);
    candidates.truncate(limit);
    candidates
}

/// What is due, oldest first and one more than the limit; of each supplier as much as there is room for.
async fn due(
    batch: &mut Batch<'_>,
    request: &ClaimRequest,
    next_due: &mut Option<Timestamp>,
) -> Result<Vec<Candidate>, Error> {
    let (source, now) = (request.source.as_str(), batch.now.as_micros());
    let room = rooms(request);
    let suppliers = sqlx::query(SUPPLIERS).bind(source).bind(now).fetch_all(&mut *batch.connection).await?;
    let mut fronts = Vec::new();
    for row in suppliers {
        // A name that is not text is damage of these rows only; listings show them as refused.
        let Ok(supplier) = row.try_get::<String, _>(0) else { continue };
        let room = room(&supplier);
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
    Ok(candidates)
}

/// Answers the requests that name their notifications, one after another and with one look at the tables.
async fn of_keys(batch: &mut Batch<'_>, requests: &[&ClaimRequest], answers: &mut [Claims]) -> Result<(), Error> {
    let mut keys = Vec::new();
    let mut asked_by = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        let (Pick::DueOf(wanted) | Pick::NowOf(wanted)) = &request.pick else { continue };
        keys.extend(wanted);
        asked_by.resize(keys.len(), number);
    }
    if keys.is_empty() {
        return Ok(());
    }
    let now = batch.now.as_micros();
    let query = sqlx::query(READ_KEYS).bind(keys_json(keys.into_iter())).bind(now);
    let mut found: Vec<BTreeMap<Candidate, SqliteRow>> = requests.iter().map(|_| BTreeMap::new()).collect();
    for row in query.fetch_all(&mut *batch.connection).await? {
        let (ready_at, place) = (row.try_get::<i64, _>(22)?, row.try_get::<i64, _>(23)?);
        let number = usize::try_from(place).ok().and_then(|place| asked_by.get(place)).copied();
        let Some((number, request)) = number.and_then(|number| Some((number, requests.get(number)?))) else { continue };
        let ours = row.try_get::<&str, _>(1).is_ok_and(|source| source == request.source.as_str());
        if ours && (ready_at <= now || matches!(request.pick, Pick::NowOf(_))) {
            found[number].insert((ready_at, row::id(&row)), row);
        }
    }
    let mut gone = HashSet::new();
    let mut given = Given::default();
    for ((request, answer), rows) in requests.iter().zip(answers).zip(found) {
        let room = rooms(request);
        let mut used: HashMap<&str, u32> = HashMap::new();
        let mut candidates = Vec::new();
        for (candidate, row) in &rows {
            let Ok(supplier) = row.try_get::<&str, _>(2) else { continue };
            let used = used.entry(supplier).or_default();
            if *used < room(supplier) && !gone.contains(&candidate.1) {
                *used += 1;
                candidates.push(*candidate);
            }
        }
        for candidate in cut(candidates, request, answer) {
            gone.insert(candidate.1);
            if let Some(row) = rows.get(&candidate) {
                given.give(batch, row, request.lease, answer);
            }
        }
    }
    given.record(batch).await
}

/// How many a supplier may have, found faster than by asking the request.
fn rooms(request: &ClaimRequest) -> impl Fn(&str) -> u32 {
    let rooms: HashMap<&str, u32> = request.room.iter().rev().map(|(id, room)| (id.as_str(), *room)).collect();
    move |supplier| rooms.get(supplier).copied().unwrap_or(request.per_supplier)
}

/// What is to be recorded of the claims that were given.
#[derive(Default)]
struct Given {
    /// Arrays of id, token, end of the lease.
    out: Vec<Value>,
    damaged: Vec<Value>,
}

impl Given {
    fn give(&mut self, batch: &mut Batch<'_>, row: &SqliteRow, lease: Duration, answer: &mut Claims) {
        let (id, token) = (row::id(row), batch.next_token());
        match row::claim(row, token) {
            Ok(claim) => {
                answer.claims.push(claim);
                self.out.push(Value::from(vec![id, token, batch.now.after(lease).as_micros()]));
            }
            Err(damage) => {
                answer.refused.push(damage.of_row(id));
                // It has taken the place of another.
                answer.next_due = earliest(answer.next_due, Some(batch.now));
                self.damaged.push(Value::from(id));
            }
        }
    }

    async fn record(self, batch: &mut Batch<'_>) -> Result<(), Error> {
        if !self.damaged.is_empty() {
            batch.touch();
            let later = batch.now.after(DAMAGED).as_micros();
            let query = sqlx::query(PUT_ASIDE).bind(Value::from(self.damaged).to_string()).bind(later);
            query.execute(&mut *batch.connection).await?;
        }
        if !self.out.is_empty() {
            batch.touch();
            let query = sqlx::query(HAND_OUT).bind(Value::from(self.out).to_string());
            query.execute(&mut *batch.connection).await?;
        }
        Ok(())
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}
