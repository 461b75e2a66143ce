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

use super::ca::{Ca, LOOPBACK_NAMES};

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

/// What a receiver is to whoever connects.
#[derive(Clone, Debug)]
pub enum Mode {
    /// An HTTPS server. [`Ca`] has the configurations, good and bad.
    Tls(Arc<ServerConfig>),
    /// Plain HTTP on the port; records and answers like the real one, and answers 400 to a TLS handshake.
    PlainHttp,
    /// Accepts TCP connections and never says a word.
    AcceptAndStall,
    /// Accepts, says these bytes at once, in plain text, and nothing else: an SSH banner, a TLS alert.
    Greet(Vec<u8>),
    /// Accepts and resets the connection.
    ResetOnAccept,
}

impl Mode {
    /// What a server answers that speaks nothing newer than TLS 1.1: a fatal `protocol_version` alert.
    pub fn old_tls() -> Self {
        Self::Greet(vec![0x15, 0x03, 0x02, 0x00, 0x02, 0x02, 0x46])
    }

    fn tls(ca: &Ca) -> Self {
        Self::Tls(ca.server_config(LOOPBACK_NAMES))
    }
}

/// What a receiver does with a complete request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// This status and an empty body.
    Status(u16),
    /// A whole reply. `content-length` is added unless a header frames the body; `connection: close` is obeyed.
    Full {
        /// The status.
        status: u16,
        /// The headers, repeated ones as well, in this order.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// This status with a body made of the request.
    Echo {
        /// The status.
        status: u16,
        /// What is said of the request.
        says: fn(&Received) -> String,
    },
    /// These bytes as they are; then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes as they are; then the connection is reset.
    RawThenReset(Vec<u8>),
    /// These bytes one at a time, with a pause before each; then the connection is closed.
    Drip {
        /// What is written.
        bytes: Vec<u8>,
        /// The pause.
        every: Duration,
    },
    /// 200 that announces 100 bytes, sends ten and closes.
    BrokenBody,
    /// 200 whose second chunk has no size; then the connection is closed.
    BadChunk,
    /// The head of a 200 with a body, and then nothing until the client goes away.
    StallAfterHead,
    /// 200 with a chunked body that ends only when the client goes away.
    Endless,
    /// 103 after 103, as fast as they are read, until the client goes away.
    EndlessInterim,
    /// No answer until the client goes away.
    Hang,
    /// No answer: the connection is reset.
    CloseAfterRequest,
    /// `100 Continue` and `103 Early Hints`, then the reply.
    Continue103(Box<Reply>),
    /// The reply after a while.
    Delayed(Duration, Box<Reply>),
    /// The reply when the gate is open.
    Gated(Gate, Box<Reply>),
}

impl Reply {
    /// 200 with an empty body.
    pub fn ok() -> Self {
        Self::Status(200)
    }

    /// 200 with a JSON body.
    pub fn ok_json(json: &str) -> Self {
        Self::Full {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: json.as_bytes().to_vec(),
        }
    }

    /// A redirection with an empty body.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::with_header(status, "location", location)
    }

    /// A status with `retry-after` and an empty body.
    pub fn retry_after(status: u16, value: &str) -> Self {
        Self::with_header(status, "retry-after", value)
    }

    /// A status with one header and an empty body.
    pub fn with_header(status: u16, name: &str, value: &str) -> Self {
        Self::Full {
            status,
            headers: vec![(name.to_owned(), value.to_owned())],
            body: Vec::new(),
        }
    }

    /// This reply after a while.
    pub fn delayed(self, pause: Duration) -> Self {
        Self::Delayed(pause, Box::new(self))
    }

    /// This reply when the gate is open.
    pub fn gated(self, gate: &Gate) -> Self {
        Self::Gated(gate.clone(), Box::new(self))
    }
}

/// Holds replies back until a test opens it. Clones are the same gate; once open it stays open.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everybody through, those who wait and those who come later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn opened(&self) {
        let mut state = self.0.subscribe();
        let _ = state.wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// One complete request.
#[derive(Clone, Debug)]
pub struct Received {
    /// When its first byte was read.
    pub began: Instant,
    /// When the head of the final reply was about to leave; none if there is none (yet).
    ///
    /// Taken before the bytes are written, so that nothing a client does because of them is earlier.
    pub answered: Option<Instant>,
    /// When the last of the reply was about to leave, or the connection was gone; none while it is open.
    pub ended: Option<Instant>,
    /// Whether the client went away before it had the whole reply.
    pub abandoned: bool,
    /// The wall clock when the request was complete.
    pub at: SystemTime,
    /// The method.
    pub method: String,
    /// The request target as it was sent.
    pub path_and_query: String,
    /// The headers in their order, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without the framing.
    pub body: Vec<u8>,
    /// The number of the connection, counted from one for each receiver.
    pub connection: u64,
    /// The port of the receiver that got it.
    pub port: u16,
    receiver: u64,
}

impl Received {
    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    /// All headers of this name, which is in lower case.
    pub fn headers_named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    }

    /// The path without its query.
    pub fn path(&self) -> &str {
        path_of(&self.path_and_query)
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "{self}: the body is no JSON: {error}: {}",
                String::from_utf8_lossy(&self.body)
            )
        })
    }

    /// Until when the request counts as open, `None` if it still is; see [`Log::overlaps`].
    fn open_until(&self) -> Option<Instant> {
        if self.answered.is_some() {
            return self.answered;
        }
        let ended = self.ended?;
        if !self.abandoned {
            return Some(ended);
        }
        ended.checked_sub(NOTICED_LATE)
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} on port {} ({} bytes)",
            self.method,
            self.path_and_query,
            self.port,
            self.body.len()
        )
    }
}

/// The timeline of one receiver or of several. Clones are the same log.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<Received>>>);

impl Log {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything that its receivers got, in the order in which the requests were complete.
    pub fn entries(&self) -> Vec<Received> {
        self.lock().clone()
    }

    /// Whether any two of its requests were open at the same time.
    ///
    /// A request is open from its first byte until the head of its reply leaves: what comes after it is no reason for a client
    /// to wait. One that was given up without a reply is open until its connection is gone, and since a receiver learns of that after
    /// the client has moved on, the last 500 ms of it do not count, nor do the last
    /// 500 ms before the call of one whose connection still stands. A test that looks for overlapping timeouts needs timeouts
    /// of a second or more.
    pub fn overlaps(&self) -> bool {
        most_at_once(&self.lock(), Instant::now().checked_sub(NOTICED_LATE)) > 1
    }

    fn of(&self, receiver: u64) -> Vec<Received> {
        self.lock()
            .iter()
            .filter(|received| received.receiver == receiver)
            .cloned()
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Received>> {
        self.0.lock().expect("nobody panics while holding the log")
    }
}

/// A port where nobody listens and nobody else can: connections to it are refused as long as this is kept.
pub struct ClosedPort {
    port: u16,
    _socket: TcpSocket,
}

impl ClosedPort {
    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `https://localhost:PORT/path`.
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }
}

/// Takes a port of 127.0.0.1 and does not listen on it.
pub fn closed_port() -> ClosedPort {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(loopback(0)).expect("a free port");
    ClosedPort {
        port: socket
            .local_addr()
            .expect("a bound socket has an address")
            .port(),
        _socket: socket,
    }
}

/// A port whose queue is full: a SYN to it is never answered as long as this is kept.
pub struct BlackHole {
    port: u16,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `https://127.0.0.1:PORT/path`. Not `localhost`: its other address refuses the connection.
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }
}

/// Listens on a port of 127.0.0.1, accepts nothing and fills the queue. Linux drops the SYNs that find it full; others may refuse them.
pub async fn black_hole() -> BlackHole {
    // A connection on loopback is made inside the call that asks for it, or not at all.
    const LONG_ENOUGH: Duration = Duration::from_millis(300);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(loopback(0)).expect("a free port");
    let listener = socket.listen(1).expect("a listener");
    let addr = listener
        .local_addr()
        .expect("a bound socket has an address");
    let mut queued = Vec::new();
    while let Ok(connected) = tokio::time::timeout(LONG_ENOUGH, TcpStream::connect(addr)).await {
        queued.push(connected.expect("the queue takes the connection or says nothing"));
        assert!(
            queued.len() < 100,
            "this system does not honour the length of the queue"
        );
    }
    BlackHole {
        port: addr.port(),
        _listener: listener,
        _queued: queued,
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

/// A port that was just given up may be taken for another moment.
async fn listen(addr: SocketAddr) -> TcpListener {
    let give_up = Instant::now() + Duration::from_secs(5);
    loop {
        match TcpListener::bind(addr).await {
            Ok(listener) => return listener,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < give_up => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("cannot listen on {addr}: {error}"),
        }
    }
}

async fn accept(listener: TcpListener, mode: Mode, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    number += 1;
                    shared.tally.send_modify(|tally| tally.connections += 1);
                    connections.spawn(welcome(tcp, mode.clone(), Arc::clone(&shared), number));
                }
                // Out of file descriptors, most likely: others have to close theirs first.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn welcome(tcp: TcpStream, mode: Mode, shared: Arc<Shared>, number: u64) {
    let _ = tcp.set_nodelay(true);
    match mode {
        Mode::Tls(config) => {
            if let Ok(tls) = TlsAcceptor::from(config).accept(tcp).await {
                serve(Connection::new(Stream::Tls(Box::new(tls))), &shared, number).await;
            }
        }
        Mode::PlainHttp => serve(Connection::new(Stream::Plain(tcp)), &shared, number).await,
        Mode::AcceptAndStall => Connection::new(Stream::Plain(tcp)).gone().await,
        Mode::Greet(bytes) => {
            let mut connection = Connection::new(Stream::Plain(tcp));
            if connection.write(&bytes).await.is_ok() {
                connection.gone().await;
            }
        }
        Mode::ResetOnAccept => Connection::new(Stream::Plain(tcp)).reset(),
    }
}

async fn serve(mut connection: Connection, shared: &Arc<Shared>, number: u64) {
    loop {
        let request = match connection.request().await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => {
                shared.tally.send_modify(|tally| tally.incomplete += 1);
                if error.kind() == io::ErrorKind::InvalidData {
                    let close = [("connection".to_owned(), "close".to_owned())];
                    let _ = connection.write(&whole(400, &close, &[])).await;
                }
                return connection.close().await;
            }
        };
        let (mut exchange, reply) = shared.arrived(request, number);
        match answer(&mut connection, &mut exchange, reply).await {
            After::Keep => {}
            After::Close => return connection.close().await,
            After::Reset => {
                exchange.ended();
                return connection.reset();
            }
            After::Gone => return exchange.abandoned(),
        }
    }
}

async fn answer(connection: &mut Connection, exchange: &mut Exchange, mut reply: Reply) -> After {
    loop {
        let (bytes, after) = match reply {
            Reply::Delayed(pause, then) => {
                if connection.gone_during(tokio::time::sleep(pause)).await {
                    return After::Gone;
                }
                reply = *then;
                continue;
            }
            Reply::Gated(gate, then) => {
                if connection.gone_during(gate.opened()).await {
                    return After::Gone;
                }
                reply = *then;
                continue;
            }
            Reply::Continue103(then) => {
                let interim =
                    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </>; rel=preload\r\n\r\n";
                if connection.write(interim).await.is_err() {
                    return After::Gone;
                }
                reply = *then;
                continue;
            }
            Reply::Status(status) => (whole(status, &[], &[]), After::Keep),
            Reply::Full {
                status,
                headers,
                body,
            } => {
                let close = headers.iter().any(|(name, value)| {
                    name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close")
                });
                let after = if close { After::Close } else { After::Keep };
                (whole(status, &headers, &body), after)
            }
            // Replaced when the request arrived.
            Reply::Echo { status, .. } => (whole(status, &[], &[]), After::Keep),
            Reply::Raw(bytes) => (bytes, After::Close),
            Reply::RawThenReset(bytes) => (bytes, After::Reset),
            Reply::BrokenBody => (
                b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789".to_vec(),
                After::Close,
            ),
            Reply::BadChunk => (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nno size\r\n"
                    .to_vec(),
                After::Close,
            ),
            Reply::CloseAfterRequest => return After::Reset,
            Reply::Hang => {
                connection.gone().await;
                return After::Gone;
            }
            Reply::StallAfterHead => {
                exchange.answered();
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
                if connection.write(head).await.is_ok() {
                    connection.gone().await;
                }
                return After::Gone;
            }
            Reply::Endless => {
                exchange.answered();
                let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
                let mut sent = connection.write(head).await;
                while sent.is_ok() {
                    sent = connection.write(&chunk).await;
                }
                return After::Gone;
            }
            Reply::EndlessInterim => {
                let interim =
                    b"HTTP/1.1 103 Early Hints\r\nlink: </>; rel=preload\r\n\r\n".repeat(100);
                while connection.write(&interim).await.is_ok() {}
                return After::Gone;
            }
            Reply::Drip { bytes, every } => return drip(connection, exchange, &bytes, every).await,
        };
        exchange.answered();
        exchange.ended();
        return match connection.write(&bytes).await {
            Ok(()) => after,
            Err(_) => After::Gone,
        };
    }
}

async fn drip(
    connection: &mut Connection,
    exchange: &mut Exchange,
    bytes: &[u8],
    every: Duration,
) -> After {
    let last = bytes.len().saturating_sub(1);
    let answers = end_of_final_head(bytes).map_or(last, |end| end - 1);
    for (position, byte) in bytes.iter().enumerate() {
        if connection.gone_during(tokio::time::sleep(every)).await {
            return After::Gone;
        }
        if position == answers {
            exchange.answered();
        }
        if position == last {
            exchange.ended();
        }
        if connection.write(&[*byte]).await.is_err() {
            return After::Gone;
        }
    }
    After::Close
}

/// Where the first head ends that is not an interim one.
fn end_of_final_head(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    loop {
        let head = &bytes[start..];
        let end = start + find(head, b"\r\n\r\n")? + 4;
        let interim = head.starts_with(b"HTTP/1.1 1") && !head.starts_with(b"HTTP/1.1 101");
        if !interim {
            return Some(end);
        }
        start = end;
    }
}

fn whole(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} \r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    let framed = headers.iter().any(|(name, _)| {
        name.eq_ignore_ascii_case("content-length")
            || name.eq_ignore_ascii_case("transfer-encoding")
    });
    let bodyless = status < 200 || status == 204 || status == 304;
    if !framed && !bodyless {
        bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
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

struct Request {
    began: Instant,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find_map(|(have, value)| (have == name).then_some(value.as_str()))
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A stream and what was read from it and not used yet.
struct Connection {
    stream: Stream,
    unread: Vec<u8>,
}

impl Connection {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// The next request; none if the client closes instead.
    async fn request(&mut self) -> io::Result<Option<Request>> {
        if self.unread.is_empty() && !matches!(self.fill().await, Ok(1..)) {
            return Ok(None);
        }
        let began = Instant::now();
        // A TLS client that talks to a plain port waits for an answer and never sends the end of a head.
        if !self.unread.first().is_some_and(u8::is_ascii_alphabetic) {
            return Err(malformed("request line"));
        }
        let head = self.through(b"\r\n\r\n").await?;
        let mut request = parse(&head, began)?;
        if request
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let chunked = request
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        request.body = if chunked {
            self.chunks().await?
        } else {
            let length = request.header("content-length").unwrap_or("0");
            let length = length.parse().map_err(|_| malformed("content-length"))?;
            self.exactly(length).await?
        };
        Ok(Some(request))
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(|_| malformed("chunk size"))?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(size).await?);
            if !self.line().await?.is_empty() {
                return Err(malformed("end of chunk"));
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = self.through(b"\r\n").await?;
        line.truncate(line.len() - 2);
        String::from_utf8(line).map_err(|_| malformed("line"))
    }

    async fn through(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(start) = find(&self.unread, mark) {
                return self.exactly(start + mark.len()).await;
            }
            self.fill_more().await?;
        }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            self.fill_more().await?;
        }
        let rest = self.unread.split_off(length);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    async fn fill_more(&mut self) -> io::Result<()> {
        match self.fill().await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// May be dropped at any time: what was read is in `unread`.
    async fn fill(&mut self) -> io::Result<usize> {
        self.unread.reserve(16 * 1024);
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.read_buf(&mut self.unread).await,
            Stream::Tls(tls) => tls.read_buf(&mut self.unread).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes).await,
            Stream::Tls(tls) => {
                tls.write_all(bytes).await?;
                tls.flush().await
            }
        }
    }

    /// Waits until the client closes its side.
    async fn gone(&mut self) {
        while matches!(self.fill().await, Ok(1..)) {}
    }

    /// Whether the client went away before the future was ready.
    async fn gone_during(&mut self, ready: impl Future<Output = ()>) -> bool {
        tokio::select! {
            biased;
            () = ready => false,
            () = self.gone() => true,
        }
    }

    async fn close(mut self) {
        let _ = match &mut self.stream {
            Stream::Plain(tcp) => tcp.shutdown().await,
            Stream::Tls(tls) => tls.shutdown().await,
        };
    }

    fn reset(self) {
        let tcp = match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        };
        let _ = tcp.set_zero_linger();
    }
}

fn parse(head: &[u8], began: Instant) -> io::Result<Request> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1"), None) =
        (first.next(), first.next(), first.next(), first.next())
    else {
        return Err(malformed("request line"));
    };
    let headers = lines
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("header"))?;
            Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect::<io::Result<_>>()?;
    Ok(Request {
        began,
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: Vec::new(),
    })
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}
