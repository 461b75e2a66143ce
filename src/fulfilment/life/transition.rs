//! The compact fact that a life cycle is folded from.

use super::child::ChildId;
use super::flow::{Finality, Flow, Prescription};
use super::table::Step;
use crate::event::Stage;

/// One event of a parent order, reduced to what decides what may come next: stage, child order, finality, successors.
///
/// It has no personal data. Its serialised form, as JSON at most [`Transition::MEMO_LIMIT`] bytes, is the `memo` that
/// is kept beside a notification, and carries its own version.
///
/// ```
/// use orderhook::event::Stage;
/// use orderhook::fulfilment::{ChildId, Finality, Flow, Transition};
///
/// let child = ChildId::new("C-1")?;
/// let event = Transition::rejected(child, Finality::NotFinal).in_flow(Flow::Delivery);
/// assert_eq!(event.stage(), Stage::Rejected);
/// assert_eq!(event.occurrence(), "C-1");
/// assert_eq!(Transition::from_memo(&event.to_memo())?, event);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transition {
    flow: Option<Flow>,
    prescription: Option<Prescription>,
    stage: Stage,
    what: What,
}

/// What an event says besides its stage: one shape for several of the ten. Only the constructors put the two together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::fulfilment) enum What {
    /// It is of the parent itself.
    Parent,
    Child(ChildId),
    Rejected(ChildId, Finality),
    /// Of Re-Assign and Split: the rejected child, and those that take its place.
    Succeeded(ChildId, Vec<ChildId>),
}

/// Where the parts of a transition are read from. Each is asked for only if the stage has it.
pub(in crate::fulfilment) trait Parts {
    type Error;
    fn child(&mut self) -> Result<ChildId, Self::Error>;
    fn finality(&mut self) -> Result<Finality, Self::Error>;
    /// The rejected child of a Re-Assign or a Split, and its successors.
    fn succession(&mut self) -> Result<(ChildId, Vec<ChildId>), Self::Error>;
    /// What is wrong with the successors.
    fn refused(error: TransitionError) -> Self::Error;
}

impl Transition {
    /// The most bytes that the memo of an event has: 2048.
    pub const MEMO_LIMIT: usize = 2048;

    /// The event Digitization Completed, of the parent order.
    pub fn digitization_completed() -> Self {
        Self::of(Stage::DigitizationCompleted, What::Parent)
    }

    /// The event Digitization Rejected, of the parent order.
    pub fn digitization_rejected() -> Self {
        Self::of(Stage::DigitizationRejected, What::Parent)
    }

    /// The event Order Assigned: the child order has been assigned to a pharmacy.
    pub fn assigned(child: ChildId) -> Self {
        Self::of(Stage::Assigned, What::Child(child))
    }

    /// The event Order Accepted: the pharmacist has accepted the child order.
    pub fn accepted(child: ChildId) -> Self {
        Self::of(Stage::Accepted, What::Child(child))
    }

    /// The event Order Rejected: the child order was rejected.
    pub fn rejected(child: ChildId, finality: Finality) -> Self {
        Self::of(Stage::Rejected, What::Rejected(child, finality))
    }

    /// The event Order Re-Assign: `successors` take the place of the rejected child.
    ///
    /// # Errors
    /// [`TransitionError`] when no successor is named, when an id is named twice (the rejected one counts), or when the
    /// ids are too long together for a memo.
    pub fn reassigned(
        rejected: ChildId,
        successors: impl IntoIterator<Item = ChildId>,
    ) -> Result<Self, TransitionError> {
        let successors = successors.into_iter().collect();
        Self::succeeded(Stage::Reassigned, rejected, successors)
    }

    /// The event Order Shipped: the child order is packed.
    pub fn shipped(child: ChildId) -> Self {
        Self::of(Stage::Shipped, What::Child(child))
    }

    /// The event Order Picked Up: the rider has the child order.
    pub fn picked_up(child: ChildId) -> Self {
        Self::of(Stage::PickedUp, What::Child(child))
    }

    /// The event Order Delivered: the patient has the child order.
    pub fn delivered(child: ChildId) -> Self {
        Self::of(Stage::Delivered, What::Child(child))
    }

    /// The event Order Split: several child orders take the place of the rejected one. They need not be named.
    ///
    /// # Errors
    /// [`TransitionError`] when an id is named twice (the rejected one counts), or when the ids are too long together
    /// for a memo.
    pub fn split(
        rejected: ChildId,
        successors: impl IntoIterator<Item = ChildId>,
    ) -> Result<Self, TransitionError> {
        let successors = successors.into_iter().collect();
        Self::succeeded(Stage::Split, rejected, successors)
    }

    /// The same event, saying that its order is in this flow.
    #[must_use]
    pub fn in_flow(mut self, flow: Flow) -> Self {
        self.flow = Some(flow);
        self
    }

    /// The same event, saying whether its order came with a prescription.
    #[must_use]
    pub fn with_prescription(mut self, prescription: Prescription) -> Self {
        self.prescription = Some(prescription);
        self
    }

    /// The stage that is reached.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The child order that reaches it: for Re-Assign and Split the rejected one, for digitization none.
    pub fn child(&self) -> Option<&ChildId> {
        match &self.what {
            What::Parent => None,
            What::Child(child) | What::Rejected(child, _) | What::Succeeded(child, _) => {
                Some(child)
            }
        }
    }

    /// The finality of a rejection; `None` for every other stage.
    pub fn finality(&self) -> Option<Finality> {
        match &self.what {
            What::Rejected(_, finality) => Some(*finality),
            _ => None,
        }
    }

    /// The child orders that a Re-Assign or a Split names; empty for every other stage.
    pub fn successors(&self) -> &[ChildId] {
        match &self.what {
            What::Succeeded(_, successors) => successors,
            _ => &[],
        }
    }

    /// The flow, if the event says it.
    pub fn flow(&self) -> Option<Flow> {
        self.flow
    }

    /// Whether there is a prescription, if the event says it.
    pub fn prescription(&self) -> Option<Prescription> {
        self.prescription
    }

    /// Which one of its stage this event is within client and parent order: the id of the child order, for Re-Assign
    /// and Split that of the rejected one, for digitization nothing. No two events that a
    /// [`Lifecycle`](crate::fulfilment::Lifecycle) takes have both stage and occurrence in common.
    pub fn occurrence(&self) -> &str {
        self.child().map_or("", ChildId::as_str)
    }

    /// The event of a stage, out of the parts that such an event has.
    pub(in crate::fulfilment) fn assemble<P: Parts>(
        stage: Stage,
        parts: &mut P,
    ) -> Result<Self, P::Error> {
        let what = match stage {
            Stage::DigitizationCompleted | Stage::DigitizationRejected => What::Parent,
            Stage::Assigned
            | Stage::Accepted
            | Stage::Shipped
            | Stage::PickedUp
            | Stage::Delivered => What::Child(parts.child()?),
            Stage::Rejected => What::Rejected(parts.child()?, parts.finality()?),
            Stage::Reassigned | Stage::Split => {
                let (rejected, successors) = parts.succession()?;
                return Self::succeeded(stage, rejected, successors).map_err(P::refused);
            }
        };
        Ok(Self::of(stage, what))
    }

    fn of(stage: Stage, what: What) -> Self {
        Transition {
            flow: None,
            prescription: None,
            stage,
            what,
        }
    }

    fn succeeded(
        stage: Stage,
        rejected: ChildId,
        successors: Vec<ChildId>,
    ) -> Result<Self, TransitionError> {
        if successors.is_empty() && stage == Stage::Reassigned {
            return Err(TransitionError::NoSuccessor);
        }
        // Before the search for twins: the limit keeps it short.
        let length: usize = successors.iter().map(|child| child.as_str().len()).sum();
        if length > Self::MEMO_LIMIT {
            return Err(TransitionError::TooLong);
        }
        let twin = |(n, child): &(usize, &ChildId)| {
            **child == rejected || successors[..*n].contains(child)
        };
        if let Some((_, child)) = successors.iter().enumerate().find(twin) {
            return Err(TransitionError::NamedTwice(child.clone()));
        }
        let made = Self::of(stage, What::Succeeded(rejected, successors));
        // With everything that may be said later, so that no other method can fail.
        let longest = made
            .clone()
            .in_flow(Flow::Delivery)
            .with_prescription(Prescription::Without);
        if longest.to_memo().len() > Self::MEMO_LIMIT {
            return Err(TransitionError::TooLong);
        }
        Ok(made)
    }

    pub(in crate::fulfilment) fn what(&self) -> &What {
        &self.what
    }

    /// The step in the table that moves the child, or the parent for digitization.
    pub(in crate::fulfilment) fn step(&self) -> Step {
        match self.what {
            What::Rejected(_, finality) => Step::Rejected(finality),
            _ => Step::To(self.stage()),
        }
    }
}

/// Why something is not an event of a parent order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransitionError {
    /// A Re-Assign that names no successor.
    #[error("a re-assignment names at least one new child order")]
    NoSuccessor,
    /// An id is named twice, or is the rejected one.
    #[error("child order {0} is named twice")]
    NamedTwice(ChildId),
    /// The ids do not fit into a memo of [`Transition::MEMO_LIMIT`] bytes.
    #[error("the new child orders do not fit into a memo of 2048 bytes")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(text: &str) -> ChildId {
        ChildId::new(text).unwrap()
    }

    #[test]
    fn a_re_assignment_names_one_or_more_others() {
        let of = |new: &[&str]| Transition::reassigned(child("A"), new.iter().map(|id| child(id)));
        assert_eq!(of(&[]), Err(TransitionError::NoSuccessor));
        assert_eq!(of(&["A"]), Err(TransitionError::NamedTwice(child("A"))));
        assert_eq!(
            of(&["B", "C", "B"]),
            Err(TransitionError::NamedTwice(child("B")))
        );
        assert_eq!(
            of(&["C", "B"]).unwrap().successors(),
            [child("C"), child("B")]
        );
    }

    #[test]
    fn a_split_need_not_name_its_successors() {
        assert!(
            Transition::split(child("A"), [])
                .unwrap()
                .successors()
                .is_empty()
        );
    }

    #[test]
    fn a_memo_never_exceeds_its_limit() {
        let longest = |n: usize| (0..n).map(|n| child(&format!("{n:\"<128}")));
        let count = (1..)
            .find(|n| Transition::reassigned(child("A"), longest(*n)).is_err())
            .unwrap();
        let event = Transition::reassigned(child("A"), longest(count - 1)).unwrap();
        let event = event
            .in_flow(Flow::Delivery)
            .with_prescription(Prescription::Without);
        assert!(event.to_memo().len() <= Transition::MEMO_LIMIT);
        assert_eq!(
            Transition::reassigned(child("A"), longest(count)),
            Err(TransitionError::TooLong)
        );
        let event = Transition::rejected(child(&"\"".repeat(128)), Finality::NotFinal)
            .in_flow(Flow::Delivery);
        assert!(
            event
                .with_prescription(Prescription::Without)
                .to_memo()
                .len()
                < 512
        );
    }
}
