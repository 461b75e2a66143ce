//! Workers in three processes on one SQLite file, killed at random while orders come in and receivers fail.
//!
//! `SOAK_SECONDS` is how long it goes on (8), `SOAK_SEED` repeats a plan. The example program `worker` must have been built with
//! the feature `sqlite`.
#![cfg(feature = "sqlite")]

#[path = "../support/mod.rs"]
mod support;

mod crew;
mod judge;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orderhook::event::Occurrence;
use orderhook::store::Filter;
use orderhook::{
    Dispatcher, Event, EventKind, OrderCode, Source, SqliteStore, SupplierId, SuppliersFile,
};

use crew::Crew;
use support::{Ca, Log, Receiver, Reply};

/// Suppliers, of which each third has a backup.
const SUPPLIERS: usize = 6;
/// Events of one order to one supplier.
const EVENTS: usize = 4;

/// A small generator of our own, so that a seed means the same everywhere.
struct Random(u64);

impl Random {
    /// 0 to `below`, without `below`.
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number"))
    })
}

/// Four in five are well; the others fail in every way that there is.
fn reply(random: &mut Random) -> Reply {
    match random.next(100) {
        0..=5 => Reply::Status(503),
        6..=9 => Reply::Status(500),
        10..=13 => Reply::CloseAfterRequest,
        14..=16 => Reply::ok().delayed(Duration::from_millis(150)),
        17..=18 => Reply::Hang,
        19 => Reply::Raw(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
        _ => Reply::ok(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_killed_every_accepted_notification_ends_notified_in_order_and_without_a_post_too_many()
 {
    let seconds = Duration::from_secs(setting("SOAK_SECONDS").unwrap_or(8));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = setting("SOAK_SEED")
        .unwrap_or(now.subsec_nanos().into())
        .max(1);
    println!("SOAK_SEED={seed} SOAK_SECONDS={}", seconds.as_secs());
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);

    let folder = tempfile::tempdir().unwrap();
    let (ca, log) = (Ca::new(), Log::new());
    let mut receivers = Vec::new();
    let mut suppliers = Vec::new();
    for n in 0..SUPPLIERS {
        let receiver = Receiver::start_in(&ca, &log).await;
        receiver.script((0..200_000).map(|_| reply(&mut random)));
        let mut urls = vec![receiver.url("/primary")];
        urls.extend((n % 3 == 0).then(|| receiver.url("/backup")));
        suppliers.push(serde_json::json!({ "id": format!("s{n}"), "webhook_urls": urls }));
        receivers.push(receiver);
    }
    let suppliers = serde_json::json!({ "suppliers": suppliers }).to_string();
    std::fs::write(folder.path().join("suppliers.json"), suppliers).unwrap();
    std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();

    let store = SqliteStore::open(folder.path().join("soak.db"))
        .await
        .unwrap();
    let file = SuppliersFile::open(folder.path().join("suppliers.json")).unwrap();
    let dispatcher = Dispatcher::builder(Source::new("soak").unwrap(), store, file)
        .build()
        .unwrap();
    let mut crew = Crew::start(folder.path(), 3);
    let began = Instant::now();
    let enqueuing = tokio::spawn(enqueue(
        dispatcher.clone(),
        began + seconds,
        Random(random.next(u64::MAX) | 1),
    ));

    while began.elapsed() < seconds {
        tokio::time::sleep(Duration::from_millis(50 + random.next(600))).await;
        let victim = usize::try_from(random.next(3)).unwrap();
        match random.next(5) {
            0 => crew.terminate(victim).await,
            _ => crew.kill(victim).await,
        }
        crew.restart(victim);
    }
    let accepted = enqueuing.await.unwrap();

    // Nobody is killed any more: everything comes to its end.
    let patience = Instant::now() + Duration::from_secs(120);
    loop {
        let counts = dispatcher
            .count(&Filter::of(dispatcher.source().clone()))
            .await
            .unwrap();
        if counts.pending + counts.sending == 0 {
            break;
        }
        assert!(
            Instant::now() < patience,
            "SOAK_SEED={seed}: {counts:?}\n{}",
            crew.words()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    crew.stop().await;
    judge::judge(&dispatcher, &accepted, &log, &crew, seed).await;
    dispatcher.shutdown(Duration::ZERO).await;
}

/// Several events each of many orders, one after another and mixed; returns the keys of what was accepted.
async fn enqueue(
    dispatcher: Dispatcher,
    until: Instant,
    mut random: Random,
) -> Vec<orderhook::Key> {
    let mut accepted = Vec::new();
    let mut next = [(0_u64, 0_usize); 8];
    let mut orders = 0;
    while Instant::now() < until {
        let stream = usize::try_from(random.next(8)).unwrap();
        let (order, n) = &mut next[stream];
        if *n == 0 {
            orders += 1;
            *order = orders;
        }
        let supplier = SupplierId::new(format!("s{}", *order % SUPPLIERS as u64)).unwrap();
        let code = OrderCode::new(format!("A-{order}")).unwrap();
        let occurrence = Occurrence::new(&n.to_string()).unwrap();
        let content =
            serde_json::json!({ "order": code.as_str(), "n": *n, "filler": random.next(u64::MAX) });
        let event = Event::new(
            EventKind::own("order.changed").unwrap(),
            occurrence,
            &content,
        )
        .unwrap();
        let enqueued = dispatcher
            .enqueue_event(&supplier, &code, event)
            .await
            .unwrap();
        accepted.push(enqueued.stored[0].key.clone());
        *n = (*n + 1) % EVENTS;
        tokio::time::sleep(Duration::from_millis(random.next(25))).await;
    }
    accepted
}
