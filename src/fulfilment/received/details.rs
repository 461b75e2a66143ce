//! What events carry beside ids and stage: pharmacy, rider, rejection, re-assignment, amounts. No `Debug` here shows a
//! person.

use std::fmt;

use crate::fulfilment::life::flow::Finality;
use crate::value::money::Money;

/// The pharmacy that fulfils a child order.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pharmacy {
    /// `chemist_id`.
    pub id: Option<String>,
    /// `chemist_code`.
    pub code: Option<String>,
    /// `pharmacy_name` in `chemist_details`.
    pub name: Option<String>,
    /// `pharmacist_name`.
    pub pharmacist: Option<String>,
    /// `contact_no`.
    pub phone: Option<String>,
    /// `full_address`.
    pub address: Option<String>,
    /// `zipcode`.
    pub postal_code: Option<String>,
    /// `latitude`, in degrees, as it was written.
    pub latitude: Option<String>,
    /// `longitude`, in degrees, as it was written.
    pub longitude: Option<String>,
}

impl Pharmacy {
    /// A pharmacy by its name.
    pub fn new(name: impl Into<String>) -> Self {
        Pharmacy {
            name: Some(name.into()),
            ..Self::default()
        }
    }
}

impl fmt::Debug for Pharmacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pharmacy")
            .field("id", &self.id)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// The rider who brings the order.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rider {
    /// `delivery_person_name`.
    pub name: Option<String>,
    /// `delivery_person_mobile`.
    pub mobile: Option<String>,
}

impl Rider {
    /// A rider by name.
    pub fn new(name: impl Into<String>) -> Self {
        Rider {
            name: Some(name.into()),
            mobile: None,
        }
    }
}

impl fmt::Debug for Rider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rider(..)")
    }
}

/// The rejection of an order or a prescription: why, and what it means.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejection {
    /// `reject_reason`, for people.
    pub reason: Option<String>,
    /// `reject_slug`, for programs.
    pub slug: Option<String>,
    /// `is_final_rejection`; not final when it is absent, except after a digitization, which is rejected for good.
    pub finality: Finality,
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // People write names into reasons.
        let mut shown = f.debug_struct("Rejection");
        shown
            .field("slug", &self.slug)
            .field("finality", &self.finality)
            .finish_non_exhaustive()
    }
}

/// Which child orders take the place of which, in a Re-Assign or a Split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reassignment {
    /// `rejected_order_id`.
    pub rejected: Option<String>,
    /// `new_order_ids`, without repetitions.
    pub successors: Vec<String>,
}

/// The amounts of a child order, in the currency of the portal, which the event does not name. Zero cannot be distinguished
/// from "absent" and is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Amounts {
    /// `total`: after discount.
    pub total: Option<Money>,
    /// `amount`: at maximum retail prices.
    pub at_mrp: Option<Money>,
    /// `draft_order_shipping_charge`.
    pub shipping: Option<Money>,
    /// `estimate_amount`.
    pub estimate: Option<Money>,
}
