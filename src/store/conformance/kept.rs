//! Sentences 10, 19 and 20: what is remembered of decisions, and what is dropped on purpose.

use std::sync::Arc;
use std::time::Duration;

use crate::event::{ContentDigest, Memo};
use crate::notification::{
    Action, ActionName, By, Closed, HistoryEntry, Key, Ledger, Notification, NotificationState,
};
use crate::store::{
    Filter, Inserted, Intervened, Intervention, NewNotification, Page, Selection, Start, Store,
};

use super::Harness;
use super::case::{
    Case, LIVE, Situation, attempt, by, decided, every_intervention, key, key_for, ledger, mark,
    notified, other_source, pending, reopen, shop, stage, step, supplier, withdraw,
};

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract).
pub async fn what_was_decided_is_in_the_history(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    let key = key("A-1");
    case.bring(&key, Situation::FailedHolding).await;
    case.same("it begins with none", case.get(&key).await.history, vec![]);
    let one = std::slice::from_ref(&key);
    let by = |who: &str, why: &str| By::new(who, why).expect("two notes");
    let decisions = [
        (Action::Reopen, by("maria", "the server is back")),
        (Action::Retry, by("cron \u{1f4de}", "it's \"due\"; '1")),
        (Action::Withdraw, by("omar", "refunded")),
    ];
    let mut wanted = Vec::new();
    for (action, by) in decisions {
        let began = case.now().await;
        let decision = Intervention::new(action, by.clone());
        let done = case.intervene(one, &decision).await;
        let over = case.now().await;
        case.same("it is reported", done.changed, vec![key.clone()]);
        let history = case.get(&key).await.history;
        let Some(last) = history.last() else {
            case.fails("the history has it", history)
        };
        case.holds(
            "when it was decided",
            began <= last.at && last.at <= over,
            last,
        );
        wanted.push(HistoryEntry::new(last.at, decision.action.name(), Some(by)));
        case.same(
            "in the order in which it was decided",
            history,
            wanted.clone(),
        );
    }
    let after = case.intervene(one, &reopen()).await;
    case.same("what is final is left alone", after, Intervened::default());
    case.same("which is no entry", case.get(&key).await.history, wanted);
    let listing = case.list(&Filter::of(shop()), &Page::first(9)).await;
    let listed = listing.notifications.iter().all(|it| it.history.is_empty());
    case.holds("a listing leaves it out", listed, listing);
}

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract).
pub async fn what_is_in_flight_has_no_entry_in_its_history(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    let key = key("A-1");
    case.bring(&key, Situation::Live).await;
    for intervention in every_intervention() {
        case.intervene(std::slice::from_ref(&key), &intervention)
            .await;
    }
    case.same("there is none", case.get(&key).await.history, vec![]);
}

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract).
pub async fn a_retry_leaves_what_is_open_as_it_is(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    for situation in [Situation::Due, Situation::Waiting, Situation::Abandoned] {
        let key = key(&format!("{situation:?}"));
        case.bring(&key, situation).await;
        let mut wanted = case.get(&key).await;
        let one = std::slice::from_ref(&key);
        let done = case.intervene(one, &decided(Action::Retry)).await;
        case.same("it is reported", done.changed, vec![key.clone()]);
        let seen = case.get(&key).await;
        case.same(
            "the history says that it was asked for",
            seen.history.iter().map(|entry| entry.action).collect(),
            vec![ActionName::Retry],
        );
        wanted.history = seen.history.clone();
        case.same("and nothing else has changed", seen, wanted);
    }
    for situation in [Situation::FailedHolding, Situation::FailedPassing] {
        let key = key(&format!("{situation:?}"));
        case.bring(&key, situation).await;
        case.intervene(std::slice::from_ref(&key), &decided(Action::Retry))
            .await;
        let seen = case.get(&key).await;
        let is_pending = matches!(seen.state, NotificationState::Pending { .. });
        case.holds(
            "what has failed is reopened by it",
            is_pending && seen.reopened == 1,
            seen,
        );
    }
}

/// Holds a store to sentence 10 of the [contract](crate::store::Store#contract).
pub async fn what_was_told_elsewhere_has_who_said_so(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 10").await;
    let reference = "by phone".to_owned();
    let start = Start::Notified {
        reference,
        by: by(),
    };
    let new = NewNotification::new(key("A-1"), start);
    case.insert(&[pending(&key("A-0")), new.clone(), pending(&key("A-2"))])
        .await;
    let seen = case.get(&new.key).await;
    case.same(
        "it is the first entry",
        seen.history,
        vec![HistoryEntry::new(
            seen.created_at,
            ActionName::MarkNotified,
            Some(by()),
        )],
    );
    case.same("of it alone", case.get(&key("A-2")).await.history, vec![]);
    case.insert(std::slice::from_ref(&new)).await;
    let again = case.get(&new.key).await.history.len();
    case.same("a present key gets no other", again, 1);
}

/// A notification that was notified after two attempts, and has everything that one can have.
async fn full<H: Harness>(case: &Case<'_, H>, key: &Key) -> Notification {
    let mut new = pending(key);
    new.memo = Memo::new(*b"memo").ok();
    new.content_digest = Some(ContentDigest::of(b"one"));
    new.traceparent = Some("trace".to_owned());
    case.insert(std::slice::from_ref(&new)).await;
    case.intervene(std::slice::from_ref(key), &decided(Action::Retry))
        .await;
    let claim = case.hold(key, LIVE).await;
    let mut end = step(&claim, notified("R-secret"));
    let refusal = attempt(2).with_reply(Some("no such \"sku\"".to_owned()));
    end.attempts = vec![refusal, attempt(3)];
    end.ledger = ledger(7);
    case.write(end).await;
    case.get(key).await
}

/// Holds a store to sentence 11 of the [contract](crate::store::Store#contract).
pub async fn a_reply_comes_with_its_notification_and_in_no_listing(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 11").await;
    let seen = full(&case, &key("A-1")).await;
    let replies: Vec<_> = seen.attempts.iter().map(|it| it.reply.as_deref()).collect();
    case.same(
        "it comes back",
        replies,
        vec![Some("no such \"sku\""), None],
    );
    for listing in [
        case.list(&Filter::of(shop()), &Page::first(9)).await,
        case.settled(&Page::first(9)).await,
    ] {
        let wanted = vec![seen.clone().as_listed()];
        case.same("a listing leaves it out", listing.notifications, wanted);
    }
}

/// Holds a store to sentence 19 of the [contract](crate::store::Store#contract).
pub async fn what_is_erased_keeps_its_mark_and_no_texts(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 19").await;
    let (key, other) = (key("A-1"), key("A-2"));
    let before = full(&case, &key).await;
    let untouched = full(&case, &other).await;
    let done = case
        .intervene(std::slice::from_ref(&key), &decided(Action::Erase))
        .await;
    case.same("it is reported", done.changed, vec![key.clone()]);
    let seen = case.get(&key).await;
    let [asked, erased] = &seen.history[..] else {
        case.fails("it is one more entry of the history", seen.history)
    };
    case.same("the entry before has no texts", &asked.by, &None);
    case.same("the last one has", &erased.by, &Some(by()));
    case.same("and says what was done", erased.action, ActionName::Erase);
    let NotificationState::Notified { at, .. } = before.state else {
        case.fails("it was notified", before.state)
    };
    let mut wanted = before.clone();
    wanted.state = NotificationState::Notified {
        at,
        reference: String::new(),
    };
    wanted.body = None;
    wanted.attempts = Vec::new();
    wanted.ledger = Ledger::default();
    wanted.content_digest = None;
    wanted.traceparent = None;
    wanted.history = seen.history.clone();
    case.same("the rest is gone, and the mark stays", seen, wanted);
    case.same(
        "another one is left alone",
        case.get(&other).await,
        untouched,
    );

    let mut changed = pending(&key);
    changed.content_digest = Some(ContentDigest::of(b"two"));
    let again = case.insert(&[changed]).await;
    case.same("it is never sent again", again, vec![Inserted::Existing]);
    case.same("nothing waits", case.claimed_due().await, Vec::new());
}

/// Holds a store to sentence 19 of the [contract](crate::store::Store#contract).
pub async fn a_reason_is_erased_too(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 19").await;
    let key = key("A-1");
    case.bring(&key, Situation::Due).await;
    let one = std::slice::from_ref(&key);
    case.intervene(one, &withdraw("Jane Doe has died")).await;
    case.intervene(one, &decided(Action::Erase)).await;
    let seen = case.get(&key).await;
    let is_blank = matches!(
        &seen.state,
        NotificationState::Closed { why: Closed::Withdrawn { reason }, .. } if reason.is_empty()
    );
    case.holds("the reason is blank", is_blank, &seen.state);
    let told = format!("{seen:?}").contains("Jane");
    case.holds("and the history does not have it", !told, &seen);
}

/// Holds a store to sentence 19 of the [contract](crate::store::Store#contract).
pub async fn only_what_is_over_is_erased_or_forgotten(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 19").await;
    for situation in Situation::ALL {
        for action in [Action::Erase, Action::Forget] {
            let key = key(&format!("{situation:?} {}", action.name()));
            case.bring(&key, situation).await;
            let before = case.get(&key).await;
            let one = std::slice::from_ref(&key);
            let done = case.intervene(one, &decided(action)).await;
            let is_over = Situation::FINAL.contains(&situation);
            let is_live = situation == Situation::Live;
            let wanted = |holds: bool| if holds { vec![key.clone()] } else { Vec::new() };
            case.same(
                &format!("what is over, and nothing else ({situation:?})"),
                done,
                Intervened::new(wanted(is_over), wanted(is_live)),
            );
            if !is_over {
                case.same("it is left alone", case.get(&key).await, before);
            }
        }
    }
}

/// Holds a store to sentence 19 of the [contract](crate::store::Store#contract).
pub async fn what_is_forgotten_is_as_if_it_had_never_been(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 19").await;
    let keys = ["1", "2", "3"].map(|occurrence| stage("A-1", occurrence));
    let other = key_for("south", "A-1");
    for key in &keys {
        full(&case, key).await;
    }
    full(&case, &other).await;
    let forget = decided(Action::Forget);
    case.intervene(&keys[2..], &forget).await;
    case.same(
        "it is absent",
        case.ok(case.store.get(&keys[2]).await),
        None,
    );
    let of_order = Filter {
        order: Some(other.order.clone()),
        ..Filter::of(shop())
    };
    let listed = async |filter: &Filter| {
        let listing = case.list(filter, &Page::first(9)).await;
        let keys = listing.notifications.into_iter().map(|it| it.key);
        keys.collect::<Vec<_>>()
    };
    let left = vec![keys[0].clone(), keys[1].clone(), other.clone()];
    case.same(
        "the others of its order stay",
        listed(&of_order).await,
        left.clone(),
    );
    case.same(
        "in all listings",
        listed(&Filter::of(shop())).await,
        left.clone(),
    );
    let settled = case.settled(&Page::first(9)).await.notifications;
    let settled: Vec<_> = settled.into_iter().map(|it| it.key).collect();
    case.same("and in what has settled", settled, left);

    let again = case.insert(&[pending(&keys[2])]).await;
    case.same(
        "it can be stored again",
        again,
        vec![Inserted::New { position: 3 }],
    );
    let claimed = case.claimed_due().await;
    case.same("and sent", claimed, vec![keys[2].clone()]);
    let fresh = case.get(&keys[2]).await;
    case.holds(
        "nothing is left of before",
        fresh.attempts.is_empty() && fresh.history.is_empty() && fresh.reopened == 0,
        fresh,
    );
    case.intervene(std::slice::from_ref(&keys[0]), &forget)
        .await;
    let after = case.insert(&[pending(&stage("A-1", "4"))]).await;
    case.same(
        "its stream goes on",
        after,
        vec![Inserted::New { position: 4 }],
    );
}

/// Holds a store to sentence 20 of the [contract](crate::store::Store#contract).
pub async fn pruning_drops_the_content_of_what_is_over(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 20").await;
    for situation in Situation::ALL {
        case.bring(&key(&format!("{situation:?}")), situation).await;
    }
    let keys = ["A-1", "A-2", "A-3"].map(key);
    for key in &keys {
        full(&case, key).await;
    }
    case.lapse().await;
    let store = Arc::clone(&case.store);
    let prune = async |source, limit| {
        let short = Duration::from_millis(50);
        case.ok(store.prune(&source, short, limit).await)
    };
    let day = Duration::from_secs(86_400);
    let young = case.ok(store.prune(&shop(), day, 99).await);
    case.same("what is younger stays", young, 0);
    case.same(
        "and what is of another source",
        prune(other_source(), 99).await,
        0,
    );
    let before: Vec<_> = all(&case).await;
    case.same("at most as many as the limit", prune(shop(), 2).await, 2);
    let dropped = before.len() - with_content(&all(&case).await);
    case.same(
        "have no content any more",
        dropped,
        before.len() - with_content(&before) + 2,
    );
    // Notified and withdrawn ones that had a body, and the three.
    case.same("then the others", prune(shop(), 99).await, 3);
    case.same("and then none", prune(shop(), 99).await, 0);
    for (before, after) in before.into_iter().zip(all(&case).await) {
        let is_over = before.state.claimable_from().is_none() && !before.state.holds_stream();
        let has_failed = matches!(before.state, NotificationState::Failed { .. });
        let mut wanted = before;
        if is_over && !has_failed {
            wanted.body = None;
            wanted.attempts = Vec::new();
        }
        case.same(
            "what is over has no content, and all else stays",
            after,
            wanted,
        );
    }
    let again = case.insert(&[pending(&keys[0])]).await;
    case.same("it is never sent again", again, vec![Inserted::Existing]);
}

async fn all<H: Harness>(case: &Case<'_, H>) -> Vec<Notification> {
    let listing = case.list(&Filter::of(shop()), &Page::first(99)).await;
    let mut found = Vec::new();
    for listed in listing.notifications {
        found.push(case.get(&listed.key).await);
    }
    found
}

fn with_content(notifications: &[Notification]) -> usize {
    let has = |it: &&Notification| it.body.is_some() || !it.attempts.is_empty();
    notifications.iter().filter(has).count()
}

/// Holds a store to sentences 10 and 15 of the [contract](crate::store::Store#contract).
pub async fn a_filter_selects_for_a_decision_what_it_lists(harness: &impl Harness) {
    let case = Case::open(harness, "sentences 10 and 15").await;
    for situation in Situation::ALL {
        for id in ["north", "south"] {
            case.bring(&key_for(id, &format!("{situation:?}")), situation)
                .await;
        }
    }
    let filter = Filter {
        supplier: Some(supplier("north")),
        ..Filter::of(shop())
    };
    let matching = Selection::Matching(filter);
    let live = key_for("north", "Live");
    for (action, wanted) in [
        (Action::Reopen, &["FailedHolding", "FailedPassing"][..]),
        (
            Action::Withdraw,
            &[
                "Due",
                "Waiting",
                "Abandoned",
                "FailedHolding",
                "FailedPassing",
            ],
        ),
    ] {
        let done = case.ok(case
            .store
            .intervene(&matching, &decided(action.clone()), 99)
            .await);
        let wanted: Vec<_> = wanted.iter().map(|code| key_for("north", code)).collect();
        case.same("what the action allows, oldest first", done.changed, wanted);
        let in_flight = match action {
            Action::Reopen => Vec::new(),
            _ => vec![live.clone()],
        };
        case.same("and what is being sent is named", done.in_flight, in_flight);
    }
    let untouched = case.get(&key_for("south", "Due")).await;
    case.same(
        "what it does not select is left alone",
        untouched.history,
        vec![],
    );
    // What the action does not allow stands first, and takes nothing from the limit.
    let done = case.ok(case.store.intervene(&matching, &mark("R"), 1).await);
    case.same("nothing open is left", done.changed, Vec::new());
}
