//! What `MemoryStore` costs: time that does not grow with what is stored, and little memory for what is over.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions; here are their helpers, too"
)]

use std::time::{Duration, Instant};

use orderhook::event::Body;
use orderhook::notification::Attempt;
use orderhook::store::{
    ClaimNew, ClaimRequest, Counts, Filter, Group, NewNotification, Page, Pick, Start, Step, Store,
    Then,
};
use orderhook::supplier::EndpointId;
use orderhook::{
    Key, MemoryStore, NotificationState, OrderCode, Outcome, Source, SupplierId, Timestamp,
};

fn source() -> Source {
    Source::new("shop").unwrap()
}

fn key(supplier: u32, order: u32) -> Key {
    let supplier = SupplierId::new(format!("supplier-{supplier:09}")).unwrap();
    Key::order_created(
        source(),
        supplier,
        OrderCode::new(format!("MARKETPLACE-{order:08}")).unwrap(),
    )
}

async fn insert(store: &MemoryStore, suppliers: u32, orders: std::ops::Range<u32>, body: usize) {
    for order in orders {
        let body = Body::new(vec![b' '; body]);
        store
            .insert(
                &[NewNotification::new(
                    key(order % suppliers, order),
                    Start::pending(body),
                )],
                &ClaimNew::NONE,
            )
            .await
            .unwrap();
    }
}

/// Claims what is new and tells it, 64 at a time; how many there were.
async fn drain(store: &MemoryStore) -> usize {
    let request = ClaimRequest::new(source(), Pick::New, 64, Duration::from_secs(60));
    let mut told = 0;
    loop {
        let claims = store.claim(&request).await.unwrap().claims;
        if claims.is_empty() {
            return told;
        }
        told += claims.len();
        let steps: Vec<_> = claims
            .into_iter()
            .map(|claim| {
                let attempt = Attempt::new(
                    "https://supplier.example/orders".to_owned(),
                    EndpointId::from_stored("0011"),
                    Outcome::Accepted { status: 200 },
                    Timestamp::UNIX_EPOCH,
                    Duration::from_millis(100),
                );
                let then = Then::Notified {
                    reference: claim.key.order.to_string(),
                };
                Step::new(claim.key, claim.token, claim.ledger, then)
                    .with_attempts(0, vec![attempt])
            })
            .collect();
        store.write(&steps).await.unwrap();
    }
}

#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

// One test after another in this process: the memory that is measured is all that it has.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_over_takes_no_more_than_300_bytes_whatever_its_body() {
    const NUMBER: u32 = 60_000;
    let store = MemoryStore::new();
    let mut before = 0;
    for batch in 0..5 + NUMBER / 1_000 {
        if batch == 5 {
            // With what is kept whole, and what the allocator keeps for itself.
            before = resident();
        }
        insert(&store, 500, batch * 1_000..(batch + 1) * 1_000, 4_000).await;
        assert_eq!(drain(&store).await, 1_000);
    }
    let each = resident().saturating_sub(before) / u64::from(NUMBER);
    println!("{each} bytes for each");
    assert!(each <= 300, "{each} bytes for each");
    // What matters later is still known.
    let told = store.get(&key(7, 507)).await.unwrap().unwrap();
    assert!(
        matches!(told.state, NotificationState::Notified { reference, .. } if reference == told.key.order.as_str())
    );
    assert_eq!((told.body, told.attempts.len()), (None, 0));
    let last = store
        .get(&key(64_999 % 500, 64_999))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(last.attempts.len(), 1);
    assert!(last.body.is_some());

    time_does_not_grow().await;
}

async fn time_does_not_grow() {
    let mut seconds = Vec::new();
    for suppliers in [1, 10_000] {
        let store = MemoryStore::new();
        insert(&store, suppliers, 0..20_000, 10).await;
        let began = Instant::now();
        assert_eq!(drain(&store).await, 20_000);
        seconds.push(began.elapsed().as_secs_f64());

        // An order is found without a walk over what was stored before and after.
        let mut filter = Filter::of(source());
        filter.order = Some(key(0, 10_000).order);
        let began = Instant::now();
        for _ in 0..1_000 {
            assert_eq!(
                store
                    .list(&filter, &Page::first(500))
                    .await
                    .unwrap()
                    .notifications
                    .len(),
                1
            );
            let groups = store.count(&filter, Group::State).await.unwrap();
            assert_eq!(Counts::of_groups(&groups).total(), 1);
        }
        let each = began.elapsed() / 2_000;
        println!("{each:?} for a listing of an order");
        assert!(each < Duration::from_micros(500), "{each:?}");
    }
    println!("drained in {seconds:.2?} s, of one supplier and of 10,000");
    assert!(seconds[1] < seconds[0] * 3.0, "{seconds:?}");
}
