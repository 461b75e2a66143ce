//! A stage as a receiver reads it.

use std::fmt;

use crate::event::Stage;

/// A stage as it was read: one of the ten, or a text that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StageRef<'a> {
    /// One of the ten.
    Known(Stage),
    /// Anything else, as it was sent; empty when there was nothing.
    Unknown(&'a str),
}

impl<'a> StageRef<'a> {
    /// The stage, if it is one of the ten.
    pub fn known(self) -> Option<Stage> {
        match self {
            StageRef::Known(stage) => Some(stage),
            StageRef::Unknown(_) => None,
        }
    }

    /// The text on the wire.
    pub fn as_str(self) -> &'a str {
        match self {
            StageRef::Known(stage) => stage.as_str(),
            StageRef::Unknown(text) => text,
        }
    }
}

impl fmt::Display for StageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
