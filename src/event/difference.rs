//! Where an event that came again says something else than before.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::value::RawValue;

use crate::order::is_same_content;
use crate::value::fields::member;
use crate::value::json::{self, Reading};

use super::{Body, EventKind};

/// How deep two bodies are compared; what is deeper is one value.
const DEPTH: usize = 32;

/// Where an event that came again differs from the one that is stored under its key. It names places, never a value.
///
/// ```
/// use std::collections::HashMap;
/// use orderhook::event::Difference;
/// use orderhook::{Dispatcher, Line, MemoryStore, PaidOrder, Source, Supplier, SupplierId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let books = SupplierId::new("north-books")?;
/// # let supplier = Supplier::builder(books.clone()).endpoint("https://hooks.north-books.example/").build()?;
/// # let suppliers = HashMap::from([(books.clone(), supplier)]);
/// # let dispatcher = Dispatcher::builder(Source::new("shop")?, MemoryStore::new(), suppliers).build()?;
/// let order = |quantity: u32| -> Result<PaidOrder, Box<dyn std::error::Error>> {
///     let line = Line::builder(books.clone(), "NB-1").name("Tide Tables").quantity(quantity).unit_price("14.31".parse()?);
///     let order = PaidOrder::builder("MKT-1".parse()?).channel("web").currency("EUR".parse()?);
///     Ok(order.line(line.build()?).built_at(std::time::SystemTime::now()).build()?)
/// };
/// assert_eq!(dispatcher.enqueue(&order(1)?).await?.conflicts().count(), 0);
///
/// let again = dispatcher.enqueue(&order(2)?).await?;
/// let difference = again.conflicts().next().and_then(|stored| stored.difference.as_ref());
/// assert_eq!(difference, Some(&Difference::At(vec!["items[0].quantity".to_owned()])));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// In these places of the body, in the order in which they stand there; at most [20](Self::MOST_PLACES). When
    /// the supplier's privacy rules were changed in between, places that differ only for that reason are among them.
    At(Vec<String>),
    /// In something that this supplier may not see.
    Withheld,
    /// It cannot be said: the body that was stored is not there any more.
    Unknown,
}

impl Difference {
    /// The most places that are named: 20.
    pub const MOST_PLACES: usize = 20;

    /// Where two events of a kind differ whose digests do.
    pub(crate) fn between(kind: &EventKind, stored: Option<&Body>, new: Option<&Body>) -> Self {
        let raw = |body: Option<&Body>| -> Option<Box<RawValue>> {
            serde_json::from_slice(body?.as_bytes()).ok()
        };
        let (Some(stored), Some(new)) = (raw(stored), raw(new)) else {
            return Difference::Unknown;
        };
        let mut places = Vec::new();
        compare(&mut places, not_compared(kind), &stored, &new, "", 0);
        match places.is_empty() {
            true => Difference::Withheld,
            false => Difference::At(places),
        }
    }
}

/// What a body says of its own making, and not of the order: the digest has none of it either.
fn not_compared(kind: &EventKind) -> &'static [&'static str] {
    match kind {
        EventKind::OrderCreated => &["built_at"],
        EventKind::Stage(_) => &["event_id", "sequence", "occurred_at"],
        EventKind::Own(_) => &[],
    }
}

fn compare(
    places: &mut Vec<String>,
    without: &[&str],
    one: &RawValue,
    other: &RawValue,
    place: &str,
    depth: usize,
) {
    if places.len() >= Difference::MOST_PLACES || one.get() == other.get() {
        return;
    }
    let Some(pairs) = pairs(without, one, other, place).filter(|_| depth < DEPTH) else {
        if depth == DEPTH || !is_same_content(one, other) {
            places.push(place.to_owned());
        }
        return;
    };
    for (place, one, other) in pairs {
        match (one, other) {
            (Some(one), Some(other)) => compare(places, &[], one, other, &place, depth + 1),
            _ if places.len() < Difference::MOST_PLACES => places.push(place),
            _ => {}
        }
    }
}

/// A place, and what each of two values has there.
type Pair<'a> = (String, Option<&'a RawValue>, Option<&'a RawValue>);

/// The parts of two objects, or of two lists; `None` for two values that have none to be compared one by one.
fn pairs<'a>(
    without: &[&str],
    one: &'a RawValue,
    other: &'a RawValue,
    place: &str,
) -> Option<Vec<Pair<'a>>> {
    let members = |raw| json::members(raw, Reading::Lenient).ok();
    if let (Some(one), Some(other)) = (members(one), members(other)) {
        // Of a key that is there twice the last one counts.
        let find = |of: &[(String, &'a RawValue)], key: &str| {
            let (_, raw) = of.iter().rfind(|(found, _)| found == key)?;
            Some(*raw)
        };
        let mut seen = BTreeSet::new();
        let keys = one.iter().chain(&other).map(|(key, _)| key.as_str());
        let keys = keys.filter(|key| seen.insert(*key) && !without.contains(key));
        let pair = |key| (member(place, key), find(&one, key), find(&other, key));
        return Some(keys.map(pair).collect());
    }
    let (one, other) = (json::list(one)?, json::list(other)?);
    let item = |of: &[&'a RawValue], n: usize| of.get(n).copied();
    let pair = |n| (format!("{place}[{n}]"), item(&one, n), item(&other, n));
    Some((0..one.len().max(other.len())).map(pair).collect())
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::At(places) => f.write_str(&places.join(", ")),
            Difference::Withheld => f.write_str("something that the supplier may not see"),
            Difference::Unknown => {
                f.write_str("not known, the stored content is not there any more")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(one: &str, other: &str) -> String {
        let (one, other) = (Body::new(one.as_bytes()), Body::new(other.as_bytes()));
        Difference::between(&EventKind::OrderCreated, Some(&one), Some(&other)).to_string()
    }

    #[test]
    fn places_are_named_as_in_other_errors_and_values_are_not() {
        for (one, other, places) in [
            (
                r#"{"a": {"b": [1, {"c": "x"}]}}"#,
                r#"{"a": {"b": [1, {"c": "y"}]}}"#,
                "a.b[1].c",
            ),
            (r#"{"a": 1, "b": 2}"#, r#"{"b": 3, "c": 4}"#, "a, b, c"),
            (r#"{"a": [1, 2]}"#, r#"{"a": [1]}"#, "a[1]"),
            (r#"{"a": [1]}"#, r#"{"a": {}}"#, "a"),
            (r#"{"a": null}"#, r#"{"a": "null"}"#, "a"),
            (r#"{"a": []}"#, r#"{"a": [[]]}"#, "a[0]"),
        ] {
            assert_eq!(between(one, other), places, "{one} {other}");
        }
    }

    #[test]
    fn what_only_looks_otherwise_is_no_difference() {
        let nothing = Difference::Withheld.to_string();
        for (one, other) in [
            (r#"{"a": 1.50, "b": "\u0061"}"#, r#"{"b": "a", "a": 1.5}"#),
            (
                r#"{"built_at": "2026-01-01T00:00:00Z"}"#,
                r#"{"built_at": "2026-01-02T00:00:00Z"}"#,
            ),
        ] {
            assert_eq!(between(one, other), nothing, "{one} {other}");
        }
        assert_eq!(
            between(r#"{"x": {"built_at": 1}}"#, r#"{"x": {"built_at": 2}}"#),
            "x.built_at"
        );
    }

    #[test]
    fn many_places_are_not_all_named_and_what_is_gone_is_not_compared() {
        let list = |n: usize| format!("{:?}", vec![n; 100]);
        assert_eq!(between(&list(1), &list(2)).split(", ").count(), 20);
        let body = Body::new(*b"{}");
        let gone = Difference::between(&EventKind::OrderCreated, None, Some(&body));
        assert_eq!(gone, Difference::Unknown);
    }

    #[test]
    fn bodies_that_are_very_deep_are_compared_all_the_same() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(between(&deep("1"), &deep("2")), "[0]".repeat(32));
    }
}
