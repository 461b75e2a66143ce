//! What SQLite says, in the words of a store. Never a value out of a row: SQLite's own messages name tables and columns
//! only.

use sqlx::Error;

use crate::store::{StoreError, StoreErrorKind};

// Primary result codes, https://www.sqlite.org/rescode.html.
const ERROR: i32 = 1;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const NOMEM: i32 = 7;
const READONLY: i32 = 8;
const INTERRUPT: i32 = 9;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const PROTOCOL: i32 = 15;
const PERM: i32 = 3;
const AUTH: i32 = 23;
const NOTADB: i32 = 26;

/// What goes wrong inside of the store: what SQLite or its driver says, or what the store itself refuses.
#[derive(Debug)]
pub(super) enum Fault {
    Sqlite(Error),
    Refused(StoreError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Sqlite(error)
    }
}

impl From<StoreError> for Fault {
    fn from(refused: StoreError) -> Fault {
        Fault::Refused(refused)
    }
}

/// The error for the caller.
impl From<Fault> for StoreError {
    fn from(fault: Fault) -> StoreError {
        match fault {
            Fault::Sqlite(error) => store_error(error),
            Fault::Refused(refused) => refused,
        }
    }
}

impl Fault {
    fn code(&self) -> Option<i32> {
        match self {
            Fault::Sqlite(error) => code(error),
            Fault::Refused(_) => None,
        }
    }

    /// Whether another connection is in the way, and waiting helps.
    pub(super) fn is_busy(&self) -> bool {
        // PROTOCOL: the race for the lock of the write-ahead log was lost too often.
        matches!(self.code(), Some(BUSY | LOCKED | PROTOCOL))
    }

    /// Whether there was no room for the statement.
    pub(super) fn is_full(&self) -> bool {
        self.code() == Some(FULL)
    }

    /// Whether the connection is of no use any more.
    pub(super) fn is_broken(&self) -> bool {
        let Fault::Sqlite(error) = self else {
            return false;
        };
        match code(error) {
            Some(code) => matches!(code, IOERR | CORRUPT | NOTADB | NOMEM),
            None => matches!(
                error,
                Error::WorkerCrashed | Error::Io(_) | Error::Protocol(_)
            ),
        }
    }

    /// The error of a commit that may have happened.
    pub(super) fn unclear(self) -> StoreError {
        self.because(
            "the commit failed halfway, and it is not known whether it has happened: repeat the call, or read what is stored",
        )
    }

    /// The error after waiting for others in vain.
    pub(super) fn still_busy(self) -> StoreError {
        self.because(
            "another connection has kept the database file locked for more than 10 seconds",
        )
    }

    fn because(self, what: &'static str) -> StoreError {
        let unavailable = StoreError::new(StoreErrorKind::Unavailable, what);
        match self {
            Fault::Sqlite(error) => unavailable.caused_by(error),
            Fault::Refused(refused) => unavailable.caused_by(refused),
        }
    }
}

/// SQLite's primary result code, when it was SQLite that failed.
fn code(error: &Error) -> Option<i32> {
    let Error::Database(error) = error else {
        return None;
    };
    let extended: i32 = error.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// Whether the statement itself was refused: a table is missing, or there is no transaction to end.
pub(super) fn is_refused(error: &Error) -> bool {
    code(error) == Some(ERROR)
}

/// The error of a call after the store was closed.
pub(super) fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the store is closed")
}

fn store_error(error: Error) -> StoreError {
    let (kind, what) = match code(&error) {
        Some(BUSY | LOCKED | PROTOCOL) => (
            StoreErrorKind::Unavailable,
            "the database file is locked by another connection",
        ),
        Some(FULL) => (
            StoreErrorKind::Full,
            "the disk, or what the database file may take of it, is full",
        ),
        Some(IOERR) => (
            StoreErrorKind::Unavailable,
            "the database file cannot be read or written at the moment",
        ),
        Some(NOMEM) => (
            StoreErrorKind::Unavailable,
            "there is no memory left for the database",
        ),
        Some(INTERRUPT) => (StoreErrorKind::Unavailable, "the database was interrupted"),
        Some(CORRUPT) => (
            StoreErrorKind::Corrupt,
            "the database file is damaged: check it with `PRAGMA integrity_check` or restore it",
        ),
        Some(NOTADB) => (
            StoreErrorKind::Incompatible,
            "the file is not an SQLite database: give another path",
        ),
        Some(CANTOPEN) => (
            StoreErrorKind::Unusable,
            "the database file cannot be opened: its directory must exist, and both must be readable and writable",
        ),
        Some(PERM | READONLY | AUTH) => (
            StoreErrorKind::Unusable,
            "the database file cannot be written: this process needs permission for the file and its directory",
        ),
        Some(_) => (
            StoreErrorKind::Unusable,
            "the database refused a statement: its tables are not as this library made them",
        ),
        None => match &error {
            Error::ColumnDecode { .. } | Error::Decode(_) => (
                StoreErrorKind::Corrupt,
                "a row of the database cannot be read",
            ),
            Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => (
                StoreErrorKind::Unavailable,
                "there is no connection to the database file",
            ),
            _ => (
                StoreErrorKind::Unusable,
                "the database cannot be used in this way",
            ),
        },
    };
    StoreError::new(kind, what).caused_by(error)
}
