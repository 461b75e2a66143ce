//! What is asked of the thread that writes: each question with the type of its answer.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::store::{
    Claim, ClaimNew, ClaimRequest, Claims, Insertion, Intervened, Intervention, NewNotification,
    Recorded, Selection, Step, StoreError,
};
use crate::value::names::Source;

use super::error::closed;

/// The caller's end of a question.
pub(super) type Answer<A> = oneshot::Receiver<Result<A, StoreError>>;

/// An answer, which may have claims in it.
pub(super) trait HandsOut: Sized {
    /// The claims of an answer that nobody takes.
    fn into_claims(self) -> Vec<Claim> {
        Vec::new()
    }
}

impl HandsOut for Insertion {
    fn into_claims(self) -> Vec<Claim> {
        self.claims
    }
}

impl HandsOut for Claims {
    fn into_claims(self) -> Vec<Claim> {
        self.claims
    }
}

impl HandsOut for Recorded {}
impl HandsOut for Intervened {}
impl HandsOut for u32 {}

/// A question, its answer as soon as there is one, and the way back to the caller.
pub(super) struct Ask<Q, A> {
    pub(super) question: Q,
    /// Handed over when it is durable.
    pub(super) answer: Option<A>,
    caller: oneshot::Sender<Result<A, StoreError>>,
}

impl<Q, A> Ask<Q, A> {
    pub(super) fn new(question: Q) -> (Ask<Q, A>, Answer<A>) {
        let (caller, answer) = oneshot::channel();
        let ask = Ask {
            question,
            answer: None,
            caller,
        };
        (ask, answer)
    }

    /// Hands the answer over, or the error. What a caller does not take who is gone comes back.
    fn reply(self, error: Option<StoreError>) -> Option<A> {
        let answer = match (self.answer, error) {
            (Some(answer), None) => Ok(answer),
            (_, Some(error)) => Err(error),
            (None, None) => Err(closed()),
        };
        self.caller.send(answer).err().and_then(Result::ok)
    }
}

/// One question of any kind.
pub(super) enum Job {
    Insert(Ask<(Vec<NewNotification>, ClaimNew), Insertion>),
    Claim(Ask<ClaimRequest, Claims>),
    Write(Ask<Vec<Step>, Recorded>),
    Intervene(Ask<Box<(Selection, Intervention, u32)>, Intervened>),
    Prune(Ask<(Source, Duration, u32), u32>),
    /// Claims without a holder: they become what they were. No one waits for it.
    TakeBack(Vec<Claim>),
}

impl Job {
    /// Whether it is a claim whose caller is gone: its claims would have no holder. What else is asked for happens: it is the
    /// record of something.
    pub(super) fn is_in_vain(&self) -> bool {
        matches!(self, Job::Claim(ask) if ask.caller.is_closed())
    }

    /// Takes the claims out of its answer, which is not to be handed over.
    pub(super) fn take_claims(&mut self) -> Vec<Claim> {
        match self {
            Job::Claim(ask) => ask.answer.take().map_or(Vec::new(), |claims| claims.claims),
            Job::Insert(ask) => ask.answer.take().map_or(Vec::new(), |answer| answer.claims),
            _ => Vec::new(),
        }
    }

    /// Hands the answer over, or the error; gives back the claims of a caller who is gone.
    pub(super) fn reply(self, error: Option<StoreError>) -> Vec<Claim> {
        match self {
            Job::Insert(ask) => {
                return ask.reply(error).map_or(Vec::new(), HandsOut::into_claims);
            }
            Job::Write(ask) => drop(ask.reply(error)),
            Job::Intervene(ask) => drop(ask.reply(error)),
            Job::Prune(ask) => drop(ask.reply(error)),
            Job::Claim(ask) => {
                return ask.reply(error).map_or(Vec::new(), HandsOut::into_claims);
            }
            Job::TakeBack(_) => {}
        }
        Vec::new()
    }
}
