use std::time::Duration;

use crate::notification::{By, FailureReason};
use crate::supplier::StreamRule;
use crate::value::names::{OrderCode, Source, SupplierId};

use super::*;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn new(order: &str) -> NewNotification {
    let (source, supplier) = (
        Source::new("shop").unwrap(),
        SupplierId::new("north").unwrap(),
    );
    let key = Key::order_created(source, supplier, OrderCode::new(order).unwrap());
    NewNotification::new(key, Start::pending(Body::new(*b"{}")))
}

#[test]
fn what_one_slice_stores_is_there_for_the_next() {
    let mut judge = Judge::new();
    let mut second = new("A-1");
    second.key.occurrence = crate::event::Occurrence::new("second").unwrap();
    let mut misplaced = second.clone();
    misplaced.append = Append::At(9);
    let nothing = Present::No { stream_end: 0 };
    let slices = [
        vec![new("A-1"), misplaced],
        vec![new("A-1"), new("A-1")],
        vec![new("A-1"), second],
    ];
    // A slice with a stale one stores nothing, so that the next is the first.
    assert_eq!(
        judge.judge(&slices[0], [nothing; 2]),
        [Inserted::New { position: 1 }, Inserted::Stale { next: 2 }]
    );
    assert_eq!(
        judge.judge(&slices[1], [nothing; 2]),
        [Inserted::New { position: 1 }, Inserted::Existing]
    );
    assert_eq!(
        judge.judge(&slices[2], [nothing; 2]),
        [Inserted::Existing, Inserted::New { position: 2 }]
    );
}

fn by(action: Action) -> Intervention {
    Intervention::new(action, By::new("maria", "called off").unwrap())
}

#[test]
fn an_intervention_waits_for_a_lease_and_goes_by_the_state() {
    let closed = |why| NotificationState::Closed { at: at(1), why };
    let reason = "called off".to_owned();
    let states = [
        NotificationState::Pending { due: at(99) },
        NotificationState::Sending { until: at(10) },
        NotificationState::Failed {
            at: at(1),
            reason: FailureReason::Config,
            stream: StreamRule::Hold,
        },
        NotificationState::Unreadable { at: at(1) },
        NotificationState::Notified {
            at: at(1),
            reference: "R".to_owned(),
        },
        closed(Closed::Withdrawn { reason }),
        closed(Closed::NotWanted),
    ];
    let reference = "by phone".to_owned();
    // What each does to each of the states: changes it, notes it, erases it, forgets it, or nothing.
    for (action, done) in [
        (Action::Reopen, "--cc---"),
        (Action::Retry, "nncc---"),
        (Action::Withdraw, "cccc---"),
        (Action::MarkNotified { reference }, "cccc---"),
        (Action::Erase, "----eee"),
        (Action::Forget, "----fff"),
    ] {
        let action = by(action);
        let seen: String = states
            .iter()
            .map(|state| match intervene(state, &action, at(10)) {
                Intervening::Changes(_) => 'c',
                Intervening::Noted => 'n',
                Intervening::Erases(_) => 'e',
                Intervening::Forgets => 'f',
                Intervening::InFlight => '!',
                Intervening::NotAllowed => '-',
            })
            .collect();
        assert_eq!(seen, done, "{action:?}");
        let live = NotificationState::Sending { until: at(11) };
        assert_eq!(intervene(&live, &action, at(10)), Intervening::InFlight);
    }
    let erased = states[4..6]
        .iter()
        .map(|state| intervene(state, &by(Action::Erase), at(10)));
    let told = NotificationState::Notified {
        at: at(1),
        reference: String::new(),
    };
    let withdrawn = closed(Closed::Withdrawn {
        reason: String::new(),
    });
    assert!(erased.eq([told, withdrawn].map(Intervening::Erases)));
}

#[test]
fn a_withdrawal_has_the_reason_of_the_decision() {
    let pending = NotificationState::Pending { due: at(1) };
    let Intervening::Changes(change) = intervene(&pending, &by(Action::Withdraw), at(10)) else {
        panic!("it can be withdrawn")
    };
    let why = Closed::Withdrawn {
        reason: "called off".to_owned(),
    };
    assert_eq!(change.state, NotificationState::Closed { at: at(10), why });
}

#[test]
fn what_is_new_stays_new_until_something_is_recorded() {
    let until = at(5);
    assert_eq!(hand_out(Queue::New, until).queue, Queue::New);
    assert_eq!(hand_out(Queue::PutOff, until).queue, Queue::Due);
    let after = Duration::from_micros(3);
    for (then, queue) in [
        (Then::Keep { lease: after }, Queue::Due),
        (Then::Again { after }, Queue::Due),
        (Then::HandBack { after }, Queue::PutOff),
    ] {
        let change = step(&then, at(2));
        assert_eq!(
            (change.queue, change.state.claimable_from()),
            (queue, Some(at(5)))
        );
    }
}
