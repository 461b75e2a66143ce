//! The rows of the bench, and one measurement of a row: a process of its own on one core.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use super::receiver::{Address, Receiver};
use super::{bare, deliver, machine};
#[cfg(feature = "sqlite")]
use super::{claims, disk};
use super::{paced, resident};

/// How many are under way at once, unless a row says otherwise.
pub(crate) const IN_FLIGHT: usize = 64;

type Run = for<'a> fn(&'a Address, usize) -> Pin<Box<dyn Future<Output = Measured> + 'a>>;

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// How many deliveries, or whatever it counts, are measured.
    number: usize,
    /// Whether it is measured unless others are named.
    pub(crate) by_default: bool,
    run: Run,
}

macro_rules! row {
    ($name:literal, $number:expr, $run:expr) => {
        row!($name, $number, $run, true)
    };
    ($name:literal, $number:expr, $run:expr, $by_default:literal) => {
        Row {
            name: $name,
            number: $number,
            by_default: $by_default,
            run: |to, number| Box::pin($run(to, number)),
        }
    };
}

pub(crate) const ROWS: &[Row] = &[
    row!("bare", 30_000, bare::client),
    row!("bare_again", 30_000, bare::client),
    row!("layer", 30_000, bare::layer),
    row!("memory_notify", 20_000, deliver::memory_notify),
    row!("memory_worker", 20_000, deliver::memory_worker),
    row!("many_memory_one", 10_000, deliver::many_memory_one),
    row!("many_memory_all", 10_000, deliver::many_memory_all),
    row!("latency_memory", 2_000, paced::latency_memory),
    #[cfg(feature = "sqlite")]
    row!("fdatasync", 5_000, disk::fdatasync),
    #[cfg(feature = "sqlite")]
    row!("floor", 10_000, disk::floor),
    #[cfg(feature = "sqlite")]
    row!("sqlite_through", 20_000, deliver::sqlite_through),
    #[cfg(feature = "sqlite")]
    row!("sqlite_drain", 20_000, deliver::sqlite_drain),
    #[cfg(feature = "sqlite")]
    row!("sqlite_notify64", 10_000, deliver::sqlite_notify64),
    #[cfg(feature = "sqlite")]
    row!("sqlite_notify1", 2_000, deliver::sqlite_notify1),
    #[cfg(feature = "sqlite")]
    row!("many_sqlite_one", 10_000, deliver::many_sqlite_one),
    #[cfg(feature = "sqlite")]
    row!("many_sqlite_all", 10_000, deliver::many_sqlite_all),
    #[cfg(feature = "sqlite")]
    row!("latency_sqlite", 2_000, paced::latency_sqlite),
    #[cfg(feature = "sqlite")]
    row!("sqlite_spread", 5_000, paced::sqlite_spread),
    #[cfg(feature = "sqlite")]
    row!("healthy_1pct", 15_000, paced::healthy_1pct),
    #[cfg(feature = "sqlite")]
    row!("healthy_5pct", 15_000, paced::healthy_5pct),
    #[cfg(feature = "sqlite")]
    row!("claim_10k", 10_000, claims::backlog),
    #[cfg(feature = "sqlite")]
    row!("claim_million", 1_000_000, claims::backlog),
    #[cfg(feature = "sqlite")]
    row!(
        "claim_dead_million",
        1_000_000,
        claims::backlog_of_a_dead_one
    ),
    row!("orders", 10_000, deliver::orders_alone, false),
    row!("rss_hanging", 10_000, resident::hanging, false),
    row!("rss_finished", 100_000, resident::finished, false),
    #[cfg(feature = "sqlite")]
    row!("rss_backlog", 1_000_000, resident::backlog, false),
];

/// What one process has measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) number: usize,
    pub(crate) wall_us: u64,
    pub(crate) cpu_us: u64,
    /// How many POSTs the receiver must have seen, each once, if that is known.
    pub(crate) arrive: Option<usize>,
    /// Commits, bytes, and whatever else belongs to the row.
    pub(crate) other: BTreeMap<String, f64>,
    /// When an order began, in microseconds of the machine's clock.
    pub(crate) began: Vec<(usize, u64)>,
    /// The receiver's times of the orders that are in `began`, from there.
    #[serde(default)]
    pub(crate) latencies: Vec<u64>,
    /// The receiver's times of all orders, in microseconds of the machine's clock.
    #[serde(default)]
    pub(crate) arrivals: Vec<u64>,
}

impl Measured {
    pub(crate) fn with(mut self, name: &str, value: f64) -> Measured {
        self.other.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn cpu_us_each(&self) -> f64 {
        self.cpu_us as f64 / self.number as f64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.number as f64 * 1e6 / self.wall_us as f64
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, cpu) = (self.per_second(), self.cpu_us_each());
        write!(f, "{rate:.0}/s, {cpu:.1} us of CPU each")?;
        if !self.other.is_empty() {
            write!(f, ", {:?}", self.other)?;
        }
        Ok(())
    }
}

/// A measurement that has begun.
pub(crate) struct Watch {
    wall: u64,
    cpu: u64,
}

impl Watch {
    pub(crate) fn start() -> Watch {
        Watch {
            wall: machine::now_us(),
            cpu: machine::cpu_us(),
        }
    }

    /// Its end, after so many deliveries and so many more before it began.
    pub(crate) fn stop(self, number: usize, warm_up: usize) -> Measured {
        Measured {
            number,
            wall_us: machine::now_us() - self.wall,
            cpu_us: machine::cpu_us() - self.cpu,
            arrive: Some(number + warm_up),
            ..Measured::default()
        }
    }
}

/// `number` calls from `first` on, [`IN_FLIGHT`] of them at once.
pub(crate) async fn side_by_side<F: Future<Output = ()> + Send + 'static>(
    number: usize,
    first: usize,
    call: impl Fn(usize) -> F + Clone + Send + 'static,
) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (next, call) = (Arc::clone(&next), call.clone());
        tasks.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= number {
                    break;
                }
                // The future is made first, so that the closure need not be Sync.
                let calling = call(first + n);
                calling.await;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

/// Measures a row in a process of its own, and has the receiver confirm it.
pub(crate) fn run(row: &Row, receiver: &mut Receiver) -> Measured {
    // What still arrived of the row before.
    let _ = receiver.report();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["sender", row.name, &row.number.to_string()])
        .args([&receiver.address.url, &receiver.address.pem])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{} failed", row.name);
    let mut measured: Measured = serde_json::from_slice(&output.stdout).unwrap();
    let seen = receiver.report();
    if let Some(arrive) = measured.arrive {
        assert_eq!(
            (seen.requests, seen.distinct),
            (arrive, arrive),
            "{}: every order arrives once",
            row.name
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

/// The life of the process that measures.
pub(crate) fn measure(name: &str, number: usize, to: &[&str]) {
    let [url, pem] = to else {
        panic!("an address is needed")
    };
    machine::pin(0);
    let address = Address {
        url: (*url).to_owned(),
        pem: (*pem).to_owned(),
    };
    let row = ROWS.iter().find(|row| row.name == name).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let measured = runtime.block_on((row.run)(&address, number));
    println!("{}", serde_json::to_string(&measured).unwrap());
}
