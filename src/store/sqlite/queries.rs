//! What is looked at: one notification, pages of them, their numbers.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::notification::{Key, StateName};
use crate::store::{Counted, Cursor, Filter, Group, Listing, Page};
use crate::value::names::{Source, SupplierId};
use crate::value::time::Timestamp;

use super::change::{bind_key, of_key};
use super::error::Fault;
use super::history::history;
use super::row::{self, column};
use super::select::{count_query, list_query};

pub(super) const GET: &str = concat!(
    "SELECT ",
    row::columns!(),
    ", ",
    row::attempt_lines!(),
    ", b.body, ",
    history!(),
    " FROM orderhook_notifications n INDEXED BY orderhook_notifications_key \
        LEFT JOIN orderhook_bodies b ON b.notification = n.id WHERE ",
    of_key!()
);

pub(super) const SETTLED: &str = concat!(
    "SELECT ",
    row::columns!(),
    ", ",
    row::attempt_lines!(),
    ", NULL, n.settled_seq \
     FROM orderhook_notifications n INDEXED BY orderhook_notifications_settled \
     WHERE n.source = ?1 AND n.settled_seq > ?2 ORDER BY n.settled_seq LIMIT ?3"
);

/// The row of one key, body and all.
pub(super) async fn get(
    connection: &mut SqliteConnection,
    key: &Key,
) -> Result<Option<SqliteRow>, Fault> {
    let found = bind_key(sqlx::query(GET), key);
    Ok(found.fetch_optional(connection).await?)
}

/// One page in the order of insertion.
pub(super) async fn list(
    connection: &mut SqliteConnection,
    filter: &Filter,
    page: &Page,
    now: Timestamp,
) -> Result<Listing, Fault> {
    let after = number(page);
    let mut query = list_query(filter, now, after, i64::from(page.limit) + 1);
    let rows = query.build().fetch_all(connection).await?;

    let shown = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut listing = Listing::default();
    let mut last = after;
    for row in rows.iter().take(shown) {
        last = row::id(row);
        match row::notification(row) {
            Ok(notification) => listing.notifications.push(notification.as_listed()),
            Err(damage) => listing.refused.push(damage.of_row(last)),
        }
    }
    listing.next = (rows.len() > shown).then(|| Cursor::new(last.to_string()));
    Ok(listing)
}

/// What is notified or failed, in the order in which it became so.
pub(super) async fn settled(
    connection: &mut SqliteConnection,
    source: &Source,
    page: &Page,
) -> Result<Listing, Fault> {
    let mut last = number(page);
    let query = sqlx::query(SETTLED)
        .bind(source.as_str().to_owned())
        .bind(last)
        .bind(i64::from(page.limit));
    let mut listing = Listing::default();
    for row in query.fetch_all(connection).await? {
        last = row.try_get(column::BODY + 1)?;
        match row::notification(&row) {
            Ok(notification) => listing.notifications.push(notification.as_listed()),
            Err(damage) => listing.refused.push(damage.of_row(row::id(&row))),
        }
    }
    listing.next = (last > 0).then(|| Cursor::new(last.to_string()));
    Ok(listing)
}

/// How many there are of each group.
pub(super) async fn count(
    connection: &mut SqliteConnection,
    filter: &Filter,
    group: Group,
    now: Timestamp,
) -> Result<Vec<Counted>, Fault> {
    let mut query = count_query(filter, now, group);
    let rows = query.build().fetch_all(connection).await?;
    let parts = rows.iter().map(|row| counted(row, group));
    Ok(Counted::merged(parts.collect::<Result<Vec<_>, _>>()?))
}

fn counted(row: &SqliteRow, group: Group) -> Result<Counted, Fault> {
    // A damaged word is one more that cannot be read; listings show the row as refused.
    let state = row.try_get::<&str, _>(0)?.parse();
    let number = u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0);
    let due = row.try_get::<Option<i64>, _>(2)?;
    let mut counted = Counted::new(
        state.unwrap_or(StateName::Unreadable),
        number,
        due.map(Timestamp::from_micros),
        Timestamp::from_micros(row.try_get(3)?),
    );
    if group == Group::SupplierAndReason {
        counted.supplier = SupplierId::from_stored(row.try_get(4)?).ok();
        let reason: Option<&str> = row.try_get(5)?;
        counted.reason = reason.and_then(|word| word.parse().ok());
    }
    Ok(counted)
}

/// Where the page begins; a cursor that is none of ours is the beginning.
fn number(page: &Page) -> i64 {
    page.after
        .as_ref()
        .and_then(|cursor| cursor.as_str().parse().ok())
        .unwrap_or(0)
}
