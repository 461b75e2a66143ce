//! The stores themselves: what is dropped has happened or has not, and nothing in between.

use std::time::Duration;

use orderhook::event::{Body, Occurrence};
use orderhook::notification::{Attempt, NotSent};
use orderhook::store::{
    Action, Claim, ClaimNew, ClaimRequest, Filter, NewNotification, Page, Pick, Selection, Start,
    Step, Store, Then, Written,
};
use orderhook::supplier::EndpointId;
use orderhook::{Key, MemoryStore, NotificationState, OrderCode, Outcome, Timestamp};

use crate::cut::drop_at;
use crate::world::{id, source};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// Writes each test for the store in memory and, with the feature, for an SQLite file.
macro_rules! on_every_store {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::MemoryStore::new()).await;
            })+
        }
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let directory = tempfile::tempdir().unwrap();
                let store = orderhook::SqliteStore::open(directory.path().join("orderhook.db")).await.unwrap();
                super::$test(store).await;
            })+
        }
    };
}

on_every_store![
    an_insert_that_is_dropped_stores_all_or_nothing,
    a_claim_that_is_dropped_is_free_at_once,
    a_write_that_is_dropped_is_recorded_as_soon_as_it_was_begun,
    an_intervention_that_is_dropped_has_happened_or_not,
    reads_that_are_dropped_keep_nobody_from_reading,
    a_hint_that_is_dropped_is_heard_by_the_next,
];

/// Repeats a trial with one await more each time until its future comes to its end.
async fn at_every_await(mut trial: impl AsyncFnMut(usize) -> bool) {
    let mut most = 0;
    while trial(most).await {
        most += 1;
        assert!(most < 1000, "it does not come to its end");
    }
    assert!(most > 0, "it was dropped before its first poll at least");
}

pub(crate) fn key(order: &str, n: usize) -> Key {
    let mut key = Key::order_created(source(), id("books"), OrderCode::new(order).unwrap());
    key.occurrence = Occurrence::new(&n.to_string()).unwrap();
    key
}

pub(crate) fn pending(key: &Key) -> NewNotification {
    NewNotification::new(key.clone(), Start::pending(Body::new(*b"{\"a\":1}")))
}

pub(crate) async fn stored<S: Store>(store: &S, order: &str) -> usize {
    let mut filter = Filter::of(source());
    filter.order = Some(OrderCode::new(order).unwrap());
    store
        .list(&filter, &Page::first(100))
        .await
        .unwrap()
        .notifications
        .len()
}

pub(crate) fn request(pick: Pick) -> ClaimRequest {
    ClaimRequest::new(source(), pick, 10, MINUTE)
}

pub(crate) async fn claim_one<S: Store>(store: &S, key: &Key) -> Claim {
    let mut claims = store
        .claim(&request(Pick::DueOf(vec![key.clone()])))
        .await
        .unwrap()
        .claims;
    assert_eq!(claims.len(), 1, "{key} is not free");
    claims.remove(0)
}

/// The end of a claim, with an attempt.
pub(crate) fn notified(claim: &Claim) -> Step {
    let (endpoint, outcome) = (
        EndpointId::from_stored("0011"),
        Outcome::NotSent {
            why: NotSent::Refused,
        },
    );
    let attempt = Attempt::new(
        "https://a.example/".to_owned(),
        endpoint,
        outcome,
        Timestamp::from_micros(0),
        Duration::ZERO,
    );
    let then = Then::Notified {
        reference: "R-1".to_owned(),
    };
    Step::new(claim.key.clone(), claim.token, claim.ledger.clone(), then)
        .with_attempts(0, vec![attempt])
}

async fn an_insert_that_is_dropped_stores_all_or_nothing<S: Store>(store: S) {
    at_every_await(async |most| {
        let order = format!("A-{most}");
        let new: Vec<_> = (0..20).map(|n| pending(&key(&order, n))).collect();
        let answer = drop_at(most, store.insert(&new, &ClaimNew::NONE)).await;
        let there = stored(&store, &order).await;
        assert!(
            there == 20 || (there == 0 && answer.is_none()),
            "{there} after {most} awaits"
        );
        store.insert(&new, &ClaimNew::NONE).await.unwrap();
        assert_eq!(stored(&store, &order).await, 20);
        answer.is_none()
    })
    .await;
}

async fn a_claim_that_is_dropped_is_free_at_once<S: Store>(store: S) {
    at_every_await(async |most| {
        let key = key(&format!("A-{most}"), 0);
        store
            .insert(&[pending(&key)], &ClaimNew::NONE)
            .await
            .unwrap();
        let request = request(Pick::New);
        if let Some(claims) = drop_at(most, store.claim(&request)).await {
            assert_eq!(claims.unwrap().claims.len(), 1);
            return false;
        }
        // Given back by a write of the store's own, which is not waited for by anybody.
        let free = async {
            loop {
                let claims = store
                    .claim(&self::request(Pick::DueOf(vec![key.clone()])))
                    .await
                    .unwrap()
                    .claims;
                if let Some(claim) = claims.into_iter().next() {
                    break claim;
                }
                tokio::task::yield_now().await;
            }
        };
        let claim = tokio::time::timeout(MINUTE / 4, free)
            .await
            .expect("it would wait for its lease");
        assert!(!claim.taken_over, "nobody was interrupted");
        assert_eq!(
            store.write(&[notified(&claim)]).await.unwrap().answers,
            [Written::Applied]
        );
        true
    })
    .await;
}

async fn a_write_that_is_dropped_is_recorded_as_soon_as_it_was_begun<S: Store>(store: S) {
    at_every_await(async |most| {
        let key = key(&format!("A-{most}"), 0);
        store
            .insert(&[pending(&key)], &ClaimNew::NONE)
            .await
            .unwrap();
        let steps = [notified(&claim_one(&store, &key).await)];
        let written = drop_at(most, store.write(&steps)).await;
        // Behind the write, in whatever queue that stands.
        let repeated = store.write(&steps).await.unwrap().answers;
        assert_eq!(
            repeated,
            [if most == 0 {
                Written::Applied
            } else {
                Written::Stale
            }],
            "after {most} awaits"
        );
        let stored = store.get(&key).await.unwrap().unwrap();
        assert_eq!(stored.attempts, steps[0].attempts);
        assert!(
            matches!(stored.state, NotificationState::Notified { .. }),
            "{:?}",
            stored.state
        );
        written.is_none()
    })
    .await;
}

async fn an_intervention_that_is_dropped_has_happened_or_not<S: Store>(store: S) {
    at_every_await(async |most| {
        let keys: Vec<_> = (0..3).map(|n| key(&format!("A-{most}"), n)).collect();
        store
            .insert(
                &keys.iter().map(pending).collect::<Vec<_>>(),
                &ClaimNew::NONE,
            )
            .await
            .unwrap();
        let (selection, withdraw) = (
            Selection::Keys(keys.clone()),
            orderhook::store::Intervention::new(
                Action::Withdraw,
                crate::support::because("refunded"),
            ),
        );
        let intervened = drop_at(most, store.intervene(&selection, &withdraw, 10)).await;
        let again = store.intervene(&selection, &withdraw, 10).await.unwrap();
        assert!(
            matches!(again.changed.len(), 0 | 3),
            "after {most} awaits: {again:?}"
        );
        assert!(intervened.is_none() || again.changed.is_empty());
        for key in &keys {
            assert!(matches!(
                store.get(key).await.unwrap().unwrap().state,
                NotificationState::Closed { .. }
            ));
        }
        intervened.is_none()
    })
    .await;
}

async fn reads_that_are_dropped_keep_nobody_from_reading<S: Store>(store: S) {
    let key = key("A-1", 0);
    store
        .insert(&[pending(&key)], &ClaimNew::NONE)
        .await
        .unwrap();
    store
        .write(&[notified(&claim_one(&store, &key).await)])
        .await
        .unwrap();
    let (filter, page, source) = (Filter::of(source()), Page::first(1), source());
    // Many more than can read at once.
    for _ in 0..10 {
        at_every_await(async |most| drop_at(most, store.get(&key)).await.is_none()).await;
        at_every_await(async |most| drop_at(most, store.list(&filter, &page)).await.is_none())
            .await;
        at_every_await(async |most| drop_at(most, store.settled(&source, &page)).await.is_none())
            .await;
        at_every_await(async |most| {
            drop_at(most, store.count(&filter, orderhook::store::Group::State))
                .await
                .is_none()
        })
        .await;
    }
    assert_eq!(crate::support::counts(&store, &filter).await.notified, 1);
    assert_eq!(
        store
            .settled(&source, &page)
            .await
            .unwrap()
            .notifications
            .len(),
        1
    );
}

async fn a_hint_that_is_dropped_is_heard_by_the_next<S: Store>(store: S) {
    for n in [0, 1, 1] {
        assert!(
            drop_at(n, store.changed()).await.is_none(),
            "nothing has changed"
        );
    }
    let mut changed = std::pin::pin!(store.changed());
    assert!(
        drop_at(1, changed.as_mut()).await.is_none(),
        "nothing has changed"
    );
    store
        .insert(&[pending(&key("A-1", 0))], &ClaimNew::NONE)
        .await
        .unwrap();
    tokio::time::timeout(MINUTE, changed)
        .await
        .expect("it has changed");
}
