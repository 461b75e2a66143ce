//! A scripted HTTPS receiver that records what it gets and when.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::ca::Ca;

mod connection;
mod holes;
mod record;
mod reply;
mod serving;

use connection::Request;
pub use holes::{BlackHole, ClosedPort, black_hole, closed_port};
pub use record::{Log, Received};
pub use reply::{Gate, Mode, Reply};
use serving::{accept, listen};

/// How long the `wait_` functions wait before they panic.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much later than the client itself a receiver may learn that the client has given up.
const NOTICED_LATE: Duration = Duration::from_millis(500);

/// A server on loopback. It runs in a task of the runtime that started it and stops when it is dropped.
pub struct Receiver {
    addr: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts one on a free port of 127.0.0.1, with a good certificate.
    pub async fn start(ca: &Ca) -> Self {
        Self::start_in(ca, &Log::new()).await
    }

    /// The same, recording into a log that several receivers share.
    pub async fn start_in(ca: &Ca, log: &Log) -> Self {
        Self::bind(loopback(0), Mode::tls(ca), log).await
    }

    /// The same on a port that is known, for a receiver that comes up late or comes back.
    pub async fn start_on(ca: &Ca, port: u16) -> Self {
        Self::bind(loopback(port), Mode::tls(ca), &Log::new()).await
    }

    /// Starts one that is no good HTTPS server.
    pub async fn start_as(mode: Mode) -> Self {
        Self::bind(loopback(0), mode, &Log::new()).await
    }

    /// What all the others are short for.
    pub async fn bind(addr: SocketAddr, mode: Mode, log: &Log) -> Self {
        let listener = listen(addr).await;
        let addr = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared::new(addr.port(), log.clone()));
        let task = tokio::spawn(accept(listener, mode, Arc::clone(&shared)));
        Self { addr, shared, task }
    }

    /// `https://localhost:PORT/path`, whatever the mode; with the address instead of the name if that is IPv6, which `localhost` need not
    /// have. `path` begins with a slash and may have a query.
    pub fn url(&self, path: &str) -> String {
        if self.addr.is_ipv6() {
            return format!("https://{}{path}", self.addr);
        }
        format!("https://localhost:{}{path}", self.port())
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on everything without a script of its own is answered like this.
    pub fn answer(&self, reply: Reply) {
        self.shared.plan().general.default = Some(reply);
    }

    /// Appends replies that are used up, one a request, before the default is.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.plan().general.queue.extend(replies);
    }

    /// Like [`answer`](Self::answer) for one path, whatever its query. It goes before everything that holds for all paths.
    pub fn answer_at(&self, path: &str, reply: Reply) {
        self.shared.plan().at(path).default = Some(reply);
    }

    /// Like [`script`](Self::script) for one path, whatever its query. It goes before everything that holds for all paths.
    pub fn script_at(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        self.shared.plan().at(path).queue.extend(replies);
    }

    /// Calls back for every complete request, after it was recorded and before it is answered.
    pub fn on_request(&self, callback: impl Fn(&Received) + Send + Sync + 'static) {
        self.shared.plan().callback = Some(Arc::new(callback));
    }

    /// What this receiver got, in the order in which the requests were complete.
    pub fn received(&self) -> Vec<Received> {
        self.shared.log.of(self.shared.id)
    }

    /// How many complete requests this receiver got.
    pub fn count(&self) -> usize {
        self.shared.tally.borrow().arrived
    }

    /// How many TCP connections it accepted.
    pub fn connections(&self) -> usize {
        self.shared.tally.borrow().connections
    }

    /// How many requests began and were cut off before they were complete, or were no HTTP/1.1 (those get a 400).
    /// They are not in [`received`](Self::received).
    pub fn incomplete(&self) -> usize {
        self.shared.tally.borrow().incomplete
    }

    /// The most requests of this receiver that were open at the same time; see [`Log::overlaps`] for when one is open. Those that are
    /// open now count in full: after timeouts, call [`wait_for_ended`](Self::wait_for_ended) first.
    pub fn max_in_flight(&self) -> usize {
        most_at_once(&self.received(), None)
    }

    /// Waits until at least `n` complete requests have come.
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn wait_for(&self, n: usize) {
        self.wait(n, "complete requests", |tally| tally.arrived)
            .await;
    }

    /// Waits until at least `n` requests are over: the reply is written or the client is gone.
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn wait_for_ended(&self, n: usize) {
        self.wait(n, "requests that are over", |tally| tally.ended)
            .await;
    }

    /// Waits until at least `n` TCP connections have been accepted.
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn wait_for_connections(&self, n: usize) {
        self.wait(n, "connections", |tally| tally.connections).await;
    }

    /// Waits until at least `n` requests were cut off; see [`incomplete`](Self::incomplete).
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn wait_for_incomplete(&self, n: usize) {
        self.wait(n, "requests that were cut off", |tally| tally.incomplete)
            .await;
    }

    /// Stops and waits until the port is free. Dropping stops as well, but the port is freed a moment later.
    pub async fn stop(mut self) {
        self.task.abort();
        let _: Result<(), _> = (&mut self.task).await;
    }

    async fn wait(&self, n: usize, what: &str, number: impl Fn(&Tally) -> usize) {
        let mut tally = self.shared.tally.subscribe();
        let enough = tally.wait_for(|tally| number(tally) >= n);
        let in_time = matches!(tokio::time::timeout(PATIENCE, enough).await, Ok(Ok(_)));
        if !in_time {
            let tally = *self.shared.tally.borrow();
            let lines: Vec<String> = self.received().iter().map(ToString::to_string).collect();
            panic!(
                "receiver on port {}: waited {PATIENCE:?} for {n} {what}, saw {} ({tally:?})\n{}",
                self.port(),
                number(&tally),
                lines.join("\n")
            );
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a receiver shares with its task and its connections.
struct Shared {
    id: u64,
    port: u16,
    log: Log,
    plan: Mutex<Plan>,
    tally: watch::Sender<Tally>,
}

impl Shared {
    fn new(port: u16, log: Log) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            port,
            log,
            plan: Mutex::default(),
            tally: watch::Sender::new(Tally::default()),
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan
            .lock()
            .expect("nobody panics while holding the plan")
    }

    /// Records the request and picks its reply in one step, so that the n-th entry gets the n-th reply.
    fn arrived(self: &Arc<Self>, request: Request, connection: u64) -> (Exchange, Reply) {
        let mut plan = self.plan();
        let reply = plan.next(path_of(&request.target));
        let callback = plan.callback.clone();
        let received = Received {
            began: request.began,
            answered: None,
            ended: None,
            abandoned: false,
            at: SystemTime::now(),
            method: request.method,
            path_and_query: request.target,
            headers: request.headers,
            body: request.body,
            connection,
            port: self.port,
            receiver: self.id,
        };
        let reply = match reply {
            Reply::Echo { status, says } => Reply::Full {
                status,
                headers: Vec::new(),
                body: says(&received).into_bytes(),
            },
            other => other,
        };
        let copy = callback.is_some().then(|| received.clone());
        let mut log = self.log.lock();
        let index = log.len();
        log.push(received);
        drop(log);
        drop(plan);
        let exchange = Exchange {
            shared: Arc::clone(self),
            index,
            over: false,
        };
        if let (Some(callback), Some(copy)) = (callback, copy) {
            callback(&copy);
        }
        self.tally.send_modify(|tally| tally.arrived += 1);
        (exchange, reply)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    connections: usize,
    arrived: usize,
    ended: usize,
    incomplete: usize,
}

type Callback = Arc<dyn Fn(&Received) + Send + Sync>;

#[derive(Default)]
struct Plan {
    general: Script,
    by_path: HashMap<String, Script>,
    callback: Option<Callback>,
}

impl Plan {
    fn at(&mut self, path: &str) -> &mut Script {
        self.by_path.entry(path.to_owned()).or_default()
    }

    fn next(&mut self, path: &str) -> Reply {
        self.by_path
            .get_mut(path)
            .and_then(Script::next)
            .or_else(|| self.general.next())
            .unwrap_or_else(Reply::ok)
    }
}

#[derive(Default)]
struct Script {
    queue: VecDeque<Reply>,
    default: Option<Reply>,
}

impl Script {
    fn next(&mut self) -> Option<Reply> {
        self.queue.pop_front().or_else(|| self.default.clone())
    }
}

/// A recorded request that is being answered. If it is dropped on the way, by a stop, the request ends there.
struct Exchange {
    shared: Arc<Shared>,
    index: usize,
    over: bool,
}

impl Exchange {
    fn answered(&self) {
        self.update(|received| received.answered = Some(Instant::now()));
    }

    fn ended(&mut self) {
        if !std::mem::replace(&mut self.over, true) {
            self.update(|received| received.ended = Some(Instant::now()));
            self.shared.tally.send_modify(|tally| tally.ended += 1);
        }
    }

    fn abandoned(&mut self) {
        self.update(|received| received.abandoned = true);
        self.ended();
    }

    fn update(&self, change: impl FnOnce(&mut Received)) {
        if let Some(received) = self.shared.log.lock().get_mut(self.index) {
            change(received);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.ended();
    }
}

/// What becomes of a connection after a reply.
enum After {
    Keep,
    Close,
    Reset,
    /// The client is gone.
    Gone,
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn path_of(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// The most requests that were open at one moment; those that still are end at `cut`, if there is one.
fn most_at_once(requests: &[Received], cut: Option<Instant>) -> usize {
    let mut changes = Vec::with_capacity(requests.len() * 2);
    for request in requests {
        changes.push((request.began, 1));
        // At one and the same instant the end sorts before the beginning.
        changes.extend(
            request
                .open_until()
                .or(cut)
                .map(|end| (end.max(request.began), -1)),
        );
    }
    changes.sort_unstable();
    let mut open = 0_i64;
    let mut most = 0;
    for (_, change) in changes {
        open += change;
        most = most.max(open);
    }
    usize::try_from(most).expect("it starts at zero and only grows")
}
