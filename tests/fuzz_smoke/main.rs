//! The parsers on damaged input, on any toolchain: the functions of the fuzz targets with seeds that are changed at random.
//!
//! `FUZZ_SECONDS` is how long, for all targets together (3); `FUZZ_SEED` what is changed. A finding prints its input.

mod change;
mod targets;

use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant, SystemTime};

use change::Changes;
use serde::Deserialize as _;

struct Target {
    name: &'static str,
    run: fn(&[u8]),
    seeds: Vec<Vec<u8>>,
}

/// Seeds: what a portal sends, what the life cycle stores, what the examples are given, and a few of each kind beside.
fn targets() -> Vec<Target> {
    let portal = seeds("../fixtures/fulfilment");
    let configurations = [
        seeds("seeds/supplier"),
        vec![include_bytes!("../../examples/suppliers.json").to_vec()],
    ];
    let orders = [
        seeds("seeds/paid_order"),
        vec![include_bytes!("../../examples/paid-order.json").to_vec()],
    ];
    vec![
        Target {
            name: "fulfilment_event",
            run: targets::fulfilment_event,
            seeds: portal,
        },
        Target {
            name: "stage_event",
            run: targets::stage_event,
            seeds: seeds("seeds/stage_event"),
        },
        Target {
            name: "transition_memo",
            run: targets::transition_memo,
            seeds: seeds("seeds/transition_memo"),
        },
        Target {
            name: "paid_order",
            run: targets::paid_order,
            seeds: orders.concat(),
        },
        Target {
            name: "supplier",
            run: targets::supplier,
            seeds: configurations.concat(),
        },
    ]
}

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz_smoke")
        .join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

#[test]
fn every_seed_is_read_by_its_parser() {
    for target in targets() {
        assert!(target.seeds.len() >= 2, "{}", target.name);
        for seed in &target.seeds {
            (target.run)(seed);
            assert!(
                is_read(target.name, seed),
                "{}: {}",
                target.name,
                String::from_utf8_lossy(seed)
            );
        }
    }
}

fn is_read(target: &str, seed: &[u8]) -> bool {
    use orderhook::fulfilment::FulfilmentEvent;
    use orderhook::{PaidOrder, Supplier, fulfilment};
    match target {
        "fulfilment_event" => FulfilmentEvent::from_json(seed).is_ok(),
        "stage_event" => fulfilment::StageEvent::from_json(seed).is_ok(),
        "transition_memo" => fulfilment::Transition::from_memo(seed).is_ok(),
        "paid_order" => PaidOrder::from_json(seed).is_ok(),
        _ => {
            let value: serde_json::Value = serde_json::from_slice(seed).unwrap();
            value["suppliers"]
                .as_array()
                .unwrap()
                .iter()
                .all(|one| Supplier::deserialize(one).is_ok())
        }
    }
}

#[test]
fn damaged_input_is_read_or_refused_and_never_a_panic() {
    let long = Duration::from_secs_f64(setting("FUZZ_SECONDS").unwrap_or(3.0));
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let seed = setting("FUZZ_SEED").unwrap_or(u64::from(now.subsec_nanos()));
    println!("FUZZ_SEED={seed} FUZZ_SECONDS={}", long.as_secs_f64());
    let targets = targets();
    for target in &targets {
        let mut changes = Changes::new(seed, &target.seeds);
        let (mut inputs, mut read) = (0_u64, 0_u64);
        let end = Instant::now() + long / targets.len() as u32;
        while inputs == 0 || Instant::now() < end {
            for _ in 0..64 {
                let input = changes.next();
                let run = AssertUnwindSafe(|| (target.run)(&input));
                if let Err(fault) = panic::catch_unwind(run) {
                    println!("{}: {:?}", target.name, String::from_utf8_lossy(&input));
                    println!("{}: {input:?}", target.name);
                    panic::resume_unwind(fault);
                }
                inputs += 1;
                read += u64::from(serde_json::from_slice::<serde::de::IgnoredAny>(&input).is_ok());
            }
        }
        println!("{}: {inputs} inputs, {read} of them JSON", target.name);
        assert!(
            read > 0,
            "{}: nothing gets past the first check",
            target.name
        );
    }
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} cannot be read")),
    )
}
