//! The store and the lookup of a sender that dies at a chosen call. Both forward to the real ones.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::task::Poll;
use std::time::Duration;

use orderhook::store::{
    ClaimRequest, Claims, Counts, Filter, Inserted, Intervened, Intervention, Listing, NewNotification, Page,
    Selection, Step, Store, StoreError, Written,
};
use orderhook::{Key, LookupError, Notification, Source, Supplier, SupplierId, Suppliers};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

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
        Arc::new(Trap { case, file, calls, hold: Hold::new() })
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

    /// Called when the insert is asked for and not answered. A process that is to be killed dies when it holds the lock,
    /// which it does as long as a trigger takes that the test has put into the file.
    async fn spring_in_the_middle(&self) {
        if self.case.way == Way::Kill {
            let stranger = SqliteConnectOptions::new().filename(&self.file).busy_timeout(Duration::ZERO);
            let mut stranger = stranger.connect().await.unwrap();
            while let Ok(transaction) = stranger.begin_with("BEGIN IMMEDIATE").await {
                transaction.rollback().await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        self.spring().await;
    }
}

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
        Trapped { inner, trap: Arc::clone(trap) }
    }
}

impl<S: Suppliers> Suppliers for Trapped<S> {
    async fn find(&self, id: &SupplierId) -> Result<Option<Supplier>, LookupError> {
        // The first is made when the order is stored.
        if self.trap.count(Counted::Lookup) == 2 {
            self.trap.pass(Point::BeforeConnecting).await;
        }
        self.inner.find(id).await
    }
}

impl<S: Store> Store for Trapped<S> {
    async fn insert(&self, new: &[NewNotification]) -> Result<Vec<Inserted>, StoreError> {
        if self.trap.count(Counted::Insert) > 1 {
            return self.inner.insert(new).await;
        }
        self.trap.pass(Point::BeforeInsert).await;
        let mut inserting = pin!(self.inner.insert(new));
        let begun = std::future::poll_fn(|context| Poll::Ready(inserting.as_mut().poll(context))).await;
        if self.trap.case.point == Point::InInsert {
            assert!(begun.is_pending(), "an insert takes a while");
            self.trap.spring_in_the_middle().await;
        }
        let inserted = match begun {
            Poll::Ready(inserted) => inserted,
            Poll::Pending => inserting.await,
        };
        self.trap.pass(Point::AfterInsert).await;
        inserted
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        let claims = self.inner.claim(request).await;
        if self.trap.count(Counted::Claim) == 1 {
            self.trap.pass(Point::AfterClaim).await;
        }
        claims
    }

    async fn write(&self, steps: &[Step]) -> Result<Vec<Written>, StoreError> {
        let number = self.trap.count(Counted::Write);
        self.trap.pass(Point::BeforeWrite(number)).await;
        let written = self.inner.write(steps).await;
        self.trap.pass(Point::AfterWrite(number)).await;
        written
    }

    async fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> Result<Intervened, StoreError> {
        self.inner.intervene(selection, intervention, limit).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Notification>, StoreError> {
        self.inner.get(key).await
    }

    async fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        self.inner.list(filter, page).await
    }

    async fn settled(&self, source: &Source, page: &Page) -> Result<Listing, StoreError> {
        self.inner.settled(source, page).await
    }

    async fn count(&self, filter: &Filter) -> Result<Counts, StoreError> {
        self.inner.count(filter).await
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }
}
