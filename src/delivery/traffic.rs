//! Who may call, who waits and who is left out: slots, places and the limits of suppliers.
//!
//! Decides by [`Health`] and [`Pace`] and nothing else; time and randomness are arguments. What is given out is a guard that
//! gives itself back when it is dropped: a [`Seat`] is a slot that is kept for a claim, a [`Pass`] is a call, a [`Stay`] is a
//! round at a supplier.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::supplier::EndpointId;
use crate::value::clock::Moment;
use crate::value::hashed::FastMap;
use crate::value::names::SupplierId;

use super::health::{CallEnd, Condition, Health};
use super::pace::Pace;

mod calls;
mod guards;
mod line;
mod put_off;
mod room;

use calls::Judgement;
pub(crate) use guards::{Pass, Seat, Work};
use line::{Line, TurnedAway};
pub(crate) use put_off::{Beside, OldWork, PutOffFor};
use room::Room;
pub(crate) use room::{Entry, Stay, Waits};

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
    calls: FastMap<u64, Call>,
    last_call: u64,
    /// Silent calls that found no place, and so keep their slot.
    late: VecDeque<u64>,
    /// Rounds that wait for the slot of their next call, longest first.
    line: Line,
    /// The same for endpoints of which nothing is known: none of them is looked at while first calls may not begin.
    line_of_unknown: Line,
    /// Visitors that wait for a slot before they claim anything; rounds come before them.
    visitors: VecDeque<oneshot::Sender<Seat>>,
    rooms: FastMap<SupplierId, Room>,
    /// How many claims wait for room at their supplier.
    waiting: usize,
    /// Whether something that is put off could be claimed, and no worker has been told.
    wanted: bool,
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
            calls: FastMap::default(),
            last_call: 0,
            late: VecDeque::new(),
            line: Line::new(),
            line_of_unknown: Line::new(),
            visitors: VecDeque::new(),
            rooms: FastMap::default(),
            waiting: 0,
            wanted: false,
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

    /// Whether most slots are taken, rounds wait for one, or claims were turned away because as many wait as may, and are not
    /// back yet. Who waits for room at a supplier waits for no slot.
    pub(crate) fn is_crowded(&self, now: Moment) -> bool {
        let state = self.lock();
        let nobody_waits = state.line.is_empty() && state.line_of_unknown.is_empty();
        state.free() <= state.slots / 4 || !nobody_waits || state.turned_away.is_expected(now)
    }

    /// The first moment at which there is something to look at without any other change.
    pub(crate) fn next_moment(&self) -> Option<Moment> {
        self.lock().next_moment()
    }

    /// A worker looks after what is put off as long as the guard lives.
    pub(crate) fn work(self: &Arc<Self>) -> Work {
        self.lock().workers += 1;
        Work {
            traffic: Arc::clone(self),
        }
    }

    /// Changes something, gives out what that makes free, and tells the workers if there is something to do for them now, or
    /// earlier than before.
    fn change<T>(
        self: &Arc<Self>,
        now: Moment,
        change: impl FnOnce(&mut State, &mut Undelivered) -> T,
    ) -> T {
        let mut undelivered = Undelivered::default();
        let (result, tell) = {
            let mut state = self.lock();
            let (before, was_full) = (state.next_moment(), state.free() == 0);
            let result = change(&mut state, &mut undelivered);
            state.serve(self, now, &mut undelivered);
            let has_slots = state.free() > 0;
            state.wanted |= was_full && !state.with_old.is_empty();
            let tell = has_slots && (state.worker_waits || state.wanted);
            state.wanted &= !has_slots;
            (result, tell || state.next_moment() != before)
        };
        drop(undelivered);
        if tell {
            self.tell_workers();
        }
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

#[cfg(test)]
mod tests;
