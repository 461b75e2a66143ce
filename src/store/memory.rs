//! The store in memory: the reference for the contract, and all that one process needs that may forget.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::notification::{Closed, Key, Notification, State, Stream};
use crate::value::clock::Moment;
use crate::value::names::{Source, SupplierId};
use crate::value::time::Timestamp;

use super::{
    Append, Claim, ClaimRequest, Claims, Counts, Cursor, Filter, Inserted, Intervened, Intervention, Listing,
    NewNotification, Page, Pick, Selection, Start, Step, Store, StoreError, Then, Token, Written,
};

/// Notifications in memory: durable as long as the process. Cloning clones the handle.
///
/// Its timeline begins at the wall clock and goes on by the monotonic clock; [`advance`](Self::advance) moves all of it,
/// so that a test lives through three days in a millisecond.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use orderhook::store::{NewNotification, Start, Store};
/// use orderhook::{Body, Key, MemoryStore, OrderCode, Source, SupplierId};
///
/// let store = MemoryStore::new();
/// let key = Key::order_created(Source::new("shop")?, SupplierId::new("north-books")?, OrderCode::new("A-1")?);
/// store.insert(&[NewNotification::new(key.clone(), Start::Pending(Body::new(*b"{}")))]).await?;
/// store.advance(Duration::from_secs(3 * 86_400));
/// assert!(store.get(&key).await?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug)]
struct Inner {
    began: Moment,
    began_at: Timestamp,
    advanced: Duration,
    rows: BTreeMap<u64, Row>,
    by_key: HashMap<Key, u64>,
    streams: HashMap<Stream, StreamRows>,
    /// What can be claimed now or later: the heads of streams that are pending or sending, by the moment from which.
    ready: BTreeMap<(Source, SupplierId), BTreeSet<(Timestamp, u64)>>,
    last_token: i64,
    /// What is notified or failed, in the order in which it became so.
    settled: BTreeMap<u64, u64>,
    last_settled: u64,
}

#[derive(Debug)]
struct Row {
    notification: Notification,
    token: Option<Token>,
    /// Where it stands in `ready`.
    ready_at: Option<Timestamp>,
    /// Where it stands in `settled`.
    settled: Option<u64>,
}

#[derive(Debug, Default)]
struct StreamRows {
    last_position: u64,
    /// Those that hold the stream or would be held, by position.
    unfinished: BTreeMap<u64, u64>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        let inner = Inner {
            began: Moment::now(),
            began_at: Timestamp::from(SystemTime::now()),
            advanced: Duration::ZERO,
            rows: BTreeMap::new(),
            by_key: HashMap::new(),
            streams: HashMap::new(),
            ready: BTreeMap::new(),
            last_token: 0,
            settled: BTreeMap::new(),
            last_settled: 0,
        };
        MemoryStore { shared: Arc::new(Shared { inner: Mutex::new(inner), changed: Notify::new() }) }
    }

    /// Moves the store's time on.
    pub fn advance(&self, by: Duration) {
        self.lock().advanced += by;
        self.shared.changed.notify_waiters();
    }

    /// The store's time.
    pub fn now(&self) -> Timestamp {
        self.lock().now()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing inside can panic halfway: what is checked is checked before the first change.
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore::new()
    }
}

impl Store for MemoryStore {
    async fn insert(&self, new: &[NewNotification]) -> Result<Vec<Inserted>, StoreError> {
        let inserted = self.lock().insert(new);
        self.shared.changed.notify_waiters();
        Ok(inserted)
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        Ok(self.lock().claim(request))
    }

    async fn write(&self, steps: &[Step]) -> Result<Vec<Written>, StoreError> {
        let mut inner = self.lock();
        // One commit is one moment.
        let now = inner.now();
        let written = steps.iter().map(|step| inner.write(step, now)).collect();
        drop(inner);
        // A claim that is kept makes nothing claimable.
        if steps.iter().any(|step| !matches!(step.then, Then::Keep { .. })) {
            self.shared.changed.notify_waiters();
        }
        Ok(written)
    }

    async fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> Result<Intervened, StoreError> {
        let intervened = self.lock().intervene(selection, intervention, limit);
        self.shared.changed.notify_waiters();
        Ok(intervened)
    }

    async fn get(&self, key: &Key) -> Result<Option<Notification>, StoreError> {
        let inner = self.lock();
        Ok(inner.by_key.get(key).and_then(|id| inner.rows.get(id)).map(|row| row.notification.clone()))
    }

    async fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        Ok(self.lock().list(filter, page))
    }

    async fn settled(&self, source: &Source, page: &Page) -> Result<Listing, StoreError> {
        Ok(self.lock().settled(source, page))
    }

    async fn count(&self, filter: &Filter) -> Result<Counts, StoreError> {
        let inner = self.lock();
        let mut counts = Counts::default();
        let now = inner.now();
        for row in inner.rows.values().filter(|row| matches(filter, &row.notification, now)) {
            counts.add(row.notification.state.name(), 1);
        }
        Ok(counts)
    }

    async fn changed(&self) {
        self.shared.changed.notified().await;
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        self.began_at.after(self.began.elapsed()).after(self.advanced)
    }

    fn insert(&mut self, new: &[NewNotification]) -> Vec<Inserted> {
        let now = self.now();
        let answers = self.judge(new);
        if answers.iter().any(|answer| matches!(answer, Inserted::Stale { .. })) {
            return answers;
        }
        for (new, answer) in new.iter().zip(&answers) {
            if let Inserted::New { position } = answer {
                self.add(new, *position, now);
            }
        }
        answers
    }

    /// What would become of each, without a change.
    fn judge(&self, new: &[NewNotification]) -> Vec<Inserted> {
        let mut in_slice: HashMap<&Key, &NewNotification> = HashMap::new();
        let mut ends: HashMap<Stream, u64> = HashMap::new();
        let mut answers = Vec::with_capacity(new.len());
        for new in new {
            let digest = match self.by_key.get(&new.key).and_then(|id| self.rows.get(id)) {
                Some(row) => Some(row.notification.content_digest),
                None => in_slice.get(&new.key).map(|first| first.content_digest),
            };
            if let Some(known) = digest {
                let differs = known.zip(new.content_digest).is_some_and(|(known, new)| known.differs_from(&new));
                answers.push(if differs { Inserted::Differs } else { Inserted::Existing });
                continue;
            }
            let stream = new.key.stream();
            let stored_end = self.streams.get(&stream).map_or(0, |rows| rows.last_position);
            let end = ends.entry(stream).or_insert(stored_end);
            let next = *end + 1;
            match new.append {
                Append::At(position) if position != next => {
                    answers.push(Inserted::Stale { next });
                }
                Append::Next | Append::At(_) => {
                    *end = next;
                    in_slice.insert(&new.key, new);
                    answers.push(Inserted::New { position: next });
                }
            }
        }
        answers
    }

    fn add(&mut self, new: &NewNotification, position: u64, now: Timestamp) {
        let (state, body) = match &new.start {
            Start::Pending(body) => (State::Pending { due: now }, Some(body.clone())),
            Start::NotWanted => (State::Closed { at: now, why: Closed::NotWanted }, None),
            Start::Notified { reference } => (State::Notified { at: now, reference: reference.clone() }, None),
        };
        let mut notification = Notification::new(new.key.clone(), new.event_id.clone(), position, state, now);
        notification.body = body;
        notification.content_digest = new.content_digest;
        notification.memo = new.memo.clone();
        notification.traceparent = new.traceparent.clone();

        let id = self.rows.last_key_value().map_or(1, |(last, _)| last + 1);
        let stream = self.streams.entry(new.key.stream()).or_default();
        stream.last_position = position;
        self.by_key.insert(new.key.clone(), id);
        let state = notification.state.clone();
        self.rows.insert(id, Row { notification, token: None, ready_at: None, settled: None });
        self.become_state(id, state);
    }

    fn claim(&mut self, request: &ClaimRequest) -> Claims {
        let now = self.now();
        let mut answer = Claims::at(now);
        let mut candidates = match &request.pick {
            Pick::Due => self.due(request, now, &mut answer.next_due),
            Pick::DueOf(keys) => self.ready_of(request, keys, |ready_at, _| ready_at <= now),
            Pick::NowOf(keys) => {
                let pending = |state: &State| matches!(state, State::Pending { .. });
                self.ready_of(request, keys, |ready_at, state| ready_at <= now || pending(state))
            }
        };
        candidates.sort_unstable();
        let cut = candidates.get(request.limit as usize).map(|(ready_at, _)| *ready_at);
        answer.next_due = [answer.next_due, cut].into_iter().flatten().min();
        candidates.truncate(request.limit as usize);
        answer.claims =
            candidates.into_iter().filter_map(|(_, id)| self.hand_out(id, now.after(request.lease))).collect();
        answer
    }

    /// What is due, of each supplier as much as there is room for; and when the next would be.
    fn due(&self, request: &ClaimRequest, now: Timestamp, next: &mut Option<Timestamp>) -> Vec<(Timestamp, u64)> {
        let mut candidates = Vec::new();
        for ((source, supplier), ready) in &self.ready {
            let room = request.room_for(supplier) as usize;
            if *source != request.source || room == 0 {
                continue;
            }
            let mut of_supplier = ready.iter();
            candidates.extend(of_supplier.by_ref().take_while(|(at, _)| *at <= now).take(room));
            let later = ready.range((now, u64::MAX)..).next().map(|(at, _)| *at);
            *next = [*next, later].into_iter().flatten().min();
        }
        candidates
    }

    fn ready_of(
        &self,
        request: &ClaimRequest,
        keys: &[Key],
        wanted: impl Fn(Timestamp, &State) -> bool,
    ) -> Vec<(Timestamp, u64)> {
        let mut used: HashMap<&SupplierId, u32> = HashMap::new();
        let ids: BTreeSet<_> = keys.iter().filter_map(|key| self.by_key.get(key)).copied().collect();
        let ready = |id: &u64| {
            let row = self.rows.get(id)?;
            let at = row.ready_at.filter(|at| wanted(*at, &row.notification.state))?;
            (row.notification.key.source == request.source).then_some((at, *id, &row.notification.key.supplier))
        };
        let mut ready: Vec<_> = ids.iter().filter_map(ready).collect();
        ready.sort_unstable();
        ready.retain(|(_, _, supplier)| {
            let used = used.entry(supplier).or_default();
            *used += 1;
            *used <= request.room_for(supplier)
        });
        ready.into_iter().map(|(at, id, _)| (at, id)).collect()
    }

    fn hand_out(&mut self, id: u64, until: Timestamp) -> Option<Claim> {
        let token = Token::new(self.last_token + 1);
        let row = self.rows.get_mut(&id)?;
        let notification = &row.notification;
        let taken_over = matches!(notification.state, State::Sending { .. });
        let (key, event_id) = (notification.key.clone(), notification.event_id.clone());
        let mut claim = Claim::new(key, token, event_id, notification.position, notification.body.clone()?);
        claim.ledger = notification.ledger.clone();
        claim.reopened = notification.reopened;
        claim.attempts = u32::try_from(notification.attempts.len()).unwrap_or(u32::MAX);
        claim.taken_over = taken_over;
        claim.traceparent = notification.traceparent.clone();
        row.token = Some(token);
        self.last_token += 1;
        self.become_state(id, State::Sending { until });
        Some(claim)
    }

    fn write(&mut self, step: &Step, now: Timestamp) -> Written {
        let Some(id) = self.by_key.get(&step.key).copied() else { return Written::Stale };
        let Some(row) = self.rows.get_mut(&id).filter(|row| row.token == Some(step.token)) else {
            return Written::Stale;
        };
        let attempts = &mut row.notification.attempts;
        let known = attempts.len().saturating_sub(step.first_attempt as usize);
        attempts.extend(step.attempts.iter().skip(known).cloned());
        row.notification.ledger = step.ledger.clone();
        let state = match &step.then {
            Then::Keep { lease } => State::Sending { until: now.after(*lease) },
            Then::Notified { reference } => State::Notified { at: now, reference: reference.clone() },
            Then::Again { after } | Then::HandBack { after } => State::Pending { due: now.after(*after) },
            Then::Failed { reason, stream } => State::Failed { at: now, reason: *reason, stream: *stream },
        };
        self.become_state(id, state);
        Written::Applied
    }

    fn intervene(&mut self, selection: &Selection, intervention: &Intervention, limit: u32) -> Intervened {
        let now = self.now();
        let mut answer = Intervened::default();
        for id in self.selected(selection) {
            if answer.changed.len() >= limit as usize {
                break;
            }
            let Some(row) = self.rows.get_mut(&id) else { continue };
            let key = row.notification.key.clone();
            let open = match &row.notification.state {
                State::Pending { .. } | State::Failed { .. } => true,
                State::Sending { until } if *until <= now => true,
                State::Sending { .. } => {
                    answer.in_flight.push(key);
                    continue;
                }
                State::Notified { .. } | State::Closed { .. } => false,
            };
            let failed = matches!(row.notification.state, State::Failed { .. });
            let state = match intervention {
                Intervention::Reopen if failed => {
                    row.notification.reopened += 1;
                    State::Pending { due: now }
                }
                Intervention::Withdraw { reason } if open => {
                    State::Closed { at: now, why: Closed::Withdrawn { reason: reason.clone() } }
                }
                Intervention::MarkNotified { reference } if open => {
                    State::Notified { at: now, reference: reference.clone() }
                }
                Intervention::Reopen | Intervention::Withdraw { .. } | Intervention::MarkNotified { .. } => continue,
            };
            self.become_state(id, state);
            answer.changed.push(key);
        }
        answer
    }

    fn selected(&self, selection: &Selection) -> Vec<u64> {
        match selection {
            Selection::Keys(keys) => {
                let ids: BTreeSet<_> = keys.iter().filter_map(|key| self.by_key.get(key)).copied().collect();
                ids.into_iter().collect()
            }
            Selection::FailedFor { source, supplier, reasons } => {
                let wanted = |row: &Row| {
                    let key = &row.notification.key;
                    key.source == *source
                        && key.supplier == *supplier
                        && matches!(&row.notification.state, State::Failed { reason, .. } if reasons.contains(reason))
                };
                self.rows.iter().filter(|(_, row)| wanted(row)).map(|(id, _)| *id).collect()
            }
        }
    }

    fn list(&self, filter: &Filter, page: &Page) -> Listing {
        let now = self.now();
        let after = number(page);
        let mut wanted = self.rows.range(after + 1..).filter(|(_, row)| matches(filter, &row.notification, now));
        let mut last = after;
        let shown = |(id, row): (&u64, &Row)| {
            last = *id;
            without_body(row)
        };
        let notifications = wanted.by_ref().take(page.limit as usize).map(shown).collect();
        let next = wanted.next().map(|_| Cursor::new(last.to_string()));
        Listing::new(notifications, next)
    }

    fn settled(&self, source: &Source, page: &Page) -> Listing {
        let mut last = number(page);
        let mut notifications = Vec::new();
        for (number, id) in self.settled.range(last + 1..) {
            let Some(row) = self.rows.get(id).filter(|row| row.notification.key.source == *source) else { continue };
            if notifications.len() == page.limit as usize {
                break;
            }
            notifications.push(without_body(row));
            last = *number;
        }
        Listing::new(notifications, (last > 0).then(|| Cursor::new(last.to_string())))
    }

    /// The one place where a state changes: keeps streams and the index of what is ready in step, and drops the token of
    /// whoever held the notification unless it is held on.
    fn become_state(&mut self, id: u64, state: State) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        if !matches!(state, State::Sending { .. }) {
            row.token = None;
        }
        if let Some(before) = row.settled.take() {
            self.settled.remove(&before);
        }
        if matches!(state, State::Notified { .. } | State::Failed { .. }) {
            self.last_settled += 1;
            row.settled = Some(self.last_settled);
            self.settled.insert(self.last_settled, id);
        }
        let holds = state.holds_stream();
        row.notification.state = state;
        let (stream, position) = (row.notification.key.stream(), row.notification.position);
        let rows = self.streams.entry(stream).or_default();
        let head_before = rows.unfinished.first_key_value().map(|(_, id)| *id);
        match holds {
            true => rows.unfinished.insert(position, id),
            false => rows.unfinished.remove(&position),
        };
        let head = rows.unfinished.first_key_value().map(|(_, id)| *id);
        for id in [Some(id), head_before, head].into_iter().flatten() {
            self.index(id, head == Some(id));
        }
    }

    fn index(&mut self, id: u64, is_head: bool) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        let ready_at = match row.notification.state {
            State::Pending { due } if is_head => Some(due),
            State::Sending { until } if is_head => Some(until),
            _ => None,
        };
        if ready_at == row.ready_at {
            return;
        }
        let key = &row.notification.key;
        let supplier = (key.source.clone(), key.supplier.clone());
        let before = std::mem::replace(&mut row.ready_at, ready_at);
        let ready = self.ready.entry(supplier.clone()).or_default();
        if let Some(before) = before {
            ready.remove(&(before, id));
        }
        if let Some(now) = ready_at {
            ready.insert((now, id));
        }
        if ready.is_empty() {
            self.ready.remove(&supplier);
        }
    }
}

fn number(page: &Page) -> u64 {
    page.after.as_ref().and_then(|cursor| cursor.as_str().parse().ok()).unwrap_or(0)
}

fn without_body(row: &Row) -> Notification {
    let mut notification = row.notification.clone();
    notification.body = None;
    notification
}

fn matches(filter: &Filter, notification: &Notification, now: Timestamp) -> bool {
    let key = &notification.key;
    filter.source == key.source
        && filter.order.as_ref().is_none_or(|order| *order == key.order)
        && filter.supplier.as_ref().is_none_or(|supplier| *supplier == key.supplier)
        && (filter.states.is_empty() || filter.states.contains(&notification.state.name()))
        && filter.older_than.is_none_or(|age| now.since(notification.created_at) >= age)
}
