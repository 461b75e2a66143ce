//! The stages of fulfilment orders that are sent to a supplier.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::Stage;
use crate::value::words::words;

/// The stages of fulfilment orders that are sent to one client of a pharmacy portal.
///
/// By default every stage but Digitization Completed and Order Assigned, and all rejections. What is not wanted is not
/// sent, but counts: sequence numbers and the life cycle stay whole.
///
/// ```
/// use orderhook::event::Stage;
/// use orderhook::supplier::{Rejections, Stages, Subscription};
///
/// let subscription = Subscription::new(Stages::default(), Rejections::Final);
/// assert!(subscription.stages().contains(Stage::Accepted));
/// assert!(!subscription.stages().contains(Stage::Assigned));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Subscription {
    stages: Stages,
    rejections: Rejections,
}

impl Subscription {
    /// A subscription to these stages, and of the rejections among them to these.
    pub fn new(stages: Stages, rejections: Rejections) -> Self {
        Subscription { stages, rejections }
    }

    /// The stages that are wanted.
    pub fn stages(&self) -> Stages {
        self.stages
    }

    /// The rejections that are wanted.
    pub fn rejections(&self) -> Rejections {
        self.rejections
    }
}

/// Which rejections a client wants. In a configuration: `all` or `final`.
///
/// Exhaustive on purpose: the two are what clients are offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rejections {
    /// Every one.
    #[default]
    All,
    /// Those after which nothing comes.
    Final,
}

words! {
    Rejections {
        All => "all",
        Final => "final",
    }
}

/// A set of stages. In a configuration: a list of wire names.
///
/// The default is every stage but Digitization Completed and Order Assigned.
///
/// ```
/// use orderhook::event::Stage;
/// use orderhook::supplier::Stages;
///
/// let wanted: Stages = serde_json::from_str(r#"["delivered", "accept"]"#)?;
/// assert!(wanted.contains(Stage::Accepted));
/// assert!(wanted.iter().eq([Stage::Accepted, Stage::Delivered]));
/// assert!(!Stages::default().contains(Stage::Assigned));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stages(u16);

impl Stages {
    /// The set of all ten stages.
    pub fn all() -> Self {
        Stage::ALL.into_iter().collect()
    }

    /// Whether the stage is in it.
    pub fn contains(self, stage: Stage) -> bool {
        self.0 & bit(stage) != 0
    }

    /// The stages of the set, in published order.
    pub fn iter(self) -> impl Iterator<Item = Stage> {
        Stage::ALL
            .into_iter()
            .filter(move |stage| self.contains(*stage))
    }
}

fn bit(stage: Stage) -> u16 {
    1 << stage as u16
}

impl Default for Stages {
    fn default() -> Self {
        let off = [Stage::DigitizationCompleted, Stage::Assigned];
        Stage::ALL
            .into_iter()
            .filter(|stage| !off.contains(stage))
            .collect()
    }
}

impl FromIterator<Stage> for Stages {
    fn from_iter<I: IntoIterator<Item = Stage>>(stages: I) -> Self {
        Stages(stages.into_iter().fold(0, |set, stage| set | bit(stage)))
    }
}

impl fmt::Debug for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Stages {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Stages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Stage>::deserialize(deserializer).map(|stages| stages.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_eight_stages_and_all_rejections() {
        let subscription: Subscription = serde_json::from_str("{}").unwrap();
        assert_eq!(subscription, Subscription::default());
        assert_eq!(subscription.stages().iter().count(), 8);
        assert!(!subscription.stages().contains(Stage::DigitizationCompleted));
        assert!(!subscription.stages().contains(Stage::Assigned));
        assert_eq!(subscription.rejections(), Rejections::All);
    }

    #[test]
    fn a_configuration_is_read_by_its_wire_names_and_strictly() {
        let read = serde_json::from_str::<Subscription>;
        let all =
            read(r#"{"stages": ["order_assigned", "reject"], "rejections": "final"}"#).unwrap();
        assert!(all.stages().iter().eq([Stage::Assigned, Stage::Rejected]));
        assert_eq!(all.rejections(), Rejections::Final);
        for bad in [
            r#"{"stages": ["assigned"]}"#,
            r#"{"rejections": "Final"}"#,
            r#"{"stage": []}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
