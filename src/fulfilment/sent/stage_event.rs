//! An event of a fulfilment order, as it is offered and as it is sent.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::stage_data;
use crate::event::Stage;
use crate::fulfilment::life::flow::{Finality, Flow, Prescription};
use crate::fulfilment::life::transition::Transition;
use crate::fulfilment::portal_json as json;
use crate::fulfilment::received::details::{Amounts, Pharmacy, Rider};
use crate::fulfilment::received::line::FulfilmentLine;
use crate::value::fields::{self, FieldError};
use crate::value::json::Object;
use crate::value::names::{OrderCode, SupplierId};
use crate::value::time::OffsetTimestamp;

/// One event in the life of a fulfilment order, with the data that its client gets.
///
/// Made from a [`Transition`] and typed data, or read from the JSON of an events file ([`StageEvent::from_json`], or
/// `Deserialize`): `{"client"?, "parent_order", "child_order"?, "flow", "prescription"?, "stage", "occurred_at"?,
/// "data"?}`, of which those with a question mark may be absent. `flow` is `delivery` or `pickup`, `prescription` true or
/// false, `stage` the text of a [`Stage`], `occurred_at` RFC 3339 with an offset. Unknown keys are refused there; in `data`
/// they are passed on as they are. What has a meaning in `data` must make sense: texts are texts, amounts are amounts
/// (numbers become exact decimal texts), lines are lists of objects, and `""`, `0`, `{}`, `[]` and null are left out; an
/// amount of 0 stays.
///
/// `Debug` shows ids, stage and time only.
///
/// ```
/// use orderhook::event::Stage;
/// use orderhook::fulfilment::{ChildId, Flow, Rider, StageEvent, Transition};
///
/// let child = ChildId::new("C-1")?;
/// let mut rider = Rider::new("Ravi Example");
/// rider.mobile = Some("555-0100".to_owned());
/// let event = StageEvent::new("P-1".parse()?, Flow::Delivery, Transition::picked_up(child)).with_rider(&rider);
///
/// let body = event.encode("msg_1", 4, "2026-03-01T10:00:00+05:30".parse()?);
/// let text = String::from_utf8(body)?;
/// assert!(text.starts_with(r#"{"event_id":"msg_1","sequence":4,"occurred_at":"2026-03-01T10:00:00+05:30","#));
/// assert!(text.contains(r#""transaction_nature":"order_picked_up","draft_order_id":"P-1","id":"C-1""#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct StageEvent {
    pub(in crate::fulfilment) client: Option<SupplierId>,
    pub(in crate::fulfilment) parent: OrderCode,
    pub(in crate::fulfilment) event: Transition,
    pub(in crate::fulfilment) occurred_at: Option<OffsetTimestamp>,
    /// What is sent beside the envelope, under its wire names. Every value passed [`stage_data::value`].
    pub(in crate::fulfilment) data: Object,
}

/// The data that has a place of its own in the body; everything else follows in the order of the keys.
const PLACED: [&str; 14] = [
    "reject_reason",
    "reject_slug",
    "chemist_id",
    "chemist_code",
    "chemist_details",
    "delivery_person_name",
    "delivery_person_mobile",
    "tracking_url",
    "delivery_pin",
    "total",
    "amount",
    "draft_order_shipping_charge",
    "items",
    "item_details",
];

impl StageEvent {
    /// An event of this parent order. The flow is said here; what `event` says of a flow is replaced.
    pub fn new(parent: OrderCode, flow: Flow, event: Transition) -> Self {
        let event = event.in_flow(flow);
        StageEvent {
            client: None,
            parent,
            event,
            occurred_at: None,
            data: Object::default(),
        }
    }

    /// The same event with the client that gets it, for programs that read files of events.
    /// [`Fulfilment::enqueue`](crate::fulfilment::Fulfilment::enqueue) sends to the client that it is given.
    #[must_use]
    pub fn with_client(mut self, client: SupplierId) -> Self {
        self.client = Some(client);
        self
    }

    /// The same event, saying whether the order came with a prescription.
    #[must_use]
    pub fn with_prescription(mut self, prescription: Prescription) -> Self {
        self.event = self.event.with_prescription(prescription);
        self
    }

    /// The same event with the moment at which it happened.
    #[must_use]
    pub fn with_occurred_at(mut self, at: OffsetTimestamp) -> Self {
        self.occurred_at = Some(at);
        self
    }

    /// The same event with the client's own reference: `partner_order_id`.
    #[must_use]
    pub fn with_partner_ref(self, reference: &str) -> Self {
        self.with_text("partner_order_id", Some(reference))
    }

    /// The same event with `reject_reason`: for people.
    #[must_use]
    pub fn with_reason(self, reason: &str) -> Self {
        self.with_text("reject_reason", Some(reason))
    }

    /// The same event with `reject_slug`: for programs.
    #[must_use]
    pub fn with_slug(self, slug: &str) -> Self {
        self.with_text("reject_slug", Some(slug))
    }

    /// The same event with the pharmacy: `chemist_id`, `chemist_code`, `chemist_details`.
    #[must_use]
    pub fn with_pharmacy(self, pharmacy: &Pharmacy) -> Self {
        let mut details = Object::default();
        for (key, text) in [
            ("pharmacy_name", &pharmacy.name),
            ("pharmacist_name", &pharmacy.pharmacist),
            ("contact_no", &pharmacy.phone),
            ("full_address", &pharmacy.address),
            ("zipcode", &pharmacy.postal_code),
            ("latitude", &pharmacy.latitude),
            ("longitude", &pharmacy.longitude),
        ] {
            if let Some(text) = text {
                details.put(key, json::raw(text));
            }
        }
        let mut event = self
            .with_text("chemist_id", pharmacy.id.as_deref())
            .with_text("chemist_code", pharmacy.code.as_deref());
        if !details.is_empty() {
            event.data.put("chemist_details", json::raw(&details));
        }
        event
    }

    /// The same event with the rider: `delivery_person_name`, `delivery_person_mobile`.
    #[must_use]
    pub fn with_rider(self, rider: &Rider) -> Self {
        self.with_text("delivery_person_name", rider.name.as_deref())
            .with_text("delivery_person_mobile", rider.mobile.as_deref())
    }

    /// The same event with `tracking_url`.
    #[must_use]
    pub fn with_tracking_url(self, url: &str) -> Self {
        self.with_text("tracking_url", Some(url))
    }

    /// The same event with `delivery_pin`: who has it gets the order.
    #[must_use]
    pub fn with_delivery_pin(self, pin: &str) -> Self {
        self.with_text("delivery_pin", Some(pin))
    }

    /// The same event with the amounts, as exact decimal texts.
    #[must_use]
    pub fn with_amounts(self, amounts: &Amounts) -> Self {
        [
            ("total", amounts.total),
            ("amount", amounts.at_mrp),
            ("draft_order_shipping_charge", amounts.shipping),
            ("estimate_amount", amounts.estimate),
        ]
        .into_iter()
        .fold(self, |event, (key, money)| {
            event.with_text(key, money.map(|money| money.to_string()).as_deref())
        })
    }

    /// The same event with the lines: `item_details` for Digitization Completed, `items` for every other stage.
    #[must_use]
    pub fn with_lines(mut self, lines: &[FulfilmentLine]) -> Self {
        let digitized = self.stage() == Stage::DigitizationCompleted;
        self.data.put(
            if digitized { "item_details" } else { "items" },
            json::raw(lines),
        );
        self
    }

    /// The same event with anything else under its wire name, held to the same rules as the `data` of an events file.
    ///
    /// # Errors
    /// [`StageEventError`] when the key belongs to the envelope, or the value does not serialise or make sense there.
    pub fn with_data(mut self, key: &str, value: &impl Serialize) -> Result<Self, StageEventError> {
        let wrong =
            |problem: &str| StageEventError(FieldError::new(fields::member("data", key), problem));
        if stage_data::ENVELOPE.contains(&key) || stage_data::OF_TRANSITION.contains(&key) {
            return Err(wrong("is said by the event itself"));
        }
        let raw = serde_json::value::to_raw_value(value)
            .map_err(|_| wrong("cannot be written as JSON"))?;
        match stage_data::value(key, raw)? {
            Some(raw) => self.data.put(key, raw),
            None => drop(self.data.take(key)),
        }
        Ok(self)
    }

    /// The client that gets the event, if it is set.
    pub fn client(&self) -> Option<&SupplierId> {
        self.client.as_ref()
    }

    /// The parent order.
    pub fn parent(&self) -> &OrderCode {
        &self.parent
    }

    /// The stage.
    pub fn stage(&self) -> Stage {
        self.event.stage()
    }

    /// The transition: what the life cycle takes, and what is kept as the memo.
    pub fn transition(&self) -> &Transition {
        &self.event
    }

    /// The moment at which it happened, if the event says it.
    pub fn occurred_at(&self) -> Option<OffsetTimestamp> {
        self.occurred_at
    }

    /// The JSON body, keys in a fixed order. An event that does not say when it happened happened at `now`.
    pub fn encode(&self, event_id: &str, sequence: u64, now: OffsetTimestamp) -> Vec<u8> {
        let at = self.occurred_at.unwrap_or(now);
        self.write(Some(Stamp {
            event_id,
            sequence,
            at,
        }))
    }

    /// The body without event id, sequence number and time: two offers of the same event have this in common, and a
    /// digest of it tells one whose content is another.
    pub fn content(&self) -> Vec<u8> {
        self.write(None)
    }

    #[allow(clippy::expect_used, reason = "the invariant stands above the call")]
    fn write(&self, stamp: Option<Stamp<'_>>) -> Vec<u8> {
        // Invariant: texts, numbers and JSON that was checked, under text keys, always serialise into a Vec.
        serde_json::to_vec(&Wire { event: self, stamp }).expect("the parts of an event are JSON")
    }

    fn with_text(mut self, key: &str, text: Option<&str>) -> Self {
        if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
            self.data.put(key, json::raw(text));
        }
        self
    }
}

impl fmt::Debug for StageEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("StageEvent");
        shown
            .field("client", &self.client)
            .field("parent", &self.parent)
            .field("event", &self.event);
        shown
            .field("occurred_at", &self.occurred_at)
            .finish_non_exhaustive()
    }
}

struct Stamp<'a> {
    event_id: &'a str,
    sequence: u64,
    at: OffsetTimestamp,
}

struct Wire<'a> {
    event: &'a StageEvent,
    stamp: Option<Stamp<'a>>,
}

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let StageEvent {
            parent,
            event,
            data,
            ..
        } = self.event;
        let mut body = serializer.serialize_map(None)?;
        if let Some(stamp) = &self.stamp {
            body.serialize_entry("event_id", stamp.event_id)?;
            body.serialize_entry("sequence", &stamp.sequence)?;
            body.serialize_entry("occurred_at", &stamp.at)?;
        }
        body.serialize_entry("transaction_nature", &event.stage())?;
        body.serialize_entry("draft_order_id", parent)?;
        let succession = matches!(event.stage(), Stage::Reassigned | Stage::Split);
        if let Some(child) = event.child().filter(|_| !succession) {
            body.serialize_entry("id", child)?;
        }
        if let Some(reference) = data.get("partner_order_id") {
            body.serialize_entry("partner_order_id", reference)?;
        }
        if let Some(flow) = event.flow() {
            body.serialize_entry("delivery_type", &flow)?;
        }
        if let Some(finality) = event.finality() {
            body.serialize_entry("is_final_rejection", &(finality == Finality::Final))?;
        }
        if succession {
            body.serialize_entry("rejected_order_id", &event.child())?;
            body.serialize_entry("new_order_ids", event.successors())?;
        }
        for key in PLACED {
            if let Some(raw) = data.get(key) {
                body.serialize_entry(key, raw)?;
            }
        }
        for (key, raw) in data.iter() {
            if key != "partner_order_id" && !PLACED.contains(&key) {
                body.serialize_entry(key, raw)?;
            }
        }
        body.end()
    }
}

/// The error of a line or of data that makes no event of a fulfilment order.
///
/// It names the place and says what would be right. It never repeats a value: events are personal data.
///
/// ```
/// use orderhook::fulfilment::StageEvent;
///
/// let refused = StageEvent::from_json(br#"{"parent_order": "P-1", "flow": "pickup", "stage": "lost"}"#).unwrap_err();
/// assert_eq!(refused.place(), "stage");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageEventError(FieldError);

impl StageEventError {
    /// Where it is wrong, as in `data.items[2]`; empty for the whole line.
    pub fn place(&self) -> &str {
        &self.0.place
    }
}

impl From<FieldError> for StageEventError {
    fn from(error: FieldError) -> Self {
        StageEventError(error)
    }
}

impl fmt::Display for StageEventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.place.is_empty() {
            f.write_str("the event ")?;
        }
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for StageEventError {}
