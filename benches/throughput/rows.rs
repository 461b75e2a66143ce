//! The rows of the bench, and one measurement of a row: a process of its own on one core.

use std::future::Future;
use std::pin::Pin;
use std::process::Command;

use super::measured::Measured;
use super::receiver::{Address, Receiver};
use super::{bare, deliver, machine};
#[cfg(feature = "sqlite")]
use super::{claims, disk};
use super::{paced, resident};

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
    row!("memory_body_16k", 5_000, deliver::memory_body_16k, false),
    row!("memory_body_256k", 500, deliver::memory_body_256k, false),
    row!("orders", 10_000, deliver::orders_alone, false),
    row!("rss_hanging", 10_000, resident::hanging, false),
    row!("rss_finished", 100_000, resident::finished, false),
    #[cfg(feature = "sqlite")]
    row!("rss_backlog", 1_000_000, resident::backlog, false),
];

/// Measures a row in a process of its own, and has the receiver confirm it.
pub(crate) fn run(row: &Row, receiver: &mut Receiver) -> Measured {
    let mut sender = Command::new(std::env::current_exe().unwrap());
    sender
        .args(["sender", row.name, &row.number.to_string()])
        .args([&receiver.address.url, &receiver.address.pem]);
    receiver.confirm(row.name, &mut sender)
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
        plain: String::new(),
    };
    let row = ROWS.iter().find(|row| row.name == name).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let measured = runtime.block_on((row.run)(&address, number));
    println!("{}", serde_json::to_string(&measured).unwrap());
}
