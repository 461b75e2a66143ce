//! The table as Mermaid state diagrams.

use std::fmt::Write;

use super::flow::{Finality, Flow, Prescription};
use super::table::{Node, Step, TABLE};

impl Flow {
    /// The table of what may follow what in this flow, as a Mermaid `stateDiagram-v2`: what documentation shows, made
    /// from what the code uses. Two machines: the parent order, and each of its child orders.
    ///
    /// ```
    /// use orderhook::fulfilment::Flow;
    ///
    /// let diagram = Flow::Pickup.diagram();
    /// assert!(diagram.contains("Shipped --> Delivered: delivered"));
    /// assert!(!diagram.contains("order_picked_up"));
    /// ```
    pub fn diagram(self) -> String {
        let mut lines = vec!["stateDiagram-v2".to_owned()];
        for (title, of_child) in [
            ("parent: parent order", false),
            ("child: each child order", true),
        ] {
            let (id, title) = title.split_once(": ").unwrap_or((title, title));
            lines.push(format!("    state \"{title}\" as {id} {{"));
            let edges = || {
                TABLE
                    .iter()
                    .filter(|edge| edge.flow == self && is_child(edge.from) == of_child)
            };
            let start = if of_child {
                vec![Node::Unseen]
            } else {
                Prescription::ALL.map(Node::Fresh).to_vec()
            };
            for node in start {
                lines.push(format!("        [*] --> {}", name(node)));
            }
            for edge in edges() {
                lines.push(format!(
                    "        {} --> {}: {}",
                    name(edge.from),
                    name(edge.to),
                    label(edge.by)
                ));
            }
            let mut ends: Vec<Node> = Vec::new();
            for edge in edges() {
                if !edges().any(|next| next.from == edge.to) && !ends.contains(&edge.to) {
                    ends.push(edge.to);
                }
            }
            for end in ends {
                lines.push(format!("        {} --> [*]", name(end)));
            }
            lines.push("    }".to_owned());
        }
        lines.iter().fold(String::new(), |mut text, line| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
            text
        })
    }
}

fn is_child(node: Node) -> bool {
    !matches!(
        node,
        Node::Fresh(_) | Node::Digitized | Node::Refused | Node::Running
    )
}

fn name(node: Node) -> &'static str {
    match node {
        Node::Fresh(Prescription::With) => "WithPrescription",
        Node::Fresh(Prescription::Without) => "WithoutPrescription",
        Node::Digitized => "Digitized",
        Node::Refused => "DigitizationRejected",
        Node::Running => "HasChildren",
        Node::Unseen => "NotSeen",
        Node::Assigned => "Assigned",
        Node::Accepted => "Accepted",
        Node::RejectedOpen => "RejectedNotFinal",
        Node::RejectedFinal => "Rejected",
        Node::Shipped => "Shipped",
        Node::PickedUp => "PickedUp",
        Node::Delivered => "Delivered",
        Node::Reassigned => "Reassigned",
        Node::Split => "Split",
    }
}

fn label(step: Step) -> &'static str {
    match step {
        Step::ChildStarts => "a child starts",
        Step::To(stage) => stage.as_str(),
        Step::Rejected(Finality::Final) => "reject (final)",
        Step::Rejected(Finality::NotFinal) => "reject (not final)",
    }
}
