//! The ten stages of a fulfilment order: names that every build knows, because a worker sends them by rules of their own.

use crate::value::words::words;

/// One of the ten stages of an order of a pharmacy portal. Its client, the one who ordered, is the supplier that they are
/// sent to. A *parent order* is what the client placed; its *child orders* are the parts that went to one pharmacy each.
///
/// Its text, in JSON and everywhere else, is what the wire calls `transaction_nature`.
///
/// Exhaustive on purpose: these ten are what is sent and followed. An eleventh would change the table of what may follow
/// what, and every `match` should notice.
///
/// ```
/// use orderhook::event::Stage;
///
/// let stage: Stage = "order_picked_up".parse()?;
/// assert_eq!(stage, Stage::PickedUp);
/// assert_eq!(Stage::Accepted.as_str(), "accept");
/// assert_eq!(Stage::ALL.len(), 10);
/// # Ok::<(), orderhook::value::InvalidValue>(())
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
    /// Order Rejected: the pharmacist declined, or the order was cancelled. Whether that is final stands in the event
    /// (`is_final_rejection`; `fulfilment::Finality`).
    Rejected,
    /// Order Re-Assign: other child orders take the place of a rejected one.
    Reassigned,
    /// Order Shipped: packed, ready for the rider or for the patient who picks it up.
    Shipped,
    /// Order Picked Up: the rider has it.
    PickedUp,
    /// Order Delivered: the patient has it.
    Delivered,
    /// Order Split: several child orders take the place of a rejected one; the older form of Re-Assign, still accepted.
    Split,
}

impl Stage {
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

words! {
    Stage {
        DigitizationCompleted => "digitization_completed",
        DigitizationRejected => "digitization_rejected",
        Assigned => "order_assigned",
        Accepted => "accept",
        Rejected => "reject",
        Reassigned => "reassign",
        Shipped => "shipped",
        PickedUp => "order_picked_up",
        Delivered => "delivered",
        Split => "split",
    }
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
