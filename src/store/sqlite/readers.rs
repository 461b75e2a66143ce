//! The connections that only read. Not a pool of the driver's: this one needs no runtime to give a connection back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::{Error, SqliteConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::store::{StoreError, StoreErrorKind};

use super::connect::{Opener, patiently};
use super::error::is_broken;

/// How many read at once.
const READERS: usize = 4;

/// Up to four connections, opened when they are needed.
#[derive(Debug)]
pub(super) struct Readers {
    opener: Opener,
    permits: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

/// A connection on loan. Dropped before [`back`](Reader::back) it is closed: what it is still doing nobody waits for.
pub(super) struct Reader<'a> {
    readers: &'a Readers,
    connection: SqliteConnection,
    _permit: SemaphorePermit<'a>,
}

impl Readers {
    pub(super) fn new(opener: Opener) -> Readers {
        Readers { opener, permits: Semaphore::new(READERS), idle: Mutex::new(Vec::new()) }
    }

    pub(super) async fn take(&self) -> Result<Reader<'_>, StoreError> {
        let closed = |_| StoreError::new(StoreErrorKind::Unavailable, "the store is closed");
        let permit = self.permits.acquire().await.map_err(closed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => patiently(|| self.opener.reader()).await?,
        };
        Ok(Reader { readers: self, connection, _permit: permit })
    }

    pub(super) fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        // A push or a pop is whole or not there.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader<'_> {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Gives the connection back, unless the work has shown that it is of no more use.
    pub(super) fn back<T>(self, work: Result<T, Error>) -> Result<T, Error> {
        let usable = !matches!(&work, Err(error) if is_broken(error));
        if usable && !self.readers.permits.is_closed() {
            self.readers.idle().push(self.connection);
        }
        work
    }
}
