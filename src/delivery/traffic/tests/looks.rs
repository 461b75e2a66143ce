//! When there is something to look at of what is put off, and who leaves the line of a supplier.

use std::sync::Arc;
use std::time::Duration;

use crate::delivery::traffic::{Beside, Entry, Traffic, Waits, Who};
use crate::value::names::SupplierId;

const SECOND: Duration = Duration::from_secs(1);

fn traffic(slots: usize) -> Arc<Traffic> {
    Traffic::new(
        crate::delivery::pace::Pace::new(60 * SECOND, 5 * SECOND),
        slots,
        15 * slots,
    )
}

fn books() -> SupplierId {
    SupplierId::new("books").unwrap()
}

#[test]
fn a_supplier_that_is_paused_is_looked_at_again_although_a_claim_came_to_nothing() {
    let traffic = traffic(2);
    traffic.rest(&books());
    let due = traffic.next_moment().unwrap();
    assert_eq!(traffic.old_work(due, Beside::Nothing, 0.5).len(), 1);
    assert_eq!(traffic.next_moment(), Some(due + 5 * SECOND));
    // Until there is nothing to be claimed.
    let work = traffic.old_work(due + 5 * SECOND, Beside::Nothing, 0.5);
    traffic.had(&work[0], 0);
    assert_eq!(traffic.next_moment(), None);
}

#[test]
fn nothing_is_to_be_looked_at_while_no_slot_is_free() {
    let traffic = traffic(1);
    traffic.rest(&books());
    let due = traffic.next_moment().unwrap();
    let seats = traffic.seats(1);
    assert!(
        traffic.next_moment().is_none() && !traffic.has_old_work(due),
        "it would look all the time"
    );
    drop(seats);
    assert!(traffic.next_moment() == Some(due) && traffic.has_old_work(due));
}

#[test]
fn who_has_waited_for_room_long_enough_leaves_the_line() {
    let traffic = traffic(2);
    let enter = || traffic.enter(&books(), 1, Who::Worker, Waits::WithNew);
    let Entry::In(_stay) = enter() else {
        panic!("there is room")
    };
    for _ in 0..3 {
        let Entry::Wait(waiting) = enter() else {
            panic!("one may wait")
        };
        assert!(matches!(enter(), Entry::Full), "and no other");
        drop(waiting);
        traffic.has_left_the_line(&books());
    }
}
