//! The store in memory: the reference for the contract, and all that one process needs that may forget.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::notification::transition::{self, Change, Intervening, Judge, Present, Queue};
use crate::notification::{Key, Notification, State, Stream};
use crate::value::clock::Moment;
use crate::value::names::{Source, SupplierId};
use crate::value::time::Timestamp;

use super::{
    Claim, ClaimRequest, Claims, Counts, Cursor, Filter, Inserted, Intervened, Intervention, Listing, NewNotification,
    Page, Pick, Selection, Step, Store, StoreError, Then, Token, Written,
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
    queues: HashMap<Source, Queues>,
    last_token: i64,
    /// What is notified or failed, in the order in which it became so.
    settled: BTreeMap<u64, u64>,
    last_settled: u64,
}

/// What can be claimed now or later: the heads of streams that are pending or sending, by the moment from which. What is
/// put off stands in `due` and in the queue of its supplier.
#[derive(Debug, Default)]
struct Queues {
    new: BTreeSet<Place>,
    due: BTreeSet<Place>,
    put_off: BTreeMap<SupplierId, BTreeSet<Place>>,
}

/// The moment from which it can be claimed, and which it is.
type Place = (Timestamp, u64);

#[derive(Debug)]
struct Row {
    notification: Notification,
    token: Option<Token>,
    /// The queue that it waits in whenever it is the oldest unfinished of its stream and can be claimed.
    queue: Queue,
    /// Where it stands in the queues.
    waits: Option<(Queue, Timestamp)>,
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
            queues: HashMap::new(),
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
        let present = new.iter().map(|new| self.present(&new.key)).collect::<Vec<_>>();
        let answers = Judge::new().judge(new, present);
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

    /// What is there under a key.
    fn present(&self, key: &Key) -> Present {
        match self.by_key.get(key).and_then(|id| self.rows.get(id)) {
            Some(row) => Present::Yes { digest: row.notification.content_digest },
            None => Present::No { stream_end: self.streams.get(&key.stream()).map_or(0, |rows| rows.last_position) },
        }
    }

    fn add(&mut self, new: &NewNotification, position: u64, now: Timestamp) {
        let (change, body) = transition::start(&new.start, now);
        let state = change.state.clone();
        let mut notification = Notification::new(new.key.clone(), new.event_id.clone(), position, state, now);
        notification.body = body.cloned();
        notification.content_digest = new.content_digest;
        notification.memo = new.memo.clone();
        notification.traceparent = new.traceparent.clone();

        let id = self.rows.last_key_value().map_or(1, |(last, _)| last + 1);
        let stream = self.streams.entry(new.key.stream()).or_default();
        stream.last_position = position;
        self.by_key.insert(new.key.clone(), id);
        self.rows.insert(id, Row { notification, token: None, queue: change.queue, waits: None, settled: None });
        self.change(id, change);
    }

    fn claim(&mut self, request: &ClaimRequest) -> Claims {
        let now = self.now();
        let mut answer = Claims::at(now);
        let limit = request.limit as usize;
        let chosen = match &request.pick {
            Pick::New => self.front(Queue::New, request, now, &mut answer.next_due),
            Pick::Due => self.front(Queue::Due, request, now, &mut answer.next_due),
            Pick::PutOff(suppliers) => self.put_off(request, suppliers),
            Pick::DueOf(keys) => self.waiting_of(request, keys, |at, _| at <= now),
            Pick::NowOf(keys) => {
                self.waiting_of(request, keys, |at, state| at <= now || matches!(state, State::Pending { .. }))
            }
        };
        let until = now.after(request.lease);
        answer.claims = chosen.into_iter().take(limit).filter_map(|(_, id)| self.hand_out(id, until)).collect();
        answer
    }

    /// What is due at the front of a queue, and when the first is due that is not handed out.
    fn front(&self, queue: Queue, request: &ClaimRequest, now: Timestamp, next: &mut Option<Timestamp>) -> Vec<Place> {
        let Some(queues) = self.queues.get(&request.source) else { return Vec::new() };
        let mut places = match queue {
            Queue::New => queues.new.iter(),
            Queue::Due | Queue::PutOff => queues.due.iter(),
        };
        let mut chosen = Vec::new();
        for place in places.by_ref() {
            if place.0 > now || chosen.len() == request.limit as usize {
                *next = Some(place.0);
                break;
            }
            chosen.push(*place);
        }
        chosen
    }

    /// What is put off of these suppliers, earliest first.
    fn put_off(&self, request: &ClaimRequest, suppliers: &[SupplierId]) -> Vec<Place> {
        let Some(queues) = self.queues.get(&request.source) else { return Vec::new() };
        let suppliers: BTreeSet<_> = suppliers.iter().take(Pick::MOST_SUPPLIERS).collect();
        let queues = suppliers.into_iter().filter_map(|supplier| queues.put_off.get(supplier));
        let mut places: Vec<_> = queues.flat_map(|queue| queue.iter().take(request.limit as usize)).copied().collect();
        places.sort_unstable();
        places
    }

    fn waiting_of(
        &self,
        request: &ClaimRequest,
        keys: &[Key],
        wanted: impl Fn(Timestamp, &State) -> bool,
    ) -> Vec<Place> {
        let places: BTreeSet<Place> = keys
            .iter()
            .filter(|key| key.source == request.source)
            .filter_map(|key| {
                let id = *self.by_key.get(key)?;
                let row = self.rows.get(&id)?;
                let (_, at) = row.waits.filter(|(_, at)| wanted(*at, &row.notification.state))?;
                Some((at, id))
            })
            .collect();
        places.into_iter().collect()
    }

    fn hand_out(&mut self, id: u64, until: Timestamp) -> Option<Claim> {
        let token = Token::new(self.last_token + 1);
        let row = self.rows.get_mut(&id)?;
        let claim = transition::claim(row.notification.clone(), token)?;
        let change = transition::hand_out(row.queue, until);
        row.token = Some(token);
        self.last_token += 1;
        self.change(id, change);
        Some(claim)
    }

    fn write(&mut self, step: &Step, now: Timestamp) -> Written {
        let Some(id) = self.by_key.get(&step.key).copied() else { return Written::Stale };
        let Some(row) = self.rows.get_mut(&id).filter(|row| row.token == Some(step.token)) else {
            return Written::Stale;
        };
        let attempts = &mut row.notification.attempts;
        attempts.extend_from_slice(transition::new_attempts(step, attempts.len()));
        row.notification.ledger = step.ledger.clone();
        self.change(id, transition::step(&step.then, now));
        Written::Applied
    }

    fn intervene(&mut self, selection: &Selection, intervention: &Intervention, limit: u32) -> Intervened {
        let now = self.now();
        let mut answer = Intervened::default();
        for id in self.selected(selection) {
            if answer.changed.len() >= limit as usize {
                break;
            }
            let Some(row) = self.rows.get(&id) else { continue };
            let key = row.notification.key.clone();
            match transition::intervene(&row.notification.state, intervention, now) {
                Intervening::Changes(change) => {
                    self.change(id, change);
                    answer.changed.push(key);
                }
                Intervening::InFlight => answer.in_flight.push(key),
                Intervening::NotAllowed => {}
            }
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

    /// The one place where a state changes: keeps streams and queues in step.
    fn change(&mut self, id: u64, change: Change) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        if !change.keeps_token() {
            row.token = None;
        }
        if let Some(before) = row.settled.take() {
            self.settled.remove(&before);
        }
        if change.settles() {
            self.last_settled += 1;
            row.settled = Some(self.last_settled);
            self.settled.insert(self.last_settled, id);
        }
        row.notification.reopened += u32::from(change.reopens);
        row.queue = change.queue;
        let holds = change.state.holds_stream();
        row.notification.state = change.state;
        let (stream, position) = (row.notification.key.stream(), row.notification.position);
        let rows = self.streams.entry(stream).or_default();
        let head_before = rows.unfinished.first_key_value().map(|(_, id)| *id);
        match holds {
            true => rows.unfinished.insert(position, id),
            false => rows.unfinished.remove(&position),
        };
        let head = rows.unfinished.first_key_value().map(|(_, id)| *id);
        for id in [Some(id), head_before, head].into_iter().flatten() {
            self.enqueue(id, head == Some(id));
        }
    }

    /// Puts it where it belongs in the queues.
    fn enqueue(&mut self, id: u64, is_head: bool) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        let waits = row.notification.state.claimable_from().filter(|_| is_head).map(|at| (row.queue, at));
        if waits == row.waits {
            return;
        }
        let before = std::mem::replace(&mut row.waits, waits);
        let key = &row.notification.key;
        let queues = self.queues.entry(key.source.clone()).or_default();
        if let Some((queue, at)) = before {
            queues.remove(queue, &key.supplier, (at, id));
        }
        if let Some((queue, at)) = waits {
            queues.insert(queue, &key.supplier, (at, id));
        }
    }
}

impl Queues {
    fn insert(&mut self, queue: Queue, supplier: &SupplierId, place: Place) {
        match queue {
            Queue::New => self.new.insert(place),
            Queue::Due | Queue::PutOff => self.due.insert(place),
        };
        if queue == Queue::PutOff {
            self.put_off.entry(supplier.clone()).or_default().insert(place);
        }
    }

    fn remove(&mut self, queue: Queue, supplier: &SupplierId, place: Place) {
        match queue {
            Queue::New => self.new.remove(&place),
            Queue::Due | Queue::PutOff => self.due.remove(&place),
        };
        if queue == Queue::PutOff
            && let Some(of_supplier) = self.put_off.get_mut(supplier)
        {
            of_supplier.remove(&place);
            if of_supplier.is_empty() {
                self.put_off.remove(supplier);
            }
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
