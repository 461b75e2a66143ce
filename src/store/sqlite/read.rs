//! What is looked at: one notification, pages of them, their numbers.

use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Error, QueryBuilder, Row, Sqlite, SqliteConnection};

use crate::notification::{Key, StateName};
use crate::store::{Counts, Cursor, Filter, Listing, Page};
use crate::value::names::Source;
use crate::value::time::Timestamp;

use super::change::{bind_key, of_key};
use super::row::{self, column};

pub(super) const GET: &str = concat!(
    "SELECT ",
    row::columns!(),
    ", ",
    row::attempt_lines!(),
    ", b.body \
     FROM orderhook_notifications n INDEXED BY orderhook_notifications_key \
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
) -> Result<Option<SqliteRow>, Error> {
    bind_key(sqlx::query(GET), key)
        .fetch_optional(connection)
        .await
}

/// One page in the order of insertion.
pub(super) async fn list(
    connection: &mut SqliteConnection,
    filter: &Filter,
    page: &Page,
    now: Timestamp,
) -> Result<Listing, Error> {
    let after = number(page);
    let mut query = list_query(filter, now, after, i64::from(page.limit) + 1);
    let rows = query.build().fetch_all(connection).await?;

    let shown = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut listing = Listing::default();
    let mut last = after;
    for row in rows.iter().take(shown) {
        last = row::id(row);
        match row::notification(row) {
            Ok(notification) => listing.notifications.push(notification),
            Err(damage) => listing.refused.push(damage.of_row(last)),
        }
    }
    listing.next = (rows.len() > shown).then(|| Cursor::new(last.to_string()));
    Ok(listing)
}

/// The ids first, so that only what is on the page is read and sorted as a whole.
pub(super) fn list_query(
    filter: &Filter,
    now: Timestamp,
    after: i64,
    limit: i64,
) -> QueryBuilder<Sqlite> {
    const ROWS: &str = concat!(
        "SELECT ",
        row::columns!(),
        ", ",
        row::attempt_lines!(),
        ", NULL FROM (SELECT n.id AS id"
    );
    let mut query = QueryBuilder::<Sqlite>::new(ROWS);
    narrow(&mut query, filter, now);
    query
        .push(if is_narrow(filter) {
            " AND +n.id > "
        } else {
            " AND n.id > "
        })
        .push_bind(after);
    query.push(" ORDER BY n.id LIMIT ").push_bind(limit);
    query.push(") p CROSS JOIN orderhook_notifications n ON n.id = p.id ORDER BY p.id");
    query
}

/// What is notified or failed, in the order in which it became so.
pub(super) async fn settled(
    connection: &mut SqliteConnection,
    source: &Source,
    page: &Page,
) -> Result<Listing, Error> {
    let mut last = number(page);
    let query = sqlx::query(SETTLED)
        .bind(source.as_str().to_owned())
        .bind(last)
        .bind(i64::from(page.limit));
    let mut listing = Listing::default();
    for row in query.fetch_all(connection).await? {
        last = row.try_get(column::BODY + 1)?;
        match row::notification(&row) {
            Ok(notification) => listing.notifications.push(notification),
            Err(damage) => listing.refused.push(damage.of_row(row::id(&row))),
        }
    }
    listing.next = (last > 0).then(|| Cursor::new(last.to_string()));
    Ok(listing)
}

/// How many there are in each state.
pub(super) async fn count(
    connection: &mut SqliteConnection,
    filter: &Filter,
    now: Timestamp,
) -> Result<Counts, Error> {
    let mut query = count_query(filter, now);
    let mut counts = Counts::default();
    for row in query.build().fetch_all(connection).await? {
        let word: &str = row.try_get(0)?;
        // A damaged word is one more that cannot be read; listings show the row as refused.
        let state = word.parse().unwrap_or(StateName::Unreadable);
        counts.add(state, u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0));
    }
    Ok(counts)
}

pub(super) fn count_query(filter: &Filter, now: Timestamp) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT n.state, count(*)");
    narrow(&mut query, filter, now);
    query.push(" GROUP BY +n.state");
    query
}

/// Where the page begins; a cursor that is none of ours is the beginning.
fn number(page: &Page) -> i64 {
    page.after
        .as_ref()
        .and_then(|cursor| cursor.as_str().parse().ok())
        .unwrap_or(0)
}

/// Whether an index leads to what the filter selects; otherwise the table is read in its order.
fn is_narrow(filter: &Filter) -> bool {
    filter.order.is_some() || filter.supplier.is_some()
}

fn narrow(query: &mut QueryBuilder<Sqlite>, filter: &Filter, now: Timestamp) {
    // Named here, so that it does not depend on statistics.
    let index = match filter {
        Filter { order: Some(_), .. } => "INDEXED BY orderhook_notifications_key",
        Filter {
            supplier: Some(_), ..
        } => "INDEXED BY orderhook_notifications_stream",
        _ => "NOT INDEXED",
    };
    query.push(" FROM orderhook_notifications n ").push(index);
    query
        .push(" WHERE n.source = ")
        .push_bind(filter.source.as_str().to_owned());
    if let Some(order) = &filter.order {
        query
            .push(" AND n.order_code = ")
            .push_bind(order.as_str().to_owned());
    }
    if let Some(supplier) = &filter.supplier {
        query
            .push(" AND n.supplier = ")
            .push_bind(supplier.as_str().to_owned());
    }
    if !filter.states.is_empty() {
        let states = filter
            .states
            .iter()
            .map(|state| Value::from(state.as_str()))
            .collect::<Vec<_>>();
        query
            .push(" AND n.state IN (SELECT value FROM json_each(")
            .push_bind(Value::from(states).to_string());
        query.push("))");
    }
    if let Some(age) = filter.older_than {
        query
            .push(" AND n.created_at <= ")
            .push_bind(now.before(age).as_micros());
    }
}
