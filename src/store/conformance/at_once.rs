//! Sentences 3, 6 and the last paragraph: the claim that an insert hands out.

use crate::event::{Body, EventId};
use crate::notification::{By, NotificationState};
use crate::store::{Append, Claim, ClaimNew, Insertion, NewNotification, Start, Store, Written};

use super::Harness;
use super::case::{Case, LIVE, SHORT, key, keys_of, ledger, notified, pending, stage, step};
use super::racing::drop_after;

impl<H: Harness> Case<'_, H> {
    /// Stores these, and claims those of them that are named.
    async fn insert_and_claim(
        &self,
        new: &[NewNotification],
        named: &[&NewNotification],
        lease: std::time::Duration,
    ) -> Insertion {
        let keys = named.iter().map(|new| new.key.clone()).collect();
        let claim = ClaimNew { keys, lease };
        self.ok(self.store.insert(new, &claim).await)
    }

    /// Stores one and claims it, which must be possible.
    async fn insert_and_hold(&self, new: &NewNotification, lease: std::time::Duration) -> Claim {
        let named = std::slice::from_ref(new);
        let mut inserted = self.insert_and_claim(named, &[new], lease).await;
        self.same(
            "what is new, due and the first of its stream is handed out by the insert that names it",
            keys_of(&inserted.claims),
            vec![new.key.clone()],
        );
        inserted.claims.remove(0)
    }
}

/// Holds a store to sentence 3 of the [contract](crate::store::Store#contract): an insert hands out the claim of what is named,
/// with all that its holder needs, and nothing else.
pub async fn an_insert_hands_out_what_it_is_asked_for(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 3").await;
    let mut named = pending(&key("A-1"));
    named.event_id = EventId::from_stored("msg_of_its_own").expect("an id");
    named.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    named.ledger = ledger(1);
    let other = pending(&key("A-2"));
    let slice = [other.clone(), named.clone()];
    let before = case.now().await;
    let inserted = case.insert_and_claim(&slice, &[&named], LIVE).await;
    let after = case.now().await;
    case.holds(
        "the time of an insert is the store's",
        before <= inserted.now && inserted.now <= after,
        inserted.now,
    );
    case.same(
        "what is named is handed out, and nothing else",
        keys_of(&inserted.claims),
        vec![named.key.clone()],
    );
    let claim = &inserted.claims[0];
    case.same("the event id", &claim.event_id, &named.event_id);
    case.same("the position", claim.position, 1);
    case.same(
        "the body",
        Some(claim.body.clone()),
        case.get(&named.key).await.body,
    );
    case.same("the ledger", &claim.ledger, &named.ledger);
    case.same("the trace", &claim.traceparent, &named.traceparent);
    case.same("how many attempts there are", claim.attempts, 0);
    case.holds("no holder was before it", !claim.taken_over, claim);
    let wanted = NotificationState::Sending {
        until: inserted.now.after(LIVE),
    };
    case.same(
        "it is being sent under a lease that began with the insert",
        case.get(&named.key).await.state,
        wanted,
    );
    case.same(
        "what was not named can be claimed by others, and what was named cannot",
        case.claimed_due().await,
        vec![other.key],
    );
}

/// Holds a store to sentence 3 of the [contract](crate::store::Store#contract): what is delayed, not pending, present, behind
/// another or not stored is handed out by no insert.
pub async fn an_insert_hands_out_nothing_that_cannot_be_claimed(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 3").await;
    let start = |code: &str, start| NewNotification::new(key(code), start);
    let told = Start::Notified {
        reference: "R-1".to_owned(),
        by: By::new("maria", "by phone").expect("two notes"),
    };
    let delayed = Start::Pending {
        body: Body::new(*b"{}"),
        delay: LIVE,
    };
    let (first, behind) = (stage("S-1", "1"), stage("S-1", "2"));
    let (held, late) = (stage("S-2", "1"), stage("S-2", "2"));
    case.insert(&[pending(&held), pending(&key("there"))]).await;
    let slice = [
        start("delayed", delayed),
        start("closed", Start::NotWanted),
        start("told", told),
        pending(&key("there")),
        pending(&first),
        pending(&behind),
        pending(&late),
        pending(&key("twice")),
        pending(&key("twice")),
    ];
    let named: Vec<_> = slice.iter().collect();
    let inserted = case.insert_and_claim(&slice, &named, LIVE).await;
    case.same(
        "only what is new, due and the first of its stream is handed out, once",
        keys_of(&inserted.claims),
        vec![first, key("twice")],
    );
    let mut misplaced = pending(&stage("S-3", "1"));
    misplaced.append = Append::At(7);
    let slice = [pending(&key("beside")), misplaced];
    let named: Vec<_> = slice.iter().collect();
    let inserted = case.insert_and_claim(&slice, &named, LIVE).await;
    case.same(
        "of a slice that is not stored nothing is handed out",
        keys_of(&inserted.claims),
        Vec::new(),
    );
}

/// Holds a store to sentence 6 of the [contract](crate::store::Store#contract): the claim of an insert is one like any other.
pub async fn the_claim_of_an_insert_is_one_like_any_other(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 6").await;
    let one = case.insert_and_hold(&pending(&key("A-1")), LIVE).await;
    let two = case.insert_and_hold(&pending(&key("A-2")), SHORT).await;
    case.holds("their tokens differ", one.token != two.token, &two);
    case.lapse().await;
    let taken = case.claim_due(LIVE).await;
    case.same(
        "it is abandoned when its lease has run out, and not before",
        keys_of(&taken),
        vec![two.key.clone()],
    );
    case.holds("its holder was interrupted", taken[0].taken_over, &taken);
    case.holds(
        "every claim has a token that none had before",
        taken[0].token != one.token && taken[0].token != two.token,
        &taken,
    );
    case.same(
        "a newer claim makes its token stale",
        case.write(step(&two, notified("R-2"))).await,
        Written::Stale,
    );
    case.same(
        "its holder records with its token",
        case.write(step(&one, notified("R-1"))).await,
        Written::Applied,
    );
}

/// Holds a store to the last paragraph of the [contract](crate::store::Store#contract): the claim of an insert that was dropped
/// holds nothing.
pub async fn a_dropped_insert_strands_nothing(harness: &impl Harness) {
    for polls in 1..=3 {
        let case = Case::open(harness, "the last paragraph").await;
        let slice = [pending(&key("A-1")), pending(&key("A-2"))];
        let claim = ClaimNew {
            keys: slice.iter().map(|new| new.key.clone()).collect(),
            lease: LIVE,
        };
        if drop_after(polls, case.store.insert(&slice, &claim))
            .await
            .is_some()
        {
            continue;
        }
        case.insert(&slice).await;
        let mut held = case.claim_due(LIVE).await;
        held.sort_by(|one, other| one.key.cmp(&other.key));
        case.same(
            "what a dropped insert has stored can be claimed at once",
            keys_of(&held),
            slice.iter().map(|new| new.key.clone()).collect(),
        );
        case.holds(
            "no holder was interrupted",
            held.iter().all(|claim| !claim.taken_over),
            &held,
        );
    }
}
