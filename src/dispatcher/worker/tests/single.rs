//! One supplier with an endpoint that hangs, and what becomes of its other one.

use std::time::Duration;

use crate::notification::StateName;
use crate::supplier::Acceptance;

use super::world::{LIMIT, Manner, Plan, secs};

const HOUR: Duration = secs(3600);
const TENTH: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn beside_a_backup_that_hangs_for_three_days_the_primary_gets_each_order_at_once() {
    let mut world = Plan::one(Acceptance::Every, &[Manner::Well, Manner::Hangs]).build(1);
    world.work();
    world.orders(40, 72 * HOUR, |_| 0).await;
    world
        .delays(0, |_| true)
        .within("primary beside a hanging backup", TENTH);
    let hour = |number: u32| {
        let (from, until) = (HOUR * number, HOUR * (number + 1));
        world
            .seen()
            .iter()
            .filter(|seen| seen.endpoint == 1 && seen.at >= from && seen.at < until)
            .count()
    };
    // The first pauses are short: 5, 10, 20 and 40 s.
    let (first, most) = (hour(0), (1..72).map(hour).max().unwrap());
    println!("calls an hour at the hanging backup: {first}, then at most {most}");
    assert!(first <= 32 && most <= 31, "{first}, {most}");
    assert_eq!(world.most_open(1), 1);
}

#[tokio::test(start_paused = true)]
async fn behind_a_primary_that_hangs_for_a_day_the_backup_gets_each_order_at_once() {
    let mut world = Plan::one(Acceptance::Every, &[Manner::Hangs, Manner::Well]).build(2);
    world.work();
    world.orders(40, 24 * HOUR, |_| 0).await;
    tokio::time::sleep(LIMIT * 2).await;
    let delays = world.delays(1, |_| true);
    delays.within("backup behind a hanging primary", secs(61));
    assert!(
        delays.of_share(0.99) <= secs(1),
        "{:?}",
        delays.of_share(0.99)
    );
}

#[tokio::test(start_paused = true)]
async fn with_a_first_url_that_hangs_all_are_notified_and_one_in_a_hundred_waits() {
    for (acceptance, seed) in [(Acceptance::First, 3), (Acceptance::Any, 4)] {
        let mut world = Plan::one(acceptance, &[Manner::Hangs, Manner::Well]).build(seed);
        world.work();
        world.orders(600, 24 * HOUR, |_| 0).await;
        tokio::time::sleep(LIMIT * 2).await;
        let delays = world.delays(1, |_| true);
        delays.within(&format!("{acceptance:?}, first URL hangs"), secs(61));
        assert!(
            delays.of_share(0.99) <= secs(1),
            "{acceptance:?} {:?}",
            delays.of_share(0.99)
        );
        for order in 0..world.orders.len() {
            assert_eq!(
                world.state(order).await,
                StateName::Notified,
                "{acceptance:?} {order}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_endpoint_has_not_answered_for_three_days_has_failed_and_the_others_go_on() {
    let mut world = Plan::one(Acceptance::Every, &[Manner::Well, Manner::Hangs]).build(5);
    world.work();
    world.orders(40, 73 * HOUR, |_| 0).await;
    let now = world.since_start();
    let mut failed = 0;
    for (number, order) in world.orders.iter().enumerate() {
        let name = world.state(number).await;
        if now - order.at > 72 * HOUR + LIMIT * 2 {
            assert_eq!(
                name,
                StateName::Failed,
                "{number}, stored {:?} ago",
                now - order.at
            );
            failed += 1;
        } else if now - order.at < 71 * HOUR {
            assert!(
                matches!(name, StateName::Pending | StateName::Sending),
                "{number}: {name}"
            );
        }
    }
    assert!(failed > 35, "{failed}");
    world
        .delays(0, |_| true)
        .within("primary while old orders fail", TENTH);
}

#[tokio::test(start_paused = true)]
async fn beside_a_backup_that_is_unavailable_nothing_waits_and_nothing_is_silent() {
    let mut world = Plan::one(Acceptance::Every, &[Manner::Well, Manner::Unavailable]).build(6);
    world.work();
    world.orders(40, 6 * HOUR, |_| 0).await;
    world
        .delays(0, |_| true)
        .within("primary beside a backup with 503", TENTH);
    world
        .delays(1, |_| true)
        .within("the backup with 503 itself", secs(1));
}

#[tokio::test(start_paused = true)]
async fn for_six_hours_each_policy_gets_new_orders_to_the_endpoint_that_answers() {
    for acceptance in [Acceptance::Every, Acceptance::Any, Acceptance::First] {
        for other in [Manner::Hangs, Manner::Unavailable] {
            for (healthy, most, seed) in [(0, secs(1), 9), (1, LIMIT + secs(1), 10)] {
                let mut manners = [other, other];
                manners[healthy] = Manner::Well;
                let mut world = Plan::one(acceptance, &manners).build(seed);
                world.work();
                world.orders(40, 6 * HOUR, |_| 0).await;
                tokio::time::sleep(LIMIT * 2).await;
                let delays = world.delays(healthy, |_| true);
                delays.within(
                    &format!("{acceptance:?}, the other one {other:?}, healthy at {healthy}"),
                    most,
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_supplier_that_was_silent_for_a_quarter_of_an_hour_gets_its_backlog_and_its_new_orders() {
    for (per_second, within, seed) in [(2, 180, 7), (6, 720, 8)] {
        let manner = Manner::HangsUntil(secs(1000), Duration::from_millis(500));
        let mut world = Plan::of([manner]).build(seed);
        world.work();
        world.orders(per_second * 3600, secs(1000), |_| 0).await;
        world
            .orders(per_second * 3600, secs(130 + within), |_| 0)
            .await;
        let answered = world
            .seen()
            .iter()
            .filter(|seen| seen.took < LIMIT)
            .map(|seen| seen.at)
            .min()
            .unwrap();
        println!("{per_second}/s: answers again at {answered:?}");
        let until = answered + secs(within);
        let late = |order: &super::world::Order| {
            order.at < secs(1000) && order.at + LIMIT > Duration::ZERO
        };
        let backlog = world.delays(0, late);
        let left = world
            .seen()
            .iter()
            .filter(|seen| world.orders[seen.order].at < secs(1000) && seen.at > until)
            .count();
        println!(
            "{per_second}/s: {} of the backlog, {left} called later than {within} s after",
            backlog.count()
        );
        assert_eq!(left, 0, "{per_second}/s");
        let new = world.delays(0, |order| order.at > answered + secs(1));
        assert!(
            new.of_share(0.99) <= secs(1),
            "{per_second}/s: {:?} of new ones",
            new.of_share(0.99)
        );
    }
}
