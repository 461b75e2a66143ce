//! Who may send next.
//!
//! What can be claimed now or later stands in one partial index for each queue, in the order in which it is handed out. A
//! claim reads from the front of one of them as much as it hands out, and one row more for the moment at which to ask
//! again: neither the length of a backlog nor the number of suppliers makes it slower.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::notification::Token;
use crate::notification::transition::{Change, hand_out, set_aside};
use crate::store::{ClaimRequest, Claims, Pick};
use crate::value::names::SupplierId;
use crate::value::time::Timestamp;

use super::batch::Batch;
use super::change::{self, Columns, Update};
use super::error::Fault;
use super::row::{self, claim_column, column};
use super::statement::{Repeated, keys_json};

// The front of one queue: ?1 source, ?2 how many.
macro_rules! front {
    ($index:literal, $ledger:literal) => {
        concat!(
            "SELECT n.ready_at, n.id FROM orderhook_notifications n INDEXED BY ",
            $index,
            " WHERE n.source = ?1 AND n.ready_at IS NOT NULL AND n.ledger ",
            $ledger,
            " ORDER BY n.ready_at, n.id LIMIT ?2"
        )
    };
}
pub(super) const FRONT_NEW: &str = front!("orderhook_notifications_new", "IS NULL");
pub(super) const FRONT_DUE: &str = front!("orderhook_notifications_due", "IS NOT NULL");

// What is put off of one supplier: ?1 source, ?2 supplier, ?3 how many.
static FRONTS_PUT_OFF: Repeated = Repeated::new(FRONT_PUT_OFF, 3);
pub(super) const FRONT_PUT_OFF: &str = "SELECT n.ready_at, n.id \
    FROM orderhook_notifications n INDEXED BY orderhook_notifications_put_off \
    WHERE n.source = ?1 AND n.supplier = ?2 AND n.put_off_to = n.ready_at AND n.state = 'pending' \
    ORDER BY n.ready_at, n.id LIMIT ?3";

// ?1 an array of ids.
pub(super) const READ: &str = concat!(
    "SELECT ",
    row::claim_columns!(),
    " FROM json_each(?1) j CROSS JOIN orderhook_notifications n ON n.id = j.value \
        LEFT JOIN orderhook_bodies b ON b.notification = n.id \
     ORDER BY j.key"
);

// The same by key, with the moment and the place of the key in the array.
pub(super) const READ_KEYS: &str = concat!(
    "SELECT ",
    row::claim_columns!(),
    ", n.ready_at, j.key \
     FROM json_each(?1) j CROSS JOIN orderhook_notifications n INDEXED BY orderhook_notifications_key \
        ON n.source = j.value ->> 0 AND n.order_code = j.value ->> 1 AND n.supplier = j.value ->> 2 \
        AND n.kind = j.value ->> 3 AND n.occurrence = j.value ->> 4 \
        LEFT JOIN orderhook_bodies b ON b.notification = n.id \
     WHERE n.ready_at IS NOT NULL AND (n.ready_at <= ?2 OR n.state = 'pending' AND n.ledger IS NOT NULL) \
     ORDER BY j.key"
);

/// A row that could be claimed: since when, and which.
type Candidate = (i64, i64);

/// Answers the requests as if they had come one after another, those with keys first.
pub(super) async fn claim(
    batch: &mut Batch<'_>,
    requests: &[&ClaimRequest],
) -> Result<Vec<Claims>, Fault> {
    let mut answers: Vec<_> = requests.iter().map(|_| Claims::at(batch.now)).collect();
    of_keys(batch, requests, &mut answers).await?;
    for (request, answer) in requests.iter().zip(&mut answers) {
        let candidates = match &request.pick {
            Pick::New => front(batch, FRONT_NEW, request, answer).await?,
            Pick::Due => front(batch, FRONT_DUE, request, answer).await?,
            Pick::PutOff(suppliers) => put_off(batch, suppliers, request).await?,
            Pick::DueOf(_) | Pick::NowOf(_) => continue,
        };
        if candidates.is_empty() {
            continue;
        }
        let ids = Value::from(candidates.iter().map(|(_, id)| *id).collect::<Vec<_>>()).to_string();
        let mut given = Given::default();
        for row in sqlx::query(READ)
            .bind(ids)
            .fetch_all(batch.connection().await?)
            .await?
        {
            given.give(batch, &row, request.lease, answer);
        }
        given.record(batch).await?;
    }
    Ok(answers)
}

/// What is due at the front of a queue, and when the first is due that is not handed out.
async fn front(
    batch: &mut Batch<'_>,
    sql: &'static str,
    request: &ClaimRequest,
    answer: &mut Claims,
) -> Result<Vec<Candidate>, Fault> {
    let query = sqlx::query(sql)
        .bind(request.source.as_str())
        .bind(i64::from(request.limit) + 1);
    let mut candidates = candidates(query.fetch_all(batch.connection().await?).await?)?;
    let now = batch.now;
    let now = request
        .due_by
        .map_or(now, |due_by| due_by.min(now))
        .as_micros();
    let due = candidates
        .iter()
        .take_while(|(ready_at, _)| *ready_at <= now)
        .count();
    let most = usize::try_from(request.limit).unwrap_or(usize::MAX);
    answer.next_due = candidates
        .get(due.min(most))
        .map(|(ready_at, _)| Timestamp::from_micros(*ready_at));
    candidates.truncate(due.min(most));
    Ok(candidates)
}

/// What is put off of these suppliers, earliest first.
async fn put_off(
    batch: &mut Batch<'_>,
    suppliers: &[SupplierId],
    request: &ClaimRequest,
) -> Result<Vec<Candidate>, Fault> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut left = suppliers
        .iter()
        .take(Pick::MOST_SUPPLIERS)
        .filter(|id| seen.insert(*id))
        .collect::<Vec<_>>();
    while !left.is_empty() {
        let (sql, times) = FRONTS_PUT_OFF.for_first_of(left.len());
        let mut query = sqlx::query(sql);
        for supplier in left.drain(..times) {
            query = query
                .bind(request.source.as_str().to_owned())
                .bind(supplier.as_str().to_owned())
                .bind(i64::from(request.limit));
        }
        found.extend(candidates(
            query.fetch_all(batch.connection().await?).await?,
        )?);
    }
    found.sort_unstable();
    found.truncate(usize::try_from(request.limit).unwrap_or(usize::MAX));
    Ok(found)
}

fn candidates(rows: Vec<SqliteRow>) -> Result<Vec<Candidate>, Fault> {
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

/// Answers the requests that name their notifications, one after another and with one look at the tables.
async fn of_keys(
    batch: &mut Batch<'_>,
    requests: &[&ClaimRequest],
    answers: &mut [Claims],
) -> Result<(), Fault> {
    let mut keys = Vec::new();
    let mut asked_by = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        let (Pick::DueOf(wanted) | Pick::NowOf(wanted)) = &request.pick else {
            continue;
        };
        keys.extend(wanted);
        asked_by.resize(keys.len(), number);
    }
    if keys.is_empty() {
        return Ok(());
    }
    let now = batch.now.as_micros();
    let query = sqlx::query(READ_KEYS)
        .bind(keys_json(keys.into_iter()))
        .bind(now);
    let mut found: Vec<BTreeMap<Candidate, SqliteRow>> =
        requests.iter().map(|_| BTreeMap::new()).collect();
    for row in query.fetch_all(batch.connection().await?).await? {
        let (ready_at, place) = (
            row.try_get::<i64, _>(claim_column::READY_AT)?,
            row.try_get::<i64, _>(claim_column::PLACE)?,
        );
        let number = usize::try_from(place)
            .ok()
            .and_then(|place| asked_by.get(place))
            .copied();
        let Some((number, request)) =
            number.and_then(|number| Some((number, requests.get(number)?)))
        else {
            continue;
        };
        let ours = row
            .try_get::<&str, _>(column::SOURCE)
            .is_ok_and(|source| source == request.source.as_str());
        if ours && (ready_at <= now || matches!(request.pick, Pick::NowOf(_))) {
            found[number].insert((ready_at, row::id(&row)), row);
        }
    }
    let mut gone = HashSet::new();
    let mut given = Given::default();
    for ((request, answer), rows) in requests.iter().zip(answers).zip(found) {
        let most = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let free: Vec<_> = rows
            .iter()
            .filter(|((_, id), _)| !gone.contains(id))
            .take(most)
            .collect();
        for ((_, id), row) in free {
            gone.insert(*id);
            given.give(batch, row, request.lease, answer);
        }
    }
    given.record(batch).await
}

/// What is to be recorded of the claims that were given: for each row its id, its token and its new state.
#[derive(Default)]
struct Given {
    rows: Vec<(i64, Option<i64>, Change)>,
}

impl Given {
    fn give(
        &mut self,
        batch: &mut Batch<'_>,
        row: &SqliteRow,
        lease: Duration,
        answer: &mut Claims,
    ) {
        let id = row::id(row);
        let token = batch.next_token();
        match row::claim(row, Token::new(token)) {
            Ok(claim) => {
                answer.claims.push(claim);
                self.rows.push((
                    id,
                    Some(token),
                    hand_out(row::queue(row), batch.now.after(lease)),
                ));
            }
            Err(damage) => {
                answer.refused.push(damage.of_row(id));
                self.rows.push((id, None, set_aside(batch.now)));
            }
        }
    }

    async fn record(self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        let update = |(id, token, change): (i64, Option<i64>, Change)| {
            let columns = Columns::of(&change, batch);
            Update {
                id,
                token,
                ledger: None,
                reopens: false,
                // What could be claimed is the head of its stream, and stays it.
                ready_at: columns.due_at,
                columns,
            }
        };
        let updates = self.rows.into_iter().map(update).collect();
        change::record(batch, updates, Vec::new()).await
    }
}
