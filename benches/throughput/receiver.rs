//! The receiver: a process of its own that answers every POST at once, never answers one to `/hang/`, and counts.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::ca::{Ca, LOOPBACK_NAMES};
use super::machine;
use super::measured::Measured;

/// Where the receiver is, and the root that signs its certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) url: String,
    pub(crate) pem: String,
    /// The same without TLS, for a sender that trusts no root of ours.
    pub(crate) plain: String,
}

/// What has arrived since the last report.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) requests: usize,
    /// The same without those of the same path and order.
    pub(crate) distinct: usize,
    /// Which order arrived, at which microsecond, for paths that are answered.
    pub(crate) arrivals: Vec<(usize, u64)>,
}

/// The process, as the others see it.
pub(crate) struct Receiver {
    pub(crate) address: Address,
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Receiver {
    pub(crate) fn start() -> Receiver {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .arg("receiver")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ask = process.stdin.take().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        Receiver {
            address: serde_json::from_str(&line).unwrap(),
            process,
            ask,
            answers,
        }
    }

    /// Has a process measure, which prints what it has measured, and confirms that every order arrived once.
    pub(crate) fn confirm(&mut self, row: &str, sender: &mut Command) -> Measured {
        // What still arrived of the row before.
        let _ = self.report();
        let output = sender.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{row} failed");
        let mut measured: Measured = serde_json::from_slice(&output.stdout).unwrap();
        let seen = self.report();
        if let Some(arrive) = measured.arrive {
            let (requests, distinct) = (seen.requests, seen.distinct);
            assert_eq!(
                (requests, distinct),
                (arrive, arrive),
                "{row}: every order arrives once"
            );
        }
        let arrivals: HashMap<_, _> = seen.arrivals.iter().copied().collect();
        let took = |(n, began): (usize, u64)| arrivals[&n].saturating_sub(began);
        measured.latencies = std::mem::take(&mut measured.began)
            .into_iter()
            .map(took)
            .collect();
        measured.arrivals = seen.arrivals.into_iter().map(|(_, at)| at).collect();
        measured
    }

    /// What has arrived since the last report.
    pub(crate) fn report(&mut self) -> Report {
        self.ask.write_all(b"report\n").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Default)]
struct Seen {
    report: Report,
    keys: HashSet<u64>,
}

/// The receiver's own life; ends with its standard input.
pub(crate) fn serve() {
    machine::pin(1);
    let _ = machine::allow_descriptors(15_000);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let to_answer = Arc::clone(&seen);
    runtime.spawn(async move {
        let ca = Ca::new();
        let acceptor = TlsAcceptor::from(ca.server_config(LOOPBACK_NAMES));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address {
            url: format!("https://{}", listener.local_addr().unwrap()),
            pem: ca.pem(),
            plain: format!("http://{}", plain.local_addr().unwrap()),
        };
        println!("{}", serde_json::to_string(&address).unwrap());
        loop {
            let (accepted, is_plain) = tokio::select! {
                accepted = listener.accept() => (accepted, false),
                accepted = plain.accept() => (accepted, true),
            };
            let Ok((stream, _)) = accepted else {
                // Out of descriptors: those who connect wait.
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                continue;
            };
            stream.set_nodelay(true).unwrap();
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                // A sender that ends closes as it likes.
                if is_plain {
                    let _ = answer(stream, seen).await;
                } else if let Ok(stream) = acceptor.accept(stream).await {
                    let _ = answer(stream, seen).await;
                }
            });
        }
    });
    // Standard input is read by a thread, and the runtime lives as long.
    let reports = std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if line.unwrap_or_default() == "report" {
                let seen = std::mem::take(&mut *to_answer.lock().unwrap());
                let report = Report {
                    distinct: seen.keys.len(),
                    ..seen.report
                };
                println!("{}", serde_json::to_string(&report).unwrap());
            }
        }
        std::process::exit(0);
    });
    runtime.block_on(async {
        std::future::pending::<()>().await;
    });
    reports.join().unwrap();
}

const OK: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    seen: Arc<Mutex<Seen>>,
) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(4096);
    loop {
        let Some((path, length)) = head(&bytes) else {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            continue;
        };
        if bytes.len() < length {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            continue;
        }
        let order = order_code(&bytes[..length]);
        let hangs = path.starts_with("/hang/");
        {
            let mut hasher = DefaultHasher::new();
            (&path, order).hash(&mut hasher);
            let mut seen = seen.lock().unwrap();
            seen.report.requests += 1;
            seen.keys.insert(hasher.finish());
            if let (Some(order), false) = (order, hangs) {
                seen.report.arrivals.push((order, machine::now_us()));
            }
        }
        bytes.drain(..length);
        if hangs {
            // Until the other side has had enough.
            while stream.read_buf(&mut bytes).await? > 0 {}
            return Ok(());
        }
        stream.write_all(OK).await?;
    }
}

/// The path of a request whose head has come whole, and the length of head and body.
fn head(bytes: &[u8]) -> Option<(String, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..end]).unwrap();
    let path = text.split(' ').nth(1).unwrap().to_owned();
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().unwrap())
    });
    Some((path, end + length.unwrap_or(0)))
}

/// The number of the order that a request is about.
fn order_code(request: &[u8]) -> Option<usize> {
    const BEFORE: &[u8] = b"\"order_code\":\"B-";
    let at = request
        .windows(BEFORE.len())
        .position(|bytes| bytes == BEFORE)?
        + BEFORE.len();
    let digits = request[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}
