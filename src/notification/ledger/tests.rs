use super::*;
use crate::notification::outcome::NotSent;
use crate::supplier::Supplier;
use crate::value::names::SupplierId;

const SECOND: Duration = Duration::from_secs(1);
const CUT: Outcome = Outcome::NotSent {
    why: NotSent::Interrupted,
};
const REFUSED: Outcome = Outcome::Rejected { status: 503 };

fn endpoint() -> Endpoint {
    let id = SupplierId::new("books").unwrap();
    Supplier::builder(id)
        .endpoint("https://hooks.example/a")
        .build()
        .unwrap()
        .endpoints()[0]
        .clone()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(0).after(SECOND * u32::try_from(seconds).unwrap())
}

fn tried(outcome: Outcome, seconds: u64) -> Tried {
    Tried {
        endpoint: Named::of(&endpoint()),
        outcome,
        at: at(seconds),
        over: at(seconds + 1),
        retry_after: None,
        reference: None,
        policy: RetryPolicy::DEFAULT,
        on_unknown: OnUnknown::Resend,
        random: 0.5,
    }
}

fn in_round(seconds: u64) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.begin(Round::of_due(at(seconds)));
    ledger
}

fn open(ledger: &Ledger) -> (u32, Timestamp) {
    match ledger.find(&endpoint()) {
        Some(Standing::Open {
            tries, not_before, ..
        }) => (*tries, *not_before),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_that_was_cut_before_it_left_spends_no_try_and_is_due_at_once() {
    let mut ledger = in_round(0);
    ledger.enter(tried(REFUSED, 0));
    let before = open(&ledger);
    assert_eq!(before.0, 1);
    ledger.begin(Round::of_due(at(10)));
    ledger.enter(tried(CUT, 10));
    assert_eq!(open(&ledger), (1, at(11)));
    assert!(
        !ledger.awaits_call(&endpoint()),
        "not once more in this round"
    );

    // A person asked for it before its time, which stays what it was.
    let mut ledger = in_round(0);
    ledger.enter(tried(REFUSED, 0));
    ledger.begin(Round::of_all());
    ledger.enter(tried(CUT, 1));
    assert_eq!(open(&ledger), before);
}

#[test]
fn a_call_that_was_cut_before_it_left_gives_nothing_up() {
    let once = RetryPolicy::DEFAULT.with_give_up_after(Duration::ZERO);
    let mut ledger = in_round(0);
    ledger.enter(Tried {
        policy: once,
        ..tried(CUT, 0)
    });
    assert_eq!(open(&ledger), (0, at(1)));
    ledger.enter(Tried {
        policy: once,
        ..tried(REFUSED, 2)
    });
    assert!(!ledger.is_open(endpoint().id()));
}
