//! The orders of the bench: five lines of one supplier each, a body of 1.3 KB.

use std::collections::HashMap;

use orderhook::store::Store;
use orderhook::{
    Dispatcher, DispatcherBuilder, OrderCode, PaidOrder, Source, Supplier, SupplierId,
};

use super::receiver::Address;

pub(crate) fn supplier_id(n: usize) -> SupplierId {
    SupplierId::new(format!("supplier-{n}")).unwrap()
}

pub(crate) fn code(n: usize) -> OrderCode {
    OrderCode::new(format!("B-{n}")).unwrap()
}

/// Order `n`, of one supplier.
pub(crate) fn order(n: usize, supplier: usize) -> PaidOrder {
    order_with_notes(n, supplier, 64)
}

/// The same with a note of so many bytes at each of the five lines.
pub(crate) fn order_with_notes(n: usize, supplier: usize, bytes: usize) -> PaidOrder {
    let line = |line: usize| {
        format!(
            r#"{{"supplier": "supplier-{supplier}", "sku": "SKU-{line}-0042", "name": "Atlas of Tides, volume {line}", "quantity": 2,
                "unit_price": "14.31", "extra": {{"note": "{}"}}}}"#,
            "x".repeat(bytes)
        )
    };
    let json = format!(
        r#"{{"order_code": "B-{n}", "customer_name": "Mira Example", "email": "mira@example.com", "mobile": "+49 731 0000000",
            "channel": "web", "currency": "EUR", "shipping_charges": "4.90", "built_at": "2026-11-21T10:00:00+01:00",
            "address": {{"line1": "1 Elm Street", "line2": "second floor", "city": "Ulm", "postal_code": "89073", "country": "DE"}},
            "lines": [{}]}}"#,
        (1..=5).map(line).collect::<Vec<_>>().join(",")
    );
    PaidOrder::from_json(json.as_bytes()).unwrap()
}

/// The body that the supplier of such an order gets.
pub(crate) fn body(n: usize) -> Vec<u8> {
    let order = order(n, 0);
    let created = order.for_supplier(&supplier_id(0), &Default::default());
    serde_json::to_vec(&created.unwrap()).unwrap()
}

/// So many suppliers at the receiver, of which these hang; each takes so many calls at once.
pub(crate) fn suppliers(
    to: &Address,
    number: usize,
    hanging: usize,
    at_once: u32,
) -> HashMap<SupplierId, Supplier> {
    let supplier = |n: usize| {
        let path = if n < hanging { "hang" } else { "s" };
        let supplier = Supplier::builder(supplier_id(n))
            .endpoint(format!("{}/{path}/{n}", to.url))
            .bearer_token("tok_5f2a77aa0c3e4b5d")
            .max_concurrent(at_once.try_into().unwrap());
        (supplier_id(n), supplier.build().unwrap())
    };
    (0..number).map(supplier).collect()
}

pub(crate) fn source() -> Source {
    Source::new("bench").unwrap()
}

pub(crate) fn builder(
    to: &Address,
    store: impl Store,
    suppliers: HashMap<SupplierId, Supplier>,
) -> DispatcherBuilder {
    Dispatcher::builder(source(), store, suppliers)
        .allow_network("127.0.0.0/8".parse().unwrap())
        .root_certificate(to.pem.as_str())
}
