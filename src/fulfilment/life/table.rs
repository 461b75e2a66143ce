//! What may follow what: the one table that the life cycle, its refusals and the diagrams read.

use super::flow::{Finality, Flow, Prescription};
use crate::event::Stage;

/// Where a parent or a child order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::fulfilment) enum Node {
    /// The parent, before its first event.
    Fresh(Prescription),
    /// The parent after Digitization Completed, no child yet.
    Digitized,
    /// The parent after Digitization Rejected.
    Refused,
    /// The parent with children.
    Running,
    /// A child not seen before, whether or not a predecessor named it.
    Unseen,
    Assigned,
    Accepted,
    /// A child rejected, to be re-assigned or split.
    RejectedOpen,
    /// A child rejected for good.
    RejectedFinal,
    Shipped,
    PickedUp,
    Delivered,
    /// A child whose place others took.
    Reassigned,
    Split,
}

impl Node {
    /// The last stage of a child that stands here; `None` for a child not seen before and for parents.
    pub(in crate::fulfilment) fn last_stage(self) -> Option<Stage> {
        match self {
            Node::Fresh(_) | Node::Digitized | Node::Refused | Node::Running | Node::Unseen => None,
            Node::Assigned => Some(Stage::Assigned),
            Node::Accepted => Some(Stage::Accepted),
            Node::RejectedOpen | Node::RejectedFinal => Some(Stage::Rejected),
            Node::Shipped => Some(Stage::Shipped),
            Node::PickedUp => Some(Stage::PickedUp),
            Node::Delivered => Some(Stage::Delivered),
            Node::Reassigned => Some(Stage::Reassigned),
            Node::Split => Some(Stage::Split),
        }
    }
}

/// What moves a parent or a child from one node to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fulfilment) enum Step {
    /// A child not seen before has its first event: moves the parent.
    ChildStarts,
    /// Any stage but Rejected.
    To(Stage),
    /// Rejected.
    Rejected(Finality),
}

impl Step {
    pub(in crate::fulfilment) fn stage(self) -> Option<Stage> {
        match self {
            Step::ChildStarts => None,
            Step::To(stage) => Some(stage),
            Step::Rejected(_) => Some(Stage::Rejected),
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(in crate::fulfilment) struct Edge {
    pub(in crate::fulfilment) flow: Flow,
    pub(in crate::fulfilment) from: Node,
    pub(in crate::fulfilment) by: Step,
    pub(in crate::fulfilment) to: Node,
}

const fn delivery(from: Node, by: Step, to: Node) -> Edge {
    Edge {
        flow: Flow::Delivery,
        from,
        by,
        to,
    }
}

const fn pickup(from: Node, by: Step, to: Node) -> Edge {
    Edge {
        flow: Flow::Pickup,
        from,
        by,
        to,
    }
}

const COMPLETED: Step = Step::To(Stage::DigitizationCompleted);
const REFUSED: Step = Step::To(Stage::DigitizationRejected);
const ASSIGNED: Step = Step::To(Stage::Assigned);
const ACCEPTED: Step = Step::To(Stage::Accepted);
const OPEN: Step = Step::Rejected(Finality::NotFinal);
const FINAL: Step = Step::Rejected(Finality::Final);
const REASSIGNED: Step = Step::To(Stage::Reassigned);
const SHIPPED: Step = Step::To(Stage::Shipped);
const PICKED_UP: Step = Step::To(Stage::PickedUp);
const DELIVERED: Step = Step::To(Stage::Delivered);
const SPLIT: Step = Step::To(Stage::Split);

/// What is not here is not allowed.
pub(in crate::fulfilment) const TABLE: &[Edge] = &[
    // The parent, delivery.
    delivery(Node::Fresh(Prescription::With), COMPLETED, Node::Digitized),
    delivery(Node::Fresh(Prescription::With), REFUSED, Node::Refused),
    delivery(
        Node::Fresh(Prescription::With),
        Step::ChildStarts,
        Node::Running,
    ),
    delivery(
        Node::Fresh(Prescription::Without),
        Step::ChildStarts,
        Node::Running,
    ),
    delivery(Node::Digitized, REFUSED, Node::Refused),
    delivery(Node::Digitized, Step::ChildStarts, Node::Running),
    delivery(Node::Running, Step::ChildStarts, Node::Running),
    // A child, delivery.
    delivery(Node::Unseen, ASSIGNED, Node::Assigned),
    delivery(Node::Unseen, ACCEPTED, Node::Accepted),
    delivery(Node::Unseen, OPEN, Node::RejectedOpen),
    delivery(Node::Unseen, FINAL, Node::RejectedFinal),
    delivery(Node::Assigned, ACCEPTED, Node::Accepted),
    delivery(Node::Assigned, OPEN, Node::RejectedOpen),
    delivery(Node::Assigned, FINAL, Node::RejectedFinal),
    delivery(Node::Accepted, SHIPPED, Node::Shipped),
    delivery(Node::Accepted, OPEN, Node::RejectedOpen),
    delivery(Node::Accepted, FINAL, Node::RejectedFinal),
    delivery(Node::RejectedOpen, REASSIGNED, Node::Reassigned),
    delivery(Node::RejectedOpen, SPLIT, Node::Split),
    delivery(Node::Shipped, PICKED_UP, Node::PickedUp),
    delivery(Node::Shipped, OPEN, Node::RejectedOpen),
    delivery(Node::Shipped, FINAL, Node::RejectedFinal),
    delivery(Node::PickedUp, DELIVERED, Node::Delivered),
    delivery(Node::PickedUp, OPEN, Node::RejectedOpen),
    delivery(Node::PickedUp, FINAL, Node::RejectedFinal),
    // Lost after completion.
    delivery(Node::Delivered, FINAL, Node::RejectedFinal),
    // The parent, pickup: a prescription is not digitized.
    pickup(
        Node::Fresh(Prescription::With),
        Step::ChildStarts,
        Node::Running,
    ),
    pickup(
        Node::Fresh(Prescription::Without),
        Step::ChildStarts,
        Node::Running,
    ),
    pickup(Node::Running, Step::ChildStarts, Node::Running),
    // A child, pickup: no other pharmacy is asked after a rejection, so each one is final whatever it says of itself.
    pickup(Node::Unseen, ACCEPTED, Node::Accepted),
    pickup(Node::Unseen, OPEN, Node::RejectedFinal),
    pickup(Node::Unseen, FINAL, Node::RejectedFinal),
    pickup(Node::Accepted, SHIPPED, Node::Shipped),
    pickup(Node::Accepted, OPEN, Node::RejectedFinal),
    pickup(Node::Accepted, FINAL, Node::RejectedFinal),
    pickup(Node::Shipped, DELIVERED, Node::Delivered),
    pickup(Node::Shipped, OPEN, Node::RejectedFinal),
    pickup(Node::Shipped, FINAL, Node::RejectedFinal),
    pickup(Node::Delivered, FINAL, Node::RejectedFinal),
];

/// The lines that lead on from here.
pub(in crate::fulfilment) fn edges(flow: Flow, from: Node) -> impl Iterator<Item = &'static Edge> {
    TABLE
        .iter()
        .filter(move |edge| edge.flow == flow && edge.from == from)
}

/// Where this step leads; `None` when the table does not have it.
pub(in crate::fulfilment) fn follow(flow: Flow, from: Node, by: Step) -> Option<Node> {
    edges(flow, from)
        .find(|edge| edge.by == by)
        .map(|edge| edge.to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_leads_to_one_place() {
        for (n, one) in TABLE.iter().enumerate() {
            let twin =
                |other: &Edge| (other.flow, other.from, other.by) == (one.flow, one.from, one.by);
            assert!(!TABLE[n + 1..].iter().any(twin), "{one:?}");
        }
    }

    /// This is why an event is one of its kind within (client, parent, stage) by its child alone.
    #[test]
    fn no_walk_of_one_child_has_the_same_stage_twice() {
        fn walk(flow: Flow, from: Node, before: &[Stage], ends: &mut u32) {
            *ends += 1;
            for edge in edges(flow, from) {
                let Some(stage) = edge.by.stage() else {
                    continue;
                };
                assert!(!before.contains(&stage), "{flow}: {stage} after {before:?}");
                walk(flow, edge.to, &[before, &[stage]].concat(), ends);
            }
        }
        for flow in Flow::ALL {
            let mut walks = 0;
            walk(flow, Node::Unseen, &[], &mut walks);
            assert!(walks > 10);
            for prescription in Prescription::ALL {
                walk(flow, Node::Fresh(prescription), &[], &mut walks);
            }
        }
    }
}
