//! The life of one parent order and its child orders: pure, folded from transitions.

use serde::{Deserialize, Serialize};

use super::child::ChildId;
use super::flow::{Finality, Flow, Prescription};
use super::memo::MemoError;
use super::refusal::{NotAllowed, Refusal};
use super::table::{self, Node, Step};
use super::transition::{Transition, What};
use crate::event::Stage;

/// The life cycle of a parent order and its child orders: where they stand, and what may come next.
///
/// It has neither clock nor storage: [`apply`](Lifecycle::apply) takes one event after another and refuses what the
/// table in the [module's documentation](crate::fulfilment) does not have. Flow and prescription are fixed by the first event
/// (an event that does not say counts as delivery, without prescription), or by [`Lifecycle::of`]; a later event may leave
/// them out, but not say otherwise.
///
/// A receiver can keep one per parent order too. It sees a whole life only if it is sent every stage but
/// Digitization Completed and Order Assigned, which are off by default, and every rejection: see
/// [`Subscription`](crate::supplier::Subscription).
///
/// Serialised it is the list of its events, and deserialising applies them again: it fails for a sequence that is not
/// allowed.
///
/// ```
/// use orderhook::event::Stage;
/// use orderhook::fulfilment::{ChildId, Finality, Lifecycle, Transition};
///
/// let (first, second) = (ChildId::new("C-1")?, ChildId::new("C-2")?);
/// let mut order = Lifecycle::new();
/// order.apply(&Transition::rejected(first.clone(), Finality::NotFinal))?;
/// assert_eq!(order.allowed(Some(&first)), [Stage::Reassigned, Stage::Split]);
///
/// order.apply(&Transition::reassigned(first.clone(), [second.clone()])?)?;
/// assert_eq!(order.allowed(Some(&first)), []);
/// assert_eq!(order.allowed(Some(&second)), [Stage::Assigned, Stage::Accepted, Stage::Rejected]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Lifecycle {
    /// What [`Lifecycle::of`] was given.
    told: Option<Terms>,
    /// In force: as it was set, or as the first event said.
    terms: Option<Terms>,
    parent: Parent,
    /// In the order in which they were first mentioned.
    children: Vec<Child>,
    events: Vec<Transition>,
}

/// What the first event fixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    flow: Flow,
    prescription: Prescription,
}

/// The parent's node; [`Node::Fresh`] is kept apart because its prescription is known with the terms only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Parent {
    #[default]
    Fresh,
    At(Node),
}

impl Parent {
    fn node(self, terms: Terms) -> Node {
        match self {
            Parent::Fresh => Node::Fresh(terms.prescription),
            Parent::At(node) => node,
        }
    }
}

/// A child order as its life cycle knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    id: ChildId,
    node: Node,
}

impl Child {
    /// The id of the child order.
    pub fn id(&self) -> &ChildId {
        &self.id
    }

    /// The stage that it reached last; `None` while it is only expected, as a named successor.
    pub fn last_stage(&self) -> Option<Stage> {
        self.node.last_stage()
    }
}

/// Where an event leads.
struct Move {
    terms: Terms,
    parent: Node,
    child: Option<Node>,
}

impl Lifecycle {
    /// The life of a parent order of which nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The life of a parent order whose flow and prescription are known from elsewhere.
    pub fn of(flow: Flow, prescription: Prescription) -> Self {
        let told = Some(Terms { flow, prescription });
        Lifecycle {
            told,
            terms: told,
            ..Self::default()
        }
    }

    /// The life that these memos tell, oldest first.
    ///
    /// # Errors
    /// [`FoldError`] with the place of the first memo that cannot be read or does not follow.
    pub fn fold<M: AsRef<[u8]>>(memos: impl IntoIterator<Item = M>) -> Result<Self, FoldError> {
        let mut order = Lifecycle::new();
        for (position, memo) in memos.into_iter().enumerate() {
            let event = Transition::from_memo(memo.as_ref())
                .map_err(|error| FoldError::Memo { position, error })?;
            order
                .apply(&event)
                .map_err(|error| FoldError::NotAllowed { position, error })?;
        }
        Ok(order)
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// [`NotAllowed`] when it may not follow; then nothing has changed.
    pub fn apply(&mut self, event: &Transition) -> Result<(), NotAllowed> {
        let Move {
            terms,
            parent,
            child,
        } = self.lead(event)?;
        self.terms = Some(terms);
        self.parent = Parent::At(parent);
        if let (Some(id), Some(node)) = (event.child(), child) {
            match self.children.iter_mut().find(|child| child.id == *id) {
                Some(child) => child.node = node,
                None => self.children.push(Child {
                    id: id.clone(),
                    node,
                }),
            }
        }
        let expected = event.successors().iter().map(|id| Child {
            id: id.clone(),
            node: Node::Unseen,
        });
        self.children.extend(expected);
        self.events.push(event.clone());
        Ok(())
    }

    /// Whether the event may come next; changes nothing.
    ///
    /// # Errors
    /// [`NotAllowed`] when it may not.
    pub fn check(&self, event: &Transition) -> Result<(), NotAllowed> {
        self.lead(event).map(|_| ())
    }

    /// The stages that may come next, in the order of [`Stage::ALL`], for this child order, seen or not; for `None` those of
    /// the parent itself and those with which another child order may start. [`Stage::Rejected`] after
    /// [`Stage::Delivered`] is a final one only. While the flow is not fixed, what any flow would allow.
    pub fn allowed(&self, child: Option<&ChildId>) -> Vec<Stage> {
        match self.terms {
            Some(terms) => self.allowed_under(terms, child),
            None => {
                let terms = Flow::ALL.into_iter().flat_map(|flow| {
                    Prescription::ALL
                        .into_iter()
                        .map(move |prescription| Terms { flow, prescription })
                });
                in_order(
                    terms
                        .flat_map(|terms| self.allowed_under(terms, child))
                        .collect(),
                )
            }
        }
    }

    /// The flow, once it is fixed.
    pub fn flow(&self) -> Option<Flow> {
        self.terms.map(|terms| terms.flow)
    }

    /// Whether there is a prescription, once it is fixed.
    pub fn prescription(&self) -> Option<Prescription> {
        self.terms.map(|terms| terms.prescription)
    }

    /// The child orders, in the order in which they were first mentioned, named successors included.
    pub fn children(&self) -> &[Child] {
        &self.children
    }

    /// The stage that this child order reached last; `None` when it has not been seen.
    pub fn last_stage(&self, child: &ChildId) -> Option<Stage> {
        self.find(child).and_then(Child::last_stage)
    }

    /// The events so far, oldest first.
    pub fn events(&self) -> &[Transition] {
        &self.events
    }

    fn find(&self, id: &ChildId) -> Option<&Child> {
        self.children.iter().find(|child| child.id == *id)
    }

    fn node(&self, id: &ChildId) -> Node {
        self.find(id).map_or(Node::Unseen, |child| child.node)
    }

    /// Where the event leads.
    fn lead(&self, event: &Transition) -> Result<Move, NotAllowed> {
        let terms = self.terms.unwrap_or(Terms {
            flow: event.flow().unwrap_or(Flow::Delivery),
            prescription: event.prescription().unwrap_or(Prescription::Without),
        });
        let refuse = |why| NotAllowed {
            stage: event.stage(),
            child: event.child().cloned(),
            allowed: self.allowed_under(terms, event.child()),
            why,
        };
        if event.flow().is_some_and(|flow| flow != terms.flow) {
            return Err(refuse(Refusal::OtherFlow(terms.flow)));
        }
        if event
            .prescription()
            .is_some_and(|prescription| prescription != terms.prescription)
        {
            return Err(refuse(Refusal::OtherPrescription(terms.prescription)));
        }

        let (flow, step, parent) = (terms.flow, event.step(), self.parent.node(terms));
        let id = match event.what() {
            What::Parent => {
                let parent =
                    table::follow(flow, parent, step).ok_or_else(|| refuse(Refusal::Order))?;
                return Ok(Move {
                    terms,
                    parent,
                    child: None,
                });
            }
            What::Child(id) | What::Rejected(id, _) | What::Succeeded(id, _) => id,
        };
        let node = self.node(id);
        let Some(child) = table::follow(flow, node, step) else {
            let as_final = table::follow(flow, node, Step::Rejected(Finality::Final));
            let only_final = event.finality().is_some() && as_final.is_some();
            return Err(refuse(if only_final {
                Refusal::OnlyFinal
            } else {
                Refusal::Order
            }));
        };
        let parent = match node {
            Node::Unseen => table::follow(flow, parent, Step::ChildStarts)
                .ok_or_else(|| refuse(Refusal::Order))?,
            _ => parent,
        };
        if let Some(used) = event.successors().iter().find(|id| self.find(id).is_some()) {
            return Err(refuse(Refusal::ChildUsed(used.clone())));
        }
        Ok(Move {
            terms,
            parent,
            child: Some(child),
        })
    }

    fn allowed_under(&self, terms: Terms, child: Option<&ChildId>) -> Vec<Stage> {
        let parent = self.parent.node(terms);
        let may_start = table::follow(terms.flow, parent, Step::ChildStarts).is_some();
        let node = child.map_or(Node::Unseen, |id| self.node(id));
        let of_parent = child.is_none().then(|| table::edges(terms.flow, parent));
        let of_child = (node != Node::Unseen || may_start).then(|| table::edges(terms.flow, node));
        let edges = of_parent
            .into_iter()
            .flatten()
            .chain(of_child.into_iter().flatten());
        in_order(edges.filter_map(|edge| edge.by.stage()).collect())
    }
}

fn in_order(mut stages: Vec<Stage>) -> Vec<Stage> {
    stages.sort_unstable();
    stages.dedup();
    stages
}

/// The serialised form of a life cycle.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<Terms>,
    events: Vec<Transition>,
}

impl From<Lifecycle> for Stored {
    fn from(order: Lifecycle) -> Self {
        Stored {
            told: order.told,
            events: order.events,
        }
    }
}

impl TryFrom<Stored> for Lifecycle {
    type Error = NotAllowed;

    fn try_from(stored: Stored) -> Result<Self, NotAllowed> {
        let mut order = stored.told.map_or_else(Lifecycle::new, |told| {
            Lifecycle::of(told.flow, told.prescription)
        });
        stored
            .events
            .iter()
            .try_for_each(|event| order.apply(event))?;
        Ok(order)
    }
}

/// Why memos do not tell a life.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// One cannot be read.
    #[error("the memo at position {position} cannot be read")]
    Memo {
        /// Its place, counted from 0.
        position: usize,
        /// What is wrong with it.
        #[source]
        error: MemoError,
    },
    /// One does not follow from those before it.
    #[error("the event at position {position} does not follow")]
    NotAllowed {
        /// Its place, counted from 0.
        position: usize,
        /// What would have been allowed.
        #[source]
        error: NotAllowed,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(text: &str) -> ChildId {
        ChildId::new(text).unwrap()
    }

    #[test]
    fn a_refused_first_event_fixes_nothing() {
        let mut order = Lifecycle::new();
        order
            .apply(&Transition::shipped(child("A")).in_flow(Flow::Pickup))
            .unwrap_err();
        assert_eq!(order, Lifecycle::new());
        order
            .apply(&Transition::assigned(child("A")).in_flow(Flow::Delivery))
            .unwrap();
    }

    #[test]
    fn a_life_that_is_impossible_cannot_be_deserialised() {
        let mut order = Lifecycle::of(Flow::Pickup, Prescription::With);
        order.apply(&Transition::accepted(child("A"))).unwrap();
        let json = serde_json::to_string(&order).unwrap();
        assert_eq!(serde_json::from_str::<Lifecycle>(&json).unwrap(), order);
        let twice = json.replace("\"accept\"", "\"order_picked_up\"");
        assert!(serde_json::from_str::<Lifecycle>(&twice).is_err());
    }

    #[test]
    fn a_successor_that_was_named_before_is_used() {
        let mut order = Lifecycle::new();
        for id in ["A", "B"] {
            order
                .apply(&Transition::rejected(child(id), Finality::NotFinal))
                .unwrap();
        }
        order
            .apply(&Transition::reassigned(child("A"), [child("C")]).unwrap())
            .unwrap();
        let refused = order
            .apply(&Transition::reassigned(child("B"), [child("C")]).unwrap())
            .unwrap_err();
        assert_eq!(refused.why(), &Refusal::ChildUsed(child("C")));
        assert_eq!(refused.allowed(), [Stage::Reassigned, Stage::Split]);
        assert_eq!(order.last_stage(&child("C")), None);
        assert_eq!(order.children().len(), 3);
    }
}
