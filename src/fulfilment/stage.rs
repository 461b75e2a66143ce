//! The ten stages, the two flows, and what a prescription and a rejection come in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One of the ten stages of an order that are sent to its client.
///
/// Its text, in JSON and everywhere else, is what the wire calls `transaction_nature`.
///
/// Exhaustive on purpose: these ten are what is sent and followed. A stage that only a reader meets is a
/// [`StageRef::Unknown`]; an eleventh would change the table of what may follow what, and every `match` should notice.
///
/// ```
/// use orderhook::fulfilment::Stage;
///
/// let stage: Stage = "order_picked_up".parse()?;
/// assert_eq!(stage, Stage::PickedUp);
/// assert_eq!(Stage::Accepted.as_str(), "accept");
/// assert_eq!(Stage::ALL.len(), 10);
/// # Ok::<(), orderhook::fulfilment::UnknownStage>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Digitization Completed: a prescription has been turned into lines. Prescription orders only.
    DigitizationCompleted,
    /// Digitization Rejected: the prescription order cannot be fulfilled. Ends the parent order.
    DigitizationRejected,
    /// Order Assigned: a child order went to a pharmacy.
    Assigned,
    /// Order Accepted: the pharmacist took it on.
    Accepted,
    /// Order Rejected: the pharmacist declined, or the order was cancelled. See [`Finality`].
    Rejected,
    /// Order Re-Assign: other child orders take the place of a rejected one.
    Reassigned,
    /// Order Shipped: packed, ready for the rider or for the patient who picks it up.
    Shipped,
    /// Order Picked Up: the rider has it.
    PickedUp,
    /// Order Delivered: the patient has it.
    Delivered,
    /// Order Split: several child orders take the place of a rejected one; being superseded by Re-Assign.
    Split,
}

impl Stage {
    /// All ten, in the order in which they are published.
    pub const ALL: [Stage; 10] = [
        Stage::DigitizationCompleted,
        Stage::DigitizationRejected,
        Stage::Assigned,
        Stage::Accepted,
        Stage::Rejected,
        Stage::Reassigned,
        Stage::Shipped,
        Stage::PickedUp,
        Stage::Delivered,
        Stage::Split,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::DigitizationCompleted => "digitization_completed",
            Stage::DigitizationRejected => "digitization_rejected",
            Stage::Assigned => "order_assigned",
            Stage::Accepted => "accept",
            Stage::Rejected => "reject",
            Stage::Reassigned => "reassign",
            Stage::Shipped => "shipped",
            Stage::PickedUp => "order_picked_up",
            Stage::Delivered => "delivered",
            Stage::Split => "split",
        }
    }

    /// The name for people, as it is published: `Order Picked Up`.
    pub const fn title(self) -> &'static str {
        match self {
            Stage::DigitizationCompleted => "Digitization Completed",
            Stage::DigitizationRejected => "Digitization Rejected",
            Stage::Assigned => "Order Assigned",
            Stage::Accepted => "Order Accepted",
            Stage::Rejected => "Order Rejected",
            Stage::Reassigned => "Order Re-Assign",
            Stage::Shipped => "Order Shipped",
            Stage::PickedUp => "Order Picked Up",
            Stage::Delivered => "Order Delivered",
            Stage::Split => "Order Split",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Stage {
    type Err = UnknownStage;

    fn from_str(text: &str) -> Result<Self, UnknownStage> {
        Stage::ALL
            .into_iter()
            .find(|stage| stage.as_str() == text)
            .ok_or(UnknownStage(()))
    }
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Stage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A text that is none of the ten stages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a stage, expected digitization_completed, digitization_rejected, order_assigned, accept, reject, reassign, \
     shipped, order_picked_up, delivered or split"
)]
pub struct UnknownStage(());

/// A stage as it was read: one of the ten, or a text that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StageRef<'a> {
    /// One of the ten.
    Known(Stage),
    /// Anything else, as it was sent; empty when there was nothing.
    Unknown(&'a str),
}

impl<'a> StageRef<'a> {
    /// The stage, if it is one of the ten.
    pub fn known(self) -> Option<Stage> {
        match self {
            StageRef::Known(stage) => Some(stage),
            StageRef::Unknown(_) => None,
        }
    }

    /// The text on the wire.
    pub fn as_str(self) -> &'a str {
        match self {
            StageRef::Known(stage) => stage.as_str(),
            StageRef::Unknown(text) => text,
        }
    }
}

impl fmt::Display for StageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How an order reaches the patient. Fixed by the first event of a parent order. On the wire: `delivery_type`.
///
/// Exhaustive on purpose: each flow has its own part of the table of what may follow what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flow {
    /// A rider brings it.
    Delivery,
    /// The patient fetches it. No digitization, Assigned, Re-Assign, Picked Up or Split.
    Pickup,
}

impl Flow {
    /// Both flows.
    pub const ALL: [Flow; 2] = [Flow::Delivery, Flow::Pickup];

    /// `delivery` or `pickup`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Flow::Delivery => "delivery",
            Flow::Pickup => "pickup",
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether an order was placed with a prescription. Fixed by the first event of a parent order.
///
/// Exhaustive on purpose: there is no third case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prescription {
    /// With one: it may be digitized before the first child order.
    With,
    /// Without one: there is no digitization.
    Without,
}

impl Prescription {
    /// Both cases.
    pub const ALL: [Prescription; 2] = [Prescription::With, Prescription::Without];

    /// `with` or `without`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Prescription::With => "with",
            Prescription::Without => "without",
        }
    }
}

impl fmt::Display for Prescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a rejection means for the child order. On the wire: `is_final_rejection`.
///
/// Exhaustive on purpose: there is no third case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Finality {
    /// Finished: nothing follows.
    Final,
    /// To be re-assigned: a Re-Assign or a Split may follow. There is none in the pickup flow, so every rejection
    /// there counts as final.
    NotFinal,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_read_back_from_its_text_and_from_json() {
        for stage in Stage::ALL {
            assert_eq!(stage.as_str().parse(), Ok(stage));
            let json = serde_json::to_string(&stage).unwrap();
            assert_eq!(json, format!("\"{stage}\""));
            assert_eq!(serde_json::from_str::<Stage>(&json).unwrap(), stage);
        }
    }

    #[test]
    fn all_is_in_declaration_order_without_twins() {
        assert!(Stage::ALL.is_sorted());
        assert!(Stage::ALL.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn the_error_for_an_unknown_stage_names_all_ten() {
        let error = "Accept".parse::<Stage>().unwrap_err().to_string();
        assert!(
            Stage::ALL
                .iter()
                .all(|stage| error.contains(stage.as_str())),
            "{error}"
        );
    }
}
