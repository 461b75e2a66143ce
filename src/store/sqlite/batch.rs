//! One transaction of the store: its moment, its counters, and the statements that every change goes through.

use sqlx::{Row, SqliteConnection};

use crate::store::StoreError;
use crate::store::StoreErrorKind;
use crate::value::time::Timestamp;

use super::clock::{Clock, Offset};
use super::connect::is_durable;
use super::error::{Fault, is_refused};

/// A transaction that is open, and what it has used up so far. Its opener ends it.
pub(super) struct Batch<'c> {
    pub(super) connection: &'c mut SqliteConnection,
    /// The moment at which all of it happens.
    pub(super) now: Timestamp,
    last_token: i64,
    last_settled: i64,
    changed: bool,
    /// Whether something became claimable, now or later, that no holder has.
    has_news: bool,
}

const BEGIN: &str = "BEGIN IMMEDIATE; \
    SELECT last_token, last_settled, last_seen, (SELECT clock_offset FROM orderhook_boots WHERE boot = ?1) \
    FROM orderhook_meta WHERE id = 1";

// The first statement takes the lock for writing, whatever the caller began its transaction with.
const JOIN: &str = "UPDATE orderhook_meta SET last_seen = last_seen WHERE id = 1; \
    SELECT last_token, last_settled, last_seen, (SELECT clock_offset FROM orderhook_boots WHERE boot = ?1), file_id, \
        (SELECT synchronous FROM pragma_synchronous) \
    FROM orderhook_meta WHERE id = 1";

const COUNTERS: &str = "UPDATE orderhook_meta SET last_token = ?1, last_settled = ?2, last_seen = max(last_seen, ?3) WHERE id = 1";

const COMMIT: &str = "UPDATE orderhook_meta SET last_token = ?1, last_settled = ?2, last_seen = max(last_seen, ?3) WHERE id = 1; \
    COMMIT";

impl<'c> Batch<'c> {
    /// Begins a transaction of the store's own.
    pub(super) async fn begin(
        connection: &'c mut SqliteConnection,
        clock: &Clock,
    ) -> Result<Batch<'c>, Fault> {
        let row = sqlx::query(BEGIN)
            .bind(clock.boot())
            .fetch_one(&mut *connection)
            .await?;
        let offset = Self::offset(&row, clock)?;
        Self::with(connection, clock, &row, offset).await
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
            now,
            last_token,
            last_settled,
            changed: offset.is_new,
            has_news: false,
        })
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
    pub(super) async fn commit(self) -> Result<bool, Fault> {
        if !self.changed {
            sqlx::query("ROLLBACK").execute(self.connection).await?;
            return Ok(false);
        }
        self.counters(COMMIT).await.map(|()| true)
    }

    /// Leaves the caller's transaction to the caller.
    pub(super) async fn leave(self) -> Result<(), Fault> {
        self.counters(COUNTERS).await
    }

    async fn counters(self, sql: &'static str) -> Result<(), Fault> {
        let query = sqlx::query(sql)
            .bind(self.last_token)
            .bind(self.last_settled)
            .bind(self.now.as_micros());
        query.execute(self.connection).await?;
        Ok(())
    }
}
