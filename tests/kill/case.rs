//! One line of the table: where, how, and what has to follow.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a sender dies. Endpoints and writes are counted from 1; the k-th write of a round records endpoint k.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Point {
    BeforeInsert,
    /// Asked for, not committed.
    InInsert,
    AfterInsert,
    /// When the supplier of what was stored before is looked up to be sent to: before anything is claimed.
    InLookup,
    InClaim,
    AfterClaim,
    /// The connection is there and not a byte has come.
    Connected(usize),
    /// Half of the request has come.
    HalfSent(usize),
    /// All of it, and no reply.
    Unanswered(usize),
    BeforeWrite(usize),
    InWrite(usize),
    AfterWrite(usize),
}

impl Point {
    /// Whether it lies inside of a call of the store.
    pub(crate) fn is_inside(self) -> bool {
        matches!(self, Point::InInsert | Point::InClaim | Point::InWrite(_))
    }
}

/// How it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Way {
    /// The process, by SIGKILL.
    Kill,
    /// The task, by a panic in it.
    Panic,
    /// The caller's future only: the delivery goes on.
    Drop,
    /// All tasks: their runtime is shut down.
    Runtime,
}

/// What the sender was called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Call {
    Notify,
    Enqueue,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) point: Point,
    pub(crate) endpoints: usize,
    pub(crate) way: Way,
    pub(crate) call: Call,
}

impl Case {
    /// Every point of a call of `notify` with so many endpoints that makes sense for this way of dying.
    pub(crate) fn all(endpoints: usize, way: Way) -> Vec<Case> {
        let of_store = [
            Point::BeforeInsert,
            Point::InInsert,
            Point::AfterInsert,
            Point::InLookup,
            Point::InClaim,
            Point::AfterClaim,
        ];
        // A task that dies inside of a call of the store has asked for it: it happens or it does not.
        let is_certain = |point: &Point| match point {
            Point::InInsert | Point::InClaim | Point::InWrite(_) => {
                matches!(way, Way::Kill | Way::Drop)
            }
            _ => true,
        };
        let of_network = |k| {
            [
                Point::Connected(k),
                Point::HalfSent(k),
                Point::Unanswered(k),
            ]
        };
        let of_writes = |k| {
            [
                Point::BeforeWrite(k),
                Point::InWrite(k),
                Point::AfterWrite(k),
            ]
        };
        let mut points = of_store.to_vec();
        for k in 1..=endpoints {
            // While the client works nothing of ours runs in the task that could panic.
            if way != Way::Panic {
                points.extend(of_network(k));
            }
            points.extend(of_writes(k));
        }
        points
            .into_iter()
            .filter(is_certain)
            .map(|point| Case {
                point,
                endpoints,
                way,
                call: Call::Notify,
            })
            .collect()
    }

    /// The name of the point in the list of kill points, and which endpoint it is about.
    fn name(&self) -> String {
        let last = |k: usize| k == self.endpoints;
        match self.point {
            Point::BeforeInsert => "K0 before the insert".to_owned(),
            Point::InInsert => "K1 insert not committed".to_owned(),
            Point::AfterInsert if self.claims_at_once() => "K3 inserted and claimed".to_owned(),
            Point::AfterInsert => "K2 inserted, not claimed".to_owned(),
            Point::InLookup => "K2 looked up, not claimed".to_owned(),
            Point::InClaim => "K2 claim not committed".to_owned(),
            Point::AfterClaim => "K3 claimed".to_owned(),
            Point::Connected(k) => format!("K4 connected, nothing sent @{k}"),
            Point::HalfSent(k) => format!("K5 half a request @{k}"),
            Point::Unanswered(k) => format!("K6 no reply @{k}"),
            // The last outcome and the end are one write.
            Point::BeforeWrite(k) if last(k) => format!("K7/K9 2xx, end not written @{k}"),
            Point::BeforeWrite(k) => format!("K7 2xx, not recorded @{k}"),
            Point::InWrite(k) if last(k) => format!("K7/K9 2xx, end not committed @{k}"),
            Point::InWrite(k) => format!("K7 2xx, record not committed @{k}"),
            Point::AfterWrite(k) if last(k) => "K10 notified, caller not told".to_owned(),
            Point::AfterWrite(k) => format!("K8 recorded, next not called @{k}"),
        }
    }

    /// Whether the order has been stored before: what is stored by the call itself is claimed by the same insert.
    pub(crate) fn is_stored_before(&self) -> bool {
        let of_the_claim = [Point::InLookup, Point::InClaim, Point::AfterClaim];
        of_the_claim.contains(&self.point)
    }

    /// Whether the insert hands out the claim.
    fn claims_at_once(&self) -> bool {
        self.call == Call::Notify && !self.is_stored_before()
    }

    /// Whether the delivery itself ends there.
    fn is_fatal(&self) -> bool {
        self.way != Way::Drop
    }

    /// Whether anything may be stored at the moment of death; `None` when it may or may not.
    pub(crate) fn is_stored(&self) -> Option<bool> {
        match (self.point, self.way) {
            (Point::BeforeInsert, Way::Kill | Way::Panic | Way::Runtime) => Some(false),
            // A process dies in the middle of its transaction. A future that is dropped has asked for it.
            (Point::InInsert, Way::Kill) => Some(false),
            _ => Some(true),
        }
    }

    /// The endpoint whose complete POST was not recorded: the only one that is called twice.
    fn repeated(&self) -> Option<usize> {
        match self.point {
            Point::Unanswered(k) | Point::BeforeWrite(k) | Point::InWrite(k) if self.is_fatal() => {
                Some(k)
            }
            _ => None,
        }
    }

    /// The endpoint that was next when a lease was lost: the record shows it as interrupted.
    fn interrupted(&self) -> Option<usize> {
        match self.point {
            _ if !self.is_fatal() => None,
            Point::AfterInsert if self.claims_at_once() => Some(1),
            Point::AfterClaim => Some(1),
            Point::Connected(k)
            | Point::HalfSent(k)
            | Point::Unanswered(k)
            | Point::BeforeWrite(k)
            | Point::InWrite(k) => Some(k),
            Point::AfterWrite(k) if k < self.endpoints => Some(k + 1),
            _ => None,
        }
    }

    /// How many complete requests each endpoint has to get, all in all.
    pub(crate) fn sent(&self) -> Vec<usize> {
        (1..=self.endpoints)
            .map(|k| 1 + usize::from(self.repeated() == Some(k)))
            .collect()
    }

    /// How many requests have to be cut off.
    pub(crate) fn cut_off(&self) -> usize {
        usize::from(matches!(self.point, Point::HalfSent(_)) && self.is_fatal())
    }

    /// The attempts that have to be in the record: which endpoint, and what it came to.
    pub(crate) fn record(&self) -> Vec<(usize, &'static str)> {
        let mut record = Vec::new();
        for k in 1..=self.endpoints {
            if self.interrupted() == Some(k) {
                record.push((k, "unknown"));
            }
            record.push((k, "accepted"));
        }
        record
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match (self.way, self.call) {
            (Way::Kill, Call::Notify) => "SIGKILL",
            (Way::Kill, Call::Enqueue) => "SIGKILL in enqueue",
            (Way::Panic, _) => "panic",
            (Way::Drop, _) => "dropped future",
            (Way::Runtime, _) => "runtime shut down",
        };
        write!(f, "{:<33} {:>1}  {way:<18}", self.name(), self.endpoints)
    }
}
