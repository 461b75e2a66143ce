//! Many suppliers of which a part stops answering at once.

use std::time::Duration;

use super::world::{LIMIT, Manner, Plan, World, secs};

const FROM: Duration = secs(10);

/// So many suppliers of which a share, spread evenly, hangs from a moment on. Of the others 2 % have never been called.
struct Outage {
    suppliers: usize,
    percent: usize,
    per_second: u64,
    seconds: u64,
    is_cold: bool,
    processes: usize,
}

impl Outage {
    fn hangs(&self, supplier: usize) -> bool {
        supplier % 100 < self.percent
    }

    fn is_unknown(&self, supplier: usize) -> bool {
        !self.hangs(supplier) && (supplier / 100 + supplier).is_multiple_of(50)
    }

    async fn run(&self, seed: u64) -> World {
        let until = secs(1_000_000);
        let manner = |supplier| match self.hangs(supplier) {
            true => Manner::HangsBetween(if self.is_cold { Duration::ZERO } else { FROM }, until),
            false => Manner::Well,
        };
        let mut plan = Plan::of((0..self.suppliers).map(manner));
        plan.processes = self.processes;
        let mut world = plan.build(seed);
        if !self.is_cold {
            world.is_known((0..self.suppliers).filter(|supplier| !self.is_unknown(*supplier)));
        }
        world.work();
        tokio::time::sleep(FROM).await;
        let suppliers = self.suppliers as u64;
        world
            .orders(self.per_second * 3600, secs(self.seconds), |number| {
                (number % suppliers) as usize
            })
            .await;
        tokio::time::sleep(secs(30)).await;
        world
    }

    async fn healthy_within(&self, seed: u64, most: Duration) {
        let began = std::time::Instant::now();
        let world = self.run(seed).await;
        let what = format!(
            "{} % of {} hang, {}/s{}{}",
            self.percent,
            self.suppliers,
            self.per_second,
            if self.is_cold { ", cold" } else { "" },
            if self.processes > 1 {
                ", two processes"
            } else {
                ""
            },
        );
        println!("({:?}, {} calls)", began.elapsed(), world.seen().len());
        world
            .delays(0, |order| !self.hangs(order.supplier))
            .within(&what, most);
    }
}

const WARM: Outage = Outage {
    suppliers: 200,
    percent: 1,
    per_second: 10,
    seconds: 150,
    is_cold: false,
    processes: 1,
};

#[tokio::test(start_paused = true)]
async fn in_a_wide_outage_healthy_suppliers_wait_two_seconds_at_most() {
    for (suppliers, percent, per_second, seed) in [
        (200, 60, 100, 11),
        (1_000, 60, 10, 13),
        (10_000, 60, 100, 15),
    ] {
        Outage {
            suppliers,
            percent,
            per_second,
            ..WARM
        }
        .healthy_within(seed, secs(2))
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_process_that_knows_nothing_healthy_suppliers_wait_two_seconds_at_most() {
    for (suppliers, percent, seed) in [(1_000, 20, 22), (10_000, 60, 23)] {
        let cold = Outage {
            suppliers,
            percent,
            per_second: 100,
            is_cold: true,
            ..WARM
        };
        cold.healthy_within(seed, secs(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn at_a_thousand_orders_a_second_healthy_suppliers_wait_for_seconds_at_most() {
    for (suppliers, percent, most, seed) in [(200, 20, 3, 31), (10_000, 20, 22, 33)] {
        let busy = Outage {
            suppliers,
            percent,
            per_second: 1_000,
            seconds: 40,
            ..WARM
        };
        busy.healthy_within(seed, secs(most)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_processes_keep_each_other_from_nothing_and_call_a_silent_endpoint_once_each() {
    let outage = Outage {
        suppliers: 10_000,
        percent: 20,
        per_second: 100,
        processes: 2,
        ..WARM
    };
    let world = outage.run(41).await;
    world
        .delays(0, |order| !outage.hangs(order.supplier))
        .within("20 % of 10,000 hang, two processes", secs(2));
    let late: Vec<_> = world
        .seen()
        .into_iter()
        .filter(|seen| seen.at > FROM + LIMIT + secs(30))
        .collect();
    for endpoint in (0..outage.suppliers)
        .filter(|supplier| outage.hangs(*supplier))
        .step_by(100)
    {
        let open = |at: Duration| {
            late.iter()
                .filter(|one| one.endpoint == endpoint && one.at <= at && at < one.at + one.took)
                .count()
        };
        let most = late
            .iter()
            .filter(|seen| seen.endpoint == endpoint)
            .map(|seen| open(seen.at))
            .max()
            .unwrap_or(0);
        assert!(most <= 2, "{most} calls open at endpoint {endpoint}");
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_quiet_suppliers_are_served_while_hundreds_hang_with_many_descriptors_and_with_few()
{
    // All at once: 1,600 calls at endpoints that are known to answer take 256 slots for two seconds each, six times. With
    // 1,024 descriptors there are 256 places, and those that hang stand in one line with the others, once.
    for (hanging, descriptors, most, seed) in [
        (100, None, 2, 42),
        (400, None, 9, 43),
        (400, Some(1024), 64, 46),
    ] {
        quiet_ones_within(hanging, descriptors, secs(most), seed).await;
    }
}

/// Twenty suppliers that nobody has called yet, beside so many that hang with four orders each.
async fn quiet_ones_within(hanging: usize, descriptors: Option<u64>, most: Duration, seed: u64) {
    for is_cold in [false, true] {
        let manner = |supplier| {
            if supplier < hanging {
                Manner::Hangs
            } else {
                Manner::Well
            }
        };
        let mut plan = Plan::of((0..hanging + 20).map(manner));
        plan.descriptors = descriptors;
        let mut world = plan.build(seed);
        if !is_cold {
            // The quiet ones are never known.
            world.is_known(0..hanging);
        }
        world
            .enqueue(
                (0..hanging)
                    .chain(0..hanging)
                    .chain(0..hanging)
                    .chain(0..hanging),
            )
            .await;
        world.work();
        for quiet in 0..20 {
            world.enqueue([hanging + quiet]).await;
            tokio::time::sleep(secs(3)).await;
        }
        tokio::time::sleep(secs(120)).await;
        let (descriptors, knowledge) = (
            descriptors.unwrap_or(0),
            if is_cold { "cold" } else { "warm" },
        );
        let what =
            format!("{hanging} hang with four orders each, {knowledge}, descriptors {descriptors}");
        world
            .delays(0, |order| order.supplier >= hanging)
            .within(&what, most);
    }
}

/// Every cell of the table; takes minutes in a debug build.
#[tokio::test(start_paused = true)]
#[ignore = "the whole table: cargo test --release --lib -- --ignored --nocapture every_cell"]
async fn every_cell_of_the_table_of_outages() {
    for suppliers in [200, 1_000, 10_000] {
        for percent in [1, 5, 20, 60] {
            for (per_second, is_cold) in [(10, false), (100, false), (100, true)] {
                let outage = Outage {
                    suppliers,
                    percent,
                    per_second,
                    is_cold,
                    ..WARM
                };
                outage.healthy_within(51, secs(2)).await;
            }
            let most = match (suppliers, percent) {
                (200, _) => 3,
                (1_000, _) => 9,
                (_, 60) => 77,
                _ => 22,
            };
            let busy = Outage {
                suppliers,
                percent,
                per_second: 1_000,
                seconds: 120,
                ..WARM
            };
            busy.healthy_within(52, secs(most)).await;
        }
    }
    for (hanging, descriptors, most) in [
        (1_000, None, 16),
        (100, Some(1024), 2),
        (400, Some(1024), 64),
        (1_000, Some(1024), 130),
    ] {
        quiet_ones_within(hanging, descriptors, secs(most), 54).await;
    }
    for percent in [20, 60] {
        let two = Outage {
            suppliers: 10_000,
            percent,
            per_second: 100,
            processes: 2,
            ..WARM
        };
        two.healthy_within(53, secs(2)).await;
    }
}
