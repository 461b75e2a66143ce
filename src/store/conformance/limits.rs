//! Sentence 13, and when to ask again.

use std::time::Duration;

use crate::notification::{Key, State};
use crate::store::{ClaimRequest, Pick, Then};
use crate::value::time::Timestamp;

use super::Harness;
use super::case::{
    Case, LIVE, Situation, every_pick, key, key_for, keys_of, notified, other_source, pending, shop, stage, supplier,
};

/// Holds a store to sentence 13 of the [contract](crate::store::Store#contract).
pub async fn a_claim_has_no_more_than_its_limit(harness: &impl Harness) {
    for pick in 0..3 {
        let case = Case::open(harness, "sentence 13").await;
        let keys: Vec<_> = (0..7).map(|n| key_for(&format!("supplier-{}", n % 2), &format!("A-{n}"))).collect();
        case.add(&keys).await;
        let pick = every_pick(&keys)[pick].clone();
        let mut seen = Vec::new();
        for (limit, wanted) in [(0, 0), (1, 1), (4, 4), (u32::MAX, 2), (9, 0)] {
            let claims = case.request(&ClaimRequest::new(shop(), pick.clone(), limit, LIVE)).await.claims;
            case.same(&format!("at most {limit} of what is left ({pick:?})"), claims.len(), wanted);
            seen.extend(keys_of(&claims));
        }
        case.same("all in the end, oldest first", seen, keys);
    }
}

/// Holds a store to sentence 13 of the [contract](crate::store::Store#contract).
pub async fn a_claim_has_no_more_of_a_supplier_than_its_room(harness: &impl Harness) {
    for pick in 0..3 {
        let case = Case::open(harness, "sentence 13").await;
        let ids = ["north", "south", "east", "west"];
        let keys: Vec<_> = (0..20).map(|n| key_for(ids[n % 4], &format!("A-{n}"))).collect();
        case.add(&keys).await;
        let pick = every_pick(&keys)[pick].clone();
        let mut request = ClaimRequest::new(shop(), pick.clone(), 100, LIVE);
        request.per_supplier = 2;
        request.room = vec![(supplier("south"), 3), (supplier("east"), 0), (supplier("absent"), 9)];
        let claimed = keys_of(&case.request(&request).await.claims);
        let of = |id: &str| claimed.iter().filter(|key| key.supplier.as_str() == id).cloned().collect::<Vec<_>>();
        for (id, room) in [("north", 2), ("south", 3), ("east", 0), ("west", 2)] {
            let oldest = keys.iter().filter(|key| key.supplier.as_str() == id).take(room).cloned().collect();
            case.same(&format!("of {id} the oldest {room} ({pick:?})"), of(id), oldest);
        }
        request.per_supplier = 0;
        request.room = vec![(supplier("east"), u32::MAX)];
        let claimed = case.request(&request).await.claims;
        case.same("room is for each answer anew", claimed.len(), 5);
        case.holds("and 0 is none", claimed.iter().all(|claim| claim.key.supplier.as_str() == "east"), &claimed);
    }
}

/// Holds a store to sentence 13 of the [contract](crate::store::Store#contract).
pub async fn the_backlog_of_a_supplier_keeps_nobody_else_out(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 13").await;
    let backlog: Vec<_> = (0..40).map(|n| key_for("dead", &format!("D-{n}"))).collect();
    case.insert(&backlog.iter().map(pending).collect::<Vec<_>>()).await;
    let (first, second) = (key_for("north", "A-1"), key_for("south", "A-2"));
    case.add(&[first.clone(), second.clone()]).await;
    let mut request = ClaimRequest::new(shop(), Pick::Due, 1, LIVE);
    request.room = vec![(supplier("dead"), 0)];
    let claims = case.request(&request).await.claims;
    case.same("who has no room takes no place in the answer", keys_of(&claims), vec![first]);
    request = ClaimRequest::new(shop(), Pick::Due, 2, LIVE);
    request.per_supplier = 1;
    let claims = case.request(&request).await.claims;
    let of: Vec<_> = claims.iter().map(|claim| claim.key.supplier.as_str()).collect();
    case.same("who has room for one takes one place", of, vec!["dead", "south"]);
    case.same("the other is had", &claims[1].key, &second);
}

/// Holds a store to sentence 13 of the [contract](crate::store::Store#contract).
pub async fn held_streams_keep_nobody_else_out(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 13").await;
    case.bring(&stage("A-1", "failed"), Situation::FailedHolding).await;
    case.bring(&stage("A-2", "waiting"), Situation::Waiting).await;
    case.bring(&stage("A-3", "live"), Situation::Live).await;
    let behind = |order: &str| (0..20).map(|n| pending(&stage(order, &n.to_string()))).collect::<Vec<_>>();
    case.insert(&[behind("A-1"), behind("A-2"), behind("A-3")].concat()).await;
    let free = key("A-4");
    case.add(std::slice::from_ref(&free)).await;
    let mut request = ClaimRequest::new(shop(), Pick::Due, 1, LIVE);
    request.per_supplier = 1;
    let claims = case.request(&request).await.claims;
    case.same("what is held takes no place in the answer", keys_of(&claims), vec![free]);
}

/// Holds a store to what [`Claims::next_due`](crate::store::Claims::next_due) says.
pub async fn the_next_due_time_is_never_too_late(harness: &impl Harness) {
    let case = Case::open(harness, "the words of `Claims::next_due`").await;
    let in_time = |what: &str, next: Option<Timestamp>, due: Timestamp| {
        case.holds(what, next.is_some_and(|next| next <= due), (next, due));
    };
    let far = key_for("north", "far");
    case.bring(&far, Situation::Waiting).await;
    let far_due = due(&case, &far).await;
    in_time("what waits for its time", next_due(&case, Pick::Due).await, far_due);

    let near = key_for("south", "near");
    case.add(std::slice::from_ref(&near)).await;
    let claim = case.hold(&near, LIVE).await;
    case.settle(&claim, Then::Again { after: LIVE / 2 }).await;
    let near_due = due(&case, &near).await;
    in_time("the first of several suppliers", next_due(&case, Pick::Due).await, near_due);

    let held = key_for("east", "held");
    case.add(std::slice::from_ref(&held)).await;
    case.hold(&held, LIVE / 4).await;
    let until = due(&case, &held).await;
    in_time("what can be taken over when its lease runs out", next_due(&case, Pick::Due).await, until);
    let claim = case.hold(&key_for("south", "near"), LIVE).await;
    case.settle(&claim, Then::Again { after: LIVE / 8 }).await;
    in_time("what was made due earlier", next_due(&case, Pick::Due).await, due(&case, &near).await);

    let ready = [key_for("west", "one"), key_for("west", "two")];
    case.add(&ready).await;
    let second_due = due(&case, &ready[1]).await;
    let claims = case.request(&ClaimRequest::new(shop(), Pick::Due, 1, LIVE)).await;
    case.same("one is claimed", &keys_of(&claims.claims)[..], &ready[..1]);
    in_time("what the limit left out", claims.next_due, second_due);
    let claims = case.request(&ClaimRequest::new(shop(), Pick::Due, 1, LIVE)).await;
    case.same("the other is claimed", &keys_of(&claims.claims)[..], &ready[1..]);
    in_time("what waits beside what was claimed", claims.next_due, due(&case, &near).await);
}

/// Holds a store to what [`Claims::next_due`](crate::store::Claims::next_due) says.
pub async fn the_next_due_time_knows_what_a_stream_sets_free(harness: &impl Harness) {
    let case = Case::open(harness, "the words of `Claims::next_due`").await;
    let (first, second) = (stage("A-1", "first"), stage("A-1", "second"));
    case.bring(&first, Situation::Waiting).await;
    case.add(std::slice::from_ref(&second)).await;
    let head = due(&case, &first).await;
    let next = next_due(&case, Pick::Due).await;
    case.holds("the first of a stream counts", next.is_some_and(|next| next <= head), (next, head));
    let claim = case.hold(&first, LIVE).await;
    case.settle(&claim, notified("R-1")).await;
    let claim = case.hold(&second, LIVE).await;
    case.settle(&claim, Then::Again { after: LIVE }).await;
    let head = due(&case, &second).await;
    let next = next_due(&case, Pick::Due).await;
    case.holds("then the second", next.is_some_and(|next| next <= head), (next, head));
}

/// Holds a store to what [`Claims::next_due`](crate::store::Claims::next_due) says.
pub async fn there_is_no_next_due_time_where_nothing_waits(harness: &impl Harness) {
    let case = Case::open(harness, "the words of `Claims::next_due`").await;
    case.same("in an empty store", next_due(&case, Pick::Due).await, None);
    let mut elsewhere = key("A-1");
    elsewhere.source = other_source();
    case.add(std::slice::from_ref(&elsewhere)).await;
    for (n, situation) in [Situation::FailedHolding, Situation::FailedPassing].into_iter().enumerate() {
        case.bring(&key(&format!("B-{n}")), situation).await;
    }
    for situation in Situation::FINAL {
        case.bring(&key(&format!("{situation:?}")), situation).await;
    }
    case.same("for what is failed, final or elsewhere", next_due(&case, Pick::Due).await, None);
}

/// Holds a store to what [`Claims::next_due`](crate::store::Claims::next_due) says.
pub async fn the_next_due_time_is_reckoned_over_suppliers_with_room(harness: &impl Harness) {
    let case = Case::open(harness, "the words of `Claims::next_due`").await;
    let full = [key_for("north", "due"), key_for("north", "waiting")];
    case.bring(&full[1], Situation::Waiting).await;
    case.add(&full[..1]).await;
    let mut request = ClaimRequest::new(shop(), Pick::Due, 9, LIVE);
    request.room = vec![(supplier("north"), 0)];
    let claims = case.request(&request).await;
    case.same("a supplier without room does not count", (claims.claims, claims.next_due), (Vec::new(), None));

    let other = key_for("south", "waiting");
    case.add(std::slice::from_ref(&other)).await;
    let claim = case.hold(&other, LIVE).await;
    case.settle(&claim, Then::Again { after: Duration::from_secs(600) }).await;
    let other_due = due(&case, &other).await;
    let next = case.request(&request).await.next_due;
    case.holds("one with room does", next.is_some_and(|next| next <= other_due), (next, other_due));
    request.per_supplier = 0;
    request.room = vec![(supplier("north"), 2)];
    let north_due = due(&case, &full[1]).await;
    let claims = case.request(&request).await;
    case.same("what is due is claimed", &keys_of(&claims.claims)[..], &full[..1]);
    let next = claims.next_due;
    case.holds("the next of who has room", next.is_some_and(|next| next <= north_due), (next, north_due));
}

/// What a claim says that finds nothing, or whose claims are not needed.
async fn next_due<H: Harness>(case: &Case<'_, H>, pick: Pick) -> Option<Timestamp> {
    case.request(&ClaimRequest::new(shop(), pick, 9, LIVE)).await.next_due
}

/// When it can be claimed.
async fn due<H: Harness>(case: &Case<'_, H>, key: &Key) -> Timestamp {
    match case.get(key).await.state {
        State::Pending { due: at } | State::Sending { until: at } => at,
        state => case.fails("it is pending or being sent", state),
    }
}
