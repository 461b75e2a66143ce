//! The connections that only read. Not a pool of the driver's: this one needs no runtime to give a connection back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::SqliteConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::StoreError;

use super::connect::{Opener, patiently};
use super::error::{Fault, closed};

/// How many read at once.
const READERS: usize = 4;

/// After so many instructions of SQLite's virtual machine, about a millisecond, it is asked whether anyone still waits.
const INSTRUCTIONS: i32 = 50_000;

/// Up to four connections, opened when they are needed.
#[derive(Debug)]
pub(super) struct Readers {
    opener: Opener,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: SqliteConnection,
    work: Arc<Work>,
}

/// What a connection is doing. It is shared with the connection itself, which lets go of it when it is closed: a reader that
/// is dropped gives its permit back when SQLite has really stopped, not when its caller is gone.
#[derive(Debug, Default)]
struct Work {
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    is_dropped: AtomicBool,
}

/// A connection on loan. Dropped before [`back`](Reader::back) its statement is interrupted and it is closed.
pub(super) struct Reader<'a> {
    readers: &'a Readers,
    /// `None` once it was given back.
    connection: Option<SqliteConnection>,
    work: Arc<Work>,
}

impl Readers {
    pub(super) fn new(opener: Opener) -> Readers {
        Readers {
            opener,
            permits: Arc::new(Semaphore::new(READERS)),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Reads on one of the connections.
    pub(super) async fn read<T>(
        &self,
        read: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut reader = self.take().await?;
        let Some(connection) = &mut reader.connection else {
            return Err(closed());
        };
        let done = read(connection).await;
        Ok(reader.back(done)?)
    }

    async fn take(&self) -> Result<Reader<'_>, StoreError> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        let idle = self.idle().pop();
        let Idle { connection, work } = match idle {
            Some(idle) => idle,
            None => self.open().await?,
        };
        *work.permit.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
        Ok(Reader {
            readers: self,
            connection: Some(connection),
            work,
        })
    }

    async fn open(&self) -> Result<Idle, StoreError> {
        let work = Arc::new(Work::default());
        let connection = patiently!(self.connect(&work))?;
        Ok(Idle { connection, work })
    }

    async fn connect(&self, work: &Arc<Work>) -> Result<SqliteConnection, Fault> {
        let mut connection = self.opener.reader().await?;
        let work = Arc::clone(work);
        let goes_on = move || !work.is_dropped.load(Ordering::Relaxed);
        connection
            .lock_handle()
            .await?
            .set_progress_handler(INSTRUCTIONS, goes_on);
        Ok(connection)
    }

    pub(super) fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        // A push or a pop is whole or not there.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader<'_> {
    /// Gives the connection back, unless the work has shown that it is of no more use.
    fn back<T>(mut self, work: Result<T, Fault>) -> Result<T, Fault> {
        let is_broken = matches!(&work, Err(fault) if fault.is_broken());
        let usable = !is_broken && !self.readers.permits.is_closed();
        if let Some(connection) = self.connection.take_if(|_| usable) {
            let permit = self
                .work
                .permit
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            self.readers.idle().push(Idle {
                connection,
                work: Arc::clone(&self.work),
            });
            drop(permit);
        }
        work
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if self.connection.is_some() {
            self.work.is_dropped.store(true, Ordering::Relaxed);
        }
    }
}
