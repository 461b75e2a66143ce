//! What the receiver saw against what the file says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use orderhook::fulfilment::FulfilmentEvent;
use orderhook::fulfilment::Lifecycle;
use orderhook::notification::{StateName, Stream, Unknown};
use orderhook::store::{Filter, Page, Store};
use orderhook::{Notification, Outcome, Source, SqliteStore};

use crate::fails;
use crate::nodes::Offered;
use crate::support::Received;

/// What there was, in numbers.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) stages: usize,
    pub(crate) streams: usize,
    pub(crate) not_wanted: usize,
    pub(crate) requests: usize,
    pub(crate) failed: usize,
    pub(crate) repeated: usize,
}

/// # Panics
/// When anything is not as it is promised.
pub(crate) async fn check(file: &Path, requests: &[Received], offered: &[Offered]) -> Found {
    let store = SqliteStore::open(file).await.unwrap();
    let streams = streams(&store).await;
    let mut found = Found {
        streams: streams.len(),
        requests: requests.len(),
        ..Found::default()
    };
    found.failed = (0..requests.len()).filter(|n| fails(*n)).count();

    // What was offered is what is stored, each of it once.
    let all = streams.values().flatten();
    let stored: Vec<_> = all
        .map(|one| {
            (
                one.key.supplier.as_str(),
                one.key.order.as_str(),
                one.key.kind.as_str(),
                one.key.occurrence.as_str(),
            )
        })
        .collect();
    let expected: BTreeSet<_> = offered
        .iter()
        .map(|one| {
            (
                one.client,
                one.parent.as_str(),
                one.stage,
                one.occurrence.as_str(),
            )
        })
        .collect();
    assert_eq!(stored.iter().copied().collect::<BTreeSet<_>>(), expected);
    assert_eq!(stored.len(), expected.len(), "a twin");

    let mut by_id: BTreeMap<&str, Vec<(usize, &Received)>> = BTreeMap::new();
    for (n, request) in requests.iter().enumerate() {
        by_id
            .entry(request.header("webhook-id").expect("an id"))
            .or_default()
            .push((n, request));
    }
    for (stream, notifications) in &streams {
        found.stages += notifications.len();
        check_stream(stream, notifications, &mut by_id, &mut found);
    }
    assert!(
        by_id.is_empty(),
        "requests of which the file knows nothing: {:?}",
        by_id.keys()
    );
    found
}

/// The notifications of each stream, by position.
async fn streams(store: &SqliteStore) -> BTreeMap<Stream, Vec<Notification>> {
    let mut streams: BTreeMap<Stream, Vec<Notification>> = BTreeMap::new();
    let filter = Filter::of(Source::new("example").unwrap());
    let mut page = Page::first(500);
    loop {
        let listing = store.list(&filter, &page).await.unwrap();
        assert!(listing.refused.is_empty(), "{:?}", listing.refused);
        for listed in listing.notifications {
            let notification = store
                .get(&listed.key)
                .await
                .unwrap()
                .expect("it was listed");
            streams
                .entry(listed.key.stream())
                .or_default()
                .push(notification);
        }
        match listing.next {
            Some(cursor) => page = Page::after(cursor, 500),
            None => break,
        }
    }
    streams
        .values_mut()
        .for_each(|stream| stream.sort_by_key(|notification| notification.position));
    streams
}

fn check_stream(
    stream: &Stream,
    notifications: &[Notification],
    by_id: &mut BTreeMap<&str, Vec<(usize, &Received)>>,
    found: &mut Found,
) {
    let positions = notifications
        .iter()
        .map(|notification| notification.position);
    assert!(
        positions.eq(1..=notifications.len() as u64),
        "{stream:?}: gaps or twins"
    );
    let memos = notifications
        .iter()
        .map(|notification| notification.memo.as_ref().expect("a memo").as_bytes());
    Lifecycle::fold(memos)
        .unwrap_or_else(|error| panic!("{stream:?}: not a possible life: {error:?}"));

    let mut last = None;
    for notification in notifications {
        let (key, id) = (&notification.key, notification.event_id.as_str());
        let mine = by_id.remove(id).unwrap_or_default();
        if notification.state.name() == StateName::NotWanted {
            assert!(mine.is_empty(), "{key}: is not wanted and was sent");
            found.not_wanted += 1;
            continue;
        }
        assert_eq!(notification.state.name(), StateName::Notified, "{key}");
        let (Some((first, _)), Some((end, _))) = (mine.first(), mine.last()) else {
            panic!("{key}: notified, and nobody was told")
        };
        // All of it, repeats included, comes after all of what is before it in the stream.
        assert!(
            last < Some(*first),
            "{key}: arrived before one that precedes it"
        );
        last = Some(*end);
        for (_, request) in &mine {
            assert_eq!(
                Some(request.body.as_slice()),
                notification.body.as_ref().map(|body| body.as_bytes()),
                "{key}: other bytes"
            );
            let read = FulfilmentEvent::from_json(&request.body).unwrap();
            assert_eq!(read.sequence(), Some(notification.position), "{key}");
            assert_eq!(read.event_id().as_deref(), Some(id), "{key}");
            assert_eq!(read.stage().known(), key.kind.stage(), "{key}");
        }
        found.repeated += repeated(notification, &mine);
    }
}

/// How often an endpoint was called again after it had accepted. Each time somebody was lost on the way: the record says so.
fn repeated(notification: &Notification, requests: &[(usize, &Received)]) -> usize {
    let mut accepted: BTreeMap<&str, usize> = BTreeMap::new();
    for (n, request) in requests {
        *accepted.entry(request.path()).or_default() += usize::from(!fails(*n));
    }
    let again: usize = accepted.values().map(|times| times.saturating_sub(1)).sum();
    let unclear = |outcome: &Outcome| {
        matches!(
            outcome,
            Outcome::Unknown {
                why: Unknown::Interrupted | Unknown::TimedOut
            }
        )
    };
    let lost = notification
        .attempts
        .iter()
        .filter(|attempt| unclear(&attempt.outcome))
        .count();
    assert!(
        again <= lost,
        "{}: {again} repeats, the record says {:?}",
        notification.key,
        notification.attempts
    );
    again
}
