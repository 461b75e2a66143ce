//! Events as they are offered: one JSON object each, as in the lines of an events file. The envelope is read strictly.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::stage_data;
use super::stage_event::{StageEvent, StageEventError};
use crate::event::Stage;
use crate::fulfilment::life::child::ChildId;
use crate::fulfilment::life::flow::{Finality, Flow, Prescription};
use crate::fulfilment::life::transition::{Parts, Transition, TransitionError};
use crate::fulfilment::portal_json as json;
use crate::value::fields::{self, FieldError, Fields};
use crate::value::json::{Object, deserialize, document};

impl StageEvent {
    /// Reads one line of an events file.
    ///
    /// For `reject`, `data.is_final_rejection` may be `true`, `1`, `"true"` and the like; without it the rejection is not
    /// final. For `reassign` and `split`, `data.rejected_order_id` is the rejected child order (`child_order` will do, but
    /// must not be another), `data.new_order_ids` a list of ids.
    ///
    /// # Errors
    /// [`StageEventError`] names the place and what would be right there, never what is there.
    pub fn from_json(line: &[u8]) -> Result<Self, StageEventError> {
        Ok(read(document(line)?, "")?)
    }
}

impl<'de> Deserialize<'de> for StageEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, read)
    }
}

fn read(line: &RawValue, place: &str) -> Result<StageEvent, FieldError> {
    let mut fields = Fields::of(line, place)?;
    let client = fields.optional("client", fields::parsed)?;
    let parent = fields.required("parent_order", fields::parsed)?;
    let child = fields
        .optional("child_order", fields::text)?
        .filter(|text| !text.is_empty());
    let flow = fields.required("flow", fields::word)?;
    let prescription = fields.optional("prescription", fields::boolean)?;
    let stage = fields.required("stage", fields::word)?;
    let occurred_at = fields.optional("occurred_at", fields::parsed)?;
    let said = fields.optional("data", |raw, place| {
        fields::exact_within(raw, place)?;
        fields::object(raw, place)
    })?;
    fields.finish()?;

    let mut said = said.unwrap_or_default();
    let child = child
        .map(|text| child_id(&text, "child_order"))
        .transpose()?;
    let event = transition(stage, child, &mut said)?;

    let mut made = StageEvent::new(parent, flow, event);
    made.client = client;
    made.occurred_at = occurred_at;
    if let Some(prescription) = prescription {
        made = made.with_prescription(if prescription {
            Prescription::With
        } else {
            Prescription::Without
        });
    }
    agree(&made, &mut said)?;
    for (key, raw) in said.iter() {
        if let Some(raw) = stage_data::value(key, raw.to_owned())? {
            made.data.put(key, raw);
        }
    }
    Ok(made)
}

fn child_id(text: &str, place: &str) -> Result<ChildId, FieldError> {
    ChildId::new(text).map_err(|error| FieldError::new(place, error.to_string()))
}

/// Takes what the transition needs out of what `data` says.
fn transition(
    stage: Stage,
    child: Option<ChildId>,
    said: &mut Object,
) -> Result<Transition, FieldError> {
    let of_parent = matches!(
        stage,
        Stage::DigitizationCompleted | Stage::DigitizationRejected
    );
    if of_parent && child.is_some() {
        return Err(FieldError::new(
            "child_order",
            format!("must be absent for {stage}"),
        ));
    }
    Transition::assemble(stage, &mut Said { child, said })
}

/// What a line says of the child orders: the envelope, and `data`, out of which it is taken.
struct Said<'a> {
    child: Option<ChildId>,
    said: &'a mut Object,
}

impl Parts for Said<'_> {
    type Error = FieldError;

    fn child(&mut self) -> Result<ChildId, FieldError> {
        let child = self.child.take();
        child.ok_or_else(|| FieldError::new("child_order", "is missing"))
    }

    fn finality(&mut self) -> Result<Finality, FieldError> {
        finality(self.said)
    }

    fn succession(&mut self) -> Result<(ChildId, Vec<ChildId>), FieldError> {
        let rejected = rejected(self.child.take(), self.said)?;
        Ok((rejected, successors(self.said)?))
    }

    fn refused(error: TransitionError) -> FieldError {
        FieldError::new("data.new_order_ids", error.to_string())
    }
}

fn finality(said: &mut Object) -> Result<Finality, FieldError> {
    let Some(raw) = said.take("is_final_rejection") else {
        return Ok(Finality::NotFinal);
    };
    match json::truth(&raw) {
        Some(true) => Ok(Finality::Final),
        Some(false) => Ok(Finality::NotFinal),
        None if json::is_absent(&raw) => Ok(Finality::NotFinal),
        None => Err(FieldError::new(
            "data.is_final_rejection",
            "must be true or false",
        )),
    }
}

fn rejected(child: Option<ChildId>, said: &mut Object) -> Result<ChildId, FieldError> {
    let place = "data.rejected_order_id";
    let raw = said
        .take("rejected_order_id")
        .filter(|raw| !json::is_absent(raw));
    let Some(raw) = raw else {
        return child.ok_or_else(|| FieldError::new(place, "is missing"));
    };
    let text = json::string(&raw).ok_or_else(|| FieldError::new(place, "must be a text"))?;
    let rejected = child_id(&text, place)?;
    match child {
        Some(other) if other != rejected => Err(FieldError::new(
            "child_order",
            "must be the rejected child order",
        )),
        _ => Ok(rejected),
    }
}

fn successors(said: &mut Object) -> Result<Vec<ChildId>, FieldError> {
    let place = "data.new_order_ids";
    let Some(raw) = said
        .take("new_order_ids")
        .filter(|raw| !json::is_absent(raw))
    else {
        return Ok(Vec::new());
    };
    let ids = json::list(&raw).ok_or_else(|| FieldError::new(place, "must be a list"))?;
    let id = |(n, raw): (usize, &RawValue)| {
        let place = format!("{place}[{n}]");
        let text = json::string(raw).ok_or_else(|| FieldError::new(&place, "must be a text"))?;
        child_id(&text, &place)
    };
    ids.into_iter().enumerate().map(id).collect()
}

/// What the envelope says may be repeated in `data`, but not contradicted.
fn agree(event: &StageEvent, said: &mut Object) -> Result<(), FieldError> {
    let of_envelope = |key| match key {
        "transaction_nature" => Some(event.stage().as_str()),
        "draft_order_id" => Some(event.parent.as_str()),
        "id" => event.event.child().map(ChildId::as_str),
        "delivery_type" => event.event.flow().map(Flow::as_str),
        _ => None,
    };
    for key in stage_data::ENVELOPE {
        let Some(raw) = said.take(key).filter(|raw| !json::is_absent(raw)) else {
            continue;
        };
        let same = json::string(&raw).is_some_and(|text| of_envelope(key) == Some(&*text));
        if !same {
            return Err(FieldError::new(
                fields::member("data", key),
                "must be left to the event itself",
            ));
        }
    }
    Ok(())
}
