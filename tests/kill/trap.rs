//! The store and the lookup of a sender that dies at a chosen call. Both forward to the real ones.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::task::Poll;
use std::time::Duration;

use orderhook::store::{
    ClaimNew, ClaimRequest, Claims, Insertion, NewNotification, Recorded, Step, Store, StoreError,
};
use orderhook::supplier::LookupError;
use orderhook::{Supplier, SupplierId, Suppliers};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::case::{Case, Point, Way};
use crate::front::Hold;

/// Waits for the sender to come by.
pub(crate) struct Trap {
    case: Case,
    /// For the one that looks whether the file is locked.
    file: PathBuf,
    calls: [AtomicUsize; 4],
    pub(crate) hold: Arc<Hold>,
}

/// What a trap panics with.
struct Sprung;

/// What is counted.
#[derive(Clone, Copy)]
enum Counted {
    Insert,
    Claim,
    Write,
    Lookup,
}

impl Trap {
    pub(crate) fn new(case: Case, file: PathBuf) -> Arc<Trap> {
        silence();
        let calls = Default::default();
        Arc::new(Trap {
            case,
            file,
            calls,
            hold: Hold::new(),
        })
    }

    /// The number of this call, from 1.
    fn count(&self, what: Counted) -> usize {
        self.calls[what as usize].fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn pass(&self, point: Point) {
        if self.case.point == point {
            self.spring().await;
        }
    }

    async fn spring(&self) {
        match self.case.way {
            Way::Kill => kill_this_process(),
            Way::Panic => std::panic::panic_any(Sprung),
            Way::Drop => {
                self.hold.reached.notify_one();
                self.hold.gate.opened().await;
            }
            Way::Runtime => {
                self.hold.reached.notify_one();
                std::future::pending().await
            }
        }
    }

    /// Does the work; at this point the trap springs when it is asked for and not done. A process that is to be killed dies
    /// inside of its transaction.
    async fn through<T>(&self, point: Point, work: impl Future<Output = T>) -> T {
        if self.case.point != point {
            return work.await;
        }
        let mut work = pin!(work);
        let mut ask =
            async || std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        let mut stranger = self.stranger().await;
        if self.case.way == Way::Kill {
            sqlx::raw_sql(SLOW).execute(&mut stranger).await.unwrap();
            assert!(ask().await.is_pending());
            // Until somebody is writing.
            while let Ok(transaction) = stranger.begin_with("BEGIN IMMEDIATE").await {
                transaction.rollback().await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        } else {
            let lock = stranger.begin_with("BEGIN IMMEDIATE").await.unwrap();
            assert!(ask().await.is_pending());
            lock.rollback().await.unwrap();
        }
        self.spring().await;
        work.await
    }

    /// A connection that knows nothing of the store.
    async fn stranger(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(&self.file)
            .busy_timeout(Duration::ZERO);
        options.connect().await.unwrap()
    }

    /// Undoes what made a transaction slow, if anything did.
    pub(crate) async fn clear(&self) {
        sqlx::raw_sql(NOT_SLOW)
            .execute(&mut self.stranger().await)
            .await
            .unwrap();
    }

    /// Has time go by in the file, which says what is to be added to the clock of the machine.
    pub(crate) async fn advance(&self, by: Duration) {
        let advance = sqlx::query("UPDATE orderhook_boots SET clock_offset = clock_offset + ?1");
        let advance = advance.bind(i64::try_from(by.as_micros()).unwrap());
        assert_eq!(
            advance
                .execute(&mut self.stranger().await)
                .await
                .unwrap()
                .rows_affected(),
            1
        );
    }
}

/// Makes every change of a notification take longer than any test runs: its transaction stays open.
const SLOW: &str = "CREATE VIEW slow AS \
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000000000) SELECT count(*) FROM n; \
    CREATE TRIGGER slow_insert AFTER INSERT ON orderhook_notifications BEGIN SELECT * FROM slow; END; \
    CREATE TRIGGER slow_update AFTER UPDATE ON orderhook_notifications BEGIN SELECT * FROM slow; END";

const NOT_SLOW: &str = "DROP TRIGGER IF EXISTS slow_insert; DROP TRIGGER IF EXISTS slow_update; DROP VIEW IF EXISTS slow";

fn kill_this_process() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    loop {
        std::thread::park();
    }
}

/// Panics of traps are meant; all others are reported as ever.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.payload().is::<Sprung>() {
                report(panic);
            }
        }));
    });
}

pub(crate) struct Trapped<T> {
    inner: T,
    trap: Arc<Trap>,
}

impl<T> Trapped<T> {
    pub(crate) fn new(inner: T, trap: &Arc<Trap>) -> Self {
        Trapped {
            inner,
            trap: Arc::clone(trap),
        }
    }
}

impl<S: Suppliers> Suppliers for Trapped<S> {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        // The first is made for the insert.
        if self.trap.count(Counted::Lookup) == 2 {
            self.trap.pass(Point::InLookup).await;
        }
        self.inner.find(id).await
    }
}

impl<S: Store> Store for Trapped<S> {
    async fn insert(
        &self,
        new: &[NewNotification],
        claim: &ClaimNew,
    ) -> Result<Insertion, StoreError> {
        if self.trap.count(Counted::Insert) > 1 {
            return self.inner.insert(new, claim).await;
        }
        self.trap.pass(Point::BeforeInsert).await;
        let inserted = self
            .trap
            .through(Point::InInsert, self.inner.insert(new, claim))
            .await;
        self.trap.pass(Point::AfterInsert).await;
        inserted
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        if self.trap.count(Counted::Claim) > 1 {
            return self.inner.claim(request).await;
        }
        let claims = self
            .trap
            .through(Point::InClaim, self.inner.claim(request))
            .await;
        self.trap.pass(Point::AfterClaim).await;
        claims
    }

    async fn write(&self, steps: &[Step]) -> Result<Recorded, StoreError> {
        let number = self.trap.count(Counted::Write);
        self.trap.pass(Point::BeforeWrite(number)).await;
        let written = self
            .trap
            .through(Point::InWrite(number), self.inner.write(steps))
            .await;
        self.trap.pass(Point::AfterWrite(number)).await;
        written
    }

    crate::support::forward!(inner: intervene get list settled count prune changed);
}
