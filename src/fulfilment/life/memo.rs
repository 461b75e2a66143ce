//! The stored form of a transition. Additive: what version 1 wrote stays readable.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::child::ChildId;
use super::flow::{Finality, Flow, Prescription};
use super::transition::{Parts, Transition, TransitionError};
use crate::event::Stage;

const VERSION: u32 = 1;

/// Version 1, in the order in which it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memo {
    v: u32,
    stage: Stage,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "stored_child"
    )]
    child: Option<ChildId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flow: Option<Flow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prescription: Option<Prescription>,
    #[serde(default, rename = "final", skip_serializing_if = "Option::is_none")]
    is_final: Option<bool>,
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "stored_children"
    )]
    new: Vec<ChildId>,
}

fn stored_child<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ChildId>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| ChildId::from_stored(&text))
        .transpose()
        .map_err(serde::de::Error::custom)
}

fn stored_children<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ChildId>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| ChildId::from_stored(text))
        .collect::<Result<_, _>>()
        .map_err(serde::de::Error::custom)
}

/// Only the version, so that a later one is distinguished from damage.
#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

impl From<&Transition> for Memo {
    fn from(event: &Transition) -> Self {
        Memo {
            v: VERSION,
            stage: event.stage(),
            child: event.child().cloned(),
            flow: event.flow(),
            prescription: event.prescription(),
            is_final: event.finality().map(|finality| finality == Finality::Final),
            new: event.successors().to_vec(),
        }
    }
}

/// Takes each part out, so that what is left over is what the stage does not have.
impl Parts for Memo {
    type Error = MemoError;

    fn child(&mut self) -> Result<ChildId, MemoError> {
        self.child.take().ok_or(MemoError::Damaged)
    }

    fn finality(&mut self) -> Result<Finality, MemoError> {
        match self.is_final.take() {
            Some(true) => Ok(Finality::Final),
            Some(false) => Ok(Finality::NotFinal),
            None => Err(MemoError::Damaged),
        }
    }

    fn succession(&mut self) -> Result<(ChildId, Vec<ChildId>), MemoError> {
        Ok((self.child()?, std::mem::take(&mut self.new)))
    }

    fn refused(_: TransitionError) -> MemoError {
        MemoError::Damaged
    }
}

impl TryFrom<Memo> for Transition {
    type Error = MemoError;

    fn try_from(mut memo: Memo) -> Result<Self, MemoError> {
        if memo.v != VERSION {
            return Err(MemoError::Later(memo.v));
        }
        let mut event = Transition::assemble(memo.stage, &mut memo)?;
        // What the stage does not have must not be there.
        if memo.child.is_some() || memo.is_final.is_some() || !memo.new.is_empty() {
            return Err(MemoError::Damaged);
        }
        if let Some(flow) = memo.flow {
            event = event.in_flow(flow);
        }
        if let Some(prescription) = memo.prescription {
            event = event.with_prescription(prescription);
        }
        Ok(event)
    }
}

impl Transition {
    /// The memo: versioned JSON, at most [`Transition::MEMO_LIMIT`] bytes.
    #[allow(clippy::expect_used, reason = "the invariant stands above the call")]
    pub fn to_memo(&self) -> Vec<u8> {
        // Invariant: numbers, booleans, texts and a list of texts under text keys always serialise into a Vec.
        serde_json::to_vec(&Memo::from(self)).expect("a memo is plain JSON")
    }

    /// Reads a memo.
    ///
    /// # Errors
    /// [`MemoError`] when the bytes are not a memo, or one of a later version.
    pub fn from_memo(memo: &[u8]) -> Result<Self, MemoError> {
        if memo.len() > Self::MEMO_LIMIT {
            return Err(MemoError::Damaged);
        }
        let Versioned { v } = serde_json::from_slice(memo).map_err(|_| MemoError::Damaged)?;
        if v != VERSION {
            return Err(MemoError::Later(v));
        }
        serde_json::from_slice::<Memo>(memo)
            .map_err(|_| MemoError::Damaged)?
            .try_into()
    }
}

impl Serialize for Transition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Memo::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Transition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Memo::deserialize(deserializer)?
            .try_into()
            .map_err(serde::de::Error::custom)
    }
}

/// Why bytes are not the memo of an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoError {
    /// Not a memo, or only a part of one.
    #[error("not the memo of a fulfilment event")]
    Damaged,
    /// Written by a version of this crate that this one cannot read.
    #[error("a memo of version {0}, expected 1")]
    Later(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memo_with_what_its_stage_does_not_have_is_refused() {
        for bad in [
            r#"{"v":1,"stage":"accept"}"#,
            r#"{"v":1,"stage":"accept","child":""}"#,
            r#"{"v":1,"stage":"accept","child":"A","final":true}"#,
            r#"{"v":1,"stage":"accept","child":"A","new":["B"]}"#,
            r#"{"v":1,"stage":"accept","child":"A","name":"x"}"#,
            r#"{"v":1,"stage":"digitization_completed","child":"A"}"#,
            r#"{"v":1,"stage":"reject","child":"A"}"#,
            r#"{"v":1,"stage":"reassign","child":"A"}"#,
            r#"{"v":1,"stage":"reassign","child":"A","new":["A"]}"#,
            r#"{"v":1,"stage":"lost","child":"A"}"#,
            r#"{"stage":"accept","child":"A"}"#,
            "",
            "[]",
        ] {
            assert_eq!(
                Transition::from_memo(bad.as_bytes()),
                Err(MemoError::Damaged),
                "{bad}"
            );
            assert!(serde_json::from_str::<Transition>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_memo_with_an_id_that_would_be_refused_now_is_read_and_its_id_is_shown_escaped() {
        let memo = "{\"v\":1,\"stage\":\"accept\",\"child\":\"A\u{200b}\"}";
        let event = Transition::from_memo(memo.as_bytes()).unwrap();
        assert_eq!(event.child().unwrap().to_string(), "A\\u{200b}");
        assert_eq!(event.to_memo(), memo.as_bytes());
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let later = br#"{"v":2,"stage":"returned","child":"A","by":"rider"}"#;
        assert_eq!(Transition::from_memo(later), Err(MemoError::Later(2)));
    }
}
