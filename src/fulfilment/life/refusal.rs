//! Why an event does not fit into the life of its order.

use std::fmt;

use super::child::ChildId;
use super::flow::{Flow, Prescription};
use crate::event::Stage;

/// An event that may not follow: what it was, and what might have come instead.
///
/// ```
/// use orderhook::event::Stage;
/// use orderhook::fulfilment::{ChildId, Lifecycle, Refusal, Transition};
///
/// let child = ChildId::new("C-1")?;
/// let mut order = Lifecycle::new();
/// order.apply(&Transition::accepted(child.clone()))?;
/// let refused = order.apply(&Transition::delivered(child)).unwrap_err();
/// assert_eq!(refused.why(), &Refusal::Order);
/// assert_eq!(refused.allowed(), [Stage::Rejected, Stage::Shipped]);
/// assert_eq!(refused.to_string(), "delivered of child order C-1 may not come now, allowed: reject, shipped");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAllowed {
    pub(in crate::fulfilment) stage: Stage,
    pub(in crate::fulfilment) child: Option<ChildId>,
    pub(in crate::fulfilment) allowed: Vec<Stage>,
    pub(in crate::fulfilment) why: Refusal,
}

impl NotAllowed {
    /// The stage that was offered.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The child order that it was offered for; the rejected one for Re-Assign and Split, none for digitization.
    pub fn child(&self) -> Option<&ChildId> {
        self.child.as_ref()
    }

    /// What might have come for that child, in the order of [`Stage::ALL`](crate::event::Stage::ALL); empty when nothing more
    /// can.
    pub fn allowed(&self) -> &[Stage] {
        &self.allowed
    }

    /// The reason: what is in the way.
    pub fn why(&self) -> &Refusal {
        &self.why
    }
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.stage)?;
        match &self.child {
            Some(child) => write!(f, " of child order {child} ")?,
            None => f.write_str(" of the parent order ")?,
        }
        match &self.why {
            Refusal::Order => f.write_str("may not come now")?,
            Refusal::OnlyFinal => f.write_str("may come now as a final rejection only")?,
            Refusal::ChildUsed(child) => {
                write!(f, "names child order {child}, which was used before")?
            }
            Refusal::OtherFlow(flow) => write!(f, "says another flow, the order is in {flow}")?,
            Refusal::OtherPrescription(Prescription::With) => {
                f.write_str("says there is no prescription, the order has one")?;
            }
            Refusal::OtherPrescription(Prescription::Without) => {
                f.write_str("says there is a prescription, the order has none")?;
            }
        }
        f.write_str(", allowed: ")?;
        if self.allowed.is_empty() {
            return f.write_str("nothing");
        }
        for (n, stage) in self.allowed.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { ", " })?;
            f.write_str(stage.as_str())?;
        }
        Ok(())
    }
}

impl std::error::Error for NotAllowed {}

/// What is in the way of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The stage may not follow the last one.
    Order,
    /// A rejection may follow, but only a final one: the child order was delivered.
    OnlyFinal,
    /// A Re-Assign or Split names a child order that was seen, or named, before.
    ChildUsed(ChildId),
    /// The parent's first event said this flow.
    OtherFlow(Flow),
    /// The parent's first event said this about a prescription.
    OtherPrescription(Prescription),
}
