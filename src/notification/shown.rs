//! Notifications in JSON, for people and programs: what the example programs print with `--json`.
//!
//! Without bodies, replies, digests, memos and the history, and so without anything of a person but what stands in the
//! supplier's reference. Keys without a value are null.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::event::{Difference, EventId};
use crate::value::time::Timestamp;

use super::insert::Inserted;
use super::key::Key;
use super::prepared::Stored;
use super::state::{FailureReason, NotificationState};
use super::stored::Notification;

/// `{"order_code", "supplier", "event", "occurrence", "id"}`: the id is the one that receivers deduplicate on.
impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("Key", 5)?;
        key::<S>(&mut shown, self, &self.event_id())?;
        shown.end()
    }
}

/// The members of a key, in an object with others.
pub(crate) fn key<S: Serializer>(
    shown: &mut S::SerializeStruct,
    key: &Key,
    id: &EventId,
) -> Result<(), S::Error> {
    shown.serialize_field("order_code", &key.order)?;
    shown.serialize_field("supplier", &key.supplier)?;
    shown.serialize_field("event", key.kind.as_str())?;
    shown.serialize_field("occurrence", key.occurrence.as_str())?;
    shown.serialize_field("id", id.as_str())
}

/// `{"order_code", "supplier", "event", "occurrence", "id", "state", "due", "reference", "reason", "attempts"}`.
impl Serialize for Notification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("Notification", 10)?;
        members::<S>(&mut shown, self)?;
        shown.end()
    }
}

/// The members of a notification, in an object with others.
pub(crate) fn members<S: Serializer>(
    shown: &mut S::SerializeStruct,
    notification: &Notification,
) -> Result<(), S::Error> {
    key::<S>(shown, &notification.key, &notification.event_id)?;
    let state = &notification.state;
    let (due, reference, reason): (Option<Timestamp>, Option<&str>, Option<FailureReason>) =
        match state {
            NotificationState::Pending { due } => (Some(*due), None, None),
            NotificationState::Notified { reference, .. } => (None, Some(reference), None),
            NotificationState::Failed { reason, .. } => (None, None, Some(*reason)),
            NotificationState::Sending { .. }
            | NotificationState::Closed { .. }
            | NotificationState::Unreadable { .. } => (None, None, None),
        };
    shown.serialize_field("state", &state.name())?;
    shown.serialize_field("due", &due)?;
    shown.serialize_field("reference", &reference)?;
    shown.serialize_field("reason", &reason)?;
    shown.serialize_field("attempts", &notification.attempts)
}

/// The members that say whether something is in conflict, in an object with others.
pub(crate) fn conflict<S: Serializer>(
    shown: &mut S::SerializeStruct,
    inserted: Inserted,
    difference: Option<&Difference>,
) -> Result<(), S::Error> {
    let error = (inserted == Inserted::Differs).then_some("conflict");
    shown.serialize_field("error", &error)?;
    shown.serialize_field("difference", &difference.map(ToString::to_string))
}

/// `{"order_code", "supplier", "event", "occurrence", "id", "error", "difference"}`; the error is `conflict` or null.
impl Serialize for Stored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("Stored", 7)?;
        key::<S>(&mut shown, &self.key, &self.event_id)?;
        conflict::<S>(&mut shown, self.inserted, self.difference.as_ref())?;
        shown.end()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::event::Body;
    use crate::notification::Attempt;
    use crate::notification::outcome::{NotSent, Outcome};
    use crate::supplier::EndpointId;
    use crate::value::names::{OrderCode, Source, SupplierId};

    #[test]
    fn a_notification_is_shown_without_its_body_and_what_was_answered() {
        let key = Key::order_created(
            Source::new("shop").unwrap(),
            SupplierId::new("north").unwrap(),
            OrderCode::new("A-1").unwrap(),
        );
        let due = Timestamp::from_micros(1_772_359_200_000_000);
        let state = NotificationState::Pending { due };
        let mut notification = Notification::new(key.clone(), key.event_id(), 1, state, due);
        notification.body = Some(Body::new(*b"planted"));
        let outcome = Outcome::NotSent { why: NotSent::Dns };
        let endpoint = (
            "https://a.example/in".to_owned(),
            EndpointId::from_stored("ab"),
        );
        let attempt = Attempt::new(
            endpoint.0,
            endpoint.1,
            outcome,
            due,
            Duration::from_millis(7),
        );
        notification.attempts = vec![attempt.with_reply(Some("planted".to_owned()))];

        let shown = serde_json::to_value(&notification).unwrap();
        assert_eq!(
            shown,
            json!({
                "order_code": "A-1", "supplier": "north", "event": "order.created", "occurrence": "",
                "id": key.event_id().as_str(), "state": "pending", "due": "2026-03-01T10:00:00Z",
                "reference": null, "reason": null,
                "attempts": [{
                    "endpoint": "https://a.example/in", "outcome": "not_sent", "status": null,
                    "why": "not sent: the name could not be resolved", "at": "2026-03-01T10:00:00Z", "ms": 7,
                }],
            })
        );
    }
}
