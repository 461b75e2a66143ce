//! Reading what portals really send.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

use super::details::{Amounts, Pharmacy, Reassignment, Rejection, Rider};
use super::line::FulfilmentLine;
use super::portal_date::WrittenDate;
use super::stage_ref::StageRef;
use crate::event::Stage;
use crate::fulfilment::life::child::ChildId;
use crate::fulfilment::life::flow::{Finality, Flow, Prescription};
use crate::fulfilment::life::transition::{Parts, Transition, TransitionError};
use crate::fulfilment::portal_json as json;
use crate::value::json::Object;
use crate::value::money::Money;
use crate::value::time::OffsetTimestamp;

use crate::value::invalid::InvalidValue;

const PROBLEM: &str = "a fulfilment event is a JSON object";

/// A fulfilment event as a receiver gets it: from a portal, or from this crate.
///
/// It keeps the JSON object exactly as it was read and serialises it again, byte for byte; the meaning is read beside it,
/// leniently. Only what is not a JSON object is refused: unknown fields, unknown stages and values of unexpected types
/// are kept, and an accessor that finds nothing usable says `None`. `""`, `0`, `{}`, `[]`, `null` and dates up to 1900
/// stand for "absent".
///
/// `Debug` shows stage and ids only; everything else may be personal data. `Deserialize` needs serde_json, directly or
/// through something that passes on to it.
///
/// ```
/// use orderhook::fulfilment::FulfilmentEvent;
/// use orderhook::event::Stage;
/// use orderhook::fulfilment::{Lifecycle, StageRef};
///
/// let body = br#"{ "transaction_nature": "accept", "draft_order_id": "P/1==", "id": "C+1==", "bill_no": 0, "new": [1.50] }"#;
/// let event = FulfilmentEvent::from_json(body)?;
/// assert_eq!(event.stage(), StageRef::Known(Stage::Accepted));
/// assert_eq!(event.parent_id().as_deref(), Some("P/1=="));
/// assert_eq!(event.bill_no(), None);
/// assert_eq!(serde_json::to_vec(&event)?, body);
///
/// let mut order = Lifecycle::new();
/// order.apply(&event.transition()?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FulfilmentEvent {
    /// The object as it was read.
    text: Box<RawValue>,
    fields: Object,
    stage: Option<Stage>,
    stage_text: String,
}

impl FulfilmentEvent {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`InvalidValue`] when it is not a JSON object.
    pub fn from_json(body: &[u8]) -> Result<Self, InvalidValue> {
        serde_json::from_slice::<Box<RawValue>>(body)
            .ok()
            .and_then(Self::of)
            .ok_or(InvalidValue::new(PROBLEM))
    }

    fn of(text: Box<RawValue>) -> Option<Self> {
        let fields = Object::lenient(&text)?;
        let stage_text = json::text_under(&fields, &["transaction_nature"]).unwrap_or_default();
        Some(FulfilmentEvent {
            stage: stage_text.parse().ok(),
            text,
            fields,
            stage_text,
        })
    }

    /// The stage; one that is not among the ten stays readable as text.
    pub fn stage(&self) -> StageRef<'_> {
        self.stage
            .map_or(StageRef::Unknown(&self.stage_text), StageRef::Known)
    }

    /// The parent order: `draft_order_id`.
    pub fn parent_id(&self) -> Option<String> {
        self.text("draft_order_id")
    }

    /// The child order: `id`.
    pub fn child_id(&self) -> Option<String> {
        self.text("id")
    }

    /// The client's own reference: `partner_order_id`.
    pub fn partner_ref(&self) -> Option<String> {
        self.text("partner_order_id")
    }

    /// `order_number`, for people.
    pub fn order_number(&self) -> Option<String> {
        self.text("order_number")
    }

    /// `delivery_type`.
    pub fn flow(&self) -> Option<Flow> {
        let text = self.text("delivery_type")?;
        Flow::ALL
            .into_iter()
            .find(|flow| text.eq_ignore_ascii_case(flow.as_str()))
    }

    /// Why the order or the prescription was rejected. `None` for other stages, which often carry an empty reason.
    pub fn rejection(&self) -> Option<Rejection> {
        let finality = match self.stage? {
            Stage::DigitizationRejected => Finality::Final,
            Stage::Rejected => self.finality(),
            _ => return None,
        };
        Some(Rejection {
            reason: self.text("reject_reason"),
            slug: self.text("reject_slug"),
            finality,
        })
    }

    /// Which child orders take the place of which. `None` for other stages than Re-Assign and Split.
    ///
    /// `rejected_order_id` and `new_order_ids`; a Split that does not name the rejected child order has it as `id`.
    pub fn reassignment(&self) -> Option<Reassignment> {
        let rejected = self.text("rejected_order_id");
        let rejected = match self.stage? {
            Stage::Reassigned => rejected,
            Stage::Split => rejected.or_else(|| self.child_id()),
            _ => return None,
        };
        let mut successors: Vec<String> = Vec::new();
        if let Some(raw) = self.fields.get("new_order_ids") {
            let named = json::list(raw).map_or_else(
                || Vec::from_iter(json::text(raw)),
                |ids| ids.iter().filter_map(|id| json::text(id)).collect(),
            );
            for id in named {
                if !successors.contains(&id) {
                    successors.push(id);
                }
            }
        }
        Some(Reassignment {
            rejected,
            successors,
        })
    }

    /// The pharmacy: `chemist_details`, `chemist_id`, `chemist_code`.
    pub fn pharmacy(&self) -> Option<Pharmacy> {
        let details = json::object_under(&self.fields, "chemist_details").unwrap_or_default();
        let pharmacy = Pharmacy {
            id: self
                .text("chemist_id")
                .or_else(|| json::text_under(&details, &["chemist_id"])),
            code: self
                .text("chemist_code")
                .or_else(|| json::text_under(&details, &["chemist_code"])),
            name: json::text_under(&details, &["pharmacy_name"]),
            pharmacist: json::text_under(&details, &["pharmacist_name"]),
            phone: json::text_under(&details, &["contact_no"]),
            address: json::text_under(&details, &["full_address"]),
            postal_code: json::text_under(&details, &["zipcode"]),
            latitude: json::text_under(&details, &["latitude"]),
            longitude: json::text_under(&details, &["longitude"]),
        };
        (pharmacy != Pharmacy::default()).then_some(pharmacy)
    }

    /// The rider: `delivery_person_name`, `delivery_person_mobile`. Often not known yet when the order is shipped.
    pub fn rider(&self) -> Option<Rider> {
        let rider = Rider {
            name: self.text("delivery_person_name"),
            mobile: self.text("delivery_person_mobile"),
        };
        (rider != Rider::default()).then_some(rider)
    }

    /// `tracking_url`.
    pub fn tracking_url(&self) -> Option<String> {
        self.text("tracking_url")
    }

    /// `delivery_pin`: who has it gets the order.
    pub fn delivery_pin(&self) -> Option<String> {
        self.text("delivery_pin")
    }

    /// `bill_no`, sent as a number or as a text.
    pub fn bill_no(&self) -> Option<String> {
        self.text("bill_no")
    }

    /// `bill_date`.
    pub fn bill_date(&self) -> Option<WrittenDate> {
        self.date("bill_date")
    }

    /// `payment_date`.
    pub fn payment_date(&self) -> Option<WrittenDate> {
        self.date("payment_date")
    }

    /// The bill: `bill-pdf-url`, which is hyphenated.
    pub fn bill_url(&self) -> Option<String> {
        json::text_under(&self.fields, &["bill-pdf-url", "bill_pdf_url"])
    }

    /// The invoice: `invoice_pdf`.
    pub fn invoice_url(&self) -> Option<String> {
        self.text("invoice_pdf")
    }

    /// The amounts, numbers or texts.
    pub fn amounts(&self) -> Amounts {
        Amounts {
            total: self.money("total"),
            at_mrp: self.money("amount"),
            shipping: self.money("draft_order_shipping_charge"),
            estimate: self.money("estimate_amount"),
        }
    }

    /// The lines: `items`, or `item_details` after a digitization.
    pub fn lines(&self) -> Vec<FulfilmentLine> {
        let lines = ["items", "item_details"]
            .iter()
            .filter_map(|key| self.fields.get(key));
        lines
            .map(FulfilmentLine::read_all)
            .find(|lines| !lines.is_empty())
            .unwrap_or_default()
    }

    /// The id of the event, in events that this crate sent: what to deduplicate on, the same as `webhook-id`.
    pub fn event_id(&self) -> Option<String> {
        self.text("event_id")
    }

    /// The event's position in its stream, in events that this crate sent. What the client does not subscribe to has a
    /// position too, so a gap is not a loss.
    pub fn sequence(&self) -> Option<u64> {
        json::number(self.fields.get("sequence")?)?.parse().ok()
    }

    /// When it happened, in events that this crate sent.
    pub fn occurred_at(&self) -> Option<OffsetTimestamp> {
        self.text("occurred_at")?.parse().ok()
    }

    /// The text or the digits under any key; `None` for what stands for "absent".
    pub fn text(&self, key: &str) -> Option<String> {
        json::text_under(&self.fields, &[key])
    }

    /// The date under any key.
    pub fn date(&self, key: &str) -> Option<WrittenDate> {
        self.text(key)?.parse().ok()
    }

    /// The amount under any key.
    pub fn money(&self, key: &str) -> Option<Money> {
        json::money(self.fields.get(key)?)
    }

    /// The JSON text under any key, exactly as it was read; of a key that is there twice, the last one.
    pub fn field(&self, key: &str) -> Option<&str> {
        self.fields.get(key).map(RawValue::get)
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(key, _)| key)
    }

    /// The whole JSON object, exactly as it was read.
    pub fn json(&self) -> &str {
        self.text.get()
    }

    /// What a [`Lifecycle`](crate::fulfilment::Lifecycle) takes. A rejection that does not say whether it is final is not; a
    /// digitization says that there is a prescription.
    ///
    /// # Errors
    /// [`NoTransition`] when the stage is unknown or an id that it needs is missing or unusable.
    pub fn transition(&self) -> Result<Transition, NoTransition> {
        let stage = self.stage.ok_or(NoTransition::Stage)?;
        let event = Transition::assemble(stage, &mut PartsOf { event: self, stage })?;
        let event = match stage {
            Stage::DigitizationCompleted | Stage::DigitizationRejected => {
                event.with_prescription(Prescription::With)
            }
            _ => event,
        };
        Ok(match self.flow() {
            Some(flow) => event.in_flow(flow),
            None => event,
        })
    }

    fn finality(&self) -> Finality {
        match self.fields.get("is_final_rejection").and_then(json::truth) {
            Some(true) => Finality::Final,
            _ => Finality::NotFinal,
        }
    }
}

/// What an event of a stage says of its child orders.
struct PartsOf<'a> {
    event: &'a FulfilmentEvent,
    stage: Stage,
}

impl PartsOf<'_> {
    fn id(&self, text: Option<String>) -> Result<ChildId, NoTransition> {
        let text = text.ok_or(NoTransition::NoChild(self.stage))?;
        ChildId::new(&text).map_err(NoTransition::ChildId)
    }
}

impl Parts for PartsOf<'_> {
    type Error = NoTransition;

    fn child(&mut self) -> Result<ChildId, NoTransition> {
        self.id(self.event.child_id())
    }

    fn finality(&mut self) -> Result<Finality, NoTransition> {
        Ok(self.event.finality())
    }

    fn succession(&mut self) -> Result<(ChildId, Vec<ChildId>), NoTransition> {
        let Reassignment {
            rejected,
            successors,
        } = self.event.reassignment().unwrap_or_default();
        let successors = successors.into_iter().map(|text| self.id(Some(text)));
        let successors = successors.collect::<Result<_, _>>()?;
        Ok((self.id(rejected)?, successors))
    }

    fn refused(error: TransitionError) -> NoTransition {
        NoTransition::Successors(error)
    }
}

impl TryFrom<&FulfilmentEvent> for Transition {
    type Error = NoTransition;

    fn try_from(event: &FulfilmentEvent) -> Result<Self, NoTransition> {
        event.transition()
    }
}

impl fmt::Debug for FulfilmentEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("FulfilmentEvent");
        // An unknown stage may be any text.
        shown
            .field("stage", &self.stage)
            .field("parent", &self.parent_id())
            .field("child", &self.child_id());
        shown.finish_non_exhaustive()
    }
}

/// Byte for byte.
impl PartialEq for FulfilmentEvent {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl Eq for FulfilmentEvent {}

impl Serialize for FulfilmentEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FulfilmentEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        FulfilmentEvent::of(text).ok_or_else(|| de::Error::custom(InvalidValue::new(PROBLEM)))
    }
}

/// Why an event does not say what a life cycle needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoTransition {
    /// None of the ten stages.
    #[error("the stage is not known")]
    Stage,
    /// The id of the child order is missing; for Re-Assign and Split that of the rejected one.
    #[error("the event of stage {0} names no child order")]
    NoChild(Stage),
    /// A text where the id of a child order should be.
    #[error("the id of a child order is not usable")]
    ChildId(#[source] InvalidValue),
    /// The successors in a Re-Assign or Split do not make sense.
    #[error("the new child orders are not usable")]
    Successors(#[source] TransitionError),
}
