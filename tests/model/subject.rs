//! The real stores, called as the model was, and compared with it after every call.

use std::collections::{BTreeMap, HashSet};
use std::marker::PhantomData;
use std::time::Duration;

use orderhook::notification::Closed;
use orderhook::store::{
    Action, ClaimNew, ClaimRequest, Claims, Counts, Cursor, Filter, Group, Intervention,
    NewNotification, Page, Pick as StorePick, Selection, Step, Store, Token,
};
use orderhook::{
    Key, MemoryStore, Notification, NotificationState as Stored, SqliteStore, Timestamp,
};
use proptest_state_machine::StateMachineTest;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::reference::{Model, State};
use crate::words::*;

/// A store under test.
pub(crate) trait Subject: Sized {
    type Store: Store;
    async fn new() -> Self;
    /// Any handle; which one must make no difference.
    fn store(&self, call: usize) -> &Self::Store;
    /// Time goes by.
    async fn wait(&self, hours: u8);
    async fn open_anew(&mut self);
}

pub(crate) struct InMemory(MemoryStore);

impl Subject for InMemory {
    type Store = MemoryStore;

    async fn new() -> Self {
        InMemory(MemoryStore::new())
    }

    fn store(&self, _: usize) -> &MemoryStore {
        // No two calls at the same microsecond: the order within an hour is the order of the calls.
        let now = self.0.now();
        while self.0.now() == now {}
        &self.0
    }

    async fn wait(&self, number: u8) {
        self.0.advance(hours(number));
    }

    async fn open_anew(&mut self) {
        self.0 = self.0.clone();
    }
}

/// Two handles of one file.
pub(crate) struct InSqlite {
    folder: TempDir,
    handles: [SqliteStore; 2],
}

impl InSqlite {
    async fn open(folder: &TempDir) -> SqliteStore {
        SqliteStore::open(folder.path().join("orders.db"))
            .await
            .unwrap()
    }
}

impl Subject for InSqlite {
    type Store = SqliteStore;

    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let handles = [Self::open(&folder).await, Self::open(&folder).await];
        InSqlite { folder, handles }
    }

    fn store(&self, call: usize) -> &SqliteStore {
        &self.handles[call % 2]
    }

    async fn wait(&self, number: u8) {
        // The file says what is to be added to the clock of the machine.
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("orders.db"));
        let mut stranger = options.connect().await.unwrap();
        let micros = i64::try_from(hours(number).as_micros()).unwrap();
        let advance =
            sqlx::query("UPDATE orderhook_boots SET clock_offset = clock_offset + ?1").bind(micros);
        assert_eq!(
            advance
                .execute(&mut stranger)
                .await
                .unwrap()
                .rows_affected(),
            1
        );
        // A handle that only reads knows the time from its last transaction.
        for handle in &self.handles {
            now(handle).await;
        }
    }

    async fn open_anew(&mut self) {
        let anew = Self::open(&self.folder).await;
        std::mem::replace(&mut self.handles[0], anew).close().await;
    }
}

async fn now(store: &impl Store) -> Timestamp {
    let nothing = ClaimRequest::new(source(0), StorePick::DueOf(Vec::new()), 1, Duration::ZERO);
    store.claim(&nothing).await.unwrap().now
}

const HOUR_MICROS: i64 = 3_600_000_000;

/// What is tested, and what it has said that later calls need.
pub(crate) struct Running<S> {
    runtime: Runtime,
    subject: S,
    calls: usize,
    /// Of every claim that was given.
    tokens: Vec<Token>,
    seen_tokens: HashSet<Token>,
    cursors: BTreeMap<u8, Cursor>,
}

pub(crate) struct Machine<S>(PhantomData<S>);

impl<S: Subject> StateMachineTest for Machine<S> {
    type SystemUnderTest = Running<S>;
    type Reference = Model;

    fn init_test(_: &Model) -> Running<S> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let subject = runtime.block_on(S::new());
        let (tokens, seen_tokens, cursors) = Default::default();
        Running {
            runtime,
            subject,
            calls: 0,
            tokens,
            seen_tokens,
            cursors,
        }
    }

    fn apply(mut running: Running<S>, model: &Model, call: Call) -> Running<S> {
        let Running {
            runtime,
            subject,
            calls,
            tokens,
            seen_tokens,
            cursors,
        } = &mut running;
        *calls += 1;
        runtime.block_on(async {
            match &call {
                Call::Wait(number) => return subject.wait(*number).await,
                Call::Open => return subject.open_anew().await,
                _ => {}
            }
            let store = subject.store(*calls);
            let expected = model.answer.clone().unwrap();
            match &call {
                Call::Insert(new, at_once) => {
                    let new: Vec<_> = new.iter().map(notification).collect();
                    let claim = ClaimNew {
                        keys: keys(&at_once.names),
                        lease: hours(at_once.lease),
                    };
                    let inserted = store.insert(&new, &claim).await.unwrap();
                    let Answer::Inserted(answers, claimed) = expected else {
                        panic!("{expected:?}")
                    };
                    assert_eq!(inserted.answers, answers);
                    check_claimed(&inserted.claims, &claimed);
                    for claim in &inserted.claims {
                        assert!(seen_tokens.insert(claim.token), "a token was given twice");
                        tokens.push(claim.token);
                    }
                }
                Call::Claim(claim) => {
                    let mut request = request(claim);
                    if let Some(before) = claim.due_before {
                        // To the hour, as the model has it.
                        let earlier =
                            now(store).await.as_micros() - HOUR_MICROS * i64::from(before);
                        request.due_by = Some(Timestamp::from_micros(earlier + HOUR_MICROS / 2));
                    }
                    let claims = store.claim(&request).await.unwrap();
                    check_claims(&claims, &expected);
                    for claim in &claims.claims {
                        assert!(seen_tokens.insert(claim.token), "a token was given twice");
                        tokens.push(claim.token);
                    }
                }
                Call::Write(_) => {
                    let steps: Vec<_> = model
                        .steps
                        .iter()
                        .map(|step| self::step(step, tokens))
                        .collect();
                    assert_eq!(
                        Answer::Written(store.write(&steps).await.unwrap().answers),
                        expected
                    );
                }
                Call::Intervene(select, decide, limit) => {
                    let done = store
                        .intervene(&selection(select), &intervention(decide), *limit)
                        .await
                        .unwrap();
                    let Answer::Intervened(changed, in_flight) = expected else {
                        panic!("{expected:?}")
                    };
                    assert_eq!(done.changed, keys(&changed));
                    if let Some(in_flight) = in_flight {
                        assert_eq!(done.in_flight, keys(&in_flight));
                    }
                }
                Call::List(which, limit) => {
                    let listed = all_pages(store, which, *limit).await;
                    let Answer::Listed(expected) = expected else {
                        panic!("{expected:?}")
                    };
                    assert_eq!(
                        listed
                            .iter()
                            .map(|found| found.key.clone())
                            .collect::<Vec<_>>(),
                        keys(&expected)
                    );
                    let groups = store.count(&which.filter(), Group::State).await.unwrap();
                    assert_eq!(Counts::of_groups(&groups).total(), expected.len() as u64);
                }
                Call::Settled(number, limit) => {
                    let page = match cursors.get(number) {
                        Some(cursor) => Page::after(cursor.clone(), *limit),
                        None => Page::first(*limit),
                    };
                    let listing = store.settled(&source(*number), &page).await.unwrap();
                    let Answer::Listed(expected) = expected else {
                        panic!("{expected:?}")
                    };
                    let found: Vec<_> = listing
                        .notifications
                        .iter()
                        .map(|found| found.key.clone())
                        .collect();
                    assert_eq!(found, keys(&expected));
                    cursors.extend(listing.next.map(|next| (*number, next)));
                }
                Call::Prune(number, older_than) => {
                    let pruned = store
                        .prune(&source(*number), hours(*older_than), 1000)
                        .await;
                    assert_eq!(Answer::Pruned(pruned.unwrap()), expected);
                }
                Call::Wait(_) | Call::Open => {}
            }
        });
        running
    }

    fn check_invariants(running: &Running<S>, model: &Model) {
        running.runtime.block_on(async {
            let store = running.subject.store(running.calls + 1);
            let mut listed = Vec::new();
            for number in [0, 1] {
                let which = Which::all(number);
                let found = all_pages(store, &which, 1000).await;
                let expected = model.list(&which);
                assert_eq!(
                    found
                        .iter()
                        .map(|found| found.key.clone())
                        .collect::<Vec<_>>(),
                    keys(&expected)
                );
                listed.extend(found);
            }
            let now = if listed.is_empty() {
                None
            } else {
                Some(now(store).await)
            };
            for found in &listed {
                let row = model
                    .rows
                    .iter()
                    .find(|row| row.name.key() == found.key)
                    .unwrap();
                assert_eq!(found.position, row.position);
                assert_eq!(found.event_id, found.key.event_id());
                assert_eq!(found.content_digest, row.digest.map(digest));
                assert_eq!(found.memo, row.memo.map(memo));
                assert_eq!(found.ledger, ledger(row.ledger));
                assert_eq!(
                    found.attempts,
                    row.attempts
                        .iter()
                        .copied()
                        .map(attempt)
                        .collect::<Vec<_>>()
                );
                assert_eq!(found.reopened, row.reopened);
                assert_eq!(found.body, None, "listings leave bodies out");
                check_state(&found.state, &row.state, model.hour, now.unwrap());
            }
            // One with everything, another one each time.
            if let Some(row) = model.rows.get(running.calls % model.rows.len().max(1)) {
                let found = store.get(&row.name.key()).await.unwrap().unwrap();
                assert_eq!(found.body, row.body.map(body));
                let history = found.history.into_iter();
                let history: Vec<_> = history.map(|entry| (entry.action, entry.by)).collect();
                assert_eq!(history, row.history);
            }
            let absent = Name {
                source: 0,
                supplier: 7,
                order: 0,
                occurrence: 0,
            };
            assert_eq!(store.get(&absent.key()).await.unwrap(), None);
        });
    }
}

fn check_claims(claims: &Claims, expected: &Answer) {
    let Answer::Claimed(expected, next_due) = expected else {
        panic!("{expected:?}")
    };
    assert_eq!(claims.refused, []);
    check_claimed(&claims.claims, expected);
    let NextDue::Within(number) = next_due else {
        assert_eq!(claims.next_due, None);
        return;
    };
    let latest = claims.now.after(HOUR * u32::try_from(*number).unwrap());
    let next_due = claims.next_due.expect("something will be due");
    assert!(
        next_due <= latest,
        "the next is due within {number} hours, not at {next_due}; it is {}",
        claims.now
    );
}

fn check_claimed(claims: &[orderhook::store::Claim], expected: &[Claimed]) {
    let found: Vec<_> = claims.iter().map(|claim| claim.key.clone()).collect();
    assert_eq!(
        found,
        keys(&expected.iter().map(|claim| claim.name).collect::<Vec<_>>())
    );
    for (claim, expected) in claims.iter().zip(expected) {
        assert_eq!(claim.position, expected.position);
        assert_eq!(claim.body, body(expected.body));
        assert_eq!(claim.ledger, ledger(expected.ledger));
        assert_eq!(
            (claim.reopened, claim.attempts),
            (expected.reopened, expected.attempts)
        );
        assert_eq!(claim.taken_over, expected.taken_over);
        assert_eq!(claim.event_id, claim.key.event_id());
    }
}

fn check_state(found: &Stored, expected: &State, hour: i64, now: Timestamp) {
    // As the model has it to the hour; calls take less than half of one.
    let at = |found: &Timestamp, (expected, _): (i64, u64)| {
        let passed = (now.as_micros() - found.as_micros()) as f64 / HOUR.as_micros() as f64;
        assert!(
            (passed - (hour - expected) as f64).abs() < 0.5,
            "{found} is not {expected}, it is {hour}, {now}"
        );
    };
    match (found, expected) {
        (Stored::Pending { due }, State::Pending { due: expected }) => at(due, *expected),
        (Stored::Sending { until }, State::Sending { until: expected }) => at(until, *expected),
        (
            Stored::Notified { reference, .. },
            State::Notified {
                reference: expected,
            },
        ) => {
            assert_eq!(reference, expected)
        }
        (
            Stored::Failed { reason, stream, .. },
            State::Failed {
                reason: expected_reason,
                stream: expected_stream,
            },
        ) => {
            assert_eq!((reason, stream), (expected_reason, expected_stream))
        }
        (
            Stored::Closed {
                why: Closed::Withdrawn { reason },
                ..
            },
            State::Withdrawn { reason: expected },
        ) => {
            assert_eq!(reason, expected);
        }
        (
            Stored::Closed {
                why: Closed::NotWanted,
                ..
            },
            State::NotWanted,
        ) => {}
        _ => panic!("{found:?} is not {expected:?}"),
    }
}

async fn all_pages(store: &impl Store, which: &Which, limit: u32) -> Vec<Notification> {
    let filter = which.filter();
    let (mut found, mut page) = (Vec::new(), Page::first(limit));
    loop {
        let listing = store.list(&filter, &page).await.unwrap();
        assert_eq!(listing.refused, []);
        assert!(listing.notifications.len() <= limit as usize);
        found.extend(listing.notifications);
        let Some(next) = listing.next else {
            return found;
        };
        page = Page::after(next, limit);
    }
}

fn keys(names: &[Name]) -> Vec<Key> {
    names.iter().map(|name| name.key()).collect()
}

fn notification(new: &New) -> NewNotification {
    let mut notification = NewNotification::new(new.name.key(), new.start.clone());
    notification.append = new.append;
    notification.content_digest = new.digest.map(digest);
    notification.memo = new.memo.map(memo);
    notification
}

fn request(claim: &Claim) -> ClaimRequest {
    let pick = match &claim.pick {
        Pick::New => StorePick::New,
        Pick::Due => StorePick::Due,
        Pick::PutOff(numbers) => {
            StorePick::PutOff(numbers.iter().map(|number| supplier(*number)).collect())
        }
        Pick::DueOf(names) => StorePick::DueOf(keys(names)),
        Pick::NowOf(names) => StorePick::NowOf(keys(names)),
    };
    ClaimRequest::new(source(claim.source), pick, claim.limit, hours(claim.lease))
}

fn step(step: &Resolved, tokens: &[Token]) -> Step {
    let attempts = step.attempts.iter().copied().map(attempt).collect();
    let new = Step::new(
        step.name.key(),
        tokens[step.claim],
        ledger(step.ledger),
        step.end.then(),
    );
    new.with_attempts(step.first_attempt, attempts)
}

fn selection(select: &Select) -> Selection {
    match select {
        Select::Keys(names) => Selection::Keys(keys(names)),
        Select::FailedFor(number, of, reasons) => Selection::Matching(Filter {
            supplier: Some(supplier(*of)),
            reasons: reasons.clone(),
            ..Filter::of(source(*number))
        }),
    }
}

fn intervention(decide: &Decide) -> Intervention {
    let action = match decide {
        Decide::Reopen => Action::Reopen,
        Decide::Retry => Action::Retry,
        Decide::Withdraw(_) => Action::Withdraw,
        Decide::MarkNotified(given) => Action::MarkNotified {
            reference: given.clone(),
        },
        Decide::Erase => Action::Erase,
        Decide::Forget => Action::Forget,
    };
    Intervention::new(action, decide.by())
}
