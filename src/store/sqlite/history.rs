//! What people have decided, entry by entry.

use serde_json::Value;

use crate::notification::{By, HistoryEntry, Key};
use crate::value::time::Timestamp;

use super::batch::Batch;
use super::change::{bind_key, of_key};
use super::error::Fault;

// ?1 an array of ids, ?2 to ?5 the entry.
pub(super) const TELL: &str = "INSERT INTO orderhook_history (notification, number, at, action, who, why) \
    SELECT j.value, (SELECT count(*) FROM orderhook_history h WHERE h.notification = j.value), ?2, ?3, ?4, ?5 \
    FROM json_each(?1) j";

// ?1 to ?5 the key, ?6 to ?9 the entry.
pub(super) const BEGIN: &str = concat!(
    "INSERT INTO orderhook_history (notification, number, at, action, who, why) SELECT n.id, 0, ?6, ?7, ?8, ?9 \
     FROM orderhook_notifications n INDEXED BY orderhook_notifications_key WHERE ",
    of_key!()
);

/// The history of a row as one JSON array of arrays.
macro_rules! history {
    () => {
        "(SELECT json_group_array(json_array(h.at, h.action, h.who, h.why) ORDER BY h.number) \
          FROM orderhook_history h WHERE h.notification = n.id)"
    };
}
pub(super) use history;

/// Writes the same entry for each of these rows.
pub(super) async fn tell(
    batch: &mut Batch<'_>,
    ids: &[i64],
    entry: &HistoryEntry,
) -> Result<(), Fault> {
    if ids.is_empty() {
        return Ok(());
    }
    batch.touch();
    let (who, why) = texts(entry);
    sqlx::query(TELL)
        .bind(Value::from(ids).to_string())
        .bind(entry.at.as_micros())
        .bind(entry.action.as_str())
        .bind(who)
        .bind(why)
        .execute(batch.connection().await?)
        .await?;
    Ok(())
}

/// Writes the first entry of a row that has just been stored.
pub(super) async fn begin(
    batch: &mut Batch<'_>,
    key: &Key,
    entry: &HistoryEntry,
) -> Result<(), Fault> {
    let (who, why) = texts(entry);
    bind_key(sqlx::query(BEGIN), key)
        .bind(entry.at.as_micros())
        .bind(entry.action.as_str())
        .bind(who)
        .bind(why)
        .execute(batch.connection().await?)
        .await?;
    Ok(())
}

fn texts(entry: &HistoryEntry) -> (Option<String>, Option<String>) {
    let text = |by: &By| (by.who.as_str().to_owned(), by.why.as_str().to_owned());
    entry.by.as_ref().map(text).unzip()
}

/// The history out of the text of [`history!`]. `None` when it is damaged.
pub(super) fn decode(text: &str) -> Option<Vec<HistoryEntry>> {
    type Parts = (i64, String, Option<String>, Option<String>);
    let parts: Vec<Parts> = serde_json::from_str(text).ok()?;
    let entry = |(at, action, who, why): Parts| {
        let by = match (who, why) {
            (Some(who), Some(why)) => Some(By::from_stored(&who, &why).ok()?),
            _ => None,
        };
        let action = action.parse().ok()?;
        Some(HistoryEntry::new(Timestamp::from_micros(at), action, by))
    };
    parts.into_iter().map(entry).collect()
}
