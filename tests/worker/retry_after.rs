//! What a receiver asks for is honoured, in every form that RFC 9110 has, and no further than the schedule allows.

use std::time::Duration;

use orderhook::RetryPolicy;
use orderhook::notification::FailureReason;

use super::support::{Receiver, Reply};
use super::world::{HOUR, World, supplier};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// 5 s, spread by a fifth; what the test itself takes is off it.
const SCHEDULE: (u64, u64) = (0, 6);
const CAP: (u64, u64) = (43_190, 43_200);

fn reply(status: u16, headers: &[(&str, &str)]) -> Reply {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Reply::Full {
        status,
        headers,
        body: Vec::new(),
    }
}

#[tokio::test]
async fn the_next_try_is_no_earlier_than_asked_and_no_later_than_the_cap() {
    let about = |seconds: u64| (seconds - 10, seconds);
    let cases: &[(&str, Reply, (u64, u64))] = &[
        ("seconds", reply(429, &[("retry-after", "120")]), about(120)),
        (
            "seconds on 503",
            reply(503, &[("retry-after", "120")]),
            about(120),
        ),
        ("zero", reply(429, &[("retry-after", "0")]), SCHEDULE),
        (
            "a date",
            reply(
                503,
                &[
                    ("date", DATE),
                    ("retry-after", "Sun, 06 Nov 1994 08:59:37 GMT"),
                ],
            ),
            about(600),
        ),
        (
            "an old form",
            reply(
                429,
                &[
                    ("date", DATE),
                    ("retry-after", "Sunday, 06-Nov-94 08:59:37 GMT"),
                ],
            ),
            about(600),
        ),
        (
            "a C form",
            reply(
                429,
                &[("date", DATE), ("retry-after", "Sun Nov  6 08:59:37 1994")],
            ),
            about(600),
        ),
        (
            "a date without Date",
            reply(429, &[("retry-after", "Sun, 06 Nov 2094 08:59:37 GMT")]),
            SCHEDULE,
        ),
        (
            "a past date",
            reply(
                429,
                &[
                    ("date", DATE),
                    ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"),
                ],
            ),
            SCHEDULE,
        ),
        (
            "ten years",
            reply(429, &[("retry-after", "315360000")]),
            CAP,
        ),
        (
            "a date in ten years",
            reply(
                503,
                &[
                    ("date", DATE),
                    ("retry-after", "Sat, 06 Nov 2004 08:49:37 GMT"),
                ],
            ),
            CAP,
        ),
        (
            "beyond all numbers",
            reply(429, &[("retry-after", "99999999999999999999999")]),
            CAP,
        ),
        ("negative", reply(429, &[("retry-after", "-120")]), SCHEDULE),
        ("junk", reply(503, &[("retry-after", "soon")]), SCHEDULE),
        ("empty", reply(503, &[("retry-after", "")]), SCHEDULE),
        (
            "twice",
            reply(429, &[("retry-after", "60"), ("retry-after", "120")]),
            about(120),
        ),
        (
            "twice, one junk",
            reply(429, &[("retry-after", "120"), ("retry-after", "soon")]),
            about(120),
        ),
        ("on 500", reply(500, &[("retry-after", "120")]), SCHEDULE),
        ("on 404", reply(404, &[("retry-after", "120")]), SCHEDULE),
        (
            "on 302",
            reply(302, &[("retry-after", "120"), ("location", "/elsewhere")]),
            SCHEDULE,
        ),
    ];
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    for (n, (name, reply, (least, most))) in cases.iter().enumerate() {
        let path = format!("/{n}");
        receiver.script_at(&path, [reply.clone()]);
        world.put(supplier(&path).endpoint(receiver.url(&path)));
        let key = world.enqueue(&path, "A-1").await;
        world.tick().await;
        let due = world.due_in(&key).await;
        let range = Duration::from_secs(*least)..=Duration::from_secs(*most);
        assert!(
            range.contains(&due),
            "{name}: due in {due:?}, expected {range:?}"
        );
        world
            .store
            .advance(due.saturating_sub(Duration::from_secs(2)));
        assert_eq!(world.tick().await, 0, "{name}: too early");
        world.live_until_settled(&key).await;
        assert!(world.is_notified(&key).await, "{name}");
    }
    assert_eq!(receiver.count(), 2 * cases.len());
}

#[tokio::test]
async fn a_wait_past_the_end_of_the_schedule_is_the_end() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.answer(Reply::retry_after(429, "7200"));
    let policy = RetryPolicy::DEFAULT.with_give_up_after(HOUR);
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .retry(policy),
    );
    let key = world.enqueue("books", "A-1").await;
    world.tick().await;
    assert_eq!(world.failure(&key).await, Some(FailureReason::Exhausted));
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn the_cap_of_the_supplier_clamps_what_its_receiver_asks_for() {
    let world = World::new();
    let receiver = Receiver::start(&world.ca).await;
    receiver.script([Reply::retry_after(503, "86400")]);
    let policy = RetryPolicy::DEFAULT.with_max_delay(Duration::from_secs(300));
    world.put(
        supplier("books")
            .endpoint(receiver.url("/orders"))
            .retry(policy),
    );
    let key = world.enqueue("books", "A-1").await;
    world.tick().await;
    let due = world.due_in(&key).await;
    assert!(
        due > Duration::from_secs(290) && due <= Duration::from_secs(300),
        "{due:?}"
    );
}
