//! What is stored first: the insert, and what is found in its place.

use std::collections::HashSet;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::event::{Body, ContentDigest};
use crate::notification::transition::{self, Beginning, Judge, Present};
use crate::notification::{Claim, HistoryEntry, Key, Ledger, NotificationState, Stream, Token};
use crate::store::{ClaimNew, Inserted, Insertion, NewNotification};
use crate::value::time::Timestamp;

use super::batch::{Batch, LOOKING, WRITING};
use super::change::{Columns, KEYS, bind_columns, bind_key, looks_for};
use super::error::Fault;
use super::history;
use super::statement::{Bound, Filled, MOST, Part, Together};

// One row for each key: its number, whether it is there, its digest, the end of its stream, whether something of that is
// unfinished, and the id that was given last.
pub(super) static LOOK: Together = Together::new(
    LOOKING,
    &[Part {
        before: KEYS,
        is_numbered: true,
        columns: 5,
        after: ") SELECT j.number, n.id IS NOT NULL, n.digest, \
        (SELECT max(e.position) FROM orderhook_notifications e INDEXED BY orderhook_notifications_stream \
         WHERE e.source = j.source AND e.supplier = j.supplier AND e.order_code = j.order_code), \
        EXISTS (SELECT 1 FROM orderhook_notifications e INDEXED BY orderhook_notifications_unfinished \
         WHERE e.source = j.source AND e.supplier = j.supplier AND e.order_code = j.order_code AND e.unfinished = 1), \
        (SELECT seq FROM sqlite_sequence WHERE name = 'orderhook_notifications') \
    FROM j LEFT JOIN orderhook_notifications n INDEXED BY orderhook_notifications_key \
        ON n.source = j.source AND n.order_code = j.order_code AND n.supplier = j.supplier \
        AND n.kind = j.kind AND n.occurrence = j.occurrence \
    WHERE j.source IS NOT NULL",
    }],
);

pub(super) static ADD: Together = Together::new(
    WRITING,
    &[
        Part {
            before: "INSERT INTO orderhook_notifications (source, order_code, supplier, kind, occurrence, \
                state, unfinished, due_at, reference, reason, stream_rule, settled_at, settled_seq, put_off_to, \
                id, token, ready_at, event_id, position, memo, digest, traceparent, created_at, first_ledger, reopened) \
                SELECT * FROM (VALUES ",
            is_numbered: false,
            columns: 25,
            after: ") v WHERE v.column1 IS NOT NULL",
        },
        Part {
            before: "INSERT INTO orderhook_bodies (notification, body) SELECT * FROM (VALUES ",
            is_numbered: false,
            columns: 2,
            after: ") v WHERE v.column1 IS NOT NULL",
        },
    ],
);

/// The looks for what is to be stored.
pub(super) fn looks(slices: &[(&[NewNotification], &ClaimNew)]) -> Vec<Filled> {
    let all = slices.iter().flat_map(|(slice, _)| slice.iter());
    looks_for(&LOOK, all.map(|new| &new.key))
}

/// With what the [`looks`] find, stores each slice whole or, when a position in it is stale, nothing of it; and hands out what is to be claimed of it.
pub(super) async fn insert(
    batch: &mut Batch<'_>,
    slices: &[(&[NewNotification], &ClaimNew)],
    looks: impl IntoIterator<Item = Filled>,
) -> Result<Vec<Insertion>, Fault> {
    let found = batch.read(looks).await?;
    let mut looked = found.iter();
    let mut adding = Adding {
        last_id: match found.first() {
            Some((_, row)) => row.try_get::<Option<i64>, _>(5)?.unwrap_or(0),
            None => 0,
        },
        held: HashSet::new(),
        rows: Vec::new(),
        told: Vec::new(),
    };
    let mut judge = Judge::new();
    let mut answers = Vec::with_capacity(slices.len());
    for (slice, claim) in slices {
        let rows: Vec<_> = looked.by_ref().take(slice.len()).collect();
        let present = rows.iter().map(|(_, row)| present(row));
        let judged = judge.judge(slice, present.collect::<Result<Vec<_>, _>>()?);
        let mut insertion = Insertion::new(batch.now, judged);
        let is_stale = |answer: &Inserted| matches!(answer, Inserted::Stale { .. });
        if !insertion.answers.iter().any(is_stale) {
            for ((new, (_, row)), answer) in slice.iter().zip(rows).zip(&insertion.answers) {
                if let Inserted::New { position } = *answer {
                    let is_held = row.try_get(4)?;
                    let claimed = adding.add(batch, new, position, is_held, claim);
                    insertion.claims.extend(claimed);
                }
            }
        }
        answers.push(insertion);
    }
    adding.write(batch).await?;
    Ok(answers)
}

/// What is there under a key.
fn present(row: &SqliteRow) -> Result<Present, Fault> {
    if row.try_get(1)? {
        // A damaged digest compares with nothing; reading the row itself says so.
        let digest = row
            .try_get::<Option<&[u8]>, _>(2)
            .ok()
            .flatten()
            .and_then(ContentDigest::from_bytes);
        return Ok(Present::Yes { digest });
    }
    let end = row
        .try_get::<Option<i64>, _>(3)?
        .and_then(|end| u64::try_from(end).ok());
    Ok(Present::No {
        stream_end: end.unwrap_or(0),
    })
}

/// What is to be written.
struct Adding<'a> {
    /// The id that was given last.
    last_id: i64,
    /// The streams to which something unfinished is added.
    held: HashSet<Stream>,
    rows: Vec<Adds<'a>>,
    told: Vec<(&'a Key, HistoryEntry)>,
}

struct Adds<'a> {
    id: i64,
    new: &'a NewNotification,
    position: u64,
    columns: Columns,
    token: Option<i64>,
    is_head: bool,
    body: Option<&'a Body>,
}

impl<'a> Adding<'a> {
    /// Adds one, whose stream may be held by what is stored; the claim, if it is to be handed out.
    fn add(
        &mut self,
        batch: &mut Batch<'_>,
        new: &'a NewNotification,
        position: u64,
        is_held: bool,
        claim: &ClaimNew,
    ) -> Option<Claim> {
        let Beginning {
            mut change,
            body,
            history,
            ..
        } = transition::start(&new.start, batch.now);
        self.told.extend(history.map(|entry| (&new.key, entry)));
        let is_head = match change.state.holds_stream() {
            true => self.held.insert(new.key.stream()) && !is_held,
            false => false,
        };
        let mut claimed = None;
        if let (true, true, Some(body)) = (is_head, claim.names(&new.key), body)
            && let Some(handed_out) =
                transition::hand_out_at_once(&new.start, batch.now.after(claim.lease))
        {
            let (key, token) = (new.key.clone(), Token::new(batch.next_token()));
            let (event_id, body) = (new.event_id.clone(), body.clone());
            let mut claim = Claim::new(key, token, event_id, position, body);
            claim.ledger = new.ledger.clone();
            claim.traceparent = new.traceparent.clone();
            claimed = Some(claim);
            change = handed_out;
        }
        if matches!(change.state, NotificationState::Pending { .. }) {
            batch.tell();
        }
        self.last_id += 1;
        self.rows.push(Adds {
            id: self.last_id,
            new,
            position,
            columns: Columns::of(&change, batch),
            token: claimed.as_ref().map(|claim| claim.token.number()),
            is_head,
            body,
        });
        claimed
    }

    async fn write(self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        let now = batch.now;
        let row = |query, row: Adds<'_>| row.bind(query, now);
        let body =
            |query: Bound<'static>, (id, body): (i64, &Body)| query.bind(id).bind(body.shared());
        let mut left = self.rows.into_iter();
        while left.len() > 0 {
            let rows: Vec<_> = left.by_ref().take(MOST).collect();
            let bodies = rows.iter().filter_map(|row| Some((row.id, row.body?)));
            let bodies: Vec<_> = bodies.collect();
            let adds = ADD.for_rows(rows.len()).rows(rows, row).rows(bodies, body);
            batch.write(adds).await?;
        }
        for (key, entry) in self.told {
            history::begin(batch, key, &entry).await?;
        }
        Ok(())
    }
}

impl Adds<'_> {
    fn bind(self, query: Bound<'static>, now: Timestamp) -> Bound<'static> {
        let new = self.new;
        let ready_at = self.columns.due_at.filter(|_| self.is_head);
        bind_columns(bind_key(query, &new.key), self.columns)
            .bind(self.id)
            .bind(self.token)
            .bind(ready_at)
            .bind(new.event_id.shared())
            .bind(i64::try_from(self.position).unwrap_or(i64::MAX))
            .bind(new.memo.as_ref().map(|memo| memo.as_bytes().to_vec()))
            .bind(new.content_digest.map(|digest| digest.to_bytes().to_vec()))
            .bind(new.traceparent.clone())
            .bind(now.as_micros())
            .bind((new.ledger != Ledger::default()).then(|| new.ledger.encode()))
            .bind(0_i64)
    }
}
