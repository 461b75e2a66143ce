//! Those who wait for a slot: who comes next, and for how long the others are handed back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::delivery::pace::within;
use crate::delivery::random::random;
use crate::supplier::EndpointId;
use crate::value::clock::Moment;

use super::{Admission, Ask, Judgement, State, Traffic, Undelivered, Who};

/// Rounds that wait, longest first, each with the way to tell it.
pub(super) type Line = VecDeque<(Ask, oneshot::Sender<Admission>)>;

/// Claims that found the line full. They are handed back one behind the other, at the pace at which calls begin: what is
/// turned away comes back when it is its turn, and not all of it every second.
#[derive(Default)]
pub(super) struct TurnedAway {
    /// When the last of them is expected back.
    until: Option<Moment>,
    /// How long it takes from the beginning of one call to the next while others wait.
    spacing: Duration,
    last_began: Option<Moment>,
}

impl TurnedAway {
    /// Whether the last of them is still expected back.
    pub(super) fn is_expected(&self, now: Moment) -> bool {
        self.until.is_some_and(|until| until > now)
    }
}

/// The pace before any call has begun: 192 calls of a tenth of a second.
const SPACING: Duration = Duration::from_micros(500);

impl State {
    /// How many claims wait.
    pub(super) fn in_line(&self) -> usize {
        self.line.len() + self.line_of_unknown.len() + self.waiting
    }

    /// Whether as many wait as may. Those who have gone meanwhile do not count.
    pub(super) fn is_line_full(&mut self) -> bool {
        if self.in_line() >= self.slots {
            self.line.retain(|(_, tell)| !tell.is_closed());
            self.line_of_unknown.retain(|(_, tell)| !tell.is_closed());
        }
        self.in_line() >= self.slots
    }

    /// For how long a claim is handed back that finds the line full.
    pub(super) fn turn_away(&mut self, now: Moment) -> Duration {
        // A little faster than calls begin, so that the line does not run empty.
        let spacing = self.turned_away.spacing.mul_f64(0.6).max(SPACING);
        let line = u32::try_from(self.in_line()).unwrap_or(u32::MAX);
        let served = now
            + spacing
                .saturating_mul(line)
                .max(self.pace.no_slot.start / 4);
        let until = self
            .turned_away
            .until
            .map_or(served, |until| until.max(served))
            + spacing;
        let latest = now + self.pace.no_place.end;
        // Those that come last come at random moments of the last half, or they would come together.
        let until = if until > latest {
            now + within(&self.pace.no_place, random())
        } else {
            until
        };
        self.turned_away.until = Some(until);
        until.since(now)
    }

    /// Notes how fast calls begin while others wait.
    pub(super) fn note_pace(&mut self, now: Moment) {
        if self.line.is_empty() && self.line_of_unknown.is_empty() {
            self.turned_away.last_began = None;
            return;
        }
        if let Some(last) = self.turned_away.last_began.replace(now) {
            let spacing = self.turned_away.spacing.max(SPACING);
            self.turned_away.spacing = (spacing * 31 + now.since(last)) / 32;
        }
    }

    /// Gives out what is free: places to silent calls, slots to those who wait.
    pub(super) fn serve(
        &mut self,
        traffic: &Arc<Traffic>,
        now: Moment,
        undelivered: &mut Undelivered,
    ) {
        for _ in 0..self.late.len() {
            let Some(call) = self.late.pop_front() else {
                break;
            };
            match self.calls.get(&call).map(|call| call.who) {
                Some(who) if self.has_place(who) => self.move_to_place(call, who),
                Some(_) => self.late.push_back(call),
                None => {}
            }
        }
        let line = std::mem::take(&mut self.line);
        self.line = self.serve_line(traffic, line, |_| false, now, undelivered);
        let line = std::mem::take(&mut self.line_of_unknown);

        self.line_of_unknown = self.serve_line(
            traffic,
            line,
            State::is_full_for_first_calls,
            now,
            undelivered,
        );
        while self.has_slot(Who::Visitor, false)
            && let Some(tell) = self.visitors.pop_front()
        {
            if tell.is_closed() {
                continue;
            }
            let seat = self.keep_seat(traffic, Who::Visitor);
            undelivered.seats.extend(tell.send(seat).err());
        }
    }

    /// Answers those in a line for whom there is an answer, as long as slots are free; gives back those who wait on.
    fn serve_line(
        &mut self,
        traffic: &Arc<Traffic>,
        mut line: Line,
        is_full: impl Fn(&State) -> bool,
        now: Moment,
        undelivered: &mut Undelivered,
    ) -> Line {
        let mut still = Line::new();
        while self.free() > 0
            && !is_full(self)
            && let Some((ask, tell)) = line.pop_front()
        {
            if tell.is_closed() {
                continue;
            }
            let admission = match self.judge(&ask, false, now, 0.5) {
                Judgement::Wait => {
                    still.push_back((ask, tell));
                    continue;
                }
                Judgement::Call => Admission::Call(self.begin(traffic, ask, false, now)),
                Judgement::LeaveOut { silent_for } => Admission::LeaveOut { silent_for },
                Judgement::HandBack { after } => Admission::HandBack { after },
            };
            undelivered.admissions.extend(tell.send(admission).err());
        }
        still.append(&mut line);
        still
    }

    /// There is news of an endpoint: those who wait for it do not wait with those of which nothing is known.
    pub(super) fn has_news(&mut self, endpoint: &EndpointId) {
        if self
            .line_of_unknown
            .iter()
            .any(|(ask, _)| ask.endpoint == *endpoint)
        {
            let line = std::mem::take(&mut self.line_of_unknown);
            let (known, unknown): (Line, Line) = line
                .into_iter()
                .partition(|(ask, _)| ask.endpoint == *endpoint);
            self.line.extend(known);
            self.line_of_unknown = unknown;
        }
    }
}
