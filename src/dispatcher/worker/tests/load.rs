//! Bursts, restarts, slow and flapping endpoints, and what comes back after an hour.

use std::time::Duration;

use super::world::{LIMIT, Manner, Plan, secs};

const TENTH: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn after_a_restart_ten_thousand_suppliers_with_an_order_each_are_called_within_seconds() {
    for (percent, most, most_new, seed) in [(0, 8, 23, 61), (5, 13, 23, 62), (20, 27, 23, 63)] {
        let hangs = |supplier: usize| supplier % 100 < percent;
        let manner = |supplier| {
            if hangs(supplier) {
                Manner::Hangs
            } else {
                Manner::Well
            }
        };
        let mut world = Plan::of((0..10_000).map(manner)).build(seed);
        world.enqueue(0..10_000).await;
        world.work();
        world
            .orders(20 * 3600, secs(40), |number| (number % 10_000) as usize)
            .await;
        let waited = world.delays(0, |order| order.at.is_zero() && !hangs(order.supplier));
        waited.within(&format!("restart, {percent} % hang"), secs(most));
        let new = world.delays(0, |order| !order.at.is_zero() && !hangs(order.supplier));
        new.within(
            &format!("restart, {percent} % hang, what comes in"),
            secs(most_new),
        );
    }
}

#[tokio::test(start_paused = true)]
async fn slow_suppliers_keep_nobody_else_waiting() {
    for (percent, seed) in [(20, 71), (60, 72)] {
        let is_slow = |supplier: usize| supplier % 100 < percent;
        let manner = |supplier| {
            if is_slow(supplier) {
                Manner::Slow
            } else {
                Manner::Well
            }
        };
        let mut world = Plan::of((0..1_000).map(manner)).build(seed);
        world.is_known(0..1_000);
        world.work();
        world
            .orders(100 * 3600, secs(150), |number| (number % 1_000) as usize)
            .await;
        tokio::time::sleep(secs(30)).await;
        world
            .delays(0, |order| !is_slow(order.supplier))
            .within(&format!("{percent} % slow: quick ones"), TENTH);
        world
            .delays(0, |order| is_slow(order.supplier))
            .within(&format!("{percent} % slow: slow ones"), secs(10));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_supplier_with_an_order_a_second_gets_eight_at_once() {
    let mut world = Plan::of([Manner::Slow]).build(73);
    world.work();
    world.orders(3600, secs(600), |_| 0).await;
    tokio::time::sleep(secs(60)).await;
    assert_eq!(world.most_open(0), 8);
    world
        .delays(0, |_| true)
        .within("slow supplier at 1/s", secs(40));
}

#[tokio::test(start_paused = true)]
async fn suppliers_that_flap_are_notified_and_keep_nobody_else_waiting() {
    let flaps = |supplier: usize| supplier.is_multiple_of(5);
    let phase = |supplier: usize| secs((supplier as u64 * 7) % 240);
    let manner = |supplier| {
        if flaps(supplier) {
            Manner::Flaps(phase(supplier))
        } else {
            Manner::Well
        }
    };
    let mut world = Plan::of((0..1_000).map(manner)).build(81);
    world.is_known((0..1_000).filter(|supplier| !flaps(*supplier)));
    world.work();
    world
        .orders(100 * 3600, secs(360), |number| (number % 1_000) as usize)
        .await;
    tokio::time::sleep(secs(240)).await;
    world
        .delays(0, |order| !flaps(order.supplier))
        .within("others while 20 % flap", TENTH);
    let seen = world.seen();
    let mut told = std::collections::HashMap::new();
    for one in seen.iter().filter(|seen| seen.took < LIMIT) {
        told.entry(one.order).or_insert(one.at);
    }
    let flapping = world
        .orders
        .iter()
        .enumerate()
        .filter(|(_, order)| flaps(order.supplier));
    let longest = flapping
        .map(|(number, order)| told.get(&number).map(|at| *at - order.at))
        .max()
        .unwrap();
    let missing = world
        .orders
        .iter()
        .enumerate()
        .filter(|(number, _)| !told.contains_key(number))
        .count();
    println!("flapping: notified after {longest:?} at most, {missing} missing");
    assert!(
        missing == 0 && longest.unwrap() <= secs(240),
        "{longest:?}, {missing} missing"
    );
}

#[tokio::test(start_paused = true)]
async fn suppliers_that_answer_503_are_never_silent() {
    let fails = |supplier: usize| supplier.is_multiple_of(5);
    let manner = |supplier| {
        if fails(supplier) {
            Manner::Unavailable
        } else {
            Manner::Well
        }
    };
    let mut world = Plan::of((0..1_000).map(manner)).build(82);
    world.work();
    world
        .orders(100 * 3600, secs(120), |number| (number % 1_000) as usize)
        .await;
    world
        .delays(0, |order| !fails(order.supplier))
        .within("others while 20 % answer 503", TENTH * 2);
    world
        .delays(0, |order| fails(order.supplier))
        .within("those that answer 503", TENTH * 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_put_off_for_an_hour_is_sent_soon_after_the_first_answer() {
    let hour = secs(3600);
    let hangs = |supplier: usize| supplier.is_multiple_of(20);
    let manner = |supplier| {
        if hangs(supplier) {
            Manner::HangsBetween(Duration::ZERO, hour)
        } else {
            Manner::Well
        }
    };
    let mut world = Plan::of((0..200).map(manner)).build(91);
    world.is_known((0..200).filter(|supplier| !hangs(*supplier)));
    world.work();
    world
        .orders(10 * 3600, hour, |number| (number % 200) as usize)
        .await;
    world
        .orders(10 * 3600, secs(200), |number| (number % 200) as usize)
        .await;
    let seen = world.seen();
    for supplier in (0..200).filter(|supplier| hangs(*supplier)) {
        let calls: Vec<_> = seen
            .iter()
            .filter(|seen| seen.endpoint == supplier)
            .collect();
        let answer = calls
            .iter()
            .find(|seen| seen.took < LIMIT)
            .map(|seen| seen.at)
            .unwrap();
        assert!(
            answer <= hour + secs(125),
            "first answer of {supplier} at {answer:?}"
        );
        let mut called = std::collections::HashSet::new();
        for call in calls.iter().filter(|call| call.at < answer) {
            called.insert(call.order);
        }
        let backlog = calls
            .iter()
            .filter(|call| call.at >= answer && !called.contains(&call.order));
        let last = backlog
            .filter(|call| world.orders[call.order].at < answer)
            .map(|call| call.at)
            .max()
            .unwrap();
        assert!(
            last <= answer + secs(10),
            "backlog of {supplier} until {:?} after the first answer",
            last - answer
        );
        let new = world.delays(0, |order| order.supplier == supplier && order.at > answer);
        assert!(
            new.longest() <= secs(1),
            "new ones of {supplier}: {:?}",
            new.longest()
        );
    }
    world
        .delays(0, |order| !hangs(order.supplier))
        .within("others during the hour", TENTH);
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_one_supplier_keeps_nobody_waiting_and_goes_out_eight_at_a_time() {
    let mut world = Plan::of((0..1_000).map(|_| Manner::Well)).build(92);
    world.is_known(0..1_000);
    world.work();
    world.enqueue(std::iter::repeat_n(0, 10_000)).await;
    world
        .orders(100 * 3600, secs(170), |number| (number % 1_000) as usize)
        .await;
    world
        .delays(0, |order| order.supplier != 0)
        .within("others beside a burst", secs(1));
    world
        .delays(0, |order| order.supplier == 0 && !order.at.is_zero())
        .within("later ones of the same", secs(1));
    world
        .delays(0, |order| order.at.is_zero())
        .within("the burst", secs(160));
    assert!(world.most_open(0) <= 8);
    let (calls, claims) = (world.seen().len(), world.claims().await);
    println!("{claims} claims for {calls} calls");
    assert!(
        claims as f64 <= calls as f64 * 1.5,
        "{claims} claims for {calls} calls"
    );
}

#[tokio::test(start_paused = true)]
async fn a_path_that_hangs_is_no_news_of_its_host() {
    let manner = |path| {
        if path == 0 {
            Manner::Hangs
        } else {
            Manner::Well
        }
    };
    for (per_second, seed) in [(1, 93), (50, 94)] {
        let mut world = Plan::of((0..100).map(manner)).build(seed);
        world.is_known(1..100);
        world.work();
        world
            .orders(per_second * 3600, secs(300), |number| {
                (number % 100) as usize
            })
            .await;
        world
            .delays(0, |order| order.supplier != 0)
            .within(&format!("other paths at {per_second}/s"), TENTH);
    }
}
