//! Every pair of a last stage and a next one.

use std::collections::BTreeSet;

use orderhook::event::Stage;
use orderhook::fulfilment::{Flow, Lifecycle, Prescription, Refusal};

use super::child;
use super::reference::Said;

const NEXT: [&str; 11] = [
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

struct Case {
    flow: Flow,
    /// Whether the case exists with a prescription, without one, or both.
    prescriptions: &'static [Prescription],
    /// How to get there: `stage child`, separated by commas.
    path: &'static str,
    /// What may come next of child A and of the parent; everything else of [`NEXT`] is refused.
    next: &'static str,
}

const BOTH: &[Prescription] = &Prescription::ALL;
const WITH: &[Prescription] = &[Prescription::With];
const WITHOUT: &[Prescription] = &[Prescription::Without];

const fn delivery(
    prescriptions: &'static [Prescription],
    path: &'static str,
    next: &'static str,
) -> Case {
    Case {
        flow: Flow::Delivery,
        prescriptions,
        path,
        next,
    }
}

const fn pickup(path: &'static str, next: &'static str) -> Case {
    Case {
        flow: Flow::Pickup,
        prescriptions: BOTH,
        path,
        next,
    }
}

const CASES: &[Case] = &[
    delivery(
        WITH,
        "",
        "digitization_completed digitization_rejected order_assigned accept reject reject!",
    ),
    delivery(WITHOUT, "", "order_assigned accept reject reject!"),
    delivery(
        WITH,
        "digitization_completed",
        "digitization_rejected order_assigned accept reject reject!",
    ),
    delivery(WITH, "digitization_rejected", ""),
    delivery(WITH, "digitization_completed, digitization_rejected", ""),
    delivery(
        WITH,
        "digitization_completed, accept A",
        "reject reject! shipped",
    ),
    delivery(BOTH, "accept B", "order_assigned accept reject reject!"),
    delivery(BOTH, "order_assigned A", "accept reject reject!"),
    delivery(BOTH, "accept A", "shipped reject reject!"),
    delivery(BOTH, "order_assigned A, accept A", "shipped reject reject!"),
    delivery(BOTH, "reject A", "reassign split"),
    delivery(BOTH, "accept A, reject A", "reassign split"),
    delivery(BOTH, "reject! A", ""),
    delivery(
        BOTH,
        "accept A, shipped A",
        "order_picked_up reject reject!",
    ),
    delivery(BOTH, "accept A, shipped A, reject A", "reassign split"),
    delivery(
        BOTH,
        "accept A, shipped A, order_picked_up A",
        "delivered reject reject!",
    ),
    delivery(
        BOTH,
        "accept A, shipped A, order_picked_up A, reject A",
        "reassign split",
    ),
    delivery(
        BOTH,
        "accept A, shipped A, order_picked_up A, delivered A",
        "reject!",
    ),
    delivery(
        BOTH,
        "accept A, shipped A, order_picked_up A, delivered A, reject! A",
        "",
    ),
    delivery(BOTH, "reject A, reassign A", ""),
    delivery(BOTH, "reject A, split A", ""),
    // A stands for a named successor here.
    delivery(
        BOTH,
        "reject B, reassign B A",
        "order_assigned accept reject reject!",
    ),
    delivery(
        BOTH,
        "reject B, split B A",
        "order_assigned accept reject reject!",
    ),
    pickup("", "accept reject reject!"),
    pickup("accept B", "accept reject reject!"),
    pickup("accept A", "shipped reject reject!"),
    pickup("accept A, shipped A", "delivered reject reject!"),
    pickup("accept A, shipped A, delivered A", "reject!"),
    pickup("accept A, shipped A, delivered A, reject! A", ""),
    pickup("reject A", ""),
    pickup("reject! A", ""),
    pickup("accept A, reject A", ""),
];

fn said(step: &'static str) -> Said {
    let mut words = step.split_whitespace();
    let said = Said::of(words.next().unwrap(), words.next().unwrap_or(""));
    match (said.stage, words.next()) {
        (_, Some(new)) => said.naming(&[new]),
        ("reassign" | "split", None) => said.naming(&["Z"]),
        _ => said,
    }
}

#[test]
fn every_pair_of_last_and_next_stage_is_as_the_table_says() {
    let mut pairs = 0;
    for case in CASES {
        for prescription in case.prescriptions {
            let mut order = Lifecycle::of(case.flow, *prescription);
            for step in case.path.split(',').filter(|step| !step.is_empty()) {
                order.apply(&said(step).transition().unwrap()).unwrap();
            }
            let before = order.clone();
            let next: Vec<_> = case.next.split_whitespace().collect();
            let of_child = next.iter().filter(|next| !next.starts_with("digitization"));
            let of_child: BTreeSet<Stage> = of_child
                .map(|next| next.trim_end_matches('!').parse().unwrap())
                .collect();
            assert!(
                order
                    .allowed(Some(&child("A")))
                    .into_iter()
                    .eq(of_child.iter().copied()),
                "{}",
                case.path
            );
            for step in NEXT {
                let context = format!(
                    "{} with prescription {prescription}: {step} after '{}'",
                    case.flow, case.path
                );
                let mut offered = Said::of(step, "A");
                if matches!(step, "reassign" | "split") {
                    offered = offered.naming(&["Y"]);
                }
                let event = offered.transition().unwrap();
                assert_eq!(
                    order.check(&event).is_ok(),
                    next.contains(&step),
                    "{context}"
                );
                match order.apply(&event) {
                    Ok(()) => {
                        assert!(next.contains(&step), "{context}");
                        assert_eq!(order.events().last(), Some(&event));
                        order = before.clone();
                    }
                    Err(refused) => {
                        assert!(!next.contains(&step), "{context}: {refused}");
                        assert_eq!(order, before, "{context}");
                        assert_eq!(
                            (refused.stage(), refused.child()),
                            (event.stage(), event.child()),
                            "{context}"
                        );
                        let only_final = step == "reject" && next.contains(&"reject!");
                        let why = if only_final {
                            Refusal::OnlyFinal
                        } else {
                            Refusal::Order
                        };
                        assert_eq!(refused.why(), &why, "{context}");
                        assert_eq!(refused.allowed(), order.allowed(event.child()), "{context}");
                    }
                }
                pairs += 1;
            }
        }
    }
    assert_eq!(
        pairs,
        CASES
            .iter()
            .map(|case| case.prescriptions.len())
            .sum::<usize>()
            * NEXT.len()
    );
}

#[test]
fn what_a_parent_allows_is_its_own_stages_and_how_a_child_may_start() {
    let with = Lifecycle::of(Flow::Delivery, Prescription::With);
    let start = [Stage::Assigned, Stage::Accepted, Stage::Rejected];
    let digitization = [Stage::DigitizationCompleted, Stage::DigitizationRejected];
    assert_eq!(with.allowed(None), [&digitization[..], &start].concat());
    let mut refused = with.clone();
    refused
        .apply(&said("digitization_rejected").transition().unwrap())
        .unwrap();
    assert_eq!(refused.allowed(None), []);
    let mut started = with;
    started
        .apply(&said("accept A").transition().unwrap())
        .unwrap();
    assert_eq!(started.allowed(None), start);
    assert_eq!(
        Lifecycle::of(Flow::Pickup, Prescription::With).allowed(None),
        start[1..]
    );
    assert_eq!(
        Lifecycle::new().allowed(None),
        [&digitization[..], &start].concat()
    );
}

#[test]
fn flow_and_prescription_are_what_the_first_event_said() {
    let mut order = Lifecycle::new();
    let mut first = said("accept A");
    (first.flow, first.prescription) = (Some(Flow::Pickup), Some(Prescription::With));
    order.apply(&first.transition().unwrap()).unwrap();
    assert_eq!(
        (order.flow(), order.prescription()),
        (Some(Flow::Pickup), Some(Prescription::With))
    );

    let mut other = said("shipped A");
    other.flow = Some(Flow::Delivery);
    let refused = order.apply(&other.transition().unwrap()).unwrap_err();
    assert_eq!(refused.why(), &Refusal::OtherFlow(Flow::Pickup));
    (other.flow, other.prescription) = (Some(Flow::Pickup), Some(Prescription::Without));
    let refused = order.apply(&other.transition().unwrap()).unwrap_err();
    assert_eq!(
        refused.why(),
        &Refusal::OtherPrescription(Prescription::With)
    );
    assert_eq!(refused.allowed(), [Stage::Rejected, Stage::Shipped]);
    assert_eq!(order.events().len(), 1);
    order
        .apply(&said("shipped A").transition().unwrap())
        .unwrap();
}
