//! Sentence 15: what is listed and counted.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::event::{ContentDigest, Memo};
use crate::notification::{FailureReason, Key, StateName};
use crate::store::{
    Append, Counted, Counts, Filter, Group, NewNotification, Page, Pick, Start, Then,
};
use crate::supplier::StreamRule;

use super::Harness;
use super::case::{
    Case, LIVE, Situation, attempt, failed, key, key_for, ledger, mark, notified, order,
    other_source, pending, reopen, shop, stage, step, supplier,
};

/// Holds a store to sentence 15 of the [contract](crate::store::Store#contract).
pub async fn a_listing_is_in_the_order_of_insertion(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 15").await;
    let keys = ["A-5", "A-2", "A-9", "A-1", "A-7", "A-3"].map(key);
    case.add(&keys[..2]).await;
    case.insert(&keys[2..5].iter().map(pending).collect::<Vec<_>>())
        .await;
    case.add(&keys[5..]).await;
    // What happens to them later does not move them.
    let claim = case.hold(&keys[0], LIVE).await;
    case.settle(&claim, Then::Again { after: LIVE }).await;
    case.hold(&keys[3], LIVE).await;
    case.intervene(&keys[1..2], &mark("R")).await;
    case.insert(&[pending(&keys[0])]).await;
    case.same(
        "in the order of insertion",
        listed(&case, &Filter::of(shop()), 100).await,
        keys.to_vec(),
    );
    for limit in [1, 2, 4] {
        let what = format!("in pages of {limit} too");
        case.same(
            &what,
            listed(&case, &Filter::of(shop()), limit).await,
            keys.to_vec(),
        );
    }
}

/// Holds a store to sentence 15 of the [contract](crate::store::Store#contract).
pub async fn a_listing_has_all_but_the_bodies(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 15").await;
    for situation in Situation::ALL {
        case.bring(&key(&format!("{situation:?}")), situation).await;
    }
    let mut new = pending(&key("A-1"));
    new.memo = Memo::new(*b"memo").ok();
    new.content_digest = Some(ContentDigest::of(b"one"));
    new.traceparent = Some("trace".to_owned());
    case.insert(&[new.clone()]).await;
    let claim = case.hold(&new.key, LIVE).await;
    let mut failure = step(&claim, failed(FailureReason::Exhausted, StreamRule::Pass));
    failure.attempts = vec![attempt(0), attempt(1)];
    failure.ledger = ledger(3);
    case.write(failure).await;
    case.intervene(std::slice::from_ref(&new.key), &reopen())
        .await;
    let notifications = case
        .list(&Filter::of(shop()), &Page::first(100))
        .await
        .notifications;
    case.same(
        "all are listed",
        notifications.len(),
        Situation::ALL.len() + 1,
    );
    for seen in notifications {
        let wanted = case.get(&seen.key).await.as_listed();
        case.same("a listing has all but the body", seen, wanted);
    }
}

/// Holds a store to sentence 15 of the [contract](crate::store::Store#contract).
pub async fn the_last_page_says_so(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 15").await;
    let empty = case.list(&Filter::of(shop()), &Page::first(3)).await;
    case.holds(
        "there is nothing after nothing",
        empty.notifications.is_empty() && empty.next.is_none(),
        &empty,
    );
    for n in 0..6 {
        case.add(&[key(&format!("A-{n}"))]).await;
    }
    let first = case.list(&Filter::of(shop()), &Page::first(4)).await;
    case.same("a page has as many as it may", first.notifications.len(), 4);
    let Some(cursor) = first.next else {
        case.fails("there is more", first)
    };
    for limit in [2, 3] {
        let last = case
            .list(&Filter::of(shop()), &Page::after(cursor.clone(), limit))
            .await;
        case.same("the rest is on the last page", last.notifications.len(), 2);
        case.holds(
            "the last page has none after it",
            last.next.is_none(),
            &last,
        );
    }
    let whole = case.list(&Filter::of(shop()), &Page::first(6)).await;
    case.holds("also when it is full", whole.next.is_none(), &whole.next);
}

/// Holds a store to sentence 15 of the [contract](crate::store::Store#contract).
pub async fn paging_neither_skips_nor_repeats_while_others_change(harness: &impl Harness) {
    let mut only_pending = Filter::of(shop());
    only_pending.states = vec![StateName::Pending];
    for filter in [Filter::of(shop()), only_pending] {
        let case = Case::open(harness, "sentence 15").await;
        let keys: Vec<_> = (0..12)
            .map(|n| key_for(&format!("supplier-{}", n % 2), &format!("A-{}", 90 - n)))
            .collect();
        case.add(&keys).await;
        // The even ones are left alone; these have to be seen whatever happens beside them.
        let mut page = Page::first(4);
        let mut seen: Vec<Key> = Vec::new();
        for number in 0..50 {
            let listing = case.list(&filter, &page).await;
            seen.extend(
                listing
                    .notifications
                    .iter()
                    .map(|notification| notification.key.clone()),
            );
            let Some(next) = listing.next else { break };
            page = Page::after(next, 4);
            // Two that were listed and one that is to come leave the filter; a new one enters it.
            let listed = listing
                .notifications
                .iter()
                .rev()
                .map(|notification| &notification.key);
            let odd = |key: &&Key| {
                keys.iter()
                    .position(|known| known == *key)
                    .is_some_and(|n| n % 2 == 1)
            };
            let to_come = keys
                .iter()
                .rev()
                .filter(odd)
                .find(|key| !seen.contains(key));
            for key in listed.filter(odd).take(2).chain(to_come) {
                let claims = case.claim(Pick::NowOf(vec![key.clone()]), LIVE).await;
                for claim in &claims {
                    case.settle(claim, notified("R")).await;
                }
            }
            if number < 3 {
                case.add(&[key_for("supplier-0", &format!("new-{number}"))])
                    .await;
            }
        }
        let distinct: BTreeSet<_> = seen.iter().collect();
        case.same("nothing is repeated", distinct.len(), seen.len());
        let skipped: Vec<_> = keys
            .iter()
            .step_by(2)
            .filter(|key| !distinct.contains(key))
            .collect();
        case.holds("nothing is skipped", skipped.is_empty(), skipped);
        let places = seen
            .iter()
            .filter_map(|key| keys.iter().position(|known| known == key));
        case.holds("the order holds over the pages", places.is_sorted(), &seen);
    }
}

/// Holds a store to sentence 15 of the [contract](crate::store::Store#contract).
pub async fn a_filter_names_what_is_listed_and_counted(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 15").await;
    let mut elsewhere = key_for("north", "A-1");
    elsewhere.source = other_source();
    case.add(std::slice::from_ref(&elsewhere)).await;
    let mut all = Vec::new();
    for (id, code) in [
        ("north", "A-1"),
        ("south", "A-1"),
        ("north", "A-2"),
        ("south", "A-3"),
    ] {
        all.push((key_for(id, code), StateName::Pending));
    }
    for (key, _) in &all {
        case.add(std::slice::from_ref(key)).await;
    }
    for (situation, name) in SITUATIONS {
        let key = key_for("east", &format!("{situation:?}"));
        case.bring(&key, situation).await;
        all.push((key, name));
    }
    type Wanted<'a> = &'a (dyn Fn(&Key, StateName) -> bool + Sync);
    let check = async |what: &str, filter: Filter, wanted: Wanted<'_>| {
        let matching: Vec<_> = all
            .iter()
            .filter(|(key, state)| wanted(key, *state))
            .cloned()
            .collect();
        let keys: Vec<_> = matching.iter().map(|(key, _)| key.clone()).collect();
        case.same(
            &format!("listed: {what}"),
            listed(&case, &filter, 3).await,
            keys,
        );
        let mut counts = Counts::default();
        matching.iter().for_each(|(_, state)| counts.add(*state, 1));
        case.same(
            &format!("counted: {what}"),
            case.count(&filter).await,
            counts,
        );
    };
    let every = Filter::of(shop());
    check("everything of a source", every.clone(), &|_, _| true).await;
    let of_order = Filter {
        order: Some(order("A-1")),
        ..every.clone()
    };
    check("of an order", of_order.clone(), &|key, _| {
        key.order.as_str() == "A-1"
    })
    .await;
    let of_supplier = Filter {
        supplier: Some(supplier("south")),
        ..every.clone()
    };
    check("of a supplier", of_supplier, &|key, _| {
        key.supplier.as_str() == "south"
    })
    .await;
    let of_both = Filter {
        supplier: Some(supplier("north")),
        ..of_order
    };
    check("of both", of_both, &|key, _| {
        key.supplier.as_str() == "north" && key.order.as_str() == "A-1"
    })
    .await;
    let absent = Filter {
        order: Some(order("absent")),
        ..every.clone()
    };
    check("of what is not there", absent, &|_, _| false).await;
    for name in StateName::ALL {
        let in_state = Filter {
            states: vec![name],
            ..every.clone()
        };
        check("in a state", in_state, &|_, state| state == name).await;
    }
    let states = vec![StateName::Failed, StateName::Sending, StateName::Failed];
    let in_states = Filter {
        states: states.clone(),
        ..every.clone()
    };
    check("in one of several states", in_states, &|_, state| {
        states.contains(&state)
    })
    .await;
    let all_three = Filter {
        states: vec![StateName::Pending],
        supplier: Some(supplier("east")),
        older_than: Some(Duration::ZERO),
        ..every
    };
    check("all at once", all_three, &|key, state| {
        key.supplier.as_str() == "east" && state == StateName::Pending
    })
    .await;
    let other = Filter::of(other_source());
    case.same(
        "the other source has its own",
        listed(&case, &other, 3).await,
        vec![elsewhere],
    );
}

/// Holds a store to sentence 15 of the [contract](crate::store::Store#contract).
pub async fn a_filter_by_age_leaves_out_what_is_younger(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 15").await;
    let age = Duration::from_millis(80);
    let (old, young) = (key("A-1"), key("A-2"));
    case.add(std::slice::from_ref(&old)).await;
    case.lapse().await;
    case.add(std::slice::from_ref(&young)).await;
    let created = [
        case.get(&old).await.created_at,
        case.get(&young).await.created_at,
    ];
    let filter = Filter {
        older_than: Some(age),
        ..Filter::of(shop())
    };
    let began = case.now().await;
    let seen = listed(&case, &filter, 10).await;
    let counted = case.count(&filter).await.pending;
    let over = case.now().await;
    case.holds(
        "what is older is listed",
        began.since(created[0]) < age || seen.contains(&old),
        &seen,
    );
    case.holds(
        "what is older is counted",
        began.since(created[0]) < age || counted >= 1,
        counted,
    );
    // Where the store was so slow that the young one has come of age meanwhile nothing follows.
    case.holds(
        "what is younger is not listed",
        over.since(created[1]) >= age || !seen.contains(&young),
        &seen,
    );
    case.holds(
        "what is younger is not counted",
        over.since(created[1]) >= age || counted <= 1,
        counted,
    );
    let filter = Filter {
        older_than: Some(LIVE * 60),
        ..Filter::of(shop())
    };
    case.same(
        "nothing is an hour old",
        listed(&case, &filter, 10).await,
        Vec::new(),
    );
    case.same(
        "nothing of that age is counted",
        case.count(&filter).await,
        Counts::default(),
    );
    let filter = Filter {
        older_than: Some(Duration::ZERO),
        ..Filter::of(shop())
    };
    case.same(
        "everything has some age",
        case.count(&filter).await.pending,
        2,
    );
}

/// Holds a store to sentence 15 of the [contract](crate::store::Store#contract): counts follow every change.
pub async fn counts_are_of_what_is_there_now(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 15").await;
    let filter = Filter::of(shop());
    case.same(
        "nothing is there",
        case.count(&filter).await,
        Counts::default(),
    );
    let mut wanted = Counts::default();
    for (situation, name) in SITUATIONS {
        case.bring(&key(&format!("{situation:?}")), situation).await;
        wanted.add(name, 1);
        case.same(
            &format!("one more is {name}"),
            case.count(&filter).await,
            wanted,
        );
    }
    case.insert(&[pending(&key("Due"))]).await;
    let mut stale = pending(&key("stale"));
    stale.append = Append::At(7);
    case.insert(&[stale, NewNotification::new(key("beside"), Start::NotWanted)])
        .await;
    case.same(
        "what was not stored does not count",
        case.count(&filter).await,
        wanted,
    );
    case.intervene(&[key("FailedHolding")], &reopen()).await;
    wanted.failed -= 1;
    wanted.pending += 1;
    case.same(
        "a reopened one is pending",
        case.count(&filter).await,
        wanted,
    );
}

/// What each counts as.
const SITUATIONS: [(Situation, StateName); 9] = [
    (Situation::Due, StateName::Pending),
    (Situation::Waiting, StateName::Pending),
    (Situation::Live, StateName::Sending),
    (Situation::Abandoned, StateName::Sending),
    (Situation::FailedHolding, StateName::Failed),
    (Situation::FailedPassing, StateName::Failed),
    (Situation::Notified, StateName::Notified),
    (Situation::Withdrawn, StateName::Withdrawn),
    (Situation::NotWanted, StateName::NotWanted),
];

/// All pages, one after another.
async fn listed<H: Harness>(case: &Case<'_, H>, filter: &Filter, limit: u32) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut page = Page::first(limit);
    loop {
        let listing = case.list(filter, &page).await;
        case.holds(
            "a page has no more than its limit",
            listing.notifications.len() <= limit as usize,
            &listing,
        );
        keys.extend(
            listing
                .notifications
                .into_iter()
                .map(|notification| notification.key),
        );
        match listing.next {
            Some(next) if keys.len() < 1000 => page = Page::after(next, limit),
            Some(next) => case.fails("paging comes to an end", next),
            None => return keys,
        }
    }
}

/// Holds a store to sentence 15 of the [contract](crate::store::Store#contract).
pub async fn a_filter_names_kinds_and_reasons(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 15").await;
    let orders = FailureReason::ALL.map(|reason| key(reason.as_str()));
    for (key, reason) in orders.iter().zip(FailureReason::ALL) {
        case.add(std::slice::from_ref(key)).await;
        let claim = case.hold(key, LIVE).await;
        case.settle(&claim, failed(reason, StreamRule::Pass)).await;
    }
    let stages = [stage("A-1", "1"), stage("A-1", "2")];
    case.add(&stages).await;
    let order_created = orders[0].kind.clone();
    for (kinds, reasons, wanted) in [
        (vec![stages[0].kind.clone()], vec![], stages.to_vec()),
        (vec![order_created.clone()], vec![], orders.to_vec()),
        (
            vec![],
            FailureReason::ALL[1..3].to_vec(),
            orders[1..3].to_vec(),
        ),
        (
            vec![stages[0].kind.clone()],
            FailureReason::ALL.to_vec(),
            vec![],
        ),
        (
            vec![stages[0].kind.clone(), order_created],
            vec![],
            [&orders[..], &stages[..]].concat(),
        ),
    ] {
        let mut filter = Filter::of(shop());
        (filter.kinds, filter.reasons) = (kinds, reasons);
        for states in [vec![], StateName::ALL.to_vec()] {
            filter.states = states;
            case.same(
                &format!("what the filter names is listed: {filter:?}"),
                listed(&case, &filter, 2).await,
                wanted.clone(),
            );
            case.same(
                "and counted",
                case.count(&filter).await.total(),
                wanted.len() as u64,
            );
        }
    }
    let mut none = Filter::of(shop());
    none.states = vec![StateName::Pending];
    none.reasons = FailureReason::ALL.to_vec();
    case.same(
        "nothing pending has failed",
        listed(&case, &none, 9).await,
        vec![],
    );
}

/// Holds a store to sentence 15 of the [contract](crate::store::Store#contract).
pub async fn groups_have_their_numbers_and_their_earliest_moments(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 15").await;
    for round in ["first", "second"] {
        for id in ["north", "south"] {
            for situation in Situation::ALL {
                case.bring(&key_for(id, &format!("{situation:?} {round}")), situation)
                    .await;
            }
        }
    }
    let filters = [
        Filter::of(shop()),
        Filter {
            states: vec![StateName::Failed],
            ..Filter::of(shop())
        },
        Filter {
            states: vec![StateName::Pending, StateName::Sending, StateName::Failed],
            supplier: Some(supplier("south")),
            ..Filter::of(shop())
        },
    ];
    for filter in filters {
        for group in [Group::State, Group::SupplierAndReason] {
            let mut wanted: Vec<Counted> = Vec::new();
            let page = Page::first(99);
            for found in case.list(&filter, &page).await.notifications {
                let one = Counted::one(&found, group);
                if !wanted.iter_mut().any(|counted| counted.merge(&one)) {
                    wanted.push(one);
                }
            }
            wanted.sort_by_key(|group| (group.supplier.clone(), group.state, group.reason));
            case.holds(
                "there are several",
                wanted.len() > 1 || filter.states.len() == 1,
                &wanted,
            );
            case.same(
                &format!("the groups of what is listed: {filter:?}, {group:?}"),
                case.counted(&filter, group).await,
                wanted,
            );
        }
    }
}
