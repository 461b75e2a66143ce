//! The store in one SQLite file: durable, and shared by the processes of one machine.

mod batch;
mod change;
mod claim;
mod clock;
mod connect;
mod error;
mod history;
mod insert;
mod intervene;
mod job;
mod queries;
mod readers;
mod row;
mod schema;
mod select;
mod statement;
mod step;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::{Connection, Row, SqliteConnection, SqlitePool};

use crate::notification::prepared::{Enqueued, Prepared};
use crate::notification::{Key, Notification};
use crate::value::names::Source;

use super::{
    ClaimNew, ClaimRequest, Claims, Counted, Filter, Group, Inserted, Insertion, Intervened,
    Intervention, Listing, NewNotification, Page, Recorded, Selection, Step, Store, StoreError,
    StoreErrorKind,
};
use batch::Batch;
use clock::Clock;
use connect::{Opener, close, patiently};
use error::Fault;
use job::Job;
use readers::Readers;
use writer::{Shared, Writer};

/// The store in an SQLite file: durable, for one machine and any number of its processes. Cloning clones the handle.
///
/// What a call has answered is on the disk: the file is in WAL mode and every commit is synced (`synchronous = FULL`).
/// Calls that wait at the same time share a commit, up to 256 of them. Several processes of one machine can have the
/// same file open; one of them writes at a time, and the others wait for their turn, 10 seconds at most, before a call
/// fails with [`StoreErrorKind::Unavailable`]. A file on a network share cannot be used by several machines.
///
/// Its time goes on while the machine sleeps and cannot be set: it is the boot-time clock of Linux, hung on the wall
/// clock once per boot. (Where `/proc/sys` is hidden from the process, a boot is recognised by the moment at which it
/// began, to within 30 seconds.) On other systems it is the wall clock, which never goes back.
///
/// One thread writes and up to four connections read. They end when the last handle is dropped, or with
/// [`close`](Self::close).
///
/// A file that is removed or replaced while it is open is noticed within 5 seconds; calls then fail with
/// [`StoreErrorKind::Unusable`].
///
/// # Versions of the file
///
/// The tables have a version, which is 2. A file of an older version is migrated when it is opened. A program of an
/// older version that has the file open at that moment goes on rightly: what it stores and records counts for both, and
/// its claims and those of this program exclude each other. It lists what is [`Unreadable`](crate::NotificationState::Unreadable)
/// as refused and leaves it alone. When it opens the file again, it gets [`Incompatible`](StoreErrorKind::Incompatible)
/// and changes nothing. So update all programs, and keep a copy of the file to be able to go back.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use orderhook::store::{ClaimNew, NewNotification, Start, Store};
/// use orderhook::{Key, OrderCode, Source, SqliteStore, SupplierId};
/// use orderhook::event::Body;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("orderhook.db");
/// let key = Key::order_created(Source::new("shop")?, SupplierId::new("north-books")?, OrderCode::new("A-1")?);
/// {
///     let store = SqliteStore::open(&path).await?;
///     let new = NewNotification::new(key.clone(), Start::pending(Body::new(*b"{}")));
///     store.insert(&[new], &ClaimNew::NONE).await?;
/// }
/// let store = SqliteStore::open(&path).await?;
/// assert!(store.get(&key).await?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    writer: Writer,
    readers: Readers,
    file_id: String,
}

impl SqliteStore {
    /// Opens the file, and makes it when it is not there; its directory must exist. Any number of processes may do that
    /// at the same time.
    ///
    /// The tables are named `orderhook_*`; they may live in a file that has other tables too. The file is put into WAL
    /// mode.
    ///
    /// # Errors
    /// [`Incompatible`](StoreErrorKind::Incompatible) for a file that is no SQLite database or was written by a newer
    /// version of this library, [`Unusable`](StoreErrorKind::Unusable) when it may not be read and written,
    /// [`Unavailable`](StoreErrorKind::Unavailable) when others keep it locked for 10 seconds.
    pub async fn open(path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        let opener = Opener::of_file(path.as_ref())?;
        let mut connection = patiently!(opener.creator())?;
        // Looked at before anything in it is changed.
        schema::check_version(&mut connection).await?;
        patiently!(connect::switch_to_wal(&mut connection))?;
        SqliteStore::with(connection, opener).await
    }

    /// The store in the database of an application's pool, so that [`insert_in`](Self::insert_in) can take part in the
    /// application's transactions.
    ///
    /// It opens connections of its own, with the options of the pool, and takes none away from it for longer than this
    /// call. The pool stays the application's.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use orderhook::{SqliteStore, sqlx};
    /// use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("shop.db");
    /// let options = SqliteConnectOptions::new()
    ///     .filename(path)
    ///     .create_if_missing(true)
    ///     .journal_mode(SqliteJournalMode::Wal)
    ///     .synchronous(SqliteSynchronous::Full);
    /// let pool = SqlitePoolOptions::new().connect_with(options.clone()).await?;
    /// let store = SqliteStore::in_pool(pool).await?;
    /// # store.close().await;
    ///
    /// // A pool that could lose what it has committed is refused, and the error says what to set.
    /// let hasty = options.synchronous(SqliteSynchronous::Normal);
    /// let refused = SqliteStore::in_pool(SqlitePoolOptions::new().connect_with(hasty).await?).await;
    /// assert!(refused.is_err_and(|error| error.to_string().contains("synchronous(SqliteSynchronous::Full)")));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Unusable`](StoreErrorKind::Unusable) when the pool's connections are not in WAL mode or not
    /// `synchronous = FULL` (or `EXTRA`): an order whose transaction was committed could be lost otherwise. And as
    /// [`open`](Self::open).
    pub async fn in_pool(pool: SqlitePool) -> Result<SqliteStore, StoreError> {
        let mut pooled = pool.acquire().await.map_err(Fault::from)?;
        connect::check_durability(&mut pooled).await?;
        drop(pooled);
        let opener = Opener::of_pool(&pool.connect_options());
        let connection = patiently!(opener.writer())?;
        SqliteStore::with(connection, opener).await
    }

    async fn with(
        mut connection: SqliteConnection,
        opener: Opener,
    ) -> Result<SqliteStore, StoreError> {
        opener.remember_file();
        connect::check_durability(&mut connection).await?;
        schema::migrate(&mut connection).await?;
        let boots = sqlx::query_scalar::<_, String>("SELECT boot FROM orderhook_boots")
            .fetch_all(&mut connection);
        let boots = boots.await.map_err(Fault::from)?;
        let shared = Arc::new(Shared::new(
            Clock::new().known_as(boots.iter().map(String::as_str)),
        ));
        // The first transaction fixes the time of this boot.
        let file_id = match patiently!(prepare(&mut connection, &shared)) {
            Ok(file_id) => file_id,
            Err(error) => {
                close(connection).await;
                return Err(error);
            }
        };
        let readers = Readers::new(opener.clone());
        let writer = Writer::start(connection, opener, Arc::clone(&shared))?;
        Ok(SqliteStore {
            inner: Arc::new(Inner {
                shared,
                writer,
                readers,
                file_id,
            }),
        })
    }

    /// Stores the rows of an order inside a transaction of the application (transactional outbox): it is the application's
    /// commit that makes them visible and durable, and its rollback that makes them never have been. `&mut transaction`
    /// can be given as it is. A savepoint of the transaction is as good.
    ///
    /// The transaction holds the lock for writing from here on, so commit soon. One that has read before should have
    /// begun with `BEGIN IMMEDIATE` (`pool.begin_with`): SQLite cannot turn a reading transaction into a writing one
    /// when another connection has written in between, and fails with an error that is
    /// [transient](StoreError::is_transient); roll back and repeat then. After the commit, call
    /// [`Dispatcher::wake`](crate::Dispatcher::wake), or workers find the notifications at their next look.
    ///
    /// ```
    /// use orderhook::{Dispatcher, PaidOrder, Source, SqliteStore, Supplier, SupplierId, sqlx};
    /// use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("shop.db");
    /// # let suppliers = orderhook::SuppliersFile::open("examples/suppliers.json")?;
    /// # let json = include_bytes!("../../examples/paid-order.json");
    /// let options = SqliteConnectOptions::new()
    ///     .filename(path)
    ///     .create_if_missing(true)
    ///     .journal_mode(SqliteJournalMode::Wal)
    ///     .synchronous(SqliteSynchronous::Full);
    /// let pool = SqlitePoolOptions::new().connect_with(options).await?;
    /// # sqlx::raw_sql("CREATE TABLE orders (code TEXT PRIMARY KEY)").execute(&pool).await?;
    /// let store = SqliteStore::in_pool(pool.clone()).await?;
    /// let dispatcher = Dispatcher::builder(Source::new("shop")?, store.clone(), suppliers).build()?;
    ///
    /// let order = PaidOrder::from_json(json)?;
    /// let prepared = dispatcher.prepare(&order).await?;
    /// let mut transaction = pool.begin().await?;
    /// sqlx::query("INSERT INTO orders VALUES (?1)")
    ///     .bind(order.order_code().as_str())
    ///     .execute(&mut *transaction)
    ///     .await?;
    /// let enqueued = store.insert_in(&mut transaction, &prepared).await?;
    /// assert_eq!((enqueued.stored.len(), enqueued.conflicts().count()), (3, 0));
    /// transaction.commit().await?;
    /// dispatcher.wake();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`insert`](Store::insert); and [`Unusable`](StoreErrorKind::Unusable) when the connection is not in a transaction
    /// that was begun through sqlx, when it is one of another database file, or when it is not `synchronous = FULL` (or
    /// `EXTRA`). What was done before in the transaction stays after an error.
    pub async fn insert_in(
        &self,
        connection: &mut SqliteConnection,
        prepared: &Prepared,
    ) -> Result<Enqueued, StoreError> {
        if !connection.is_in_transaction() {
            return Err(StoreError::new(
                StoreErrorKind::Unusable,
                "the connection is in no transaction that was begun through sqlx: begin one with `begin` of the pool or \
                 the connection, and commit it afterwards",
            ));
        }
        Ok(self.insert_into(connection, prepared).await?)
    }

    async fn insert_into(
        &self,
        connection: &mut SqliteConnection,
        prepared: &Prepared,
    ) -> Result<Enqueued, Fault> {
        let Inner {
            shared, file_id, ..
        } = &*self.inner;
        // Dropped halfway, the savepoint takes back what was done so far and nothing of the application's.
        let mut savepoint = connection.begin().await?;
        let mut batch = Batch::join(&mut savepoint, &shared.clock, file_id).await?;
        let slices = [(prepared.rows(), &ClaimNew::NONE)];
        let inserted = insert::insert(&mut batch, &slices, insert::looks(&slices)).await?;
        batch.leave().await?;
        let answers = inserted.into_iter().flat_map(|inserted| inserted.answers);
        let mut enqueued = Enqueued::of(prepared.rows(), answers);
        for (stored, new) in enqueued.stored.iter_mut().zip(prepared.rows()) {
            if stored.inserted == Inserted::Differs {
                let found = queries::get(&mut savepoint, &stored.key).await?;
                stored.compare(new, found.and_then(|row| row::body(&row)).as_ref());
            }
        }
        savepoint.commit().await?;
        Ok(enqueued)
    }

    /// Writes what waits, and ends the thread and the connections. Calls of handles that are left fail with
    /// [`StoreErrorKind::Unavailable`]. Dropping all handles does the same without waiting for it.
    pub async fn close(self) {
        // Before anything is waited for: dropped at that await, it has closed both ways all the same.
        self.inner.readers.close();
        self.inner.writer.close().await;
    }

    /// How many commits this store has made since it was opened; for measuring.
    #[doc(hidden)]
    pub fn commits(&self) -> u64 {
        self.inner.shared.commits.load(Ordering::Relaxed)
    }

    async fn read<T>(
        &self,
        read: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.inner.readers.read(read).await
    }
}

async fn prepare(connection: &mut SqliteConnection, shared: &Shared) -> Result<String, Fault> {
    let mut batch = Batch::begin(connection, &shared.clock, None).await?;
    shared.seen(batch.now);
    let file_id = sqlx::query("SELECT file_id FROM orderhook_meta WHERE id = 1")
        .fetch_one(batch.connection().await?)
        .await;
    batch.commit().await?;
    Ok(file_id?.try_get(0)?)
}

impl Store for SqliteStore {
    async fn insert(
        &self,
        new: &[NewNotification],
        claim: &ClaimNew,
    ) -> Result<Insertion, StoreError> {
        let question = (new.to_vec(), claim.clone());
        self.inner.writer.ask(Job::Insert, question).await
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        self.inner.writer.ask(Job::Claim, request.clone()).await
    }

    async fn write(&self, steps: &[Step]) -> Result<Recorded, StoreError> {
        self.inner.writer.ask(Job::Write, steps.to_vec()).await
    }

    async fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> Result<Intervened, StoreError> {
        let question = Box::new((selection.clone(), intervention.clone(), limit));
        self.inner.writer.ask(Job::Intervene, question).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Notification>, StoreError> {
        let row = self
            .read(async |connection| queries::get(connection, key).await)
            .await?;
        let Some(row) = row else { return Ok(None) };
        row::whole(&row)
            .map(Some)
            .map_err(|damage| damage.error(row::id(&row)))
    }

    async fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        let now = self.inner.shared.now();
        self.read(async |connection| queries::list(connection, filter, page, now).await)
            .await
    }

    async fn settled(&self, source: &Source, page: &Page) -> Result<Listing, StoreError> {
        self.read(async |connection| queries::settled(connection, source, page).await)
            .await
    }

    async fn count(&self, filter: &Filter, group: Group) -> Result<Vec<Counted>, StoreError> {
        let now = self.inner.shared.now();
        self.read(async |connection| queries::count(connection, filter, group, now).await)
            .await
    }

    async fn prune(
        &self,
        source: &Source,
        older_than: Duration,
        limit: u32,
    ) -> Result<u32, StoreError> {
        let question = (source.clone(), older_than, limit);
        self.inner.writer.ask(Job::Prune, question).await
    }

    async fn changed(&self) {
        self.inner.shared.changed.notified().await;
    }
}
