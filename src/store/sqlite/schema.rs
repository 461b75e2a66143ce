//! The tables, and which version of them a file has. Changes are additive: a version only ever adds.

use sqlx::{Row, SqliteConnection};

use crate::store::{StoreError, StoreErrorKind};

use super::connect::patiently;
use super::error::Fault;

/// What makes each version out of the one before; the first makes it out of nothing.
const VERSIONS: [&str; 2] = [include_str!("v1.sql"), include_str!("v2.sql")];

/// Our own record of what was done. Never the application's.
const RECORD: &str = "CREATE TABLE orderhook_migrations (
    version    INTEGER NOT NULL PRIMARY KEY,
    library    TEXT NOT NULL,     -- the version of the crate that did it
    applied_at INTEGER NOT NULL   -- seconds since 1970, wall clock
) STRICT";

/// Brings the file to the newest version; racing processes do it once.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    patiently!(attempt(connection))
}

/// Refuses a file that this program must not touch, and does not touch it.
pub(super) async fn check_version(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let version = patiently!(version(connection))?;
    check(version).map(drop)
}

async fn attempt(connection: &mut SqliteConnection) -> Result<(), Fault> {
    if check(version(connection).await?)? == VERSIONS.len() {
        return Ok(());
    }
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *connection)
        .await?;
    let done = apply(connection).await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = sqlx::query(end).execute(&mut *connection).await;
    if ended.is_err() && end == "COMMIT" {
        // Whatever is the matter with it, the connection is to be outside of a transaction again.
        let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
        ended?;
    }
    done
}

async fn apply(connection: &mut SqliteConnection) -> Result<(), Fault> {
    // Once more, now that no other connection can be at it.
    let known = check(version(connection).await?)?;
    if known == 0 {
        sqlx::query(RECORD).execute(&mut *connection).await?;
    }
    for (version, sql) in (1_i64..).zip(VERSIONS).skip(known) {
        sqlx::raw_sql(sql).execute(&mut *connection).await?;
        sqlx::query("INSERT INTO orderhook_migrations VALUES (?1, ?2, unixepoch())")
            .bind(version)
            .bind(env!("CARGO_PKG_VERSION"))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The version that the file has; 0 is a file without our tables, -1 one with tables of our names and no record.
async fn version(connection: &mut SqliteConnection) -> Result<i64, Fault> {
    let found = "SELECT count(*) FILTER (WHERE name = 'orderhook_migrations'), count(*) FROM sqlite_schema \
                 WHERE type = 'table' AND name LIKE 'orderhook\\_%' ESCAPE '\\'";
    let found = sqlx::query(found).fetch_one(&mut *connection).await?;
    match (found.try_get::<i64, _>(0)?, found.try_get::<i64, _>(1)?) {
        (0, 0) => Ok(0),
        (0, _) => Ok(-1),
        _ => {
            let newest = sqlx::query("SELECT coalesce(max(version), -1) FROM orderhook_migrations");
            Ok(newest.fetch_one(&mut *connection).await?.try_get(0)?)
        }
    }
}

fn check(version: i64) -> Result<usize, StoreError> {
    let known = VERSIONS.len();
    match usize::try_from(version) {
        Ok(version) if version <= known => Ok(version),
        Ok(version) => Err(StoreError::new(
            StoreErrorKind::Incompatible,
            format!(
                "the database file has schema version {version} and this program knows versions up to {known}: run a \
                 program with a newer orderhook, or restore the copy of the file from before the update"
            ),
        )),
        Err(_) => Err(StoreError::new(
            StoreErrorKind::Incompatible,
            "the database has tables named orderhook_* that this library has not made: rename them or give another file",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_that_is_known_or_absent_is_accepted() {
        assert_eq!(check(0).ok(), Some(0));
        assert_eq!(check(1).ok(), Some(1));
        assert_eq!(check(2).ok(), Some(2));
        for wrong in [-1, 3, 99] {
            assert_eq!(
                check(wrong).unwrap_err().kind(),
                StoreErrorKind::Incompatible
            );
        }
    }
}
