//! What a person decides, and what is dropped with time.

use std::time::Duration;

use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use crate::notification::transition::{self, Change, Intervening};
use crate::notification::{HistoryEntry, Key, StateName};
use crate::store::{Filter, Intervened, Intervention, Selection};
use crate::value::names::Source;

use super::batch::Batch;
use super::change::{Fence, RowChange, apply};
use super::error::Fault;
use super::history;
use super::row;
use super::select::{Leases, rows_query};
use super::statement::keys_json;

pub(super) const OF_KEYS: &str = concat!(
    "SELECT DISTINCT ",
    row::columns!(),
    " FROM json_each(?1) j CROSS JOIN orderhook_notifications n INDEXED BY orderhook_notifications_key \
        ON n.source = j.value ->> 0 AND n.order_code = j.value ->> 1 AND n.supplier = j.value ->> 2 \
        AND n.kind = j.value ->> 3 AND n.occurrence = j.value ->> 4 \
     ORDER BY n.id"
);

// ?1 an array of ids.
pub(super) const EXTRAS: &str = concat!(
    "SELECT ",
    row::columns!(),
    ", ",
    row::attempt_lines!(),
    " FROM json_each(?1) j CROSS JOIN orderhook_notifications n ON n.id = j.value"
);

pub(super) const DROP_ATTEMPTS: &str = "DELETE FROM orderhook_attempts WHERE notification = ?1";

// Of one id each: for a list of them SQLite would go over a table that it believes to be short.
pub(super) const DROP_CONTENT: &str = "DELETE FROM orderhook_bodies WHERE notification = ?1; \
    DELETE FROM orderhook_attempts WHERE notification = ?1";

pub(super) const BLANK: &str = "UPDATE orderhook_notifications SET ledger = NULL, first_ledger = NULL, digest = NULL, \
        traceparent = NULL, reference = iif(reference IS NULL, NULL, ''), reason = iif(reason IS NULL, NULL, '') \
     WHERE id = ?1; \
    UPDATE orderhook_history SET who = NULL, why = NULL WHERE notification = ?1";

pub(super) const FORGET: &str = "DELETE FROM orderhook_history WHERE notification = ?1; \
    DELETE FROM orderhook_notifications WHERE id = ?1";

/// What is to be done, by what it is.
#[derive(Default)]
struct Plan {
    changes: Vec<(Key, Change)>,
    /// What comes to its end by it.
    ends: Vec<i64>,
    erased: Vec<i64>,
    forgotten: Vec<i64>,
    /// What has one more entry in its history.
    told: Vec<i64>,
}

/// Changes what the selection names and the action allows.
pub(super) async fn intervene(
    batch: &mut Batch<'_>,
    selection: &Selection,
    intervention: &Intervention,
    limit: u32,
) -> Result<Intervened, Fault> {
    let now = batch.now;
    let mut answer = Intervened::default();
    let mut plan = Plan::default();
    for row in selected(batch, selection, intervention, limit).await? {
        if answer.changed.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            break;
        }
        // Nothing can be decided about a row whose key or state cannot be read; listings show it as refused.
        let (Ok(key), Ok(state)) = (row::key(&row), row::state(&row)) else {
            continue;
        };
        let id = row::id(&row);
        match transition::intervene(&state, intervention, now) {
            Intervening::Changes(change) => {
                if change.state.claimable_from().is_none() {
                    plan.ends.push(id);
                }
                plan.changes.push((key.clone(), change));
                plan.told.push(id);
            }
            Intervening::Noted => plan.told.push(id),
            // The statement blanks the texts of the state.
            Intervening::Erases(_) => {
                plan.erased.push(id);
                plan.told.push(id);
            }
            Intervening::Forgets => plan.forgotten.push(id),
            Intervening::InFlight => {
                answer.in_flight.push(key);
                continue;
            }
            Intervening::NotAllowed => continue,
        }
        answer.changed.push(key);
    }
    if let Selection::Matching(filter) = selection {
        answer.in_flight = in_flight(batch, filter, intervention, limit).await?;
    }
    carry_out(batch, plan, intervention).await?;
    Ok(answer)
}

async fn carry_out(
    batch: &mut Batch<'_>,
    plan: Plan,
    Intervention { action, by }: &Intervention,
) -> Result<(), Fault> {
    drop_what_cannot_be_read(batch, plan.ends).await?;
    let changes = plan
        .changes
        .iter()
        .map(|(key, change)| RowChange::to(key, Fence::Looked, change.clone()));
    apply(batch, changes.collect()).await?;
    of_ids(batch, &[DROP_CONTENT, BLANK], &plan.erased).await?;
    of_ids(batch, &[DROP_CONTENT, FORGET], &plan.forgotten).await?;
    let entry = HistoryEntry::new(batch.now, action.name(), Some(by.clone()));
    history::tell(batch, &plan.told, &entry).await
}

/// Runs statements of which the argument is an id, for each of these.
async fn of_ids(
    batch: &mut Batch<'_>,
    statements: &[&'static str],
    ids: &[i64],
) -> Result<(), Fault> {
    for id in ids {
        batch.touch();
        for sql in statements {
            sqlx::query(*sql)
                .bind(id)
                .execute(batch.connection().await?)
                .await?;
        }
    }
    Ok(())
}

/// What a person has brought to its end is not sent any more, so what of it cannot be read is of no use, and would keep the
/// rest from being read.
async fn drop_what_cannot_be_read(batch: &mut Batch<'_>, ids: Vec<i64>) -> Result<(), Fault> {
    if ids.is_empty() {
        return Ok(());
    }
    for row in sqlx::query(EXTRAS)
        .bind(Value::from(ids).to_string())
        .fetch_all(batch.connection().await?)
        .await?
    {
        let (columns, attempts) = row::unreadable_extras(&row);
        for column in columns {
            let sql = format!("UPDATE orderhook_notifications SET {column} = NULL WHERE id = ?1");
            sqlx::query(AssertSqlSafe(sql))
                .bind(row::id(&row))
                .execute(batch.connection().await?)
                .await?;
        }
        if attempts {
            sqlx::query(DROP_ATTEMPTS)
                .bind(row::id(&row))
                .execute(batch.connection().await?)
                .await?;
        }
    }
    Ok(())
}

async fn selected(
    batch: &mut Batch<'_>,
    selection: &Selection,
    intervention: &Intervention,
    limit: u32,
) -> Result<Vec<SqliteRow>, Fault> {
    let filter = match selection {
        Selection::Keys(keys) => {
            let query = sqlx::query(OF_KEYS).bind(keys_json(keys.iter()));
            return Ok(query.fetch_all(batch.connection().await?).await?);
        }
        Selection::Matching(filter) => filter.for_action(&intervention.action),
    };
    let Some(filter) = filter else {
        return Ok(Vec::new());
    };
    let mut query = rows_query(&filter, batch.now, Leases::RunOut, i64::from(limit));
    Ok(query.build().fetch_all(batch.connection().await?).await?)
}

/// What of a filter's selection is left alone because it is being sent.
async fn in_flight(
    batch: &mut Batch<'_>,
    filter: &Filter,
    intervention: &Intervention,
    limit: u32,
) -> Result<Vec<Key>, Fault> {
    let Some(mut filter) = filter
        .for_action(&intervention.action)
        .filter(|filter| filter.states.contains(&StateName::Sending))
    else {
        return Ok(Vec::new());
    };
    filter.states = vec![StateName::Sending];
    let mut query = rows_query(&filter, batch.now, Leases::Live, i64::from(limit));
    let rows = query.build().fetch_all(batch.connection().await?).await?;
    Ok(rows.iter().filter_map(|row| row::key(row).ok()).collect())
}

// A page of the rows that have a body or attempts, in the order of insertion: ?1 source, ?2 after which id, ?3 how many.
pub(super) const WITH_CONTENT: &str = "SELECT n.id, n.created_at, n.state IN ('notified', 'withdrawn', 'not_wanted') \
        AND n.source = ?1 AND n.settled_at <= ?3 \
    FROM orderhook_bodies b CROSS JOIN orderhook_notifications n ON n.id = b.notification \
    WHERE b.notification > ?2 ORDER BY b.notification LIMIT 500";

/// Drops the content of what came to its end long ago. Only what has a body has attempts, and both go together.
pub(super) async fn prune(
    batch: &mut Batch<'_>,
    source: &Source,
    older_than: Duration,
    limit: u32,
) -> Result<u32, Fault> {
    let latest = batch.now.before(older_than).as_micros();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let mut after = 0_i64;
    // What was stored later has not come to its end earlier than that.
    'pages: loop {
        let page = sqlx::query(WITH_CONTENT)
            .bind(source.as_str())
            .bind(after)
            .bind(latest)
            .fetch_all(batch.connection().await?)
            .await?;
        if page.is_empty() {
            break;
        }
        for row in page {
            after = row.try_get(0)?;
            if found.len() >= limit || row.try_get::<i64, _>(1)? > latest {
                break 'pages;
            }
            if row.try_get::<Option<bool>, _>(2)? == Some(true) {
                found.push(after);
            }
        }
    }
    of_ids(batch, &[DROP_CONTENT], &found).await?;
    Ok(u32::try_from(found.len()).unwrap_or(u32::MAX))
}
