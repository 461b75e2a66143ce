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
    what: What,
}

/// The shapes that the ten stages come in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// Of the parent itself.
    Parent(ParentStage),
    Child(ChildStage, ChildId),
    Rejected(ChildId, Finality),
    Succeeded(Succession, ChildId, Vec<ChildId>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ParentStage {
    DigitizationCompleted,
    DigitizationRejected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ChildStage {
    Assigned,
    Accepted,
    Shipped,
    PickedUp,
    Delivered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Succession {
    Reassigned,
    Split,
}

impl Transition {
    /// The most bytes that the memo of an event has: 2048.
    pub const MEMO_LIMIT: usize = 2048;

    /// Digitization Completed, of the parent order.
    pub fn digitization_completed() -> Self {
        Self::of(What::Parent(ParentStage::DigitizationCompleted))
    }

    /// Digitization Rejected, of the parent order.
    pub fn digitization_rejected() -> Self {
        Self::of(What::Parent(ParentStage::DigitizationRejected))
    }

    /// Order Assigned.
    pub fn assigned(child: ChildId) -> Self {
        Self::of(What::Child(ChildStage::Assigned, child))
    }

    /// Order Accepted.
    pub fn accepted(child: ChildId) -> Self {
        Self::of(What::Child(ChildStage::Accepted, child))
    }

    /// Order Rejected.
    pub fn rejected(child: ChildId, finality: Finality) -> Self {
        Self::of(What::Rejected(child, finality))
    }

    /// Order Re-Assign: `successors` take the place of the rejected child.
    ///
    /// # Errors
    /// [`TransitionError`] when no successor is named, when an id is named twice (the rejected one counts), or when the
    /// ids are too long together for a memo.
    pub fn reassigned(
        rejected: ChildId,
        successors: impl IntoIterator<Item = ChildId>,
    ) -> Result<Self, TransitionError> {
        Self::succeeded(
            Succession::Reassigned,
            rejected,
            successors.into_iter().collect(),
        )
    }

    /// Order Shipped.
    pub fn shipped(child: ChildId) -> Self {
        Self::of(What::Child(ChildStage::Shipped, child))
    }

    /// Order Picked Up.
    pub fn picked_up(child: ChildId) -> Self {
        Self::of(What::Child(ChildStage::PickedUp, child))
    }

    /// Order Delivered.
    pub fn delivered(child: ChildId) -> Self {
        Self::of(What::Child(ChildStage::Delivered, child))
    }

    /// Order Split: several child orders take the place of the rejected one. They need not be named.
    ///
    /// # Errors
    /// [`TransitionError`] when an id is named twice (the rejected one counts), or when the ids are too long together
    /// for a memo.
    pub fn split(
        rejected: ChildId,
        successors: impl IntoIterator<Item = ChildId>,
    ) -> Result<Self, TransitionError> {
        Self::succeeded(
            Succession::Split,
            rejected,
            successors.into_iter().collect(),
        )
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
        match &self.what {
            What::Parent(ParentStage::DigitizationCompleted) => Stage::DigitizationCompleted,
            What::Parent(ParentStage::DigitizationRejected) => Stage::DigitizationRejected,
            What::Child(ChildStage::Assigned, _) => Stage::Assigned,
            What::Child(ChildStage::Accepted, _) => Stage::Accepted,
            What::Child(ChildStage::Shipped, _) => Stage::Shipped,
            What::Child(ChildStage::PickedUp, _) => Stage::PickedUp,
            What::Child(ChildStage::Delivered, _) => Stage::Delivered,
            What::Rejected(..) => Stage::Rejected,
            What::Succeeded(Succession::Reassigned, ..) => Stage::Reassigned,
            What::Succeeded(Succession::Split, ..) => Stage::Split,
        }
    }

    /// The child order that reaches it: for Re-Assign and Split the rejected one, for digitization none.
    pub fn child(&self) -> Option<&ChildId> {
        match &self.what {
            What::Parent(_) => None,
            What::Child(_, child) | What::Rejected(child, _) | What::Succeeded(_, child, _) => {
                Some(child)
            }
        }
    }

    /// What a rejection says of itself; `None` for every other stage.
    pub fn finality(&self) -> Option<Finality> {
        match &self.what {
            What::Rejected(_, finality) => Some(*finality),
            _ => None,
        }
    }

    /// The child orders that a Re-Assign or a Split names; empty for every other stage.
    pub fn successors(&self) -> &[ChildId] {
        match &self.what {
            What::Succeeded(_, _, successors) => successors,
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
    /// [`Lifecycle`](super::Lifecycle) takes have both stage and occurrence in common.
    pub fn occurrence(&self) -> &str {
        self.child().map_or("", ChildId::as_str)
    }

    fn of(what: What) -> Self {
        Transition {
            flow: None,
            prescription: None,
            what,
        }
    }

    fn succeeded(
        how: Succession,
        rejected: ChildId,
        successors: Vec<ChildId>,
    ) -> Result<Self, TransitionError> {
        if successors.is_empty() && how == Succession::Reassigned {
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
        let made = Self::of(What::Succeeded(how, rejected, successors));
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

    pub(super) fn what(&self) -> &What {
        &self.what
    }

    /// The step in the table that moves the child, or the parent for digitization.
    pub(super) fn step(&self) -> Step {
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
