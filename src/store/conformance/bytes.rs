//! Sentence 11: what is kept comes back as it was.

use std::time::Duration;

use crate::event::{Body, ContentDigest, EventId, EventKind, Memo, Occurrence};
use crate::notification::outcome::{Blocked, NotSent, Outcome, Unknown};
use crate::notification::{Attempt, By, Closed, Key, Ledger, NotificationState};
use crate::store::{ClaimRequest, Filter, Inserted, NewNotification, Page, Pick, Start, Then};
use crate::supplier::EndpointId;
use crate::value::names::{OrderCode, Source, SupplierId};
use crate::value::time::Timestamp;

use super::Harness;
use super::case::{
    Case, LIVE, Situation, body, by, key, keys_of, mark, notified, pending, shop, stage_for, step,
    withdraw,
};

/// Text that has gone wrong somewhere before: quotes, escapes, wildcards, null in words, combining and astral
/// characters,
/// both directions.
const AWKWARD: [&str; 10] = [
    "it's \"quoted\" `so`; -- ' OR 1=1",
    r"back\slash \n \u0041 \x00 %41 &amp;",
    "%_*?[a-z]$1{}%s",
    "NULL",
    "0123",
    "e\u{301} and \u{e9}",
    "\u{1f4da}\u{200d}\u{1f5fa}\u{fe0f}",
    "שלום \u{202e}abc مرحبا",
    "a\u{2028}b\u{feff}c\u{ad}d",
    "ẞß İi ŉ ﬀ \u{10ffff}\u{e000}",
];

/// Holds a store to sentence 11 of the [contract](crate::store::Store#contract).
pub async fn bodies_come_back_byte_for_byte(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 11").await;
    let all_bytes: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    let large: Vec<u8> = (0..1_000_003_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let bodies = [
        Vec::new(),
        vec![0],
        b"\0\0".to_vec(),
        b"{ \"b\" : 1.10, \"a\":1e2,\r\n\t\"b\":2 }\n".to_vec(),
        "\u{feff}{\"\u{1f4da}\":\"e\u{301}\"}".as_bytes().to_vec(),
        vec![0xff, 0xfe, 0xc3, 0x28, 0x80],
        all_bytes,
        large,
    ];
    for (n, bytes) in bodies.into_iter().enumerate() {
        let key = key(&format!("A-{n}"));
        let body = Body::new(bytes);
        case.insert(&[NewNotification::new(
            key.clone(),
            Start::pending(body.clone()),
        )])
        .await;
        case.holds(
            "a body is found as it was stored",
            case.get(&key).await.body.as_ref() == Some(&body),
            &body,
        );
        let claim = case.hold(&key, LIVE).await;
        case.holds(
            "a body is claimed as it was stored",
            claim.body == body,
            &body,
        );
        case.settle(
            &claim,
            Then::Again {
                after: Duration::ZERO,
            },
        )
        .await;
        let claim = case.hold(&key, LIVE).await;
        case.holds("and the same at every claim", claim.body == body, &body);
        case.settle(&claim, notified("R-1")).await;
        case.holds(
            "and after the end",
            case.get(&key).await.body.as_ref() == Some(&body),
            &body,
        );
    }
}

/// Holds a store to sentence 11 of the [contract](crate::store::Store#contract).
pub async fn memos_come_back_byte_for_byte(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 11").await;
    let longest: Vec<u8> = (0..Memo::LIMIT).map(|n| n as u8).collect();
    let memos = [
        None,
        Some(Vec::new()),
        Some(vec![0]),
        Some(vec![0xff, 0, 0x80]),
        Some(longest),
    ];
    for (n, memo) in memos.into_iter().enumerate() {
        for start in [
            Start::pending(body("{}")),
            Start::NotWanted,
            Start::Notified {
                reference: "R".to_owned(),
                by: by(),
            },
        ] {
            let mut new = NewNotification::new(key(&format!("A-{n} {start:?}")), start);
            new.memo = memo
                .clone()
                .map(|bytes| Memo::new(bytes).expect("within the limit"));
            case.insert(&[new.clone()]).await;
            case.same(
                "a memo is as it was stored; none is not an empty one",
                &case.get(&new.key).await.memo,
                &new.memo,
            );
            let mut filter = Filter::of(shop());
            filter.order = Some(new.key.order.clone());
            let listed = case.list(&filter, &Page::first(2)).await.notifications;
            case.same(
                "in listings too",
                listed.first().map(|seen| &seen.memo),
                Some(&new.memo),
            );
        }
    }
}

/// Holds a store to sentence 11 of the [contract](crate::store::Store#contract).
pub async fn ledgers_come_back_as_they_were_written(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 11").await;
    let awkward = AWKWARD.map(|text| {
        format!(
            r#"{{"id":"a","shown":{},"standing":{{"accepted":{{"at":"0000-01-01T00:00:00Z","reference":{}}}}}}}"#,
            quoted(text),
            quoted(text)
        )
    });
    let texts = [
        "{}".to_owned(),
        format!(r#"{{"schedule":4294967295,"endpoints":[{}]}}"#, awkward.join(",")),
        r#"{"schedule":1,"round":{"due_by":"2026-03-01T10:00:00.000001Z","called":["a","b","a"]},"endpoints":[
            {"id":"b","shown":"https://b.example/","standing":{"open":{"tries":4294967295,
             "first_at":"2026-03-01T10:00:00.123456Z","not_before":"9999-12-31T23:59:59.999999Z","interrupted":2}}},
            {"id":"a","shown":"https://a.example/","standing":{"given_up":{"at":"2026-03-01T10:00:00Z","why":"gone"}}}]}"#
            .to_owned(),
        r#"{"round":{"called":[]}}"#.to_owned(),
    ];
    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    for text in texts {
        let ledger = Ledger::decode(text.as_bytes()).expect("a ledger");
        let claim = case.hold(&key, LIVE).await;
        let mut written = step(&claim, Then::Again { after: LIVE });
        written.ledger = ledger.clone();
        case.write(written).await;
        let seen = case.get(&key).await.ledger;
        case.same("a ledger is found as it was written", &seen, &ledger);
        case.holds("in the same bytes", seen.encode() == ledger.encode(), &seen);
        let claim = case.hold(&key, LIVE).await;
        case.same("and claimed as it was written", &claim.ledger, &ledger);
        case.settle(&claim, Then::HandBack { after: LIVE }).await;
    }
}

/// Holds a store to sentence 11 of the [contract](crate::store::Store#contract).
pub async fn a_ledger_that_comes_with_an_insert_is_kept(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 11").await;
    let text = r#"{"endpoints":[],"next":{"id":"a","shown":"https://a.example/"}}"#;
    let ledger = Ledger::decode(text.as_bytes()).expect("a ledger");
    let mut new = pending(&key("A-1"));
    new.ledger = ledger.clone();
    case.insert(std::slice::from_ref(&new)).await;
    case.same(
        "a ledger is found as it was inserted",
        &case.get(&new.key).await.ledger,
        &ledger,
    );
    let claims = case.claim(Pick::New, LIVE).await;
    case.same(
        "it comes with what is new, for no holder has recorded anything",
        keys_of(&claims),
        vec![new.key.clone()],
    );
    case.same(
        "and is claimed as it was inserted",
        &claims[0].ledger,
        &ledger,
    );
    new.ledger = Ledger::default();
    case.insert(std::slice::from_ref(&new)).await;
    case.same(
        "the first one stays",
        &case.get(&new.key).await.ledger,
        &ledger,
    );
}

/// Holds a store to sentence 11 of the [contract](crate::store::Store#contract).
pub async fn attempts_come_back_as_they_were_written(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 11").await;
    let mut outcomes: Vec<_> = [100, 301, 404, 999]
        .map(|status| Outcome::Rejected { status })
        .to_vec();
    outcomes.extend([200, 204, 299].map(|status| Outcome::Accepted { status }));
    let (moment, text) = (Some(Timestamp::from_micros(1)), || AWKWARD[0].to_owned());
    let detailed = [
        NotSent::CertificateExpired { until: moment },
        NotSent::CertificateNotYetValid { from: moment },
        NotSent::CertificateName {
            names: vec![text(), text()],
        },
        NotSent::Tls {
            alert: Some(text()),
        },
    ];
    outcomes.extend(
        NotSent::every()
            .into_iter()
            .chain(detailed)
            .map(|why| Outcome::NotSent { why }),
    );
    outcomes.extend(Unknown::ALL.map(|why| Outcome::Unknown { why }));
    outcomes.extend(Blocked::ALL.map(|why| Outcome::Blocked { why }));
    let moments = [i64::MIN, -1, 0, 1, 1_772_359_200_123_456, i64::MAX].map(Timestamp::from_micros);
    let lengths = [0, 1, 59_999, 1 << 50].map(Duration::from_millis);
    let attempts = outcomes.into_iter().enumerate().map(|(n, outcome)| {
        let text = AWKWARD[n % AWKWARD.len()];
        let id = EndpointId::from_stored(&format!("{n:032x}"));
        let endpoint = format!("https://a.example/{text}");
        Attempt::new(
            endpoint,
            id,
            outcome,
            moments[n % moments.len()],
            lengths[n % lengths.len()],
        )
    });
    // Some are equal: each of them was a POST of its own.
    let mut attempts: Vec<_> = attempts.collect();
    attempts.extend([attempts[0].clone(), attempts[0].clone()]);

    let key = key("A-1");
    case.add(std::slice::from_ref(&key)).await;
    let claim = case.hold(&key, LIVE).await;
    case.write(step(&claim, notified("R-1")).with_attempts(0, attempts.clone()))
        .await;
    let seen = case.get(&key).await.attempts;
    for (seen, written) in seen.iter().zip(&attempts) {
        case.same(
            "an attempt is as it was written, in its place",
            seen,
            written,
        );
    }
    case.same("none is lost and none added", seen.len(), attempts.len());
    let listed = case
        .list(&Filter::of(shop()), &Page::first(2))
        .await
        .notifications;
    case.same(
        "in listings too",
        listed.first().map(|seen| &seen.attempts),
        Some(&attempts),
    );
}

/// Holds a store to sentence 11 of the [contract](crate::store::Store#contract).
pub async fn names_come_back_as_they_were_given(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 11").await;
    let longest = "\u{1f4da}".repeat(200);
    let texts = AWKWARD.into_iter().chain(["a", &longest]);
    // Some of them would be refused now, and were stored when they were not.
    for text in texts {
        let kind = EventKind::own(&"a.b_c-9".repeat(9)).expect("a kind");
        let key = Key::new(
            Source::from_stored(text).expect("a name"),
            SupplierId::from_stored(text).expect("a name"),
            OrderCode::from_stored(text).expect("a name"),
            kind,
            Occurrence::from_stored(text).expect("an occurrence"),
        );
        case.add(std::slice::from_ref(&key)).await;
        case.same("it is found by its key", &case.get(&key).await.key, &key);
        case.same(
            "it is present by its key",
            case.insert(&[pending(&key)]).await[0],
            Inserted::Existing,
        );
        let mut filter = Filter::of(key.source.clone());
        filter.order = Some(key.order.clone());
        filter.supplier = Some(key.supplier.clone());
        let listed = case.list(&filter, &Page::first(2)).await.notifications;
        case.same(
            "it is listed",
            listed.iter().map(|seen| &seen.key).collect::<Vec<_>>(),
            vec![&key],
        );
        case.same("it is counted", case.count(&filter).await.pending, 1);
        let request =
            ClaimRequest::new(key.source.clone(), Pick::DueOf(vec![key.clone()]), 2, LIVE);
        let claims = case.request(&request).await.claims;
        case.same(
            "it is claimed",
            claims.iter().map(|claim| &claim.key).collect::<Vec<_>>(),
            vec![&key],
        );
        case.settle(&claims[0], notified(text)).await;
    }
}

/// Holds a store to sentence 11 of the [contract](crate::store::Store#contract): keys are compared by their bytes.
pub async fn names_that_look_alike_are_told_apart(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 11").await;
    let of = |supplier: &str, order: &str, occurrence: &str| stage_for(supplier, order, occurrence);
    let keys = [
        of("north", "A-1", ""),
        of("north", "A-1", " "),
        of("north", "A-1", "  "),
        of("north", "A-1", "x"),
        of("north", "A-1", "x "),
        of("north", "A-1", "X"),
        of("north", "a-1", ""),
        of("North", "A-1", ""),
        of("north", "A-1\u{200b}", ""),
        of("north", "\u{e9}", ""),
        of("north", "e\u{301}", ""),
        of("north", "e", ""),
        of("north", "stra\u{df}e", ""),
        of("north", "strasse", ""),
        of("north", "1", ""),
        of("north", "01", ""),
        of("north", "1.0", ""),
        of("northA", "-1", ""),
        of("nort", "hA-1", ""),
        key("A-1"),
    ];
    case.add(&keys).await;
    for key in &keys {
        case.same(
            "each is found by its own key",
            &case.get(key).await.key,
            key,
        );
    }
    let listed = case
        .list(&Filter::of(shop()), &Page::first(100))
        .await
        .notifications;
    case.same("all are there", listed.len(), keys.len());
    let mut filter = Filter::of(shop());
    filter.order = Some(OrderCode::new("e\u{301}").expect("a name"));
    case.same(
        "a filter tells them apart too",
        case.count(&filter).await.total(),
        1,
    );
}

/// Holds a store to sentence 11 of the [contract](crate::store::Store#contract).
pub async fn texts_come_back_as_they_were_given(harness: &impl Harness) {
    let case = Case::open(harness, "sentence 11").await;
    let texts = AWKWARD
        .into_iter()
        .chain(["", " ", " a ", "line\r\nline\tend\u{7f}"]);
    for (n, text) in texts.enumerate() {
        let told = key(&format!("told-{n}"));
        let mut new = NewNotification::new(
            told.clone(),
            Start::Notified {
                reference: text.to_owned(),
                by: by(),
            },
        );
        new.traceparent = Some(text.to_owned());
        new.event_id = EventId::from_stored(&format!("!\"#$%&'()*+,-./:;<=>?@[]^_`{{|}}~\\{n}"))
            .expect("an id");
        let mut digest = ContentDigest::of(text.as_bytes()).to_bytes();
        digest[0] = n as u8;
        new.content_digest = ContentDigest::from_bytes(&digest);
        case.insert(&[new.clone()]).await;
        let seen = case.get(&told).await;
        case.same(
            "the trace; an empty one is not none",
            &seen.traceparent,
            &new.traceparent,
        );
        case.same("the event id", &seen.event_id, &new.event_id);
        case.same(
            "the digest with its version",
            seen.content_digest,
            new.content_digest,
        );
        let fits = |state: &NotificationState| matches!(state, NotificationState::Notified { reference, .. } if reference == text);
        case.holds("the reference", fits(&seen.state), (&seen.state, text));

        let (sent, withdrawn, marked) = (
            key(&format!("sent-{n}")),
            key(&format!("withdrawn-{n}")),
            key(&format!("marked-{n}")),
        );
        if let Some(claim) = case.bring(&sent, Situation::Live).await {
            case.settle(&claim, notified(text)).await;
        }
        let state = case.get(&sent).await.state;
        case.holds("the reference of a step", fits(&state), (&state, text));
        case.add(&[withdrawn.clone(), marked.clone()]).await;
        // Of the texts those that a note can have.
        if By::from_stored(text, text).is_ok() {
            case.intervene(std::slice::from_ref(&withdrawn), &withdraw(text))
                .await;
            let state = case.get(&withdrawn).await.state;
            let as_given = matches!(&state, NotificationState::Closed { why: Closed::Withdrawn { reason }, .. } if reason == text);
            case.holds("the reason of a withdrawal", as_given, (&state, text));
        }
        let mark = mark(text);
        case.intervene(std::slice::from_ref(&marked), &mark).await;
        let state = case.get(&marked).await.state;
        case.holds("the reference of a mark", fits(&state), (&state, text));
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}
