use super::*;
use crate::value::names::{OrderCode, Source, SupplierId};

fn id_of(source: &str, supplier: &str, order: &str, kind: &EventKind, occurrence: &str) -> String {
    EventId::derive(
        &Source::new(source).unwrap(),
        &SupplierId::new(supplier).unwrap(),
        &OrderCode::new(order).unwrap(),
        kind,
        &Occurrence::new(occurrence).unwrap(),
    )
    .to_string()
}

/// Ids as the first version made them. Receivers deduplicate on them: none may ever change.
const FROZEN: [(&str, &str); 12] = [
    ("order.created", "msg_da8cf97436e0ce7aac98e2dbfbaabc18"),
    (
        "digitization_completed",
        "msg_953a6023e0cb6f69ac3e1a3a9e0aea60",
    ),
    (
        "digitization_rejected",
        "msg_cf85a0b19de46d3ef1353822cc1c8efe",
    ),
    ("order_assigned", "msg_2db1654956088fe83e7dd84322a724ab"),
    ("accept", "msg_ccf35cb405a187d33e03bde44794ab29"),
    ("reject", "msg_79dc11350a6fbae7ca2bc68d6e31954f"),
    ("reassign", "msg_be9258eee282d7767e75c5d3dbb574ef"),
    ("shipped", "msg_be8779d4e565ae571a06a853ddea3fa3"),
    ("order_picked_up", "msg_9745a9007edd6cf73ca54bba5792961d"),
    ("delivered", "msg_548f5c1c118fd04c1be41b7d75db5d04"),
    ("split", "msg_2c8677b8292ff10da5aa0049362e7886"),
    (
        "order.price_changed",
        "msg_747cb3ffaa72784407afdb2cece8322c",
    ),
];

#[test]
fn an_id_is_the_same_on_every_machine_and_in_every_version() {
    assert_eq!(
        id_of("shop", "north-books", "MKT-1", &EventKind::OrderCreated, ""),
        "msg_d2a8572cff850d5c808ba0aecfd56f43"
    );
    for (name, id) in FROZEN {
        let kind = name.parse().unwrap();
        assert_eq!(id_of("shop", "clinic", "P-1", &kind, "C-1"), id, "{name}");
    }
}

#[test]
fn an_id_tells_source_supplier_order_and_occurrence_apart() {
    let id = |source, supplier, order, occurrence| {
        id_of(
            source,
            supplier,
            order,
            &EventKind::OrderCreated,
            occurrence,
        )
    };
    let ids = [
        id("ab", "c", "d", ""),
        id("a", "bc", "d", ""),
        id("a", "b", "cd", ""),
        id("a", "b", "c", "d"),
    ];
    for (n, one) in ids.iter().enumerate() {
        assert!(ids[n + 1..].iter().all(|other| other != one));
    }
}

#[test]
fn digests_of_different_versions_are_not_compared() {
    let now = ContentDigest::of(b"a");
    let mut older = ContentDigest::of(b"b").to_bytes();
    older[0] = 0;
    assert!(!now.differs_from(&ContentDigest::from_bytes(&older).unwrap()));
    assert!(now.differs_from(&ContentDigest::of(b"b")));
    assert_eq!(ContentDigest::from_bytes(&now.to_bytes()), Some(now));
}

#[test]
fn debug_shows_no_byte_of_a_body() {
    let event = Event::new(EventKind::OrderCreated, Occurrence::only(), &"Asha").unwrap();
    assert!(!format!("{event:?}").contains("Asha"));
}
