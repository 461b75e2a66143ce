//! Events of every kind: their names, and the trace that they belong to.

use orderhook::event::Occurrence;
use orderhook::{Event, EventKind, NotificationState};

use crate::support::Reply;
use crate::world::{World, code, id, key, order, supplier};

#[tokio::test]
async fn the_trace_of_a_handle_is_sent_with_orders_and_events_and_no_other_handle_has_it() {
    let world = World::new();
    let receiver = world.receiver().await;
    world.put(supplier("north").endpoint(receiver.url("/in")));
    let dispatcher = world.dispatcher();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let traced = dispatcher.with_traceparent(trace.parse().unwrap());
    let note = |n: u32| {
        let kind = EventKind::own("order.note").unwrap();
        Event::new(kind, Occurrence::only(), &n).unwrap()
    };

    traced.notify(&order("A-1", &["north"])).await.unwrap();
    traced
        .notify_event(&id("north"), &code("A-2"), note(1))
        .await
        .unwrap();
    let _ = traced.enqueue(&order("A-3", &["north"])).await.unwrap();
    dispatcher.notify(&order("A-4", &["north"])).await.unwrap();
    dispatcher
        .notify_event(&id("north"), &code("A-5"), note(2))
        .await
        .unwrap();

    let seen: Vec<_> = receiver
        .received()
        .iter()
        .map(|one| {
            (
                one.header("webhook-event").unwrap().to_owned(),
                one.header("traceparent").is_some(),
            )
        })
        .collect();
    let seen: Vec<_> = seen
        .iter()
        .map(|(event, traced)| (event.as_str(), *traced))
        .collect();
    assert_eq!(
        seen,
        [
            ("order.created", true),
            ("order.note", true),
            ("order.created", false),
            ("order.note", false)
        ]
    );
    let stored = dispatcher.notification(&key("north", "A-3")).await.unwrap();
    assert_eq!(stored.unwrap().traceparent.as_deref(), Some(trace));
    world.agrees().await;
}

#[tokio::test]
async fn an_event_of_one_s_own_that_has_the_name_of_a_stage_or_of_order_created_is_refused() {
    for taken in ["shipped", "accept", "order.created", "split", "delivered"] {
        let refused = EventKind::own(taken).unwrap_err().to_string();
        assert!(
            refused.ends_with("give an event of your own another name, as in shop.shipped"),
            "{refused}"
        );
    }
    // A name with a prefix is an own event like any other: every endpoint has to accept it.
    let world = World::new();
    let receiver = world.receiver().await;
    receiver.answer_at("/backup", Reply::Status(500));
    world.put(
        supplier("north")
            .endpoint(receiver.url("/in"))
            .endpoint(receiver.url("/backup")),
    );
    let kind = EventKind::own("shop.shipped").unwrap();
    let event = Event::new(kind, Occurrence::only(), &"on its way").unwrap();
    let report = world
        .dispatcher()
        .notify_event(&id("north"), &code("A-1"), event)
        .await
        .unwrap();
    assert!(matches!(
        report.entries[0].notification.state,
        NotificationState::Pending { .. }
    ));
}
