//! The rooms of suppliers: their limits, and whose turn it is.

use super::*;
use crate::delivery::traffic::put_off::Why;

fn enter(road: &Road, limit: u32, who: Who, is_new: bool) -> Entry {
    let waits = if is_new { Waits::WithNew } else { Waits::Not };
    road.traffic.enter(&supplier("books"), limit, who, waits)
}

fn is_in(entry: Entry) -> Stay {
    match entry {
        Entry::In(stay) => stay,
        Entry::Wait(_) => panic!("it waits"),
        Entry::Full => panic!("it is full"),
    }
}

fn is_waiting(entry: Entry) -> oneshot::Receiver<Stay> {
    match entry {
        Entry::Wait(waiting) => waiting,
        Entry::In(_) => panic!("there was room"),
        Entry::Full => panic!("it is full"),
    }
}

fn old_work(road: &Road) -> Vec<OldWork> {
    road.traffic.old_work(Moment::now(), Beside::Nothing, 0.5)
}

fn ask(endpoint: &str, who: Who) -> Ask {
    Ask {
        endpoint: id(endpoint),
        supplier: supplier("books"),
        who,
        is_new: true,
    }
}

fn call(road: &Road, endpoint: &str) -> Pass {
    match road
        .traffic
        .ask(ask(endpoint, Who::Worker), &mut None, Moment::now(), 0.5)
    {
        Answer::Now(Admission::Call(pass)) => {
            pass.leaves();
            pass
        }
        other => panic!("{:?}", became(&other)),
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_wait_as_go_on_and_what_is_not_new_does_not_wait() {
    let road = Road::new();
    let stays = [
        is_in(enter(&road, 2, Who::Worker, true)),
        is_in(enter(&road, 2, Who::Worker, false)),
    ];
    assert!(matches!(enter(&road, 2, Who::Worker, false), Entry::Full));
    let mut waiting = [
        is_waiting(enter(&road, 2, Who::Worker, true)),
        is_waiting(enter(&road, 2, Who::Worker, true)),
    ];
    assert!(matches!(enter(&road, 2, Who::Worker, true), Entry::Full));
    let _visitor = is_waiting(enter(&road, 2, Who::Visitor, true));
    drop(stays);
    assert!(waiting.iter_mut().all(|waiting| waiting.try_recv().is_ok()));
}

#[tokio::test(start_paused = true)]
async fn nobody_overtakes_those_who_wait() {
    let road = Road::new();
    let stay = is_in(enter(&road, 1, Who::Worker, true));
    let mut first = is_waiting(enter(&road, 1, Who::Worker, true));
    // The limit is higher now, and there is room; the one who waits has the first right to it.
    let mut second = is_waiting(enter(&road, 2, Who::Worker, true));
    drop(stay);
    assert!(first.try_recv().is_ok() && second.try_recv().is_ok());
}

#[tokio::test(start_paused = true)]
async fn every_second_room_goes_to_what_was_put_off() {
    let road = Road::new();
    let _work = road.traffic.work();
    let stay = is_in(enter(&road, 1, Who::Worker, true));
    let mut new = [
        is_waiting(enter(&road, 1, Who::Visitor, true)),
        is_waiting(enter(&road, 1, Who::Visitor, true)),
    ];
    road.traffic.put_off(&supplier("books"), &[PutOffFor::Room]);
    // Of a supplier whose rounds take long nothing is claimed ahead.
    tokio::time::advance(Duration::from_secs(2)).await;
    drop(stay);
    let stay = new[0].try_recv().unwrap();
    assert!(old_work(&road).is_empty(), "there is no room");
    tokio::time::advance(Duration::from_secs(2)).await;
    drop(stay);
    assert!(
        new[1].try_recv().is_err(),
        "it is the turn of what was put off"
    );
    let mut old = old_work(&road);
    assert_eq!(
        (
            old.len(),
            old[0].stays.len(),
            old[0].seats.len(),
            old[0].why.clone()
        ),
        (1, 1, 1, Why::Room)
    );
    let old = old.remove(0);
    road.traffic.had(&old, 1);
    drop(old);
    assert!(new[1].try_recv().is_ok(), "it is the turn of what is new");
}

#[tokio::test(start_paused = true)]
async fn where_rounds_are_quick_what_was_put_off_is_claimed_ahead_and_takes_turns_in_memory() {
    let road = Road::new();
    let _work = road.traffic.work();
    let mut stays: Vec<_> = (0..4)
        .map(|_| is_in(enter(&road, 4, Who::Worker, true)))
        .collect();
    let mut new: Vec<_> = (0..4)
        .map(|_| is_waiting(enter(&road, 4, Who::Worker, true)))
        .collect();
    road.traffic.put_off(&supplier("books"), &[PutOffFor::Room]);
    assert!(
        old_work(&road).is_empty(),
        "nothing is known of how long a round takes"
    );
    drop(stays.pop());
    stays.push(new[0].try_recv().unwrap());
    let old = old_work(&road).remove(0);
    assert_eq!((old.stays.len(), old.ahead, old.most()), (0, 4, 4));
    road.traffic.had(&old, 4);

    let ahead = || {
        let id = supplier("books");
        road.traffic.enter(&id, 4, Who::Worker, Waits::WithOld)
    };
    let mut old: Vec<_> = (0..4).map(|_| is_waiting(ahead())).collect();
    assert!(matches!(ahead(), Entry::Full), "no more than the limit");
    assert!(old_work(&road).is_empty(), "as much waits as may");

    drop(stays.pop());
    stays.push(old[0].try_recv().expect("their turn"));
    drop(stays.pop());
    stays.push(new[1].try_recv().expect("the turn of what is new"));
    assert!(old_work(&road).is_empty(), "more than half is left");
    drop(stays.pop());
    stays.push(old[1].try_recv().unwrap());
    let more = old_work(&road).remove(0);
    assert_eq!((more.stays.len(), more.ahead), (0, 2), "half has gone");
}

#[tokio::test(start_paused = true)]
async fn without_a_worker_nothing_is_left_to_what_was_put_off() {
    let road = Road::new();
    let work = road.traffic.work();
    let stay = is_in(enter(&road, 1, Who::Visitor, true));
    let mut new = [
        is_waiting(enter(&road, 1, Who::Visitor, true)),
        is_waiting(enter(&road, 1, Who::Visitor, true)),
    ];
    road.traffic.put_off(&supplier("books"), &[PutOffFor::Room]);
    drop(stay);
    drop(new[0].try_recv().unwrap());
    assert!(new[1].try_recv().is_err());
    drop(work);
    assert!(new[1].try_recv().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_put_off_is_asked_for_until_there_is_no_more_or_it_could_not_be_called() {
    let road = Road::new();
    road.traffic.know(&supplier("books"), 8);
    road.traffic.put_off(&supplier("books"), &[PutOffFor::Room]);
    let old = old_work(&road);
    assert_eq!(old[0].stays.len(), 8);
    road.traffic.had(&old[0], 8);
    drop(old);
    assert!(
        road.traffic.has_old_work(Moment::now()),
        "there may be more"
    );
    let old = old_work(&road);
    road.traffic.had(&old[0], 3);
    drop(old);
    assert!(!road.traffic.has_old_work(Moment::now()));

    road.traffic.put_off(&supplier("books"), &[PutOffFor::Room]);
    road.traffic.could_not_call(&supplier("books"));
    assert!(!road.traffic.has_old_work(Moment::now()));
}

#[tokio::test(start_paused = true)]
async fn calls_at_silent_endpoints_do_not_use_the_limit_up() {
    let road = Road::new();
    let _stays = [
        is_in(enter(&road, 2, Who::Worker, true)),
        is_in(enter(&road, 2, Who::Worker, true)),
    ];
    let mut waiting = is_waiting(enter(&road, 2, Who::Worker, true));
    let silent = call(&road, "silent");
    assert!(waiting.try_recv().is_err());
    tokio::time::advance(2 * SECOND).await;
    silent.grow();
    assert!(waiting.try_recv().is_ok());
}

#[tokio::test(start_paused = true)]
async fn at_one_endpoint_a_supplier_never_has_more_calls_than_its_limit() {
    let road = Road::new();
    let _stays = [
        is_in(enter(&road, 2, Who::Worker, true)),
        is_in(enter(&road, 2, Who::Worker, true)),
    ];
    call(&road, "well").end(CallEnd::Answered);
    tokio::time::advance(SECOND).await;
    let _open = [call(&road, "well"), call(&road, "well")];
    let would = |who| {
        became(
            &road
                .traffic
                .ask(ask("well", who), &mut None, Moment::now(), 0.5),
        )
    };
    assert_eq!(
        (would(Who::Worker), would(Who::Person)),
        (Became::Wait, Became::Wait)
    );
    // Nor when they are silent: a worker leaves them out then, and a person waits.
    tokio::time::advance(2 * SECOND).await;
    assert_eq!(
        (would(Who::Worker), would(Who::Visitor), would(Who::Person)),
        (Became::Out, Became::Out, Became::Wait)
    );
}

#[tokio::test(start_paused = true)]
async fn a_supplier_that_rests_is_looked_at_every_five_seconds_by_one_of_what_is_put_off() {
    let road = Road::new();
    let books = supplier("books");
    assert_eq!(road.traffic.rest(&books), Duration::ZERO);
    assert_eq!(road.traffic.next_moment(), Some(Moment::now() + 5 * SECOND));
    assert!(old_work(&road).is_empty());
    for seconds in [5, 10, 15] {
        tokio::time::advance(5 * SECOND).await;
        let old = old_work(&road);
        assert_eq!(
            (old.len(), old[0].stays.len(), old[0].why.clone()),
            (1, 1, Why::Rested)
        );
        road.traffic.had(&old[0], 1);
        assert!(old_work(&road).is_empty(), "one, until that one knows more");
        assert_eq!(
            road.traffic.rest(&books),
            SECOND * seconds,
            "it still rests"
        );
    }
    // It is there again: the rest of what is put off follows.
    tokio::time::advance(5 * SECOND).await;
    let old = old_work(&road);
    road.traffic.know(&books, 8);
    drop(old);
    let old = old_work(&road);
    assert_eq!(
        (old.len(), old[0].stays.len(), old[0].why.clone()),
        (1, 8, Why::Room)
    );
    assert_eq!(road.traffic.next_moment(), None);
}

#[tokio::test(start_paused = true)]
async fn somebody_who_asks_for_a_supplier_that_rests_does_not_end_its_rest() {
    let road = Road::new();
    let books = supplier("books");
    road.traffic.rest(&books);
    tokio::time::advance(SECOND).await;
    drop(is_in(enter(&road, 8, Who::Visitor, true)));
    assert!(old_work(&road).is_empty(), "nobody has looked it up");
    assert_eq!(road.traffic.rest(&books), SECOND, "it still rests");
}

#[tokio::test(start_paused = true)]
async fn what_was_recorded_as_put_off_after_its_endpoint_has_answered_is_asked_for() {
    let road = Road::new();
    road.hung("shared").await;
    road.traffic.know(&supplier("books"), 8);
    road.call_as(Who::Person, "shared").end(CallEnd::Answered);
    assert!(old_work(&road).is_empty());
    road.traffic
        .put_off(&supplier("books"), &[PutOffFor::Endpoint(id("shared"))]);
    assert_eq!(old_work(&road)[0].why, Why::Room);
}

#[tokio::test(start_paused = true)]
async fn what_was_put_off_has_every_second_slot_while_there_may_be_something_else() {
    let road = Road::with(3, 8);
    road.traffic.know(&supplier("books"), 8);
    road.traffic.put_off(&supplier("books"), &[PutOffFor::Room]);
    let given: Vec<_> = (0..4)
        .map(|_| {
            let old = road.traffic.old_work(Moment::now(), Beside::WhatIsDue, 0.5);
            old.iter().map(|work| work.seats.len()).sum::<usize>()
        })
        .collect();
    assert_eq!(given, [1, 2, 1, 2]);
    assert_eq!(old_work(&road)[0].seats.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn suppliers_with_a_backlog_are_served_in_turn_and_not_by_name() {
    let road = Road::with(2, 8);
    for name in ["books", "games", "tools"] {
        road.traffic.know(&supplier(name), 8);
        road.traffic.put_off(&supplier(name), &[PutOffFor::Room]);
    }
    let served: Vec<_> = (0..4)
        .map(|_| old_work(&road).remove(0).supplier.as_str().to_owned())
        .collect();
    assert_eq!(served, ["books", "games", "tools", "books"]);
}

#[tokio::test(start_paused = true)]
async fn one_of_each_supplier_that_waits_for_a_silent_endpoint_is_claimed_when_its_call_is_due() {
    let road = Road::new();
    road.hung("shared").await;
    for name in ["books", "tools"] {
        road.traffic.know(&supplier(name), 8);
        road.traffic
            .put_off(&supplier(name), &[PutOffFor::Endpoint(id("shared"))]);
    }
    assert!(old_work(&road).is_empty());
    tokio::time::advance(5 * SECOND).await;
    let old = old_work(&road);
    let of: Vec<_> = old
        .iter()
        .map(|work| (work.supplier.as_str(), work.stays.len(), work.why.clone()))
        .collect();
    let due = Why::CallDue(id("shared"));
    assert_eq!(of, [("books", 1, due.clone()), ("tools", 1, due)]);
    assert!(old_work(&road).is_empty(), "not again at once");
    // Nothing of the one was put off any more, and the other could not be called: that one is asked for again.
    road.traffic.had(&old[0], 0);
    road.traffic.had(&old[1], 1);
    drop(old);
    tokio::time::advance(3 * SECOND).await;
    let old = old_work(&road);
    assert_eq!(
        old.iter()
            .map(|work| work.supplier.as_str())
            .collect::<Vec<_>>(),
        ["tools"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_what_was_put_off_for_it_claimed_as_much_as_the_supplier_takes() {
    let road = Road::new();
    road.hung("shared").await;
    road.traffic.know(&supplier("books"), 8);
    road.traffic
        .put_off(&supplier("books"), &[PutOffFor::Endpoint(id("shared"))]);
    assert!(old_work(&road).is_empty());
    // Somebody else's call is answered.
    tokio::time::advance(50 * SECOND).await;
    road.call("shared").end(CallEnd::Answered);
    let old = old_work(&road);
    assert_eq!(
        (old.len(), old[0].supplier.as_str(), old[0].stays.len()),
        (1, "books", 8)
    );
    assert_eq!(old[0].why, Why::Room);
}

#[tokio::test(start_paused = true)]
async fn an_answer_at_a_shared_endpoint_is_news_for_a_supplier_with_nothing_under_way() {
    let road = Road::new();
    road.hung("shared").await;
    road.traffic
        .put_off(&supplier("books"), &[PutOffFor::Endpoint(id("shared"))]);
    assert!(!road.traffic.lock().rooms.contains_key(&supplier("books")));
    tokio::time::advance(50 * SECOND).await;
    road.call("shared").end(CallEnd::Answered);
    // One, which learns how many may go on.
    let old = old_work(&road);
    assert_eq!(
        (old.len(), old[0].supplier.as_str(), old[0].stays.len()),
        (1, "books", 1)
    );
    road.traffic.had(&old[0], 0);
    drop(old);
    assert!(!road.traffic.lock().rooms.contains_key(&supplier("books")));
}

#[tokio::test(start_paused = true)]
async fn of_a_supplier_with_nothing_under_way_nothing_is_kept() {
    let road = Road::new();
    let stay = is_in(enter(&road, 8, Who::Worker, true));
    call(&road, "books").end(CallEnd::Answered);
    drop(stay);
    assert!(road.traffic.lock().rooms.is_empty());
}
