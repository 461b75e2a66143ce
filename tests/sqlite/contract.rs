//! The sentences of the contract in brief; the conformance suite holds them at length.

use std::time::Duration;

use orderhook::event::{ContentDigest, Memo};
use orderhook::notification::{Closed, FailureReason, StateName};
use orderhook::store::{
    Action, Append, ClaimNew, Claims, Filter, Inserted, NewNotification, Page, Pick, Selection,
    Start, Store, Then, Written,
};
use orderhook::supplier::StreamRule;
use orderhook::{NotificationState, SupplierId};

use crate::support::*;

#[tokio::test]
async fn what_is_stored_comes_back_byte_for_byte() {
    let file = File::new();
    let store = file.store().await;
    let key = key("north", "A-1");
    let mut new = pending(&key);
    new.content_digest = Some(ContentDigest::of(b"content"));
    new.memo = Some(Memo::new([0, 255, 7]).unwrap());
    new.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    assert_eq!(
        store
            .insert(&[new.clone()], &ClaimNew::NONE)
            .await
            .unwrap()
            .answers,
        [Inserted::New { position: 1 }]
    );

    let claims = claim(&store, 1).await;
    let attempts = vec![attempt("one"), attempt("two")];
    let mut step =
        step(&claims.claims[0], Then::Again { after: MINUTE }).with_attempts(0, attempts.clone());
    step.ledger = ledger();
    assert_eq!(
        store.write(&[step]).await.unwrap().answers,
        [Written::Applied]
    );

    for store in [store, file.store().await] {
        let stored = store.get(&key).await.unwrap().unwrap();
        assert_eq!(
            stored.body.as_ref().map(|body| body.as_bytes()),
            Some(&b"{\"a\":1}"[..])
        );
        assert_eq!(stored.event_id, key.event_id());
        assert_eq!(
            (stored.content_digest, stored.memo),
            (new.content_digest, new.memo.clone())
        );
        assert_eq!(
            (stored.traceparent, stored.position),
            (new.traceparent.clone(), 1)
        );
        assert_eq!(
            (stored.attempts, stored.ledger),
            (attempts.clone(), ledger())
        );
        assert!(stored.created_at <= claims.now);
        assert!(
            matches!(stored.state, NotificationState::Pending { due } if due >= claims.now.after(MINUTE))
        );
    }
}

#[tokio::test]
async fn a_present_key_changes_nothing_and_a_stale_position_stores_nothing_of_the_slice() {
    let (store, _file) = File::new().store_kept().await;
    let (first, second) = (key("north", "A-1"), key("north", "A-2"));
    let with = |content: &[u8]| {
        let mut new = pending(&first);
        new.content_digest = Some(ContentDigest::of(content));
        new
    };
    let at = |key: &orderhook::Key, position| {
        let mut new = pending(key);
        new.append = Append::At(position);
        new
    };
    let twice = store
        .insert(&[with(b"a"), with(b"b"), with(b"a")], &ClaimNew::NONE)
        .await
        .unwrap()
        .answers;
    assert_eq!(
        twice,
        [
            Inserted::New { position: 1 },
            Inserted::Differs,
            Inserted::Existing
        ]
    );
    let stored = store
        .insert(&[with(b"b"), at(&first, 9)], &ClaimNew::NONE)
        .await
        .unwrap()
        .answers;
    assert_eq!(stored, [Inserted::Differs, Inserted::Existing]);

    let answers = store
        .insert(
            &[pending(&second), at(&later(&second, "x"), 3)],
            &ClaimNew::NONE,
        )
        .await
        .unwrap()
        .answers;
    assert_eq!(
        answers,
        [Inserted::New { position: 1 }, Inserted::Stale { next: 2 }]
    );
    assert_eq!(store.get(&second).await.unwrap(), None);
    let answers = store
        .insert(
            &[pending(&second), at(&later(&second, "x"), 2)],
            &ClaimNew::NONE,
        )
        .await
        .unwrap()
        .answers;
    assert_eq!(
        answers,
        [Inserted::New { position: 1 }, Inserted::New { position: 2 }]
    );
}

#[tokio::test]
async fn only_the_head_of_a_stream_is_claimed_and_each_end_passes_it_on() {
    let (store, _file) = File::new().store_kept().await;
    let head = key("north", "A-1");
    let rest: Vec<_> = ["b", "c", "d"]
        .iter()
        .map(|occurrence| later(&head, occurrence))
        .collect();
    add(&store, &[&head, &rest[0], &rest[1], &rest[2]]).await;

    let first = claim_all(&store).await;
    assert_eq!(first.claims.len(), 1);
    assert_eq!(first.claims[0].position, 1);
    assert_eq!(claim_all(&store).await.claims, []);
    let passes = Then::Failed {
        reason: FailureReason::Config,
        stream: StreamRule::Pass,
    };
    store
        .write(&[step(&first.claims[0], passes)])
        .await
        .unwrap();

    let second = claim_all(&store).await;
    assert_eq!(second.claims[0].key, rest[0]);
    // What is reopened stands before it again, and holds back what comes after.
    let keys = Selection::Keys(vec![head.clone()]);
    store
        .intervene(&keys, &crate::receivers::decided(Action::Reopen), 10)
        .await
        .unwrap();
    let again = claim_all(&store).await;
    assert_eq!(
        again
            .claims
            .iter()
            .map(|claim| &claim.key)
            .collect::<Vec<_>>(),
        [&head]
    );
    assert_eq!(again.claims[0].reopened, 1);
    let hand_back = step(&second.claims[0], Then::HandBack { after: NOW });
    assert_eq!(
        store.write(&[hand_back]).await.unwrap().answers,
        [Written::Applied]
    );
    assert_eq!(claim_all(&store).await.claims, []);
    store
        .write(&[step(&again.claims[0], notified())])
        .await
        .unwrap();

    let third = claim_all(&store).await;
    assert_eq!(third.claims[0].key, rest[0]);
    let holds = Then::Failed {
        reason: FailureReason::Exhausted,
        stream: StreamRule::Hold,
    };
    store.write(&[step(&third.claims[0], holds)]).await.unwrap();
    assert_eq!(claim_all(&store).await.claims, []);
    let withdraw = orderhook::store::Intervention::new(
        Action::Withdraw,
        crate::receivers::because("by phone"),
    );
    store
        .intervene(
            &Selection::Keys(vec![rest[0].clone(), rest[1].clone()]),
            &withdraw,
            10,
        )
        .await
        .unwrap();
    assert_eq!(claim_all(&store).await.claims[0].key, rest[2]);
    let state = store.get(&rest[1]).await.unwrap().unwrap().state;
    assert!(
        matches!(state, NotificationState::Closed { why: Closed::Withdrawn { reason }, .. } if reason == "by phone")
    );
}

#[tokio::test]
async fn a_token_is_new_at_every_claim_and_stale_once_it_is_replaced() {
    let (store, _file) = File::new().store_kept().await;
    let key = key("north", "A-1");
    add(&store, &[&key]).await;
    let first = claim_for(&store, 1, NOW).await.claims.remove(0);
    assert!(!first.taken_over);
    // Its lease has run out and nobody took over: the outcome is recorded.
    let late = step(&first, Then::Keep { lease: NOW }).with_attempts(0, vec![attempt("one")]);
    assert_eq!(
        store.write(&[late]).await.unwrap().answers,
        [Written::Applied]
    );
    let second = claim_for(&store, 1, NOW).await.claims.remove(0);
    assert!(second.taken_over && second.token != first.token);
    assert_eq!(second.attempts, 1);
    assert_eq!(
        store
            .write(&[step(&first, notified())])
            .await
            .unwrap()
            .answers,
        [Written::Stale]
    );
    // Repeated, because the first outcome was unclear: recorded once.
    let keep = step(&second, Then::Keep { lease: MINUTE })
        .with_attempts(1, vec![attempt("two"), attempt("three")]);
    assert_eq!(
        store.write(&[keep.clone(), keep]).await.unwrap().answers,
        [Written::Applied; 2]
    );
    let end = step(&second, notified()).with_attempts(3, vec![attempt("four")]);
    assert_eq!(
        store.write(&[end.clone(), end]).await.unwrap().answers,
        [Written::Applied, Written::Stale]
    );
    let stored = store.get(&key).await.unwrap().unwrap();
    assert_eq!(
        stored.attempts,
        ["one", "two", "three", "four"].map(attempt)
    );
    assert!(
        matches!(stored.state, NotificationState::Notified { reference, .. } if reference == "R-1")
    );
    assert_eq!(claim_all(&store).await.claims, []);
}

#[tokio::test]
async fn limits_are_kept_and_what_is_left_out_is_due() {
    let (store, _file) = File::new().store_kept().await;
    for (supplier, number) in [("dead", 3), ("north", 2), ("south", 1)] {
        for n in 0..number {
            add(&store, &[&key(supplier, &format!("{n}"))]).await;
        }
    }
    let claims = store.claim(&of(Pick::New, 4)).await.unwrap();
    assert_eq!(orders(&claims), ["dead 0", "dead 1", "dead 2", "north 0"]);
    assert!(claims.next_due.unwrap() <= claims.now);
    // Put off for a minute, in the order of their moments.
    for claim in &claims.claims[..3] {
        store
            .write(&[step(claim, Then::HandBack { after: MINUTE })])
            .await
            .unwrap();
    }
    let claims = store.claim(&of(Pick::New, 9)).await.unwrap();
    assert_eq!(orders(&claims), ["north 1", "south 0"]);
    // Nothing is left that is new but the leases.
    assert!(claims.next_due.unwrap() > claims.now);
    let put_off = |suppliers: &[&str], limit| {
        of(
            Pick::PutOff(
                suppliers
                    .iter()
                    .map(|id| SupplierId::new(id).unwrap())
                    .collect(),
            ),
            limit,
        )
    };
    assert_eq!(
        store
            .claim(&put_off(&["north", "south"], 9))
            .await
            .unwrap()
            .claims,
        []
    );
    assert_eq!(
        orders(&store.claim(&put_off(&["south", "dead"], 2)).await.unwrap()),
        ["dead 0", "dead 1"]
    );
    let keys = [key("dead", "2"), key("dead", "0"), key("dead", "2")];
    assert_eq!(
        store
            .claim(&of(Pick::DueOf(keys.to_vec()), 9))
            .await
            .unwrap()
            .claims,
        []
    );
    assert_eq!(
        orders(
            &store
                .claim(&of(Pick::NowOf(keys.to_vec()), 9))
                .await
                .unwrap()
        ),
        ["dead 2"]
    );
}

#[tokio::test]
async fn now_of_takes_what_is_not_due_but_no_live_lease() {
    let (store, _file) = File::new().store_kept().await;
    let (waiting, held) = (key("north", "A-1"), key("north", "A-2"));
    add(&store, &[&waiting, &held]).await;
    let claims = claim_all(&store).await;
    store
        .write(&[step(&claims.claims[0], Then::Again { after: MINUTE })])
        .await
        .unwrap();
    let mut request = due_of(&[&waiting, &held]);
    assert_eq!(store.claim(&request).await.unwrap().claims, []);
    request.pick = Pick::NowOf(vec![waiting.clone(), held.clone()]);
    let now: Claims = store.claim(&request).await.unwrap();
    assert_eq!(orders(&now), ["north A-1"]);
    assert!(!now.claims[0].taken_over);
    request.source = orderhook::Source::new("other").unwrap();
    assert_eq!(store.claim(&request).await.unwrap().claims, []);
}

#[tokio::test]
async fn interventions_leave_live_leases_and_ends_alone() {
    let (store, _file) = File::new().store_kept().await;
    let keys: Vec<_> = (0..4).map(|n| key("north", &format!("{n}"))).collect();
    add(&store, &keys.iter().collect::<Vec<_>>()).await;
    let claims = claim(&store, 3).await.claims;
    let failed = |reason| Then::Failed {
        reason,
        stream: StreamRule::Hold,
    };
    store
        .write(&[
            step(&claims[0], notified()),
            step(&claims[1], failed(FailureReason::Config)),
        ])
        .await
        .unwrap();

    let all = Selection::Keys(keys.clone());
    let reopened = store
        .intervene(&all, &crate::receivers::decided(Action::Reopen), 10)
        .await
        .unwrap();
    assert_eq!(
        (reopened.changed.as_slice(), reopened.in_flight.as_slice()),
        (&[keys[1].clone()][..], &[keys[2].clone()][..])
    );
    let mark = crate::receivers::decided(Action::MarkNotified {
        reference: "by phone".to_owned(),
    });
    let marked = store.intervene(&all, &mark, 1).await.unwrap();
    assert_eq!(marked.changed, [keys[1].clone()]);
    let marked = store.intervene(&all, &mark, 10).await.unwrap();
    assert_eq!(marked.changed, [keys[3].clone()]);

    store
        .write(&[step(&claims[2], failed(FailureReason::NoEndpoints))])
        .await
        .unwrap();
    let selection = |reasons: &[FailureReason]| {
        Selection::Matching(Filter {
            supplier: Some(keys[2].supplier.clone()),
            reasons: reasons.to_vec(),
            ..Filter::of(source())
        })
    };
    let none = store
        .intervene(
            &selection(&[FailureReason::Config]),
            &crate::receivers::decided(Action::Reopen),
            10,
        )
        .await
        .unwrap();
    assert_eq!(none.changed, []);
    let all = selection(&FailureReason::OF_CONFIGURATION);
    assert_eq!(
        store
            .intervene(&all, &crate::receivers::decided(Action::Reopen), 10)
            .await
            .unwrap()
            .changed,
        [keys[2].clone()]
    );
    assert_eq!(orders(&claim_all(&store).await), ["north 2"]);
}

#[tokio::test]
async fn pages_counts_and_what_has_settled() {
    let (store, _file) = File::new().store_kept().await;
    let keys: Vec<_> = (0..7)
        .map(|n| key(["north", "south"][n % 2], &format!("{n}")))
        .collect();
    add(&store, &keys.iter().collect::<Vec<_>>()).await;
    let told = NewNotification::new(
        key("west", "1"),
        Start::Notified {
            reference: "R-0".to_owned(),
            by: crate::receivers::by(),
        },
    );
    store
        .insert(
            &[
                told,
                NewNotification::new(key("west", "2"), Start::NotWanted),
            ],
            &ClaimNew::NONE,
        )
        .await
        .unwrap();
    let claims = claim(&store, 2).await.claims;
    store.write(&[step(&claims[1], notified())]).await.unwrap();

    let everything = Filter::of(source());
    let mut seen = Vec::new();
    let mut page = Page::first(2);
    loop {
        let listing = store.list(&everything, &page).await.unwrap();
        assert!(
            listing
                .notifications
                .iter()
                .all(|notification| notification.body.is_none())
        );
        seen.extend(
            listing
                .notifications
                .into_iter()
                .map(|notification| notification.key),
        );
        // What is added meanwhile comes at the end, once.
        add(&store, &[&key("late", "1")]).await;
        let Some(next) = listing.next else { break };
        page = Page::after(next, 2);
    }
    assert_eq!(seen.len(), 10);
    assert_eq!(seen[..7], keys);
    assert_eq!(seen[9], key("late", "1"));

    let counts = crate::receivers::counts(&store, &everything).await;
    assert_eq!(
        (
            counts.pending,
            counts.sending,
            counts.notified,
            counts.not_wanted
        ),
        (6, 1, 2, 1)
    );
    let mut filter = everything.clone();
    filter.supplier = Some(SupplierId::new("north").unwrap());
    filter.states = vec![StateName::Pending, StateName::Sending];
    assert_eq!(crate::receivers::counts(&store, &filter).await.total(), 4);
    filter.order = Some(orderhook::OrderCode::new("4").unwrap());
    assert_eq!(
        store
            .list(&filter, &Page::first(9))
            .await
            .unwrap()
            .notifications[0]
            .key,
        keys[4]
    );
    filter.older_than = Some(Duration::from_secs(3600));
    assert_eq!(crate::receivers::counts(&store, &filter).await.total(), 0);

    let settled = store.settled(&source(), &Page::first(1)).await.unwrap();
    assert_eq!(settled.notifications[0].key, key("west", "1"));
    let settled = store
        .settled(&source(), &Page::after(settled.next.unwrap(), 9))
        .await
        .unwrap();
    assert_eq!(
        settled
            .notifications
            .iter()
            .map(|n| n.key.clone())
            .collect::<Vec<_>>(),
        [claims[1].key.clone()]
    );
    let end = settled.next.unwrap();
    assert_eq!(
        store
            .settled(&source(), &Page::after(end.clone(), 9))
            .await
            .unwrap()
            .next,
        Some(end)
    );
}

#[tokio::test]
async fn changed_resolves_after_an_insert_and_not_after_a_claim() {
    let (store, _file) = File::new().store_kept().await;
    add(&store, &[&key("north", "1")]).await;
    let changed = store.changed();
    tokio::pin!(changed);
    assert!(is_pending(changed.as_mut()).await);
    claim(&store, 1).await;
    assert!(is_pending(changed.as_mut()).await);
    add(&store, &[&key("north", "2")]).await;
    changed.await;
}

/// Whether it is still pending.
async fn is_pending(mut future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(future.as_mut().poll(context).is_pending())
    })
    .await
}
