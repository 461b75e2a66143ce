//! What is kept for years stays readable; what is documented is what the code does.

use orderhook::event::Stage;
use orderhook::fulfilment::{
    Finality, Flow, FoldError, Lifecycle, MemoError, Prescription, Transition,
};

use super::child;

/// As version 1 wrote them. These lines are never edited: rows of this form are in people's databases.
const FROZEN: [&str; 10] = [
    r#"{"v":1,"stage":"digitization_completed","flow":"delivery","prescription":"with"}"#,
    r#"{"v":1,"stage":"digitization_rejected","flow":"delivery","prescription":"with"}"#,
    r#"{"v":1,"stage":"order_assigned","child":"c1Aa+Bb/Cc==","flow":"delivery"}"#,
    r#"{"v":1,"stage":"accept","child":"C-1","flow":"pickup","prescription":"without"}"#,
    r#"{"v":1,"stage":"reject","child":"C-1","flow":"delivery","final":false}"#,
    r#"{"v":1,"stage":"reassign","child":"C-1","flow":"delivery","new":["C-2","C-3"]}"#,
    r#"{"v":1,"stage":"shipped","child":"C-2"}"#,
    r#"{"v":1,"stage":"order_picked_up","child":"C-2"}"#,
    r#"{"v":1,"stage":"delivered","child":"C-2"}"#,
    r#"{"v":1,"stage":"split","child":"C-1"}"#,
];

#[test]
fn the_memos_of_version_1_are_written_and_read_as_ever() {
    let events = [
        Transition::digitization_completed()
            .in_flow(Flow::Delivery)
            .with_prescription(Prescription::With),
        Transition::digitization_rejected()
            .in_flow(Flow::Delivery)
            .with_prescription(Prescription::With),
        Transition::assigned(child("c1Aa+Bb/Cc==")).in_flow(Flow::Delivery),
        Transition::accepted(child("C-1"))
            .in_flow(Flow::Pickup)
            .with_prescription(Prescription::Without),
        Transition::rejected(child("C-1"), Finality::NotFinal).in_flow(Flow::Delivery),
        Transition::reassigned(child("C-1"), [child("C-2"), child("C-3")])
            .unwrap()
            .in_flow(Flow::Delivery),
        Transition::shipped(child("C-2")),
        Transition::picked_up(child("C-2")),
        Transition::delivered(child("C-2")),
        Transition::split(child("C-1"), []).unwrap(),
    ];
    for ((frozen, event), stage) in FROZEN.iter().zip(&events).zip(Stage::ALL) {
        assert_eq!(event.stage(), stage);
        assert_eq!(std::str::from_utf8(&event.to_memo()), Ok(*frozen));
        assert_eq!(Transition::from_memo(frozen.as_bytes()).as_ref(), Ok(event));
        assert_eq!(serde_json::to_string(event).unwrap(), *frozen);
        assert_eq!(&serde_json::from_str::<Transition>(frozen).unwrap(), event);
    }
}

#[test]
fn a_life_of_version_1_is_read_as_ever() {
    let frozen = r#"{"told":{"flow":"delivery","prescription":"with"},"events":[{"v":1,"stage":"digitization_completed"},{"v":1,"stage":"reject","child":"A","final":false},{"v":1,"stage":"reassign","child":"A","new":["B"]}]}"#;
    let order: Lifecycle = serde_json::from_str(frozen).unwrap();
    assert_eq!(order.last_stage(&child("A")), Some(Stage::Reassigned));
    assert_eq!(serde_json::to_string(&order).unwrap(), frozen);
    assert!(serde_json::from_str::<Lifecycle>(&frozen.replace("\"B\"", "\"A\"")).is_err());
}

#[test]
fn a_fold_names_the_memo_that_does_not_fit() {
    let accepted = FROZEN[2].replace("order_assigned", "accept");
    let memos = [FROZEN[0], FROZEN[2], accepted.as_str()];
    assert_eq!(Lifecycle::fold(memos).unwrap().events().len(), 3);
    let twice = Lifecycle::fold([FROZEN[0], FROZEN[2], FROZEN[2]]).unwrap_err();
    assert!(
        matches!(&twice, FoldError::NotAllowed { position: 2, error } if error.stage() == Stage::Assigned)
    );
    let torn = Lifecycle::fold([FROZEN[0], "{"]).unwrap_err();
    assert_eq!(
        torn,
        FoldError::Memo {
            position: 1,
            error: MemoError::Damaged
        }
    );
    assert!(
        !torn.to_string().contains(&MemoError::Damaged.to_string()),
        "the cause is in source()"
    );
}

#[test]
fn the_documentation_shows_the_diagrams_that_the_table_makes() {
    let page = include_str!("../../docs/fulfilment.md");
    for flow in Flow::ALL {
        let diagram = format!("```mermaid\n{}```\n", flow.diagram());
        assert!(
            page.contains(&diagram),
            "docs/fulfilment.md should have, for {flow}:\n{diagram}"
        );
    }
}
