//! Sentence 15: what a filter selects, and how it is counted.

use std::time::Duration;

use crate::notification::{FailureReason, Key, StateName};
use crate::store::{Append, Counted, Counts, Filter, Group, NewNotification, Page, Start};
use crate::supplier::StreamRule;

use super::Harness;
use super::case::{
    Case, LIVE, Situation, failed, key, key_for, order, other_source, pending, reopen, shop, stage,
    supplier,
};

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
pub(super) async fn listed<H: Harness>(
    case: &Case<'_, H>,
    filter: &Filter,
    limit: u32,
) -> Vec<Key> {
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
