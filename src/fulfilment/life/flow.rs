//! The two flows, and what a prescription and a rejection come in.

use crate::value::words::words;

/// How an order reaches the patient. Fixed by the first event of a parent order. On the wire: `delivery_type`.
///
/// Exhaustive on purpose: each flow has its own part of the table of what may follow what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flow {
    /// A rider brings it.
    Delivery,
    /// The patient fetches it. No digitization, Assigned, Re-Assign, Picked Up or Split.
    Pickup,
}

words! {
    Flow {
        Delivery => "delivery",
        Pickup => "pickup",
    }
}

/// Whether an order was placed with a prescription. Fixed by the first event of a parent order.
///
/// Exhaustive on purpose: there is no third case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Prescription {
    /// With one: it may be digitized before the first child order.
    With,
    /// Without one: there is no digitization.
    Without,
}

words! {
    Prescription {
        With => "with",
        Without => "without",
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
