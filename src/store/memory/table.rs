//! The rows and the ways to them. Whatever a call does, it looks at what it is about and not at all that was ever stored.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, SystemTime};

use crate::notification::transition::{self, Judge, Present, Queue};
use crate::notification::{Claim, Key, Notification, Stream, Token};
use crate::store::{ClaimNew, ClaimRequest, Claims, Inserted, Insertion, NewNotification, Pick};
use crate::value::clock::Moment;
use crate::value::hashed::FastMap;
use crate::value::names::{OrderCode, Source};
use crate::value::time::Timestamp;

use super::change::Unfinished;
use super::index::{Index, Place};
use super::mark::{Mark, Names};
use super::queues::{Queues, Turn};

#[derive(Debug)]
pub(super) struct Table {
    began: Moment,
    began_at: Timestamp,
    advanced: Duration,
    /// By their numbers, which begin at 1.
    pub(super) rows: Vec<Row>,
    pub(super) names: Names,
    by_key: Index,
    /// The last row of each order, from where they go back, and of each stream.
    pub(super) by_order: Index,
    pub(super) by_stream: Index,
    /// What holds its stream or would be held, by position.
    pub(super) unfinished: FastMap<Stream, Unfinished>,
    pub(super) queues: FastMap<Source, Queues>,
    /// What is pending, being sent or failed.
    pub(super) open: BTreeSet<u64>,
    /// What has come to its end and is kept whole, oldest first.
    pub(super) whole: VecDeque<u64>,
    last_token: i64,
    /// What became notified or failed, by its number in that order, which begins at 1. 0: it was reopened.
    pub(super) settled: Vec<u64>,
    /// Whether something came into a queue that no holder has, since this was looked at.
    pub(super) has_news: bool,
}

#[derive(Debug)]
pub(super) enum Row {
    Whole(Box<Whole>),
    /// It has come to its end.
    Mark(Mark),
    /// It was forgotten. The row before it in its order is still reached through it.
    Gone {
        previous: u64,
    },
}

impl Row {
    /// The row before it in its order; 0 for the first.
    pub(super) fn previous(&self) -> u64 {
        match self {
            Row::Whole(whole) => whole.previous,
            Row::Mark(mark) => mark.previous(),
            Row::Gone { previous } => *previous,
        }
    }
}

#[derive(Debug)]
pub(super) struct Whole {
    pub(super) notification: Notification,
    pub(super) token: Option<Token>,
    /// The queue that it waits in whenever it is the oldest unfinished of its stream and can be claimed.
    pub(super) queue: Queue,
    /// Where it stands in the queues.
    pub(super) waits: Option<(Queue, Timestamp)>,
    /// Its number in `settled`.
    pub(super) settled: Option<usize>,
    /// The row before it in its order; 0 for the first.
    pub(super) previous: u64,
}

impl Whole {
    /// It is given to a holder, if it can be claimed.
    fn hold(&mut self, token: Token) -> Option<Claim> {
        let claim = transition::claim(&self.notification.state, self.claim(token)?)?;
        self.token = Some(token);
        Some(claim)
    }

    /// What a claim has of it; `None` without a body.
    fn claim(&self, token: Token) -> Option<Claim> {
        let Notification {
            key,
            event_id,
            position,
            body,
            ledger,
            ..
        } = &self.notification;
        let (key, event_id, body) = (key.clone(), event_id.clone(), body.clone()?);
        let mut claim = Claim::new(key, token, event_id, *position, body);
        claim.ledger = ledger.clone();
        claim.reopened = self.notification.reopened;
        claim.attempts = u32::try_from(self.notification.attempts.len()).unwrap_or(u32::MAX);
        claim.traceparent = self.notification.traceparent.clone();
        Some(claim)
    }
}

/// Where a row stands.
pub(super) fn place(id: u64) -> Option<usize> {
    usize::try_from(id).ok()?.checked_sub(1)
}

impl Table {
    pub(super) fn new() -> Table {
        Table {
            began: Moment::now(),
            began_at: Timestamp::from(SystemTime::now()),
            advanced: Duration::ZERO,
            rows: Vec::new(),
            names: Names::default(),
            by_key: Index::default(),
            by_order: Index::default(),
            by_stream: Index::default(),
            unfinished: FastMap::default(),
            queues: FastMap::default(),
            open: BTreeSet::new(),
            whole: VecDeque::new(),
            last_token: 0,
            settled: Vec::new(),
            has_news: false,
        }
    }

    /// Whether there is something to claim, now or later, that was not there when this was asked last.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.advanced += by;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.began_at
            .after(self.began.elapsed())
            .after(self.advanced)
    }

    fn whole(&self, id: u64) -> Option<&Whole> {
        match self.rows.get(place(id)?)? {
            Row::Whole(whole) => Some(whole),
            Row::Mark(_) | Row::Gone { .. } => None,
        }
    }

    pub(super) fn whole_mut(&mut self, id: u64) -> Option<&mut Whole> {
        match self.rows.get_mut(place(id)?)? {
            Row::Whole(whole) => Some(whole),
            Row::Mark(_) | Row::Gone { .. } => None,
        }
    }

    /// The notification of a row, as far as it is kept.
    pub(super) fn read(&self, id: u64) -> Option<Notification> {
        match self.rows.get(place(id)?)? {
            Row::Whole(whole) => Some(whole.notification.clone()),
            Row::Mark(mark) => mark.unpack(&self.names),
            Row::Gone { .. } => None,
        }
    }

    fn has_key(&self, id: u64, is_it: impl Fn(&Key) -> bool) -> bool {
        match self.whole(id) {
            Some(whole) => is_it(&whole.notification.key),
            None => self.read(id).is_some_and(|found| is_it(&found.key)),
        }
    }

    fn place_of(&self, key: &Key) -> Place {
        self.by_key
            .place(key, |id| self.has_key(id, |of_row| of_row == key))
    }

    pub(super) fn place_of_order(&self, source: &Source, order: &OrderCode) -> Place {
        let is_it = |key: &Key| key.source == *source && key.order == *order;
        self.by_order
            .place(&(source, order), |id| self.has_key(id, is_it))
    }

    pub(super) fn place_of_stream(&self, key: &Key) -> Place {
        let stream = |key: &Key| key.stream();
        self.by_stream.place(&stream(key), |id| {
            self.has_key(id, |of_row| stream(of_row) == stream(key))
        })
    }

    pub(super) fn find(&self, key: &Key) -> Option<u64> {
        self.place_of(key).row
    }

    /// The last row of an order.
    pub(super) fn last_of_order(&self, source: &Source, order: &OrderCode) -> Option<u64> {
        self.place_of_order(source, order).row
    }

    pub(super) fn get(&self, key: &Key) -> Option<Notification> {
        self.read(self.find(key)?)
    }

    pub(super) fn insert(&mut self, new: &[NewNotification], claim: &ClaimNew) -> Insertion {
        let now = self.now();
        let present = new
            .iter()
            .map(|new| self.present(&new.key))
            .collect::<Vec<_>>();
        let answers = Judge::new().judge(new, present);
        if answers
            .iter()
            .any(|answer| matches!(answer, Inserted::Stale { .. }))
        {
            return Insertion::new(now, answers);
        }
        let mut claims = Vec::new();
        for (new, answer) in new.iter().zip(&answers) {
            if let Inserted::New { position } = answer {
                let until = claim.names(&new.key).then(|| now.after(claim.lease));
                claims.extend(self.add(new, *position, now, until));
            }
        }
        let mut inserted = Insertion::new(now, answers);
        inserted.claims = claims;
        inserted
    }

    /// What is there under a key.
    fn present(&self, key: &Key) -> Present {
        if let Some(id) = self.find(key) {
            let digest = match self.whole(id) {
                Some(whole) => whole.notification.content_digest,
                None => self.read(id).and_then(|found| found.content_digest),
            };
            return Present::Yes { digest };
        }
        let last = self.place_of_stream(key).row.and_then(|id| self.read(id));
        Present::No {
            stream_end: last.map_or(0, |last| last.position),
        }
    }

    /// Adds a row, and hands it out until then if it is the first of its stream.
    fn add(
        &mut self,
        new: &NewNotification,
        position: u64,
        now: Timestamp,
        until: Option<Timestamp>,
    ) -> Option<Claim> {
        let beginning = transition::start(&new.start, now);
        let change = beginning.change;
        let (key, state) = (new.key.clone(), change.state.clone());
        let mut notification =
            Notification::new(key.clone(), new.event_id.clone(), position, state, now);
        notification.body = beginning.body.cloned();
        notification.history.extend(beginning.history);
        notification.content_digest = new.content_digest;
        notification.ledger = new.ledger.clone();
        notification.memo = new.memo.clone();
        notification.traceparent = new.traceparent.clone();

        let places = (
            self.place_of(&key),
            self.place_of_order(&key.source, &key.order),
            self.place_of_stream(&key),
        );
        let previous = places.1.row.unwrap_or(0);
        let mut whole = Whole {
            notification,
            token: None,
            queue: change.queue,
            waits: None,
            settled: None,
            previous,
        };
        let at_once = until
            .filter(|_| !self.unfinished.contains_key(&key.stream()))
            .and_then(|until| transition::hand_out_at_once(&new.start, until));
        let (change, claim) = match at_once {
            Some(change) => (change, whole.hold(self.next_token())),
            None => (change, None),
        };
        self.rows.push(Row::Whole(Box::new(whole)));
        let id = self.rows.len() as u64;
        self.by_key.put(places.0, id);
        self.by_order.put(places.1, id);
        self.by_stream.put(places.2, id);
        self.change(id, change);
        claim
    }

    pub(super) fn claim(&mut self, request: &ClaimRequest) -> Claims {
        let now = self.now();
        let mut answer = Claims::at(now);
        let queues = self.queues.get(&request.source);
        let due_by = request.due_by.map_or(now, |due_by| due_by.min(now));
        let front = |queue| {
            queues
                .map(|queues| queues.front(queue, request.limit, due_by))
                .unwrap_or_default()
        };
        let chosen = match &request.pick {
            Pick::New | Pick::Due => {
                let queue = if matches!(request.pick, Pick::New) {
                    Queue::New
                } else {
                    Queue::Due
                };
                let (chosen, next) = front(queue);
                answer.next_due = next;
                chosen
            }
            Pick::PutOff(suppliers) => queues
                .map(|queues| queues.put_off(suppliers, request))
                .unwrap_or_default(),
            Pick::DueOf(keys) => self.waiting_of(request, keys, |at, _| at <= now),
            Pick::NowOf(keys) => self.waiting_of(request, keys, |at, row| {
                at <= now || transition::may_come_early(&row.notification.state, row.queue)
            }),
        };
        let until = now.after(request.lease);
        let chosen = chosen.into_iter().take(request.limit as usize);
        answer.claims = chosen
            .filter_map(|(_, id)| self.hand_out(id, until))
            .collect();
        answer
    }

    fn waiting_of(
        &self,
        request: &ClaimRequest,
        keys: &[Key],
        wanted: impl Fn(Timestamp, &Whole) -> bool,
    ) -> Vec<Turn> {
        let place = |key: &Key| {
            let id = self.find(key)?;
            let row = self.whole(id)?;
            let (_, at) = row.waits.filter(|(_, at)| wanted(*at, row))?;
            Some((at, id))
        };
        let ours = keys.iter().filter(|key| key.source == request.source);
        let turns: BTreeSet<Turn> = ours.filter_map(place).collect();
        turns.into_iter().collect()
    }

    fn hand_out(&mut self, id: u64, until: Timestamp) -> Option<Claim> {
        let token = self.next_token();
        let row = self.whole_mut(id)?;
        let change = transition::hand_out(row.queue, until);
        let claim = row.hold(token)?;
        self.change(id, change);
        Some(claim)
    }

    fn next_token(&mut self) -> Token {
        self.last_token += 1;
        Token::new(self.last_token)
    }
}
