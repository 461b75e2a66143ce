//! Nodes: processes that offer stages of the same parent orders at the same time.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::{Process, Scene, Seed};

/// One stage that was offered, once or more often.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offered {
    pub(crate) client: &'static str,
    pub(crate) parent: String,
    pub(crate) stage: &'static str,
    pub(crate) occurrence: String,
}

/// A process that offers a file of events; killed, it begins again from the start.
pub(crate) struct Node {
    name: String,
    file: PathBuf,
    process: Option<Process>,
}

impl Node {
    pub(crate) fn start(scene: &Scene, number: usize, round: usize, lines: Vec<Value>) -> Self {
        let name = format!("node-{number}-{round}");
        let file = scene.path(&format!("{name}.jsonl"));
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&file, text).unwrap();
        let mut node = Node {
            name,
            file,
            process: None,
        };
        node.process = Some(node.run(scene));
        node
    }

    fn run(&self, scene: &Scene) -> Process {
        let mut command = scene.command(&scene.fulfilment, "--clients", &self.name);
        let mut said = std::fs::File::create(self.file.with_extension("out")).unwrap();
        said.flush().unwrap();
        command
            .arg("--events")
            .arg(&self.file)
            .arg("--enqueue-only")
            .stdout(Stdio::from(said));
        Process::begin(command)
    }

    /// SIGKILL, if it still runs; whether it did.
    pub(crate) fn kill(&mut self) -> bool {
        match &mut self.process {
            Some(process) => {
                let runs = process.0.try_wait().unwrap().is_none();
                if runs {
                    process.kill();
                }
                runs
            }
            None => false,
        }
    }

    /// Whether it has offered all of its file; begins again when it was killed on the way.
    ///
    /// # Panics
    /// When a stage was refused or the process failed.
    pub(crate) fn is_done(&mut self, scene: &Scene) -> bool {
        let Some(process) = &mut self.process else {
            return true;
        };
        let Some(status) = process.0.try_wait().unwrap() else {
            return false;
        };
        match status.code() {
            Some(0) => {
                self.process = None;
                true
            }
            None => {
                self.process = Some(self.run(scene));
                false
            }
            Some(other) => {
                let printed = std::fs::read_to_string(self.file.with_extension("out")).unwrap();
                let refused: Vec<_> = printed
                    .lines()
                    .filter(|line| line.contains("\"error\":\""))
                    .collect();
                panic!(
                    "{}: exit {other}: {}\n{refused:#?}",
                    self.name,
                    scene.said()
                );
            }
        }
    }
}

/// What two nodes offer of some parent orders: each fulfils child orders of its own, and the beginning comes from both.
pub(crate) fn round(
    seed: &mut Seed,
    round: usize,
    offered: &mut Vec<Offered>,
) -> (Vec<Value>, Vec<Value>) {
    let mut of_nodes: [Vec<Vec<Value>>; 2] = Default::default();
    for n in 0..3 + seed.below(4) {
        let client = ["clinic", "ward"][seed.below(2) as usize];
        let parent = Parent {
            client,
            name: format!("P-{round}-{n}"),
            prescription: seed.below(2) == 0,
        };
        let mut beginning = Vec::new();
        if parent.prescription {
            beginning.push(parent.line(offered, "digitization_completed", None, json!({})));
        }
        beginning.push(parent.line(
            offered,
            "accept",
            Some("both"),
            json!({ "remark": "from both" }),
        ));
        for (node, lines) in of_nodes.iter_mut().enumerate() {
            let mut mine = beginning.clone();
            for child in 0..=seed.below(2) {
                mine.extend(parent.child(seed, offered, &format!("{node}/{child}")));
            }
            lines.push(mine);
        }
    }
    let [one, other] = of_nodes.map(|parents| shuffled(seed, parents));
    (one, other)
}

struct Parent {
    client: &'static str,
    name: String,
    prescription: bool,
}

impl Parent {
    /// A possible life of a child order, and of one that takes its place.
    fn child(&self, seed: &mut Seed, offered: &mut Vec<Offered>, id: &str) -> Vec<Value> {
        let mut lines = Vec::new();
        let mut say =
            |stage, child: &str, data| lines.push(self.line(offered, stage, Some(child), data));
        if seed.below(2) == 0 {
            say(
                "order_assigned",
                id,
                json!({ "patient_full_address": "12 Invented Lane" }),
            );
        }
        let stages = ["accept", "shipped", "order_picked_up", "delivered"];
        let (reached, heir) = (seed.below(4) as usize, format!("{id}+"));
        stages[..reached]
            .iter()
            .for_each(|stage| say(stage, id, json!({})));
        match seed.below(3) {
            0 => stages[reached..]
                .iter()
                .for_each(|stage| say(stage, id, json!({}))),
            1 => say(
                "reject",
                id,
                json!({ "is_final_rejection": true, "reject_reason": "no longer needed" }),
            ),
            _ => {
                say("reject", id, json!({ "reject_reason": "out of stock" }));
                say("reassign", id, json!({ "new_order_ids": [heir] }));
                stages.iter().for_each(|stage| say(stage, &heir, json!({})));
            }
        }
        lines
    }

    fn line(
        &self,
        offered: &mut Vec<Offered>,
        stage: &'static str,
        child: Option<&str>,
        data: Value,
    ) -> Value {
        let occurrence = child.unwrap_or_default().to_owned();
        offered.push(Offered {
            client: self.client,
            parent: self.name.clone(),
            stage,
            occurrence,
        });
        json!({
            "client": self.client, "parent_order": self.name, "child_order": child, "flow": "delivery",
            "prescription": self.prescription, "stage": stage, "data": data,
        })
    }
}

/// The lines of all parents mixed, those of each in their order.
fn shuffled(seed: &mut Seed, parents: Vec<Vec<Value>>) -> Vec<Value> {
    let mut left: Vec<_> = parents.into_iter().map(Vec::into_iter).collect();
    let mut lines = Vec::new();
    while !left.is_empty() {
        let n = seed.below(left.len() as u64) as usize;
        match left[n].next() {
            Some(line) => lines.push(line),
            None => drop(left.swap_remove(n)),
        }
    }
    lines
}
