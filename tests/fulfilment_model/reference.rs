//! The machine once more, written from the description and in another style: no state, only a history and rows of text.

use orderhook::event::Stage;
use orderhook::fulfilment::{ChildId, Finality, Flow, Prescription, Transition};

/// flow | last stage | what may come next. `reject` is either kind; `reject!` a final one only.
const ROWS: &str = "
    delivery | parent, prescription    | digitization_completed digitization_rejected START
    delivery | parent, no prescription | START
    delivery | parent, digitized       | digitization_rejected START
    delivery | parent, refused         |
    delivery | parent, children        | START
    delivery | child, not seen         | order_assigned accept reject
    delivery | child, order_assigned   | accept reject
    delivery | child, accept           | shipped reject
    delivery | child, reject           | reassign split
    delivery | child, reject!          |
    delivery | child, shipped          | order_picked_up reject
    delivery | child, order_picked_up  | delivered reject
    delivery | child, delivered        | reject!
    delivery | child, reassign         |
    delivery | child, split            |
    pickup   | parent, prescription    | START
    pickup   | parent, no prescription | START
    pickup   | parent, children        | START
    pickup   | child, not seen         | accept reject
    pickup   | child, accept           | shipped reject
    pickup   | child, shipped          | delivered reject
    pickup   | child, delivered        | reject!
    pickup   | child, reject           |
    pickup   | child, reject!          |
";

#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) stage: &'static str,
    pub(crate) child: &'static str,
    pub(crate) is_final: bool,
    pub(crate) new: Vec<&'static str>,
    pub(crate) flow: Option<Flow>,
    pub(crate) prescription: Option<Prescription>,
}

impl Said {
    pub(crate) fn of(stage: &'static str, child: &'static str) -> Self {
        let (stage, is_final) = match stage.strip_suffix('!') {
            Some(stage) => (stage, true),
            None => (stage, false),
        };
        let child = if stage.starts_with("digitization") {
            ""
        } else {
            child
        };
        Said {
            stage,
            child,
            is_final,
            new: Vec::new(),
            flow: None,
            prescription: None,
        }
    }

    pub(crate) fn naming(mut self, new: &[&'static str]) -> Self {
        self.new = new.to_vec();
        self
    }

    /// The same for the machine under test; `None` where it cannot even be said.
    pub(crate) fn transition(&self) -> Option<Transition> {
        let child = || ChildId::new(self.child).unwrap();
        let new = || {
            self.new
                .iter()
                .map(|id| ChildId::new(id).unwrap())
                .collect::<Vec<_>>()
        };
        let finality = if self.is_final {
            Finality::Final
        } else {
            Finality::NotFinal
        };
        let mut event = match self.stage.parse::<Stage>().unwrap() {
            Stage::DigitizationCompleted => Transition::digitization_completed(),
            Stage::DigitizationRejected => Transition::digitization_rejected(),
            Stage::Assigned => Transition::assigned(child()),
            Stage::Accepted => Transition::accepted(child()),
            Stage::Rejected => Transition::rejected(child(), finality),
            Stage::Reassigned => Transition::reassigned(child(), new()).ok()?,
            Stage::Shipped => Transition::shipped(child()),
            Stage::PickedUp => Transition::picked_up(child()),
            Stage::Delivered => Transition::delivered(child()),
            Stage::Split => Transition::split(child(), new()).ok()?,
        };
        if let Some(flow) = self.flow {
            event = event.in_flow(flow);
        }
        if let Some(prescription) = self.prescription {
            event = event.with_prescription(prescription);
        }
        Some(event)
    }
}

/// What the row of a last stage allows.
pub(crate) fn row(flow: Flow, last: &str) -> Vec<&'static str> {
    let found = ROWS.lines().find_map(|line| {
        let mut cells = line.split('|').map(str::trim);
        (cells.next() == Some(flow.as_str()) && cells.next() == Some(last))
            .then(|| cells.next().unwrap())
    });
    found
        .unwrap_or_else(|| panic!("no row for {flow}, {last}"))
        .split_whitespace()
        .collect()
}

pub(crate) fn terms(history: &[Said], next: &Said) -> (Flow, Prescription) {
    let first = history.first().unwrap_or(next);
    (
        first.flow.unwrap_or(Flow::Delivery),
        first.prescription.unwrap_or(Prescription::Without),
    )
}

pub(crate) fn last_of_child(history: &[Said], child: &str) -> String {
    match history.iter().rev().find(|said| said.child == child) {
        None => "child, not seen".to_owned(),
        Some(said) if said.stage == "reject" && said.is_final => "child, reject!".to_owned(),
        Some(said) => format!("child, {}", said.stage),
    }
}

pub(crate) fn last_of_parent(history: &[Said], prescription: Prescription) -> &'static str {
    let has = |stage: &str| history.iter().any(|said| said.stage == stage);
    if history.iter().any(|said| !said.child.is_empty()) {
        "parent, children"
    } else if has("digitization_rejected") {
        "parent, refused"
    } else if has("digitization_completed") {
        "parent, digitized"
    } else if prescription == Prescription::With {
        "parent, prescription"
    } else {
        "parent, no prescription"
    }
}

/// Whether `next` may follow this history, all of which was allowed.
pub(crate) fn follows(history: &[Said], next: &Said) -> bool {
    let (flow, prescription) = terms(history, next);
    if next.flow.is_some_and(|said| said != flow)
        || next.prescription.is_some_and(|said| said != prescription)
    {
        return false;
    }
    let of_parent = row(flow, last_of_parent(history, prescription));
    if next.child.is_empty() {
        return of_parent.contains(&next.stage);
    }
    let last = last_of_child(history, next.child);
    let of_child = row(flow, &last);
    let stage = match next.stage {
        "reject" if of_child.contains(&"reject") => "reject",
        "reject" if next.is_final => "reject!",
        stage => stage,
    };
    let used = |id: &str| {
        history
            .iter()
            .any(|said| said.child == id || said.new.contains(&id))
    };
    of_child.contains(&stage)
        && (last != "child, not seen" || of_parent.contains(&"START"))
        && !next.new.iter().any(|id| used(id))
}
