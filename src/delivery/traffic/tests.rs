use super::*;

mod looks;
mod rooms;

const SECOND: Duration = Duration::from_secs(1);

/// Sixteen slots, twenty places, and suppliers that take whatever comes.
struct Road {
    traffic: Arc<Traffic>,
}

fn id(name: &str) -> EndpointId {
    EndpointId::from_stored(name)
}

fn supplier(name: &str) -> SupplierId {
    SupplierId::new(name).unwrap()
}

/// What became of a wish, without what it gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Became {
    Call,
    Out,
    Wait,
    HandBack(Duration),
}

impl Road {
    fn new() -> Road {
        Road::with(16, 20)
    }

    fn with(slots: usize, places: usize) -> Road {
        Road {
            traffic: Traffic::new(Pace::new(60 * SECOND, 5 * SECOND), slots, places),
        }
    }

    fn ask_as(&self, who: Who, endpoint: &str, is_new: bool, seat: &mut Option<Seat>) -> Answer {
        // Each endpoint has a supplier of its own name.
        self.traffic.know(&supplier(endpoint), 100);
        let ask = Ask {
            endpoint: id(endpoint),
            supplier: supplier(endpoint),
            who,
            is_new,
        };
        self.traffic.ask(ask, seat, Moment::now(), 0.5)
    }

    /// A call that a worker begins.
    fn call(&self, endpoint: &str) -> Pass {
        self.call_as(Who::Worker, endpoint)
    }

    fn call_as(&self, who: Who, endpoint: &str) -> Pass {
        match self.ask_as(who, endpoint, true, &mut None) {
            Answer::Now(Admission::Call(pass)) => {
                pass.leaves();
                pass
            }
            other => panic!("{endpoint}: {:?}", became(&other)),
        }
    }

    fn would(&self, who: Who, endpoint: &str, is_new: bool) -> Became {
        became(&self.ask_as(who, endpoint, is_new, &mut None))
    }

    /// An endpoint that has answered.
    fn known(&self, endpoint: &str) {
        self.call(endpoint).end(CallEnd::Answered);
    }

    /// One that a call has hung at for the whole limit, and that is left alone for five seconds.
    async fn hung(&self, endpoint: &str) {
        let pass = self.call(endpoint);
        tokio::time::advance(60 * SECOND).await;
        pass.end(CallEnd::AtLimit);
    }

    /// So many calls that hold a place, each at an endpoint of its own.
    async fn fill_places(&self, number: usize) -> Vec<Pass> {
        let mut open = Vec::new();
        while open.len() < number {
            let some: Vec<_> = (open.len()..number)
                .take(8)
                .map(|n| self.call(&format!("hanging-{n}")))
                .collect();
            tokio::time::advance(2 * SECOND).await;
            some.iter().for_each(Pass::grow);
            open.extend(some);
        }
        open
    }

    /// So many calls that hold a slot, all at one endpoint that answers.
    fn fill_slots(&self, number: usize) -> Vec<Pass> {
        (0..number)
            .map(|n| self.call(&format!("busy-{}", n / 8)))
            .collect()
    }

    /// Two endpoints that answer, so that slots can be filled with calls there.
    fn busy(&self) {
        self.known("busy-0");
        self.known("busy-1");
    }

    fn free(&self) -> usize {
        self.traffic.lock().free()
    }

    fn held(&self) -> (usize, usize) {
        let held = self.traffic.lock().held;
        (held.slots, held.places)
    }
}

fn became(answer: &Answer) -> Became {
    match answer {
        Answer::Now(admission) => became_at_last(admission),
        Answer::Wait(_) => Became::Wait,
    }
}

fn became_at_last(admission: &Admission) -> Became {
    match admission {
        Admission::Call(_) => Became::Call,
        Admission::LeaveOut { .. } => Became::Out,
        Admission::HandBack { after } => Became::HandBack(*after),
    }
}

fn waits(answer: Answer) -> oneshot::Receiver<Admission> {
    match answer {
        Answer::Wait(waiting) => waiting,
        other => panic!("{:?}", became(&other)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_endpoint_is_left_out_while_a_call_is_open_there() {
    let road = Road::new();
    let open = road.call("a");
    tokio::time::advance(2 * SECOND).await;
    open.grow();
    for who in [Who::Worker, Who::Visitor] {
        assert_eq!(
            (road.would(who, "a", true), road.would(who, "a", false)),
            (Became::Out, Became::Out)
        );
    }
    assert_eq!(
        road.would(Who::Person, "a", true),
        Became::Call,
        "a person calls beside it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_endpoint_is_left_out_until_its_pause_is_over_and_longer_by_what_is_new() {
    let road = Road::new();
    road.hung("a").await;
    assert_eq!(
        (
            road.would(Who::Worker, "a", false),
            road.would(Who::Person, "a", false)
        ),
        (Became::Out, Became::Call)
    );
    tokio::time::advance(5 * SECOND).await;
    assert_eq!(
        (
            road.would(Who::Worker, "a", true),
            road.would(Who::Worker, "a", false)
        ),
        (Became::Out, Became::Call)
    );
    tokio::time::advance(45 * SECOND).await;
    assert_eq!(road.would(Who::Worker, "a", true), Became::Call);
}

#[tokio::test(start_paused = true)]
async fn a_silent_endpoint_is_left_out_while_half_of_the_places_are_taken() {
    let road = Road::new();
    road.hung("a").await;
    let mut open = road.fill_places(10).await;
    tokio::time::advance(100 * SECOND).await;
    assert_eq!(road.would(Who::Worker, "a", false), Became::Out);
    open.pop();
    assert_eq!(road.would(Who::Worker, "a", false), Became::Call);
}

#[tokio::test(start_paused = true)]
async fn a_silent_endpoint_is_left_out_while_three_quarters_of_the_slots_are_taken() {
    let road = Road::new();
    road.busy();
    road.hung("a").await;
    tokio::time::advance(5 * SECOND).await;
    let mut open = road.fill_slots(12);
    assert_eq!(road.would(Who::Worker, "a", false), Became::Out);
    open.pop();
    assert_eq!(road.would(Who::Worker, "a", false), Became::Call);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_endpoint_gets_one_call_until_it_has_answered() {
    let road = Road::new();
    let open = road.call("a");
    let second = waits(road.ask_as(Who::Worker, "a", true, &mut None));
    assert_eq!(
        road.would(Who::Worker, "b", true),
        Became::Call,
        "another one has nothing to do with it"
    );
    open.end(CallEnd::Answered);
    assert_eq!(became_at_last(&second.await.unwrap()), Became::Call);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_an_unknown_endpoint_is_told_when_that_turns_out_to_be_silent() {
    let road = Road::new();
    let open = road.call("a");
    let second = waits(road.ask_as(Who::Worker, "a", true, &mut None));
    tokio::time::advance(2 * SECOND).await;
    open.grow();
    assert_eq!(became_at_last(&second.await.unwrap()), Became::Out);
}

#[tokio::test(start_paused = true)]
async fn first_calls_leave_a_quarter_of_the_slots_to_those_who_answer() {
    let road = Road::new();
    road.busy();
    road.known("known");
    let mut open: Vec<_> = (0..12).map(|n| road.call(&format!("first-{n}"))).collect();
    let unknown = waits(road.ask_as(Who::Worker, "unknown", true, &mut None));
    assert_eq!(road.would(Who::Worker, "known", true), Became::Call);
    open.pop();
    assert_eq!(became_at_last(&unknown.await.unwrap()), Became::Call);
}

#[tokio::test(start_paused = true)]
async fn first_calls_have_an_eighth_of_the_slots_to_themselves_whatever_the_others_hold() {
    let road = Road::new();
    road.busy();
    let known = road.fill_slots(12);
    let mut first = vec![road.call("first-1"), road.call("first-2")];
    let third = waits(road.ask_as(Who::Worker, "first-3", true, &mut None));
    first.pop();
    assert_eq!(became_at_last(&third.await.unwrap()), Became::Call);
    drop(known);
}

#[tokio::test(start_paused = true)]
async fn with_no_place_left_a_first_call_that_finds_no_slot_is_handed_back() {
    let road = Road::with(16, 8);
    road.busy();
    let places = road.fill_places(8).await;
    let slots = road.fill_slots(10);
    let _first = [road.call("first-1"), road.call("first-2")];
    assert_eq!(
        road.would(Who::Worker, "unknown", true),
        Became::HandBack(Duration::from_millis(7500))
    );
    drop(places);
    assert_eq!(road.would(Who::Worker, "unknown", true), Became::Wait);
    drop(slots);
}

#[tokio::test(start_paused = true)]
async fn at_one_endpoint_three_quarters_of_the_slots_are_open_at_most() {
    let road = Road::new();
    road.known("a");
    road.known("b");
    let mut open: Vec<_> = (0..12).map(|_| road.call("a")).collect();
    let next = waits(road.ask_as(Who::Worker, "a", true, &mut None));
    assert_eq!(road.would(Who::Worker, "b", true), Became::Call);
    open.pop();
    assert_eq!(became_at_last(&next.await.unwrap()), Became::Call);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_slow_waits_while_half_of_the_places_are_taken() {
    let road = Road::new();
    road.known("slow");
    tokio::time::advance(SECOND).await;
    let slow = road.call("slow");
    // It has answered since its oldest call began, so it is slow and not silent.
    road.call("slow").end(CallEnd::Answered);
    let places = road.fill_places(9).await;
    slow.grow();
    assert_eq!(road.held(), (0, 10));
    assert_eq!(road.would(Who::Worker, "slow", true), Became::Wait);
    drop(places);
    assert_eq!(road.would(Who::Worker, "slow", true), Became::Call);
}

#[tokio::test(start_paused = true)]
async fn without_a_slot_those_who_answer_wait_and_longest_first() {
    let road = Road::with(4, 8);
    for name in ["a", "b", "c", "d", "e"] {
        road.known(name);
    }
    let mut open = vec![
        road.call("a"),
        road.call("b"),
        road.call("c"),
        road.call("d"),
    ];
    let mut first = waits(road.ask_as(Who::Worker, "d", true, &mut None));
    let mut second = waits(road.ask_as(Who::Worker, "e", true, &mut None));
    open.pop();
    let pass = first.try_recv().unwrap();
    assert_eq!(became_at_last(&pass), Became::Call);
    assert!(second.try_recv().is_err());
    drop(pass);
    assert_eq!(became_at_last(&second.try_recv().unwrap()), Became::Call);
}

#[tokio::test(start_paused = true)]
async fn as_many_wait_as_there_are_slots_and_more_are_handed_back() {
    let road = Road::with(4, 8);
    let _open = road.call("a");
    let _waiting: Vec<_> = (0..4)
        .map(|_| waits(road.ask_as(Who::Worker, "a", true, &mut None)))
        .collect();
    // One behind the other, as fast as calls begin, behind the four that wait: not all of them at the same moment.
    let back: Vec<_> = (0..4)
        .map(|_| match road.would(Who::Worker, "a", true) {
            Became::HandBack(after) => after,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(back[0] >= SECOND / 4 && back[3] < SECOND / 2, "{back:?}");
    let apart: Vec<_> = back.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(
        apart.iter().all(|one| *one == apart[0] && !one.is_zero()),
        "{back:?}"
    );

    // However many there are, none is handed back for longer than a claim is that finds no place, and those that would
    // come later come at moments that are spread.
    let many: Vec<_> = (0..100_000)
        .map(|_| road.would(Who::Worker, "a", true))
        .collect();
    let latest = road.traffic.pace().no_place.end;
    assert!(
        many.iter()
            .all(|one| matches!(one, Became::HandBack(after) if *after <= latest))
    );
    let last: std::collections::BTreeSet<_> = many[99_000..]
        .iter()
        .map(|one| format!("{one:?}"))
        .collect();
    assert!(last.len() > 900, "{}", last.len());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_admitted_and_waits_for_the_store_makes_no_endpoint_silent() {
    let road = Road::new();
    let Answer::Now(Admission::Call(pass)) = road.ask_as(Who::Worker, "a", true, &mut None) else {
        panic!("there are slots")
    };
    tokio::time::advance(10 * SECOND).await;
    assert_eq!(
        road.would(Who::Worker, "a", true),
        Became::Wait,
        "one call at a time, as nothing is known yet"
    );
    pass.leaves();
    tokio::time::advance(2 * SECOND).await;
    assert_eq!(road.would(Who::Worker, "a", true), Became::Out);
}

#[tokio::test(start_paused = true)]
async fn a_call_gives_its_slot_up_when_it_is_silent_if_there_is_a_place() {
    let road = Road::with(4, 1);
    let (first, second) = (road.call("a"), road.call("b"));
    assert_eq!(road.held(), (2, 0));
    tokio::time::advance(2 * SECOND).await;
    first.grow();
    second.grow();
    assert_eq!(road.held(), (1, 1), "the second keeps its slot");
    first.end(CallEnd::AtLimit);
    assert_eq!(road.held(), (0, 1), "and has the place that becomes free");
    drop(second);
    assert_eq!(road.held(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn visitors_hold_three_quarters_of_the_slots_and_of_the_places_at_most() {
    let road = Road::with(4, 4);
    let mut seats = Vec::new();
    for _ in 0..3 {
        seats.push(road.traffic.visitor_seat().await.unwrap());
    }
    let mut fourth = road.traffic.visitor_seat();
    assert!(fourth.try_recv().is_err());
    assert_eq!(
        road.traffic.seats(64).len(),
        1,
        "the last quarter is the worker's"
    );

    // Three that hang take three places; the fourth keeps its slot.
    let mut open = Vec::new();
    for (n, seat) in seats.into_iter().enumerate() {
        match road.ask_as(Who::Visitor, &n.to_string(), true, &mut Some(seat)) {
            Answer::Now(Admission::Call(pass)) => open.push(pass),
            other => panic!("{:?}", became(&other)),
        }
    }
    tokio::time::advance(2 * SECOND).await;
    open.iter().for_each(Pass::grow);
    assert_eq!(road.held(), (0, 3));
    let seat = fourth.try_recv().unwrap();
    let Answer::Now(Admission::Call(last)) =
        road.ask_as(Who::Visitor, "last", true, &mut Some(seat))
    else {
        panic!("there are slots");
    };
    tokio::time::advance(2 * SECOND).await;
    last.grow();
    assert_eq!(road.held(), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn of_a_single_slot_visitors_and_a_worker_take_turns() {
    let road = Road::with(1, 15);
    let _work = road.traffic.work();
    let seat = road.traffic.visitor_seat().await.unwrap();
    assert!(road.traffic.seats(64).is_empty());
    let mut next = road.traffic.visitor_seat();
    drop(seat);
    assert!(next.try_recv().is_err(), "it is the worker's turn");
    let workers = road.traffic.seats(64);
    assert_eq!(workers.len(), 1);
    assert!(
        road.traffic.seats(64).is_empty(),
        "it would like to have more"
    );
    drop(workers);
    assert!(next.try_recv().is_ok(), "it is the visitor's turn");
}

#[tokio::test(start_paused = true)]
async fn without_a_worker_visitors_have_a_single_slot_to_themselves() {
    let road = Road::with(1, 15);
    let work = road.traffic.work();
    let seat = road.traffic.visitor_seat().await.unwrap();
    assert!(road.traffic.seats(64).is_empty());
    let mut next = road.traffic.visitor_seat();
    drop(seat);
    drop(work);
    assert!(next.try_recv().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_or_promised_for_somebody_who_is_gone_is_free_again() {
    let road = Road::with(4, 8);
    let seats = road.traffic.seats(64);
    assert_eq!((seats.len(), road.free()), (4, 0));
    drop(seats);
    assert_eq!(road.free(), 4);

    let open = road.call("a");
    let gone = road.ask_as(Who::Worker, "a", true, &mut None);
    let visitor = road.traffic.visitor_seat();
    drop((gone, visitor));
    open.end(CallEnd::Answered);
    assert_eq!((road.free(), road.held()), (4, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_seat_goes_over_to_the_call_and_is_given_back_by_whoever_has_to_wait() {
    let road = Road::with(4, 8);
    let mut seats = road.traffic.seats(2);
    let mut seat = seats.pop();
    let first = road.ask_as(Who::Worker, "a", true, &mut seat);
    assert_eq!(
        (became(&first), seat.is_none(), road.held(), road.free()),
        (Became::Call, true, (1, 0), 2)
    );
    let mut seat = seats.pop();
    let second = road.ask_as(Who::Worker, "a", true, &mut seat);
    assert_eq!(
        (became(&second), seat.is_none(), road.free()),
        (Became::Wait, true, 3)
    );
}
