//! Connections to the file: how they are opened, what they insist on, and how long they wait for others.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use crate::store::{StoreError, StoreErrorKind};

use super::error::Fault;

/// How long other connections may be in the way before the call fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How many statements a connection keeps prepared.
const STATEMENTS: usize = 200;

/// What the store opens its connections with.
#[derive(Clone)]
pub(super) struct Opener {
    options: SqliteConnectOptions,
    /// Which file the path named when it was opened first.
    file: Arc<OnceLock<FileIdentity>>,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The options of an application's pool may have the key of an encrypted file.
        f.debug_struct("Opener").finish_non_exhaustive()
    }
}

impl Opener {
    /// For a file of the store's own.
    pub(super) fn of_file(path: &Path) -> Result<Opener, StoreError> {
        let unusable = |what| StoreError::new(StoreErrorKind::Unusable, what);
        if path.as_os_str().is_empty() || path == Path::new(":memory:") {
            return Err(unusable(
                "a path to a file is needed; what need not be kept goes into a `MemoryStore`",
            ));
        }
        // Absolute, so that SQLite does not read a name that begins with `file:` as a URI.
        let path = std::path::absolute(path).map_err(|error| {
            unusable("the path of the database file cannot be resolved").caused_by(error)
        })?;
        let options = SqliteConnectOptions::new().filename(path);
        Ok(Opener {
            options: Self::ours(options),
            file: Arc::default(),
        })
    }

    /// For the file of an application's pool.
    pub(super) fn of_pool(options: &SqliteConnectOptions) -> Opener {
        Opener {
            options: Self::ours(options.clone().create_if_missing(false)),
            file: Arc::default(),
        }
    }

    fn ours(options: SqliteConnectOptions) -> SqliteConnectOptions {
        options
            .synchronous(SqliteSynchronous::Full)
            .thread_name(|id| format!("orderhook-sqlite-{id}"))
            .disable_statement_logging()
            // Each size of the statements for many rows, and the others.
            .statement_cache_capacity(STATEMENTS)
            // Statistics are the application's business, and a busy file is no place for them.
            .optimize_on_close(false, None)
    }

    /// Remembers which file the path names, once a connection has opened it.
    pub(super) fn remember_file(&self) {
        if let Ok(found) = FileIdentity::of(self.options.get_filename()) {
            self.file.get_or_init(|| found);
        }
    }

    /// Refuses to go on when the path does not name that file any more: SQLite would go on writing into a file that no
    /// other process can find. A path that cannot be looked at for another reason says nothing.
    pub(super) fn check_file(&self) -> Result<(), StoreError> {
        let Some(opened) = self.file.get() else {
            return Ok(());
        };
        let (is_there, cause) = match FileIdentity::of(self.options.get_filename()) {
            Ok(found) => (found == *opened, None),
            Err(error) => (error.kind() != std::io::ErrorKind::NotFound, Some(error)),
        };
        if is_there {
            return Ok(());
        }
        let gone = StoreError::new(
            StoreErrorKind::Unusable,
            "the database file was deleted or replaced while this process had it open: put it back, or end this process \
             and start it again",
        );
        Err(match cause {
            Some(error) => gone.caused_by(error),
            None => gone,
        })
    }

    /// The one that writes. It does not wait for locks: SQLite's own waiting lets several writers starve each other.
    pub(super) async fn writer(&self) -> Result<SqliteConnection, Fault> {
        Ok(self
            .options
            .clone()
            .busy_timeout(Duration::ZERO)
            .connect()
            .await?)
    }

    /// The same, of a file that is made when it is not there.
    pub(super) async fn creator(&self) -> Result<SqliteConnection, Fault> {
        Ok(self
            .options
            .clone()
            .create_if_missing(true)
            .busy_timeout(Duration::ZERO)
            .connect()
            .await?)
    }

    /// One that only reads. In WAL mode it waits only while another connection opens or repairs the file.
    pub(super) async fn reader(&self) -> Result<SqliteConnection, Fault> {
        Ok(self
            .options
            .clone()
            .pragma("query_only", "ON")
            .busy_timeout(PATIENCE)
            .connect()
            .await?)
    }
}

/// What tells a file from another one that has been put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    number: u64,
}

impl FileIdentity {
    #[cfg(unix)]
    fn of(path: &Path) -> std::io::Result<FileIdentity> {
        use std::os::unix::fs::MetadataExt;
        let file = std::fs::metadata(path)?;
        Ok(FileIdentity {
            device: file.dev(),
            number: file.ino(),
        })
    }

    /// Elsewhere an open file cannot be replaced.
    #[cfg(not(unix))]
    fn of(path: &Path) -> std::io::Result<FileIdentity> {
        std::fs::metadata(path).map(|_| FileIdentity {})
    }
}

/// Puts a file of the store's own into WAL mode, where it stays. Has to be repeated while others are at it.
pub(super) async fn switch_to_wal(connection: &mut SqliteConnection) -> Result<(), Fault> {
    sqlx::query("PRAGMA journal_mode = WAL")
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether what this connection commits survives a power cut.
pub(super) async fn check_durability(connection: &mut SqliteConnection) -> Result<(), Fault> {
    let refused = |what| Err(StoreError::new(StoreErrorKind::Unusable, what).into());
    let journal = sqlx::query("PRAGMA journal_mode")
        .fetch_one(&mut *connection)
        .await?;
    let journal: String = journal.try_get(0)?;
    if journal.eq_ignore_ascii_case("memory") {
        return refused(
            "the database is in memory, where nothing is durable: give a file, or use a `MemoryStore` for what need not be \
             kept",
        );
    }
    if !journal.eq_ignore_ascii_case("wal") {
        return refused(
            "the database is not in WAL mode, in which readers and the writer do not lock each other out: connect with \
             `journal_mode(SqliteJournalMode::Wal)`",
        );
    }
    let synchronous = sqlx::query("PRAGMA synchronous")
        .fetch_one(&mut *connection)
        .await?;
    if is_durable(synchronous.try_get(0)?) {
        return Ok(());
    }
    refused(
        "the connections of the pool are not synchronous=FULL: a power cut could take back what was committed; connect \
         with `synchronous(SqliteSynchronous::Full)`",
    )
}

/// Whether this value of `PRAGMA synchronous` is FULL or EXTRA.
pub(super) fn is_durable(synchronous: i64) -> bool {
    synchronous >= 2
}

/// Repeats what finds others in the way, for [`PATIENCE`] at most. A macro, because what it repeats borrows a connection anew
/// each time.
macro_rules! patiently {
    ($work:expr) => {{
        let mut wait = $crate::store::sqlite::connect::Wait::new();
        loop {
            let fault: $crate::store::sqlite::error::Fault = match $work.await {
                Ok(done) => break Ok(done),
                Err(fault) => fault,
            };
            if !fault.is_busy() {
                break Err($crate::store::StoreError::from(fault));
            }
            if let Err(error) = wait.or(fault).await {
                break Err(error);
            }
        }
    }};
}
pub(super) use patiently;

/// Waiting for other connections, in short naps of random length: the one with the longest nap would otherwise never get
/// its turn.
#[derive(Debug)]
pub(super) struct Wait {
    began: Instant,
}

impl Wait {
    pub(super) fn new() -> Wait {
        Wait {
            began: Instant::now(),
        }
    }

    /// A nap; or the error, when it has been too many.
    pub(super) async fn or(&mut self, fault: Fault) -> Result<(), StoreError> {
        let waited = self.began.elapsed();
        if waited > PATIENCE {
            return Err(fault.still_busy());
        }
        // Half a millisecond to two; four times as long after a second.
        let random = RandomState::new().hash_one(0_u8) % 1_500 + 500;
        let nap = Duration::from_micros(random);
        tokio::time::sleep(if waited > Duration::from_secs(1) {
            nap * 4
        } else {
            nap
        })
        .await;
        Ok(())
    }
}

/// Closes a connection whose work is done; that it cannot be closed changes nothing.
pub(super) async fn close(connection: SqliteConnection) {
    let _ = connection.close().await;
}
