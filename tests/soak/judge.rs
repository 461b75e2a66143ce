//! What the receivers saw, beside what the store says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant, SystemTime};

use orderhook::notification::Unknown;
use orderhook::store::{Filter, Page};
use orderhook::{Dispatcher, Key, Notification, NotificationState, Outcome};

use super::crew::Crew;
use super::support::{Log, Received};

/// How far the store's clock and the wall clock may be read apart.
const CLOCKS: Duration = Duration::from_millis(100);

/// A receiver learns that late that a client has given up.
const NOTICED_LATE: Duration = Duration::from_millis(500);

pub(crate) async fn judge(
    dispatcher: &Dispatcher,
    accepted: &[Key],
    log: &Log,
    crew: &Crew,
    seed: u64,
) {
    let stored = everything(dispatcher).await;
    let seen = log.entries();
    let mut by_id: HashMap<&str, Vec<&Received>> = HashMap::new();
    for request in &seen {
        by_id
            .entry(request.header("webhook-id").unwrap())
            .or_default()
            .push(request);
    }

    let unique: BTreeSet<_> = accepted.iter().collect();
    assert_eq!(
        unique.len(),
        stored.len(),
        "SOAK_SEED={seed}: accepted and stored"
    );
    let (mut interrupted, mut unknown, mut twice, mut most) = (0, 0, 0, 0);
    for key in accepted {
        let notification = stored
            .get(key)
            .unwrap_or_else(|| panic!("SOAK_SEED={seed}: {key} is lost"));
        let posts = by_id.remove(key.event_id().as_str()).unwrap_or_default();
        let at = format!("SOAK_SEED={seed}: {key}");
        one(notification, &posts, crew, &at).await;
        let of = |wanted: fn(&Outcome) -> bool| {
            notification
                .attempts
                .iter()
                .filter(|a| wanted(&a.outcome))
                .count()
        };
        interrupted += of(|outcome| {
            matches!(
                outcome,
                Outcome::Unknown {
                    why: Unknown::Interrupted
                }
            )
        });
        unknown += of(|outcome| matches!(outcome, Outcome::Unknown { .. }));
        most = most.max(posts.len());
        twice += usize::from(posts.len() > 1);
    }
    assert!(
        by_id.is_empty(),
        "SOAK_SEED={seed}: POSTs of nothing that was accepted: {:?}",
        by_id.keys()
    );
    in_order(&stored, &seen, seed);

    let orders: BTreeSet<_> = accepted.iter().map(|key| &key.order).collect();
    println!(
        "| killed | told to stop | orders | notified | POSTs | interrupted | unknown | sent more than once | most POSTs of one |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    println!(
        "| {} | {} | {} | {} | {} | {interrupted} | {unknown} | {twice} | {most} |",
        crew.kills.len(),
        crew.terminations.len(),
        orders.len(),
        accepted.len(),
        seen.len(),
    );
}

async fn everything(dispatcher: &Dispatcher) -> BTreeMap<Key, Notification> {
    let (mut all, mut page) = (BTreeMap::new(), Page::first(200));
    let filter = Filter::of(dispatcher.source().clone());
    loop {
        let listing = dispatcher.list(&filter, &page).await.unwrap();
        assert!(listing.refused.is_empty(), "{:?}", listing.refused);
        all.extend(
            listing
                .notifications
                .into_iter()
                .map(|notification| (notification.key.clone(), notification)),
        );
        match listing.next {
            Some(next) => page = Page::after(next, 200),
            None => return all,
        }
    }
}

/// One notification.
async fn one(notification: &Notification, posts: &[&Received], crew: &Crew, at: &str) {
    let NotificationState::Notified { at: notified, .. } = notification.state else {
        panic!("{at}: {:?}", notification.state)
    };

    // The same bytes, under the same id (which is how they were found).
    assert!(
        posts.iter().all(|post| post.body == posts[0].body),
        "{at}: other bytes"
    );

    // Nothing after it was notified.
    let late = |post: &&&Received| post.at > SystemTime::from(notified) + CLOCKS;
    assert!(
        !posts.iter().any(|post| late(&post)),
        "{at}: a POST after it was notified at {notified}"
    );

    // Every POST is on record, also those whose sender was killed: once in flight, once interrupted.
    for path in ["/primary", "/backup"] {
        let sent = posts.iter().filter(|post| post.path() == path).count();
        let of_path = notification
            .attempts
            .iter()
            .filter(|attempt| attempt.endpoint.ends_with(path));
        let outcomes: Vec<_> = of_path.map(|attempt| &attempt.outcome).collect();
        let maybe = |outcome: &&&Outcome| {
            !matches!(outcome, Outcome::NotSent { .. } | Outcome::Blocked { .. })
        };
        let recorded = outcomes.iter().filter(maybe).count();
        assert!(
            sent <= recorded,
            "{at}: {sent} POSTs to {path}, {recorded} on record: {outcomes:?}"
        );
        // An endpoint that has accepted on record is not called again.
        let accepted = outcomes
            .iter()
            .filter(|outcome| outcome.is_accepted())
            .count();
        assert!(
            accepted <= 1,
            "{at}: {path} accepted {accepted} times: {outcomes:?}"
        );
        let certain = outcomes
            .iter()
            .filter(|outcome| outcome.status().is_some())
            .count();
        assert!(
            certain <= sent,
            "{at}: answers of POSTs to {path} that nobody saw"
        );
    }

    // One after another, unless the sender of the first was stopped.
    for (n, first) in posts.iter().enumerate() {
        for second in &posts[n + 1..] {
            let overlap = first.began.max(second.began) < open_until(first).min(open_until(second));
            let stopped = |moment: &Instant| {
                *moment + NOTICED_LATE >= first.began.min(second.began)
                    && *moment <= first.began.max(second.began)
            };
            let excused = crew.kills.iter().chain(&crew.terminations).any(stopped);
            assert!(!overlap || excused, "{at}: {first} and {second} overlap");
        }
    }
}

fn open_until(post: &Received) -> Instant {
    match (post.answered, post.ended) {
        (Some(answered), _) => answered,
        (None, Some(ended)) => ended
            .checked_sub(NOTICED_LATE)
            .unwrap_or(ended)
            .max(post.began),
        (None, None) => post.began,
    }
}

/// Of one order, everything of an event comes before anything of the next.
fn in_order(stored: &BTreeMap<Key, Notification>, seen: &[Received], seed: u64) {
    let by_id: HashMap<_, _> = stored
        .values()
        .map(|one| (one.event_id.as_str().to_owned(), one))
        .collect();
    let mut last: HashMap<orderhook::notification::Stream, u64> = HashMap::new();
    for post in seen {
        let notification = by_id[post.header("webhook-id").unwrap()];
        let last = last.entry(notification.key.stream()).or_default();
        let position = notification.position;
        assert!(
            position >= *last,
            "SOAK_SEED={seed}: {} at {position} after {last}",
            notification.key
        );
        *last = position;
    }
}
