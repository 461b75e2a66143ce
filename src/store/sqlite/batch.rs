//! One transaction of the store: its moment, its counters, and the statements that every change goes through.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::store::StoreError;
use crate::store::StoreErrorKind;
use crate::value::time::Timestamp;

use super::clock::{Clock, Offset};
use super::connect::is_durable;
use super::error::{Fault, is_refused};
use super::statement::{Bound, Filled, MOST, Place};

/// A transaction that is open, and what it has used up so far. Its opener ends it.
///
/// A statement costs more on its way to the connection's thread and back than in it. So a transaction begins together with
/// the first look at the tables, and what is written waits for what ends it.
pub(super) struct Batch<'c> {
    connection: &'c mut SqliteConnection,
    /// What was found by the look with which it began, until it is asked for.
    found: Option<Vec<SqliteRow>>,
    /// What was written last, and is executed with the next statement at the latest.
    unwritten: Option<Filled>,
    /// The moment at which all of it happens.
    pub(super) now: Timestamp,
    last_token: i64,
    last_settled: i64,
    changed: bool,
    /// Whether something became claimable, now or later, that no holder has.
    has_news: bool,
}

macro_rules! meta {
    () => {
        "SELECT last_token, last_settled, last_seen, (SELECT clock_offset FROM orderhook_boots WHERE boot = ?) \
         FROM orderhook_meta WHERE id = 1"
    };
}
macro_rules! counters {
    () => {
        "UPDATE orderhook_meta SET last_token = ?, last_settled = ?, last_seen = max(last_seen, ?) WHERE id = 1"
    };
}

const BEGIN: &str = concat!("BEGIN IMMEDIATE; ", meta!());
const COUNTERS: &str = counters!();
const COMMIT: &str = concat!(counters!(), "; COMMIT");

/// What stands before and after a look with which a transaction begins.
pub(super) const LOOKING: (&str, &str) = ("BEGIN IMMEDIATE; ", concat!("; ", meta!()));
/// What stands before and after the writes with which it ends.
pub(super) const WRITING: (&str, &str) = ("", concat!("; ", counters!(), "; COMMIT"));

// The first statement takes the lock for writing, whatever the caller began its transaction with.
const JOIN: &str = "UPDATE orderhook_meta SET last_seen = last_seen WHERE id = 1; \
    SELECT last_token, last_settled, last_seen, (SELECT clock_offset FROM orderhook_boots WHERE boot = ?1), file_id, \
        (SELECT synchronous FROM pragma_synchronous) \
    FROM orderhook_meta WHERE id = 1";

impl<'c> Batch<'c> {
    /// Begins a transaction of the store's own, with the first of the looks that are [read](Self::read) first.
    pub(super) async fn begin(
        connection: &'c mut SqliteConnection,
        clock: &Clock,
        look: Option<Filled>,
    ) -> Result<Batch<'c>, Fault> {
        let looks = look.is_some();
        let query = match look {
            Some(look) => look.at(Place::AtTheEdge)?,
            None => sqlx::query(BEGIN),
        };
        let mut found = query.bind(clock.boot()).fetch_all(&mut *connection).await?;
        let row = found.pop().ok_or(sqlx::Error::RowNotFound)?;
        let offset = Self::offset(&row, clock)?;
        let batch = Self::with(connection, clock, &row, offset).await?;
        Ok(Batch {
            found: looks.then_some(found),
            ..batch
        })
    }

    /// Goes on in a transaction of the caller's. One of another file is refused.
    pub(super) async fn join(
        connection: &'c mut SqliteConnection,
        clock: &Clock,
        file_id: &str,
    ) -> Result<Batch<'c>, Fault> {
        let unusable = |what| Err(StoreError::new(StoreErrorKind::Unusable, what).into());
        let row = match sqlx::query(JOIN)
            .bind(clock.boot())
            .fetch_optional(&mut *connection)
            .await
        {
            Ok(Some(row)) if row.try_get::<&str, _>(4)? == file_id => row,
            Err(error) if !is_refused(&error) => return Err(error.into()),
            Ok(_) | Err(_) => {
                return unusable(
                    "the transaction is one of another database file than the store's",
                );
            }
        };
        if !is_durable(row.try_get(5)?) {
            return unusable(
                "the connection of the transaction is not synchronous=FULL: a power cut could take back what it commits",
            );
        }
        let offset = Self::offset(&row, clock)?;
        Self::with(connection, clock, &row, offset).await
    }

    fn offset(row: &sqlx::sqlite::SqliteRow, clock: &Clock) -> Result<(Offset, Timestamp), Fault> {
        // Read under the lock: the holder before has read an earlier moment.
        let reading = clock.read();
        let last_seen = Timestamp::from_micros(row.try_get(2)?);
        let offset = Offset::settle(row.try_get(3)?, reading, last_seen);
        Ok((offset, offset.at(reading).max(last_seen)))
    }

    async fn with(
        connection: &'c mut SqliteConnection,
        clock: &Clock,
        row: &sqlx::sqlite::SqliteRow,
        (offset, now): (Offset, Timestamp),
    ) -> Result<Batch<'c>, Fault> {
        let (last_token, last_settled) = (row.try_get(0)?, row.try_get(1)?);
        if offset.is_new {
            sqlx::query("INSERT OR REPLACE INTO orderhook_boots VALUES (?1, ?2)")
                .bind(clock.boot())
                .bind(offset.micros)
                .execute(&mut *connection)
                .await?;
        }
        Ok(Batch {
            connection,
            found: None,
            unwritten: None,
            now,
            last_token,
            last_settled,
            changed: offset.is_new,
            has_news: false,
        })
    }

    /// The connection, on which everything is executed that was written so far.
    pub(super) async fn connection(&mut self) -> Result<&mut SqliteConnection, Fault> {
        if let Some(writes) = self.unwritten.take() {
            let query = writes.at(Place::Within)?;
            query.execute(&mut *self.connection).await?;
        }
        Ok(self.connection)
    }

    /// The rows that looks for [many](MOST) numbered rows each find, with the numbers counted on from look to look. Of the
    /// first looks of a transaction, the first was executed when it began.
    pub(super) async fn read(
        &mut self,
        looks: impl IntoIterator<Item = Filled>,
    ) -> Result<Vec<(usize, SqliteRow)>, Fault> {
        let mut all = Vec::new();
        let mut number = 0;
        let mut add = |found: Vec<SqliteRow>| -> Result<(), Fault> {
            let before = all.len();
            for row in found {
                let place = usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX);
                all.push((number + place, row));
            }
            // SQLite finds them in this order, but does not promise it.
            all[before..].sort_by_key(|(place, _)| *place);
            number += MOST;
            Ok(())
        };
        if let Some(found) = self.found.take() {
            add(found)?;
        }
        for look in looks {
            let query = look.at(Place::Within)?;
            add(query.fetch_all(self.connection().await?).await?)?;
        }
        Ok(all)
    }

    /// Has rows written.
    pub(super) async fn write(&mut self, writes: Filled) -> Result<(), Fault> {
        self.touch();
        self.connection().await?;
        self.unwritten = Some(writes);
        Ok(())
    }

    /// A fencing token that no claim had before.
    pub(super) fn next_token(&mut self) -> i64 {
        self.last_token += 1;
        self.last_token
    }

    /// The number of one more settling.
    pub(super) fn next_settled(&mut self) -> i64 {
        self.last_settled += 1;
        self.last_settled
    }

    /// Says that there is something to commit.
    pub(super) fn touch(&mut self) {
        self.changed = true;
    }

    /// Says that there may be something new to claim.
    pub(super) fn tell(&mut self) {
        self.has_news = true;
    }

    pub(super) fn has_news(&self) -> bool {
        self.has_news
    }

    /// Makes it durable; `false` when there was nothing to.
    pub(super) async fn commit(mut self) -> Result<bool, Fault> {
        if !self.changed {
            sqlx::query("ROLLBACK").execute(self.connection).await?;
            return Ok(false);
        }
        let end = match self.unwritten.take() {
            Some(writes) => writes.at(Place::AtTheEdge)?,
            None => sqlx::query(COMMIT),
        };
        self.counters(end).await.map(|()| true)
    }

    /// Leaves the caller's transaction to the caller.
    pub(super) async fn leave(mut self) -> Result<(), Fault> {
        self.connection().await?;
        self.counters(sqlx::query(COUNTERS)).await
    }

    async fn counters(self, query: Bound<'static>) -> Result<(), Fault> {
        let query = query
            .bind(self.last_token)
            .bind(self.last_settled)
            .bind(self.now.as_micros());
        query.execute(self.connection).await?;
        Ok(())
    }
}
