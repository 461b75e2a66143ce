//! Whether an event of a fulfilment order is sent to its client.

use crate::supplier::{Rejections, Subscription};

use super::flow::{Finality, Flow};
use super::transition::Transition;

impl Subscription {
    /// Whether this event is sent to the client.
    ///
    /// A rejection in the pickup flow is final for this purpose whatever it says of itself: nothing follows it there.
    pub fn wants(&self, event: &Transition) -> bool {
        let passes = match (self.rejections(), event.finality()) {
            (Rejections::Final, Some(Finality::NotFinal)) => event.flow() == Some(Flow::Pickup),
            _ => true,
        };
        passes && self.stages().contains(event.stage())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fulfilment::ChildId;
    use crate::supplier::Stages;

    #[test]
    fn final_only_lets_every_rejection_of_a_pickup_order_through() {
        let only = Subscription::new(Stages::all(), Rejections::Final);
        let rejected = |finality| Transition::rejected(ChildId::new("A").unwrap(), finality);
        assert!(only.wants(&rejected(Finality::Final).in_flow(Flow::Delivery)));
        assert!(!only.wants(&rejected(Finality::NotFinal).in_flow(Flow::Delivery)));
        assert!(only.wants(&rejected(Finality::NotFinal).in_flow(Flow::Pickup)));
        assert!(only.wants(&Transition::digitization_rejected()));
        let none = Subscription::new(Stages::from_iter([]), Rejections::All);
        assert!(!none.wants(&rejected(Finality::Final)));
    }
}
