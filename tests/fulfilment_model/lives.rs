//! Whole lives: the machine and the reference agree at every step of every walk.

use std::collections::HashSet;

use orderhook::event::Stage;
use orderhook::fulfilment::{Flow, Lifecycle, Prescription};
use proptest::prelude::*;
use proptest::sample::select;

use super::child;
use super::reference::{Said, follows, last_of_child, terms};

const STAGES: [&str; 11] = [
    "digitization_completed",
    "digitization_rejected",
    "order_assigned",
    "accept",
    "reject",
    "reject!",
    "reassign",
    "shipped",
    "order_picked_up",
    "delivered",
    "split",
];
const CHILDREN: [&str; 4] = ["A", "B", "C", "D"];

/// Offers one event to both; whether it was taken.
fn offer(order: &mut Lifecycle, history: &mut Vec<Said>, next: Said) -> bool {
    let Some(event) = next.transition() else {
        return false;
    };
    let before = order.clone();
    let taken = order.apply(&event);
    assert_eq!(
        taken.is_ok(),
        follows(history, &next),
        "{next:?} after {history:?}: {taken:?}"
    );
    match taken {
        Ok(()) => history.push(next),
        Err(refused) => {
            assert_eq!(*order, before);
            assert!(!refused.to_string().is_empty());
            return false;
        }
    }
    true
}

/// What follows from a whole life, whatever it was.
fn holds(order: &Lifecycle, history: &[Said]) {
    let names: HashSet<_> = order
        .events()
        .iter()
        .map(|event| (event.stage(), event.occurrence()))
        .collect();
    assert_eq!(
        names.len(),
        history.len(),
        "stage and occurrence name an event"
    );
    let memos: Vec<_> = order.events().iter().map(|event| event.to_memo()).collect();
    assert_eq!(
        Lifecycle::fold(&memos).as_ref(),
        Ok(order),
        "a life is folded from its memos"
    );
    let json = serde_json::to_string(order).unwrap();
    assert_eq!(&serde_json::from_str::<Lifecycle>(&json).unwrap(), order);
    for known in order.children() {
        let last = last_of_child(history, known.id().as_str());
        let text = known.last_stage().map_or("not seen", Stage::as_str);
        assert_eq!(last.trim_end_matches('!'), format!("child, {text}"));
    }
    let Some(first) = history.first() else { return };
    let (flow, prescription) = terms(history, first);
    assert_eq!(
        (order.flow(), order.prescription()),
        (Some(flow), Some(prescription))
    );
    for id in CHILDREN {
        let may = |stage: &Stage| {
            let plain = Said::of(stage.as_str(), id);
            let is_succession = matches!(stage, Stage::Reassigned | Stage::Split);
            let plain = if is_succession {
                plain.naming(&["fresh"])
            } else {
                plain
            };
            let final_one = Said {
                is_final: true,
                ..plain.clone()
            };
            !plain.child.is_empty() && (follows(history, &plain) || follows(history, &final_one))
        };
        let expected: Vec<_> = Stage::ALL.into_iter().filter(may).collect();
        assert_eq!(
            order.allowed(Some(&child(id))),
            expected,
            "{id} after {history:?}"
        );
    }
}

fn any_said() -> impl Strategy<Value = Said> {
    let new = proptest::collection::vec(select(&CHILDREN[..]), 0..3);
    let flow = prop_oneof![4 => Just(None), 1 => select(&Flow::ALL[..]).prop_map(Some)];
    let prescription =
        prop_oneof![4 => Just(None), 1 => select(&Prescription::ALL[..]).prop_map(Some)];
    (
        select(&STAGES[..]),
        select(&CHILDREN[..]),
        new,
        flow,
        prescription,
    )
        .prop_map(|(stage, child, new, flow, prescription)| {
            let said = Said {
                flow,
                prescription,
                ..Said::of(stage, child)
            };
            if matches!(stage, "reassign" | "split") {
                said.naming(&new)
            } else {
                said
            }
        })
}

proptest! {
    #[test]
    fn random_offers_are_taken_exactly_when_the_reference_takes_them(
        offers in proptest::collection::vec(any_said(), 0..60)
    ) {
        let (mut order, mut history) = (Lifecycle::new(), Vec::new());
        for next in offers {
            offer(&mut order, &mut history, next);
        }
        holds(&order, &history);
    }

    /// Only what may come is chosen, so that walks go deep.
    #[test]
    fn random_walks_are_walks_of_the_reference(
        flow in select(&Flow::ALL[..]),
        prescription in select(&Prescription::ALL[..]),
        choices in proptest::collection::vec((select(&CHILDREN[..]), any::<prop::sample::Index>()), 0..40)
    ) {
        let (mut order, mut history) = (Lifecycle::of(flow, prescription), Vec::new());
        for (id, choice) in choices {
            let mut can: Vec<&str> = order.allowed(Some(&child(id))).into_iter().map(Stage::as_str).collect();
            if history.is_empty() {
                can = order.allowed(None).into_iter().map(Stage::as_str).collect();
            }
            if can.contains(&"reject") {
                can.push("reject!");
            }
            if can.is_empty() {
                continue;
            }
            let mut next = Said::of(can[choice.index(can.len())], id);
            if matches!(next.stage, "reassign" | "split") {
                let fresh = CHILDREN.iter().find(|id| !order.children().iter().any(|known| known.id().as_str() == **id));
                next = next.naming(&[*fresh.unwrap_or(&"E")]);
            }
            if history.is_empty() {
                (next.flow, next.prescription) = (Some(flow), Some(prescription));
            }
            offer(&mut order, &mut history, next);
        }
        let mut folded = Lifecycle::new();
        for event in order.events() {
            prop_assert!(folded.apply(event).is_ok());
        }
        holds(&folded, &history);
    }
}

/// Every walk of up to five events over two children and their successors, in both flows, with and without prescription.
#[test]
fn all_short_walks_are_exactly_those_of_the_reference() {
    fn walk(order: &Lifecycle, history: &[Said], left: u32, taken: &mut u32) {
        if left == 0 {
            return;
        }
        for stage in STAGES {
            for id in ["A", "B"] {
                let next = Said::of(stage, id);
                if next.child.is_empty() && id != "A" {
                    continue;
                }
                let options: &[&[&'static str]] = if matches!(stage, "reassign" | "split") {
                    &[&[], &["A"], &["B"], &["C", "D"]]
                } else {
                    &[&[]]
                };
                for new in options {
                    let (mut order, mut history) = (order.clone(), history.to_vec());
                    if offer(&mut order, &mut history, next.clone().naming(new)) {
                        *taken += 1;
                        walk(&order, &history, left - 1, taken);
                    }
                }
            }
        }
    }
    for flow in Flow::ALL {
        for prescription in Prescription::ALL {
            let mut taken = 0;
            for first in STAGES {
                let (mut order, mut history) = (Lifecycle::new(), Vec::new());
                let mut next = Said::of(first, "A");
                (next.flow, next.prescription) = (Some(flow), Some(prescription));
                if offer(&mut order, &mut history, next) {
                    taken += 1;
                    walk(&order, &history, 4, &mut taken);
                }
            }
            assert!(taken > 200, "{flow}, {prescription}: {taken}");
        }
    }
}
