//! What calls are made of, in small numbers; and what the numbers stand for.

use std::time::Duration;

use orderhook::event::{Body, ContentDigest, Memo, Occurrence};
use orderhook::notification::{ActionName, Attempt, By, FailureReason, Ledger, StateName};
use orderhook::store::{Append, Filter, Inserted, Start, Then, Written};
use orderhook::supplier::EndpointId;
use orderhook::supplier::StreamRule;
use orderhook::{EventKind, Key, OrderCode, Outcome, Source, SupplierId, Timestamp};

/// Time goes by the hour: what the calls themselves take does not count.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn hours(number: u8) -> Duration {
    HOUR * u32::from(number)
}

/// Who decides.
pub(crate) fn by() -> By {
    By::new("maria", "a model").unwrap()
}

/// Which notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) source: u8,
    pub(crate) supplier: u8,
    pub(crate) order: u8,
    pub(crate) occurrence: u8,
}

impl Name {
    pub(crate) fn key(self) -> Key {
        let (order, kind) = (
            OrderCode::new(format!("A-{}", self.order)).unwrap(),
            EventKind::own("stage").unwrap(),
        );
        let occurrence = Occurrence::new(&format!("n{}", self.occurrence)).unwrap();
        Key::new(
            source(self.source),
            supplier(self.supplier),
            order,
            kind,
            occurrence,
        )
    }

    /// Whether both belong to one order of one supplier.
    pub(crate) fn shares_stream(self, other: Name) -> bool {
        (self.source, self.supplier, self.order) == (other.source, other.supplier, other.order)
    }
}

pub(crate) fn source(number: u8) -> Source {
    Source::new(format!("shop-{number}")).unwrap()
}

pub(crate) fn supplier(number: u8) -> SupplierId {
    SupplierId::new(format!("supplier-{number}")).unwrap()
}

#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) name: Name,
    pub(crate) append: Append,
    pub(crate) start: Start,
    pub(crate) digest: Option<u8>,
    pub(crate) memo: Option<u8>,
}

pub(crate) fn body(number: u8) -> Body {
    Body::new([b'{', number, 0xff, b'}'])
}

pub(crate) fn digest(number: u8) -> ContentDigest {
    ContentDigest::of(&[number])
}

pub(crate) fn memo(number: u8) -> Memo {
    Memo::new([number, 0]).unwrap()
}

pub(crate) fn ledger(tries: u8) -> Ledger {
    let json = format!(
        r#"{{"schedule":0,"endpoints":[{{"id":"0011","shown":"https://a.example/","standing":{{"open":{{"tries":{tries},
        "first_at":"2026-03-01T10:00:00Z","not_before":"2026-03-01T10:00:05Z","interrupted":0}}}}}}]}}"#
    );
    if tries == 0 {
        Ledger::default()
    } else {
        Ledger::decode(json.as_bytes()).unwrap()
    }
}

pub(crate) fn attempt(number: u16) -> Attempt {
    Attempt::new(
        "https://a.example/x\ny".to_owned(),
        EndpointId::from_stored("0011"),
        Outcome::Rejected { status: 500 },
        Timestamp::from_micros(1_772_359_200_250_000),
        Duration::from_millis(number.into()),
    )
}

#[derive(Clone, Debug)]
pub(crate) enum Pick {
    New,
    Due,
    PutOff(Vec<u8>),
    DueOf(Vec<Name>),
    NowOf(Vec<Name>),
}

#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) source: u8,
    pub(crate) pick: Pick,
    pub(crate) limit: u32,
    /// Hours.
    pub(crate) lease: u8,
    /// Leaves alone what has become due within so many hours.
    pub(crate) due_before: Option<u8>,
}

/// What a step makes of the notification; times in hours.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Keep(u8),
    Notified(String),
    Again(u8),
    HandBack(u8),
    Failed(FailureReason, StreamRule),
}

impl End {
    pub(crate) fn then(&self) -> Then {
        match self {
            End::Keep(lease) => Then::Keep {
                lease: hours(*lease),
            },
            End::Notified(reference) => Then::Notified {
                reference: reference.clone(),
            },
            End::Again(after) => Then::Again {
                after: hours(*after),
            },
            End::HandBack(after) => Then::HandBack {
                after: hours(*after),
            },
            End::Failed(reason, stream) => Then::Failed {
                reason: *reason,
                stream: *stream,
            },
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Write {
    /// Which claim of those that were ever given, counted round and from the last one.
    pub(crate) claim: usize,
    /// Under the name of another notification.
    pub(crate) foreign: bool,
    /// How many of the attempts were recorded before: the step is a repetition.
    pub(crate) known: u8,
    pub(crate) attempts: u8,
    pub(crate) ledger: u8,
    pub(crate) end: End,
}

#[derive(Clone, Debug)]
pub(crate) enum Select {
    Keys(Vec<Name>),
    FailedFor(u8, u8, Vec<FailureReason>),
}

#[derive(Clone, Debug)]
pub(crate) enum Decide {
    Reopen,
    Retry,
    Withdraw(String),
    MarkNotified(String),
    Erase,
    Forget,
}

impl Decide {
    pub(crate) fn name(&self) -> ActionName {
        match self {
            Decide::Reopen => ActionName::Reopen,
            Decide::Retry => ActionName::Retry,
            Decide::Withdraw(_) => ActionName::Withdraw,
            Decide::MarkNotified(_) => ActionName::MarkNotified,
            Decide::Erase => ActionName::Erase,
            Decide::Forget => ActionName::Forget,
        }
    }

    /// Who decides, and why.
    pub(crate) fn by(&self) -> By {
        match self {
            Decide::Withdraw(reason) => By::new("maria", reason).unwrap(),
            _ => by(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Which {
    pub(crate) source: u8,
    pub(crate) order: Option<u8>,
    pub(crate) supplier: Option<u8>,
    pub(crate) states: Vec<StateName>,
    /// Hours.
    pub(crate) older_than: Option<u8>,
}

impl Which {
    pub(crate) fn all(source: u8) -> Which {
        Which {
            source,
            order: None,
            supplier: None,
            states: Vec::new(),
            older_than: None,
        }
    }

    pub(crate) fn filter(&self) -> Filter {
        let mut filter = Filter::of(source(self.source));
        filter.order = self
            .order
            .map(|order| OrderCode::new(format!("A-{order}")).unwrap());
        filter.supplier = self.supplier.map(supplier);
        filter.states = self.states.clone();
        filter.older_than = self.older_than.map(hours);
        filter
    }
}

/// What an insert is to hand out at once, and for how many hours.
#[derive(Clone, Debug)]
pub(crate) struct AtOnce {
    pub(crate) names: Vec<Name>,
    pub(crate) lease: u8,
}

/// One call, or one hour.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Insert(Vec<New>, AtOnce),
    Claim(Claim),
    Write(Vec<Write>),
    Intervene(Select, Decide, u32),
    /// Of a source, what ended so many hours ago.
    Prune(u8, u8),
    /// Every page of a listing, so large.
    List(Which, u32),
    /// The next page of what has settled, after the one that was read before.
    Settled(u8, u32),
    Wait(u8),
    /// The store is opened anew, where that is possible.
    Open,
}

/// What a call has to answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Nothing,
    Inserted(Vec<Inserted>, Vec<Claimed>),
    Claimed(Vec<Claimed>, NextDue),
    Written(Vec<Written>),
    /// `None`: what comes after the limit may be reported or not.
    Intervened(Vec<Name>, Option<Vec<Name>>),
    Listed(Vec<Name>),
    Pruned(u32),
}

/// The steps that a write consists of, with all that follows from the model.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The number of the claim whose token is used.
    pub(crate) claim: usize,
    pub(crate) name: Name,
    pub(crate) first_attempt: u32,
    pub(crate) attempts: Vec<u16>,
    pub(crate) ledger: u8,
    pub(crate) end: End,
}

/// What has to be in a claim.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claimed {
    pub(crate) name: Name,
    pub(crate) position: u64,
    pub(crate) body: u8,
    pub(crate) ledger: u8,
    pub(crate) reopened: u32,
    pub(crate) attempts: u32,
    pub(crate) taken_over: bool,
}

/// What has to be said about the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NextDue {
    /// There is none.
    Never,
    /// Not later than so many hours from now.
    Within(i64),
}
