//! What a person decides.

use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Error};

use crate::notification::transition::{self, Intervening};
use crate::store::{Intervened, Intervention, Selection};

use super::batch::Batch;
use super::change::{Fence, RowChange, apply};
use super::keys::keys_json;
use super::row;

pub(super) const OF_KEYS: &str = concat!(
    "SELECT DISTINCT ",
    row::columns!(),
    " FROM json_each(?1) j CROSS JOIN orderhook_notifications n INDEXED BY orderhook_notifications_key \
        ON n.source = j.value ->> 0 AND n.order_code = j.value ->> 1 AND n.supplier = j.value ->> 2 \
        AND n.kind = j.value ->> 3 AND n.occurrence = j.value ->> 4 \
     ORDER BY n.id"
);

pub(super) const FAILED_FOR: &str = concat!(
    "SELECT ",
    row::columns!(),
    " FROM orderhook_notifications n INDEXED BY orderhook_notifications_failed \
     WHERE n.source = ?1 AND n.supplier = ?2 AND n.state = 'failed' \
        AND n.reason IN (SELECT value FROM json_each(?3)) \
        AND n.stream_rule IN ('holds', 'passes') AND n.settled_at IS NOT NULL \
     ORDER BY n.id LIMIT ?4"
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

/// Changes what the selection names and the intervention allows.
pub(super) async fn intervene(
    batch: &mut Batch<'_>,
    selection: &Selection,
    intervention: &Intervention,
    limit: u32,
) -> Result<Intervened, Error> {
    let now = batch.now;
    let mut answer = Intervened::default();
    let mut changes = Vec::new();
    let mut ends = Vec::new();
    for row in selected(batch, selection, limit).await? {
        if answer.changed.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            break;
        }
        // Nothing can be decided about a row whose key or state cannot be read; listings show it as refused.
        let (Ok(key), Ok(state)) = (row::key(&row), row::state(&row)) else {
            continue;
        };
        match transition::intervene(&state, intervention, now) {
            Intervening::Changes(change) => {
                if change.state.claimable_from().is_none() {
                    ends.push(row::id(&row));
                }
                answer.changed.push(key);
                changes.push(change);
            }
            Intervening::InFlight => answer.in_flight.push(key),
            Intervening::NotAllowed => {}
        }
    }
    drop_what_cannot_be_read(batch, ends).await?;
    let changes = answer
        .changed
        .iter()
        .zip(changes)
        .map(|(key, change)| RowChange::to(key, Fence::Looked, change));
    apply(batch, changes.collect()).await?;
    Ok(answer)
}

/// What a person has brought to its end is not sent any more, so what of it cannot be read is of no use, and would keep the
/// rest from being read.
async fn drop_what_cannot_be_read(batch: &mut Batch<'_>, ids: Vec<i64>) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    for row in sqlx::query(EXTRAS)
        .bind(Value::from(ids).to_string())
        .fetch_all(&mut *batch.connection)
        .await?
    {
        let (columns, attempts) = row::unreadable_extras(&row);
        for column in columns {
            let sql = format!("UPDATE orderhook_notifications SET {column} = NULL WHERE id = ?1");
            sqlx::query(AssertSqlSafe(sql))
                .bind(row::id(&row))
                .execute(&mut *batch.connection)
                .await?;
        }
        if attempts {
            sqlx::query(DROP_ATTEMPTS)
                .bind(row::id(&row))
                .execute(&mut *batch.connection)
                .await?;
        }
    }
    Ok(())
}

async fn selected(
    batch: &mut Batch<'_>,
    selection: &Selection,
    limit: u32,
) -> Result<Vec<SqliteRow>, Error> {
    let query = match selection {
        Selection::Keys(keys) => sqlx::query(OF_KEYS).bind(keys_json(keys.iter())),
        Selection::FailedFor {
            source,
            supplier,
            reasons,
        } => {
            let reasons = reasons
                .iter()
                .map(|reason| Value::from(reason.as_str()))
                .collect::<Vec<_>>();
            sqlx::query(FAILED_FOR)
                .bind(source.as_str())
                .bind(supplier.as_str())
                .bind(Value::from(reasons).to_string())
                .bind(i64::from(limit))
        }
    };
    query.fetch_all(&mut *batch.connection).await
}
