//! Who may call, who waits and who is left out: slots, places and the limits of suppliers.
//!
//! Decides by [`Health`] and [`Pace`] and nothing else; time and randomness are arguments. What is given out is a guard that
//! gives itself back when it is dropped: a [`Seat`] is a slot that is kept for a claim, a [`Pass`] is a call, a [`Stay`] is a
//! round at a supplier.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::supplier::{EndpointId, Supplier};
use crate::value::clock::Moment;
use crate::value::names::SupplierId;

use super::health::{CallEnd, Condition, Health};
use super::pace::{Pace, three_quarters, within};

mod guards;
mod line;
mod room;

pub(crate) use guards::{Pass, Seat, Work};
use line::{Line, TurnedAway};
use room::Room;
pub(crate) use room::{Beside, Entry, OldWork, PutOffFor, Stay};

/// What is under way in this process, and what is known of those who are called.
pub(crate) struct Traffic {
    pace: Pace,
    state: Mutex<State>,
    /// Changes when there may be something for a worker to do.
    changed: watch::Sender<u64>,
}

struct State {
    pace: Pace,
    slots: usize,
    places: usize,
    /// Calls that hold a slot, and calls that hold a place.
    held: Held,
    /// Slots that are held by first calls: at endpoints of which nothing was known.
    first_calls: usize,
    /// Of these, what `notify` and its like hold.
    by_visitors: Held,
    /// Slots that are kept for what is being claimed, and those of them that are kept for visitors.
    kept: usize,
    kept_for_visitors: usize,
    /// Whether a worker found no slot when it wanted one, and whether the last one went to a visitor.
    worker_waits: bool,
    last_was_visitor: bool,
    health: Health,
    calls: HashMap<u64, Call>,
    last_call: u64,
    /// Silent calls that found no place, and so keep their slot.
    late: VecDeque<u64>,
    /// Rounds that wait for the slot of their next call, longest first.
    line: Line,
    /// The same for endpoints of which nothing is known: none of them is looked at while first calls may not begin.
    line_of_unknown: Line,
    /// Visitors that wait for a slot before they claim anything; rounds come before them.
    visitors: VecDeque<oneshot::Sender<Seat>>,
    rooms: HashMap<SupplierId, Room>,
    /// How many claims wait for room at their supplier.
    waiting: usize,
    turned_away: TurnedAway,
    /// Suppliers of which something may be put off that could be sent now.
    with_old: BTreeSet<SupplierId>,
    /// The one of them that was served last.
    last_with_old: Option<SupplierId>,
    /// Half a slot that what is put off was not given when it had every second one.
    half_slot: usize,
    /// Suppliers that are paused or cannot be looked up, by the moment at which they are looked at again.
    rests: BTreeSet<(Moment, SupplierId)>,
    /// How many workers look after what is put off.
    workers: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    slots: usize,
    places: usize,
}

struct Call {
    endpoint: EndpointId,
    supplier: SupplierId,
    who: Who,
    /// Whether nothing was known of the endpoint when it began.
    is_first: bool,
    holds: Holds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Slot,
    Place,
}

/// Who wants to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Worker,
    /// `notify` and `resume`: they take three quarters of the slots at most, and go by the same rules as a worker.
    Visitor,
    /// A person who retries an order: silent endpoints are called as well.
    Person,
}

impl Who {
    fn is_visitor(self) -> bool {
        self != Who::Worker
    }
}

/// A wish to call an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) endpoint: EndpointId,
    pub(crate) supplier: SupplierId,
    pub(crate) who: Who,
    /// Whether the endpoint has neither been called nor left out for this notification.
    pub(crate) is_new: bool,
}

/// What becomes of a wish.
pub(crate) enum Admission {
    /// The call may begin.
    Call(Pass),
    /// The endpoint has been silent for so long: this round leaves it out.
    LeaveOut { silent_for: Duration },
    /// There is no room for it: hand the claim back for so long.
    HandBack { after: Duration },
}

/// The answer to a wish.
pub(crate) enum Answer {
    Now(Admission),
    /// The seat is given back; the answer comes when there is one.
    Wait(oneshot::Receiver<Admission>),
}

/// What was to be handed to a future that has been dropped: given back when the lock is released.
#[derive(Default)]
struct Undelivered {
    admissions: Vec<Admission>,
    seats: Vec<Seat>,
    stays: Vec<Stay>,
}

enum Judgement {
    Call,
    LeaveOut { silent_for: Duration },
    Wait,
    HandBack { after: Duration },
}

impl Traffic {
    pub(crate) fn new(pace: Pace, slots: usize, places: usize) -> Arc<Traffic> {
        let state = State {
            pace: pace.clone(),
            slots,
            places,
            held: Held::default(),
            first_calls: 0,
            by_visitors: Held::default(),
            kept: 0,
            kept_for_visitors: 0,
            worker_waits: false,
            last_was_visitor: false,
            health: Health::default(),
            calls: HashMap::new(),
            last_call: 0,
            late: VecDeque::new(),
            line: Line::new(),
            line_of_unknown: Line::new(),
            visitors: VecDeque::new(),
            rooms: HashMap::new(),
            waiting: 0,
            turned_away: TurnedAway::default(),
            with_old: BTreeSet::new(),
            last_with_old: None,
            half_slot: 0,
            rests: BTreeSet::new(),
            workers: 0,
        };
        Arc::new(Traffic {
            pace,
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
        })
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Tells when there may be something for a worker to do.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Keeps up to so many free slots for what a worker is about to claim.
    pub(crate) fn seats(self: &Arc<Self>, most: usize) -> Vec<Seat> {
        let mut state = self.lock();
        let number = most.min(state.free());
        state.kept += number;
        state.worker_waits = number == 0;
        state.last_was_visitor &= number == 0;
        (0..number)
            .map(|_| Seat {
                traffic: Arc::clone(self),
                who: Who::Worker,
                is_kept: true,
            })
            .collect()
    }

    /// A slot for a visitor; it is kept until a call takes it. The receiver may be dropped.
    pub(crate) fn visitor_seat(self: &Arc<Self>) -> oneshot::Receiver<Seat> {
        let (tell, told) = oneshot::channel();
        self.change(Moment::now(), |state, _| state.visitors.push_back(tell));
        told
    }

    /// Asks for a call. A caller that has a seat keeps it unless the answer is to wait.
    pub(crate) fn ask(
        self: &Arc<Self>,
        ask: Ask,
        seat: &mut Option<Seat>,
        now: Moment,
        random: f64,
    ) -> Answer {
        let (answer, given_back) = {
            let mut state = self.lock();
            match state.judge(&ask, seat.is_some(), now, random) {
                Judgement::Call => {
                    let kept = seat.take().is_some_and(Seat::hand_over);
                    (
                        Answer::Now(Admission::Call(state.begin(self, ask, kept, now))),
                        None,
                    )
                }
                Judgement::LeaveOut { silent_for } => {
                    (Answer::Now(Admission::LeaveOut { silent_for }), None)
                }
                Judgement::HandBack { after } => (Answer::Now(Admission::HandBack { after }), None),
                Judgement::Wait if state.is_line_full() => {
                    let after = state.turn_away(now);
                    (Answer::Now(Admission::HandBack { after }), None)
                }
                Judgement::Wait => {
                    let (tell, told) = oneshot::channel();
                    match state.health.condition(&ask.endpoint, &state.pace, now) {
                        Condition::Unknown => state.line_of_unknown.push_back((ask, tell)),
                        Condition::Answers | Condition::Silent => state.line.push_back((ask, tell)),
                    }
                    (Answer::Wait(told), seat.take())
                }
            }
        };
        drop(given_back);
        answer
    }

    /// The first moment at which there is something to look at without any other change.
    pub(crate) fn next_moment(&self) -> Option<Moment> {
        let state = self.lock();
        // Nothing can be claimed without a slot, and one that becomes free is a change.
        if state.free() == 0 {
            return None;
        }
        let rest = state.rests.first().map(|(due, _)| *due);
        [state.health.next_call_due(), rest]
            .into_iter()
            .flatten()
            .min()
    }

    /// A worker looks after what is put off as long as the guard lives.
    pub(crate) fn work(self: &Arc<Self>) -> Work {
        self.lock().workers += 1;
        Work {
            traffic: Arc::clone(self),
        }
    }

    /// Changes something, gives out what that makes free, and tells the workers.
    fn change<T>(
        self: &Arc<Self>,
        now: Moment,
        change: impl FnOnce(&mut State, &mut Undelivered) -> T,
    ) -> T {
        let mut undelivered = Undelivered::default();
        let result = {
            let mut state = self.lock();
            let result = change(&mut state, &mut undelivered);
            state.serve(self, now, &mut undelivered);
            result
        };
        drop(undelivered);
        self.tell_workers();
        result
    }

    fn tell_workers(&self) {
        self.changed
            .send_modify(|number| *number = number.wrapping_add(1));
    }

    fn end(self: &Arc<Self>, call: u64, end: CallEnd) {
        let now = Moment::now();
        self.change(now, |state, undelivered| {
            state.end(self, call, end, now, undelivered)
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counters and queues; nothing in here panics between two that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn free(&self) -> usize {
        self.slots.saturating_sub(self.held.slots + self.kept)
    }

    /// Whether a slot may be taken now; one who is seated has it already.
    fn has_slot(&self, who: Who, is_seated: bool) -> bool {
        is_seated || (self.free() > 0 && (!who.is_visitor() || self.may_visit()))
    }

    /// Whether visitors may take one more slot. They leave a quarter to the worker; of a single slot there is no quarter, so
    /// they take turns with a worker that waits for it.
    fn may_visit(&self) -> bool {
        let visitors = self.by_visitors.slots + self.kept_for_visitors;
        let is_workers_turn =
            self.slots == 1 && self.workers > 0 && self.worker_waits && self.last_was_visitor;
        visitors < three_quarters(self.slots) && !is_workers_turn
    }

    /// The rules of isolation by endpoint.
    fn judge(&self, ask: &Ask, is_seated: bool, now: Moment, random: f64) -> Judgement {
        let most = three_quarters(self.slots);
        let news = self.health.news(&ask.endpoint);
        let room = self.rooms.get(&ask.supplier);
        if room.is_some_and(|room| room.calls_at(&ask.endpoint) >= room.limit) {
            return self.leave_out_or_wait(ask, now);
        }
        let may_begin = match (self.health.condition(&ask.endpoint, &self.pace, now), news) {
            (Condition::Silent, Some(news)) if ask.who != Who::Person => {
                let full = self.held.places >= self.places / 2 || self.held.slots >= most;
                if full || !news.may_be_called_again(ask.is_new, now) {
                    return Judgement::LeaveOut {
                        silent_for: news.silent_for(now),
                    };
                }
                true
            }
            (Condition::Silent, _) => true,
            (Condition::Unknown, news) => {
                let is_full = self.is_full_for_first_calls();
                if is_full && self.held.places >= self.places {
                    return Judgement::HandBack {
                        after: within(&self.pace.no_place, random),
                    };
                }
                !is_full && news.is_none_or(|news| news.open_calls() == 0)
            }
            (Condition::Answers, news) => {
                let slow = |news: &super::health::News| {
                    news.has_silent_call(&self.pace, now) && self.held.places >= self.places / 2
                };
                news.is_none_or(|news| news.open_calls() < most && !slow(news))
            }
        };
        if may_begin && self.has_slot(ask.who, is_seated) {
            Judgement::Call
        } else {
            Judgement::Wait
        }
    }

    /// The supplier has as many calls open there as it may: one that is silent is left out like any other.
    fn leave_out_or_wait(&self, ask: &Ask, now: Moment) -> Judgement {
        let silent = self.health.condition(&ask.endpoint, &self.pace, now) == Condition::Silent;
        match self
            .health
            .news(&ask.endpoint)
            .filter(|_| silent && ask.who != Who::Person)
        {
            Some(news) => Judgement::LeaveOut {
                silent_for: news.silent_for(now),
            },
            None => Judgement::Wait,
        }
    }

    /// Whether no first call may begin: three quarters of the slots are taken. They have an eighth to themselves before that
    /// counts, or known endpoints that begin to hang would keep unknown ones waiting for as long as that lasts.
    fn is_full_for_first_calls(&self) -> bool {
        self.held.slots >= three_quarters(self.slots) && self.first_calls >= self.slots / 8
    }

    fn begin(&mut self, traffic: &Arc<Traffic>, ask: Ask, is_kept: bool, now: Moment) -> Pass {
        let Ask {
            endpoint,
            supplier,
            who,
            ..
        } = ask;
        if is_kept {
            self.unkeep(who);
        }
        self.take(who, Holds::Slot);
        self.note_pace(now);
        let is_first = self.health.condition(&endpoint, &self.pace, now) == Condition::Unknown;
        self.first_calls += usize::from(is_first);
        self.last_call += 1;
        self.health
            .began(&endpoint, self.last_call, &self.pace, now);
        let limit = Supplier::DEFAULT_MAX_CONCURRENT.get();
        self.rooms
            .entry(supplier.clone())
            .or_insert_with(|| Room::new(limit))
            .called(&endpoint);
        self.calls.insert(
            self.last_call,
            Call {
                endpoint,
                supplier,
                who,
                is_first,
                holds: Holds::Slot,
            },
        );
        Pass {
            traffic: Arc::clone(traffic),
            call: self.last_call,
            is_open: true,
        }
    }

    fn end(
        &mut self,
        traffic: &Arc<Traffic>,
        call: u64,
        end: CallEnd,
        now: Moment,
        undelivered: &mut Undelivered,
    ) {
        let Some(Call {
            endpoint,
            supplier,
            who,
            is_first,
            holds,
        }) = self.calls.remove(&call)
        else {
            return;
        };
        self.give_back(who, holds);
        self.first_calls -= usize::from(is_first && holds == Holds::Slot);
        self.late.retain(|late| *late != call);
        for waiting in self.health.ended(&endpoint, call, end, &self.pace, now) {
            self.mark_old(&waiting);
        }
        self.has_news(&endpoint);
        if let Some(room) = self.rooms.get_mut(&supplier) {
            room.ended(&endpoint);
        }
        self.fill(traffic, &supplier, now, undelivered);
    }

    /// A call has been open for so long that it is silent: it holds a place from now on, if there is one.
    fn grow(&mut self, call: u64) -> Option<SupplierId> {
        let found = self
            .calls
            .get(&call)
            .filter(|call| call.holds == Holds::Slot)?;
        let (who, supplier, endpoint) = (found.who, found.supplier.clone(), found.endpoint.clone());
        self.has_news(&endpoint);
        if self.has_place(who) {
            self.move_to_place(call, who)
        } else {
            self.late.push_back(call)
        }
        Some(supplier)
    }

    fn has_place(&self, who: Who) -> bool {
        self.held.places < self.places
            && (!who.is_visitor() || self.by_visitors.places < three_quarters(self.places))
    }

    fn move_to_place(&mut self, call: u64, who: Who) {
        if let Some(call) = self.calls.get_mut(&call) {
            call.holds = Holds::Place;
            self.first_calls -= usize::from(call.is_first);
            self.give_back(who, Holds::Slot);
            self.take(who, Holds::Place);
        }
    }

    fn take(&mut self, who: Who, holds: Holds) {
        for held in [
            Some(&mut self.held),
            who.is_visitor().then_some(&mut self.by_visitors),
        ]
        .into_iter()
        .flatten()
        {
            match holds {
                Holds::Slot => held.slots += 1,
                Holds::Place => held.places += 1,
            }
        }
    }

    fn give_back(&mut self, who: Who, holds: Holds) {
        for held in [
            Some(&mut self.held),
            who.is_visitor().then_some(&mut self.by_visitors),
        ]
        .into_iter()
        .flatten()
        {
            match holds {
                Holds::Slot => held.slots = held.slots.saturating_sub(1),
                Holds::Place => held.places = held.places.saturating_sub(1),
            }
        }
    }

    fn unkeep(&mut self, who: Who) {
        self.kept = self.kept.saturating_sub(1);
        if who.is_visitor() {
            self.kept_for_visitors = self.kept_for_visitors.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
