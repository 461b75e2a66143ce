//! A store as a third party might write it: nothing but the public API, a different design, and as simple as can be. One
//! list of rows under a lock; every question is a scan. Rows keep what a database column could: text, bytes, numbers.
//!
//! For the suite's own sake it can be told to break the contract in one way; see [`Fault`].

mod claim;
mod decide;
mod row;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use orderhook::event::ContentDigest;
use orderhook::notification::{ActionName, Attempt, FailureReason, Ledger, StateName};
use orderhook::store::conformance::Harness;
use orderhook::store::{
    Append, Claim, ClaimNew, ClaimRequest, Claims, Counted, Cursor, Filter, Group, Inserted,
    Insertion, Intervened, Intervention, Listing, NewNotification, Page, Recorded, Refused,
    Selection, Start, Step, Store, StoreError, Then, Token, Written,
};
use orderhook::supplier::StreamRule;
use orderhook::{Key, Notification, OrderCode, Source, SupplierId, Timestamp};

use row::{Row, Waits, attempts, corrupt, digest, key};

pub(crate) use super::faults::Fault;

pub(crate) struct Foreign(pub(crate) Fault);

impl Harness for Foreign {
    type Store = ForeignStore;

    async fn open(&self) -> ForeignStore {
        let table = Table {
            rows: Vec::new(),
            began: Instant::now(),
            advanced: Duration::ZERO,
            last_token: 0,
            last_settled: 0,
        };
        ForeignStore {
            table: Arc::new(Mutex::new(table)),
            fault: self.0,
        }
    }

    async fn second_handle(&self, store: &ForeignStore) -> ForeignStore {
        if self.0 == Fault::HandlesApart {
            return self.open().await;
        }
        ForeignStore {
            table: Arc::clone(&store.table),
            fault: self.0,
        }
    }

    async fn advance(&self, store: &ForeignStore, by: Duration) {
        store.lock().advanced += by;
    }
}

pub(crate) struct ForeignStore {
    table: Arc<Mutex<Table>>,
    fault: Fault,
}

#[derive(Debug)]
struct Table {
    rows: Vec<Row>,
    began: Instant,
    advanced: Duration,
    last_token: i64,
    last_settled: u64,
}

impl ForeignStore {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap()
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// Where a store that does two things one after another can be interrupted between them.
    async fn in_between(&self, fault: Fault) {
        if self.has(fault) {
            tokio::task::yield_now().await;
        }
    }

    fn find(&self, table: &Table, key: &Key) -> Option<usize> {
        let names = self.names(key);
        table.rows.iter().position(|row| row.names == names)
    }

    fn names(&self, key: &Key) -> [String; 5] {
        let parts = [
            key.source.as_str(),
            key.supplier.as_str(),
            key.order.as_str(),
            key.kind.as_str(),
            key.occurrence.as_str(),
        ];
        parts.map(|part| match self.fault {
            Fault::FoldsNames => part.trim().to_lowercase(),
            Fault::CutsNames => part.chars().take(100).collect(),
            _ => part.to_owned(),
        })
    }

    fn judge(&self, table: &Table, new: &[NewNotification]) -> Vec<Inserted> {
        let mut digests: HashMap<&Key, Option<ContentDigest>> = HashMap::new();
        let mut ends: BTreeMap<Vec<String>, u64> = BTreeMap::new();
        let mut answers = Vec::new();
        for new in new {
            let stored = self
                .find(table, &new.key)
                .map(|n| table.rows[n].digest.map(digest));
            let in_slice = digests
                .get(&new.key)
                .filter(|_| !self.has(Fault::OverlooksTwins))
                .copied();
            let names = self.names(&new.key);
            let end = ends
                .entry(names[..3].to_vec())
                .or_insert_with(|| table.end_of(&names));
            let next = if self.has(Fault::CountsFrom0) {
                *end
            } else {
                *end + 1
            };
            let misplaced = matches!(new.append, Append::At(position) if position != next);
            if misplaced && self.has(Fault::LooksAtPositionsFirst) {
                answers.push(Inserted::Stale { next });
                continue;
            }
            if let Some(known) = stored.or(in_slice) {
                let differs = match self.fault {
                    Fault::NeverDiffers => false,
                    Fault::ComparesDigestsAsTheyAre => known != new.content_digest,
                    _ => known
                        .zip(new.content_digest)
                        .is_some_and(|(known, new)| known.differs_from(&new)),
                };
                answers.push(if differs {
                    Inserted::Differs
                } else {
                    Inserted::Existing
                });
            } else if misplaced && !self.has(Fault::IgnoresPositions) {
                answers.push(Inserted::Stale { next });
            } else {
                *end += 1;
                digests.insert(&new.key, new.content_digest);
                answers.push(Inserted::New { position: next });
            }
        }
        answers
    }

    fn add(&self, table: &mut Table, new: &NewNotification, position: u64) {
        let now = table.now();
        let (mut state, mut text, mut body) = match &new.start {
            Start::Pending { body, .. } => {
                (StateName::Pending, None, Some(body.as_bytes().to_vec()))
            }
            Start::NotWanted => (StateName::NotWanted, None, None),
            Start::Notified { reference, .. } => {
                (StateName::Notified, Some(reference.clone()), None)
            }
        };
        let mut at = match &new.start {
            Start::Pending { delay, .. } if !self.has(Fault::HasNoDelays) => later(now, *delay),
            _ => now,
        };
        let history = match &new.start {
            Start::Notified { by, .. } if !self.has(Fault::ForgetsWhoSaidSo) => {
                vec![(now, ActionName::MarkNotified, Some(by.clone()))]
            }
            _ => Vec::new(),
        };
        match self.fault {
            Fault::StartsLate => at += 3_600_000_000,
            Fault::StartsAllPending => {
                (state, text) = (StateName::Pending, None);
                body.get_or_insert_default();
            }
            Fault::KeepsBodiesAsText => {
                body = body.map(|body| String::from_utf8_lossy(&body).into_owned().into())
            }
            Fault::TrimsTexts => text = text.map(|text| text.trim().to_owned()),
            _ => {}
        }
        let mut memo = new.memo.as_ref().map(|memo| memo.as_bytes().to_vec());
        if self.has(Fault::HasNoEmptyMemos) {
            memo = memo.filter(|memo| !memo.is_empty());
        }
        let derived = self.has(Fault::ForgetsEventIds).then(|| new.key.event_id());
        table.rows.push(Row {
            names: self.names(&new.key),
            event_id: derived
                .as_ref()
                .unwrap_or(&new.event_id)
                .as_str()
                .to_owned(),
            position,
            state,
            at,
            text,
            failure: None,
            passes: false,
            token: None,
            taken_over_before: false,
            waits: match self.has(Fault::TakesALedgerForARecord) && new.ledger != Ledger::default()
            {
                true => Waits::ForAnotherTry,
                false => Waits::ForAFirstTry,
            },
            reopened: 0,
            ledger: match self.has(Fault::BeginsWithNoLedger) {
                true => Ledger::default().encode(),
                false => new.ledger.encode(),
            },
            attempts: String::new(),
            body,
            digest: new.content_digest.map(|digest| digest.to_bytes()),
            memo,
            traceparent: new.traceparent.clone(),
            history,
            created: now,
            settled: 0,
        });
        table.number_settled(table.rows.len() - 1);
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.lock().now())
    }

    fn store_and_hand_out(
        &self,
        new: &[NewNotification],
        claim: &ClaimNew,
        answers: &mut Vec<Inserted>,
    ) -> Result<Insertion, StoreError> {
        let mut table = self.lock();
        if !self.has(Fault::ChecksThenInserts) {
            *answers = self.judge(&table, new);
        }
        let stale = answers
            .iter()
            .any(|answer| matches!(answer, Inserted::Stale { .. }));
        let mut claims = Vec::new();
        let added = new.iter().zip(answers.iter());
        let mut named = Vec::new();
        for (new, answer) in added {
            let is_new = match answer {
                Inserted::New { position } if !stale || self.has(Fault::StoresBesideTheStale) => {
                    self.add(&mut table, new, *position);
                    true
                }
                Inserted::Existing => {
                    self.insert_over(&mut table, new);
                    self.has(Fault::HandsOutThePresent)
                }
                _ => false,
            };
            let is_named = claim.names(&new.key) || self.has(Fault::HandsOutAllThatIsNew);
            if is_new && is_named && !self.has(Fault::HandsOutNothingNew) {
                named.push(&new.key);
            }
        }
        let now = table.now();
        for key in named {
            claims.extend(self.hand_out_new(&mut table, key, now, claim)?);
        }
        if self.has(Fault::AnswersBackwards) {
            answers.reverse();
        }
        let mut inserted = Insertion::new(Timestamp::from_micros(now), answers.clone());
        inserted.claims = claims;
        Ok(inserted)
    }

    /// The claim on what has just been stored, if nothing keeps it from being claimed.
    fn hand_out_new(
        &self,
        table: &mut Table,
        key: &Key,
        now: i64,
        claim: &ClaimNew,
    ) -> Result<Option<Claim>, StoreError> {
        let Some(n) = self.find(table, key) else {
            return Ok(None);
        };
        let row = &table.rows[n];
        let is_behind = self.is_behind(table, row);
        let is_early = row.at > now && !self.has(Fault::HandsOutTheDelayed);
        if row.state != StateName::Pending
            || is_early
            || (is_behind && !self.has(Fault::HandsOutOutOfTurn))
        {
            return Ok(None);
        }
        let mut claim = self.hand_out(table, n, now, claim.lease)?;
        match self.fault {
            Fault::HandsOutForEver => table.rows[n].at = i64::MAX,
            Fault::HandsOutWithoutLedgers => claim.ledger = Ledger::default(),
            Fault::HandsOutOneToken => {
                table.rows[n].token = Some(7);
                claim.token = Token::new(7);
            }
            _ => {}
        }
        Ok(Some(claim))
    }

    fn insert_over(&self, table: &mut Table, new: &NewNotification) {
        let Some(n) = self.find(table, &new.key) else {
            return;
        };
        if self.has(Fault::Upserts) {
            let position = table.rows[n].position;
            self.add(table, new, position);
            table.rows.swap_remove(n);
        } else if self.has(Fault::InsertsDropClaims) {
            table.rows[n].token = None;
        }
    }

    fn may_write(&self, table: &Table, step: &Step) -> Option<usize> {
        let n = self.find(table, &step.key)?;
        let row = &table.rows[n];
        let token = Some(step.token.number());
        let holds = match self.fault {
            Fault::IgnoresTokens => true,
            Fault::TakesAnyToken => {
                row.token.is_some() && table.rows.iter().any(|row| row.token == token)
            }
            Fault::TakesNothingLate => row.token == token && row.at > table.now(),
            _ => row.token == token,
        };
        holds.then_some(n)
    }

    fn record_attempts(&self, row: &mut Row, step: &Step) -> Result<(), StoreError> {
        let mut attempts = attempts(&row.attempts)?;
        let known = attempts.len().saturating_sub(step.first_attempt as usize);
        match self.fault {
            Fault::ForgetsAttempts => {}
            Fault::AppendsRepeats => attempts.extend(step.attempts.iter().cloned()),
            Fault::ReplacesAttempts => attempts.clone_from(&step.attempts),
            _ => attempts.extend(step.attempts.iter().skip(known).cloned()),
        }
        if self.has(Fault::HasNoEqualAttempts) {
            attempts.dedup();
        }
        if self.has(Fault::DropsReplies) {
            attempts.iter_mut().for_each(|attempt| attempt.reply = None);
        }
        let lines: Vec<_> = attempts.iter().map(Attempt::encode).collect();
        row.attempts = lines.join("\n");
        Ok(())
    }

    fn record_state(&self, table: &mut Table, n: usize, step: &Step) {
        let now = table.now();
        table.last_token += 1;
        let new_token = table.last_token;
        let row = &mut table.rows[n];
        match self.fault {
            Fault::ForgetsLedgers => {}
            Fault::HandsBackWithoutLedgers if matches!(step.then, Then::HandBack { .. }) => {}
            Fault::EndsRounds => {
                let mut json: serde_json::Value =
                    serde_json::from_slice(&step.ledger.encode()).unwrap();
                json.as_object_mut().unwrap().remove("round");
                row.ledger = json.to_string().into_bytes();
            }
            _ => row.ledger = step.ledger.encode(),
        }
        let (state, at) = match &step.then {
            Then::Keep { lease } => match self.fault {
                Fault::KeepsNothing => (StateName::Sending, row.at),
                Fault::KeepsForEver => (StateName::Sending, i64::MAX),
                _ => (StateName::Sending, later(now, *lease)),
            },
            Then::Notified { .. } => (StateName::Notified, now),
            Then::Again { after } if self.has(Fault::WaitsTwiceAsLong) => {
                (StateName::Pending, later(now, *after * 2))
            }
            Then::HandBack { .. } if self.has(Fault::GivesBackAtOnce) => (StateName::Pending, now),
            Then::Again { after } | Then::HandBack { after } => {
                (StateName::Pending, later(now, *after))
            }
            Then::Failed { .. } => (StateName::Failed, now),
        };
        (row.state, row.at) = (state, at);
        if matches!(step.then, Then::HandBack { .. }) && !self.has(Fault::IsNewForEver) {
            row.waits = Waits::PutOff;
        }
        if let Then::Notified { reference } = &step.then {
            row.text = Some(self.text(reference));
        }
        if let Then::Failed { reason, stream } = &step.then {
            let forgotten = self.has(Fault::ForgetsReasons);
            row.failure = Some(if forgotten {
                FailureReason::Config.as_str()
            } else {
                reason.as_str()
            });
            row.passes = *stream == StreamRule::Pass && !self.has(Fault::HoldsAlways);
        }
        match self.fault {
            Fault::KeepsTokensAfterEnds => {}
            Fault::KeepGivesAnotherToken if state == StateName::Sending => {
                row.token = Some(new_token)
            }
            _ if state == StateName::Sending => {}
            _ => row.token = None,
        }
        if !self.has(Fault::NumbersOnlyInserts) {
            table.number_settled(n);
        }
    }

    fn claim_chosen(
        &self,
        request: &ClaimRequest,
        before: (Vec<usize>, Option<i64>),
    ) -> Result<Claims, StoreError> {
        let mut table = self.lock();
        let (chosen, next) = match self.fault {
            Fault::ChoosesThenClaims => before,
            _ => self.choose(&table, request),
        };
        let now = table.now();
        let mut claims = Claims::at(Timestamp::from_micros(now));
        for n in chosen {
            claims
                .claims
                .push(self.hand_out(&mut table, n, now, request.lease)?);
        }
        claims.next_due = next.map(Timestamp::from_micros);
        Ok(claims)
    }

    fn text(&self, text: &str) -> String {
        if self.has(Fault::TrimsTexts) {
            text.trim().to_owned()
        } else {
            text.to_owned()
        }
    }

    fn matches(&self, filter: &Filter, row: &Row, now: i64) -> bool {
        let named = |wanted: Option<&str>, name: &str| wanted.is_none_or(|wanted| wanted == name);
        let age = Timestamp::from_micros(now).since(Timestamp::from_micros(row.created));
        row.names[0] == filter.source.as_str()
            && named(filter.order.as_ref().map(OrderCode::as_str), &row.names[2])
            && (self.has(Fault::FiltersNoSuppliers)
                || named(
                    filter.supplier.as_ref().map(SupplierId::as_str),
                    &row.names[1],
                ))
            && (filter.states.is_empty() || filter.states.contains(&row.state))
            && (self.has(Fault::FiltersNoKinds)
                || filter.kinds.is_empty()
                || filter
                    .kinds
                    .iter()
                    .any(|kind| kind.as_str() == row.names[3]))
            && (self.has(Fault::FiltersNoReasons)
                || filter.reasons.is_empty()
                || row.state == StateName::Failed
                    && filter
                        .reasons
                        .iter()
                        .any(|reason| row.failure == Some(reason.as_str())))
            && (self.has(Fault::FiltersNoAge) || filter.older_than.is_none_or(|than| age >= than))
    }
}

impl Table {
    /// Gives what is notified or failed now the next number.
    fn number_settled(&mut self, n: usize) {
        self.last_settled += 1;
        let row = &mut self.rows[n];
        let settled = matches!(row.state, StateName::Notified | StateName::Failed);
        row.settled = if settled { self.last_settled } else { 0 };
    }

    fn now(&self) -> i64 {
        // Any beginning will do; this one is in 2026.
        later(1_772_359_200_000_000, self.began.elapsed() + self.advanced)
    }

    fn end_of(&self, names: &[String; 5]) -> u64 {
        let in_stream = self.rows.iter().filter(|row| row.names[..3] == names[..3]);
        in_stream.map(|row| row.position).max().unwrap_or(0)
    }
}

impl Store for ForeignStore {
    async fn insert(
        &self,
        new: &[NewNotification],
        claim: &ClaimNew,
    ) -> Result<Insertion, StoreError> {
        // The lock is given up in between only where that is the fault.
        let mut answers = self.judge(&self.lock(), new);
        self.in_between(Fault::ChecksThenInserts).await;
        if self.has(Fault::CommitsRowByRow) {
            for (new, answer) in new.iter().zip(&answers) {
                if let Inserted::New { position } = answer {
                    self.add(&mut self.lock(), new, *position);
                    tokio::task::yield_now().await;
                }
            }
            let now = self.time();
            return Ok(Insertion::new(now, answers));
        }
        let inserted = self.store_and_hand_out(new, claim, &mut answers)?;
        self.in_between(Fault::StrandsDroppedInserts).await;
        Ok(inserted)
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, StoreError> {
        let before = self.choose(&self.lock(), request);
        self.in_between(Fault::ChoosesThenClaims).await;
        let claims = self.claim_chosen(request, before);
        self.in_between(Fault::StrandsDroppedClaims).await;
        claims
    }

    async fn write(&self, steps: &[Step]) -> Result<Recorded, StoreError> {
        if self.has(Fault::SplitsSteps) {
            let Some(step) = steps.first() else {
                return Ok(Recorded::new(self.time(), Vec::new()));
            };
            let Some(n) = self.may_write(&self.lock(), step) else {
                return Ok(Recorded::new(self.time(), vec![Written::Stale]));
            };
            self.record_attempts(&mut self.lock().rows[n], step)?;
            tokio::task::yield_now().await;
            self.record_state(&mut self.lock(), n, step);
            return Ok(Recorded::new(self.time(), vec![Written::Applied]));
        }
        let mut table = self.lock();
        let mut written = Vec::new();
        for step in steps {
            let found = self
                .find(&table, &step.key)
                .filter(|_| self.has(Fault::RecordsStaleAttempts));
            if let Some(n) = found {
                self.record_attempts(&mut table.rows[n], step)?;
            }
            if self.has(Fault::StopsAtTheStale) && written.contains(&Written::Stale) {
                written.push(Written::Stale);
                continue;
            }
            let Some(n) = self.may_write(&table, step) else {
                let known = self.find(&table, &step.key).is_some();
                let shrugs = self.has(Fault::ShrugsAtUnknownKeys) && !known;
                written.push(if shrugs {
                    Written::Applied
                } else {
                    Written::Stale
                });
                continue;
            };
            self.record_attempts(&mut table.rows[n], step)?;
            self.record_state(&mut table, n, step);
            written.push(Written::Applied);
        }
        let now = Timestamp::from_micros(table.now());
        Ok(Recorded::new(now, written))
    }

    async fn intervene(
        &self,
        selection: &Selection,
        intervention: &Intervention,
        limit: u32,
    ) -> Result<Intervened, StoreError> {
        let mut table = self.lock();
        let mut done = Intervened::default();
        for n in self.selected(&table, selection, &intervention.action) {
            if done.changed.len() >= limit as usize && !self.has(Fault::IntervenesWithoutLimit) {
                break;
            }
            let key = key(&table.rows[n].names)?;
            let live = table.rows[n].state == StateName::Sending && table.rows[n].at > table.now();
            if live && !self.has(Fault::IntervenesInFlight) {
                if self.has(Fault::TellsOfWhatIsLeftAlone) {
                    self.tell(&mut table, n, intervention);
                }
                done.in_flight.push(key);
            } else if self.decide(&mut table, n, &intervention.action, &intervention.by) {
                self.tell(&mut table, n, intervention);
                done.changed.push(key);
            }
        }
        Ok(done)
    }

    async fn get(&self, key: &Key) -> Result<Option<Notification>, StoreError> {
        let table = self.lock();
        self.find(&table, key)
            .map(|n| table.rows[n].read())
            .transpose()
    }

    async fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        let table = self.lock();
        let now = table.now();
        // How many rows have been passed, which is good as long as no row ever goes.
        let after = page
            .after
            .as_ref()
            .map_or(Ok(0), |cursor| cursor.as_str().parse::<usize>());
        let after = after.map_err(|error| corrupt("cursor").caused_by(error))?;
        let mut wanted: Vec<_> = table
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| self.matches(filter, row, now))
            .collect();
        if self.has(Fault::ListsByName) {
            wanted.sort_by_key(|(_, row)| row.names.clone());
        }
        let by_offset = matches!(self.fault, Fault::PagesByOffset | Fault::ListsByName);
        let mut rest: Vec<_> = match by_offset {
            true => wanted
                .into_iter()
                .enumerate()
                .map(|(n, (_, row))| (n, row))
                .filter(|(n, _)| *n >= after)
                .collect(),
            false => wanted.into_iter().filter(|(n, _)| *n >= after).collect(),
        };
        let more = rest.len() > page.limit as usize
            || self.has(Fault::NeverSaysItIsTheLastPage) && rest.len() == page.limit as usize;
        rest.truncate(page.limit as usize);
        let mut listing = Listing::default();
        for (n, row) in &rest {
            match row.read() {
                Ok(mut notification) => {
                    let body = notification.body.take();
                    let mut listed = self.as_listed(notification);
                    listed.body = body.filter(|_| self.has(Fault::ListsBodies));
                    listing.notifications.push(listed);
                }
                Err(error) => listing
                    .refused
                    .push(Refused::new(format!("row {n}"), error.to_string())),
            }
        }
        listing.next = rest
            .last()
            .filter(|_| more)
            .map(|(n, _)| Cursor::new((n + 1).to_string()));
        Ok(listing)
    }

    async fn settled(&self, source: &Source, page: &Page) -> Result<Listing, StoreError> {
        let table = self.lock();
        let after = page
            .after
            .as_ref()
            .map_or(Ok(0), |cursor| cursor.as_str().parse::<u64>());
        let after = after.map_err(|error| corrupt("cursor").caused_by(error))?;
        let any_source = self.has(Fault::SettlesAnySource);
        let mut rest: Vec<_> = table
            .rows
            .iter()
            .filter(|row| row.settled > after)
            .collect();
        rest.retain(|row| any_source || row.names[0] == source.as_str());
        if !self.has(Fault::SettlesByInsertion) {
            rest.sort_by_key(|row| row.settled);
        }
        rest.truncate(page.limit as usize);
        let mut listing = Listing::default();
        for row in &rest {
            match row.read() {
                Ok(mut notification) => {
                    let body = notification.body.take();
                    let mut listed = self.as_listed(notification);
                    listed.body = body.filter(|_| self.has(Fault::SettlesWithBodies));
                    listing.notifications.push(listed);
                }
                Err(error) => listing.refused.push(Refused::new(
                    format!("row {}", row.event_id),
                    error.to_string(),
                )),
            }
        }
        let last = match self.fault {
            Fault::SettlesBeyondThePage => table.last_settled,
            Fault::ForgetsWhereItWas => rest.last().map_or(0, |row| row.settled),
            _ => rest.last().map_or(after, |row| row.settled),
        };
        listing.next = (last > 0).then(|| Cursor::new(last.to_string()));
        Ok(listing)
    }

    async fn count(&self, filter: &Filter, group: Group) -> Result<Vec<Counted>, StoreError> {
        let table = self.lock();
        let now = table.now();
        let mut counted: Vec<Counted> = Vec::new();
        for row in table
            .rows
            .iter()
            .filter(|row| self.matches(filter, row, now))
        {
            let mut one = Counted::one(&row.read()?, group);
            if self.has(Fault::CountsSendingAsPending) && one.state == StateName::Sending {
                one.state = StateName::Pending;
            }
            if self.has(Fault::CountsWithoutMoments) {
                one.oldest_due = None;
            }
            if !counted.iter_mut().any(|group| group.merge(&one)) {
                counted.push(one);
            }
        }
        Ok(counted)
    }

    async fn prune(
        &self,
        source: &Source,
        older_than: Duration,
        limit: u32,
    ) -> Result<u32, StoreError> {
        let mut table = self.lock();
        let now = Timestamp::from_micros(table.now());
        let mut pruned = 0;
        for row in &mut table.rows {
            use StateName::{Failed, NotWanted, Notified, Withdrawn};
            let is_over = [Notified, Withdrawn, NotWanted].contains(&row.state)
                || row.state == Failed && self.has(Fault::PrunesFailed);
            let is_old = now.since(Timestamp::from_micros(row.at)) >= older_than;
            if row.names[0] == source.as_str()
                && is_over
                && (is_old || self.has(Fault::PrunesAnyAge))
                && (pruned < limit || self.has(Fault::PrunesWithoutLimit))
                && (row.body.is_some() || !row.attempts.is_empty())
            {
                row.body = None;
                row.attempts.clear();
                pruned += 1;
            }
        }
        Ok(pruned)
    }
}

fn later(now: i64, by: Duration) -> i64 {
    Timestamp::from_micros(now).after(by).as_micros()
}
