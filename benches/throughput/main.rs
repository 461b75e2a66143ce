//! What delivery costs: against a bare loop of the HTTP client, against the disk, and as backlog, suppliers and hanging
//! endpoints grow.
//!
//! `cargo bench --bench throughput --all-features -- [ROUNDS] [ROW...]` measures every row (or those whose names begin so) in so
//! many rounds (3), in turns, and prints the medians as lines `figure NAME VALUE`. Each measurement has a process of its own
//! on one core, and the receiver another one on another core, where the machine has two and they can be pinned. Every
//! delivery is verified at the receiver: each order once.
//!
//! Only ratios carry over to another machine: `_over_` is a ratio to a control of the same run, `control_same_twice` is one
//! control over itself, and says what the noise is.
#![cfg_attr(
    not(feature = "sqlite"),
    allow(
        unused_imports,
        dead_code,
        reason = "without SQLite only the rows of memory are there"
    )
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench: a panic is how it reports"
)]

mod bare;
#[path = "../../tests/support/ca.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests, which need more of it"
)]
mod ca;
mod claims;
mod deliver;
mod disk;
mod figures;
mod machine;
mod measured;
mod orders;
mod paced;
mod receiver;
mod resident;
mod rows;

use std::collections::BTreeMap;

use figures::figures;
use measured::Measured;
use receiver::Receiver;
use rows::{ROWS, Row};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["receiver"] => receiver::serve(),
        ["sender", row, number, ref to @ ..] => rows::measure(row, number.parse().unwrap(), to),
        _ => all(&words),
    }
}

/// All rows, round after round.
fn all(words: &[String]) {
    let rounds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(3);
    let named: Vec<_> = words
        .iter()
        .filter(|word| word.starts_with(|first: char| first.is_ascii_lowercase()))
        .collect();
    let is_wanted = |row: &&Row| match named.is_empty() {
        true => row.by_default,
        false => named.iter().any(|name| row.name.starts_with(name.as_str())),
    };
    let rows: Vec<_> = ROWS.iter().filter(is_wanted).collect();
    let mut receiver = Receiver::start();
    let mut results: BTreeMap<&str, Vec<Measured>> = BTreeMap::new();
    for round in 1..=rounds {
        for row in &rows {
            let measured = rows::run(row, &mut receiver);
            eprintln!("{round}/{rounds} {}: {measured}", row.name);
            results.entry(row.name).or_default().push(measured);
        }
    }
    for (name, value) in figures(&results) {
        println!("figure {name} {value}");
    }
}
