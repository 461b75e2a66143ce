//! orderhook beside its peers: the same orders into an SQLite file and out to the same receiver, each delivered once.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml -- [ROUNDS] [NUMBER]` measures every row in so many rounds (3),
//! in turns, with so many orders each (5,000), and prints the medians as lines `figure NAME VALUE`. It builds what it needs
//! itself. Each measurement has a process of its own on one core, and the receiver another one on another core, where the
//! machine has two and they can be pinned. Every delivery is verified at the receiver: each order once.
//!
//! | row | what |
//! |---|---|
//! | `webhooksmith` | webhooksmith 0.2.1 with its SQLite engine, over plain HTTP |
//! | `by_hand_plain` | an outbox and a loop written by hand with sqlx and reqwest, over plain HTTP |
//! | `by_hand` | the same over TLS |
//! | `orderhook` | `SqliteStore`, `enqueue` beside a worker, over TLS |
//! | `by_hand_again` | the control: `by_hand` a second time |
//!
//! Orders come in as fast as they are stored, 64 callers at once and at most a thousand on their way, and go out at the same
//! time. All rows get the same orders, write every commit through to the disk (WAL, `synchronous` FULL), and keep what they have
//! delivered. orderhook has no plain HTTP, and webhooksmith cannot be given a root certificate: where the two are compared,
//! orderhook encrypts and webhooksmith does not, which is a handicap of orderhook. The loop by hand is measured both ways, and
//! compared with orderhook over TLS.
//!
//! Only ratios carry over to another machine: `_over_` is a ratio of two rates of the same run, `peers_control_same_twice` is
//! the rate of one row over itself, and says what the noise is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench: a panic is how it reports"
)]

mod by_hand;
#[path = "../../../tests/support/ca.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests, which need more of it"
)]
mod ca;
mod figures;
#[path = "../../throughput/machine.rs"]
#[allow(dead_code, reason = "shared with a bench that needs more of it")]
mod machine;
#[path = "../../throughput/measured.rs"]
#[allow(dead_code, reason = "shared with a bench that needs more of it")]
mod measured;
#[path = "../../throughput/orders.rs"]
#[allow(dead_code, reason = "shared with a bench that needs more of it")]
mod orders;
mod ours;
#[path = "../../throughput/receiver.rs"]
#[allow(dead_code, reason = "shared with a bench that needs more of it")]
mod receiver;
mod rows;
mod through;

use figures::{Results, figures};
use receiver::Receiver;
use rows::ROWS;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["receiver"] => receiver::serve(),
        ["sender", row, number, to] => rows::measure(row, number.parse().unwrap(), to),
        _ => all(&words),
    }
}

/// All rows, round after round.
fn all(words: &[String]) {
    let mut numbers = words.iter().map(|word| {
        let number = word.parse::<usize>();
        number.expect("the arguments are two numbers: ROUNDS, NUMBER")
    });
    let rounds = numbers.next().unwrap_or(3);
    let number = numbers.next().unwrap_or(5_000);
    let peer = rows::build_webhooksmith();
    let mut receiver = Receiver::start();
    let mut results = Results::new();
    for round in 1..=rounds {
        for row in ROWS {
            let measured = rows::run(row, number, &peer, &mut receiver);
            eprintln!("{round}/{rounds} {row}: {measured}");
            results.entry(row).or_default().push(measured);
        }
    }
    for (name, value) in figures(&results) {
        println!("figure {name} {value}");
    }
}
