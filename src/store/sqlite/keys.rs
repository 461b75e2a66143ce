//! Many keys as one argument of a statement.

use serde_json::Value;

use crate::notification::Key;

/// A JSON array of `[source, order, supplier, kind, occurrence]`, in the order of the index.
pub(super) fn keys_json<'a>(keys: impl Iterator<Item = &'a Key>) -> String {
    let names = |key: &Key| {
        let names = [
            key.source.as_str(),
            key.order.as_str(),
            key.supplier.as_str(),
            key.kind.as_str(),
            key.occurrence.as_str(),
        ];
        Value::from(names.map(Value::from).to_vec())
    };
    Value::from(keys.map(names).collect::<Vec<_>>()).to_string()
}
