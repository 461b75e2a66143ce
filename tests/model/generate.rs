//! Which calls are made: few names, so that they meet, and durations of a few hours, so that they end.

use orderhook::notification::{FailureReason, StateName};
use orderhook::store::{Append, Start};
use orderhook::supplier::StreamRule;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest_state_machine::ReferenceStateMachine;

use crate::reference::Model;
use crate::words::*;

impl ReferenceStateMachine for Model {
    type State = Model;
    type Transition = Call;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::default()).boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Call> {
        // Of what was claimed something is to be written, mostly by the latest holders.
        let writes = if model.claims.is_empty() { 0 } else { 6 };
        let known: Vec<_> = model.rows.iter().map(|row| row.name).collect();
        prop_oneof![
            3 => insert(),
            5 => claim(known.clone()).prop_map(Call::Claim),
            writes => vec(write(), 1..4).prop_map(Call::Write),
            3 => (selection(known), decision(), 0..4_u32).prop_map(|(select, decide, limit)| Call::Intervene(select, decide, limit)),
            1 => (source(), 0..3_u8).prop_map(|(source, hours)| Call::Prune(source, hours)),
            1 => (which(), 1..4_u32).prop_map(|(which, limit)| Call::List(which, limit)),
            1 => (source(), 1..4_u32).prop_map(|(source, limit)| Call::Settled(source, limit)),
            2 => (1..3_u8).prop_map(Call::Wait),
            1 => Just(Call::Open),
        ]
        .boxed()
    }

    fn apply(mut model: Model, call: &Call) -> Model {
        model.call(call);
        model
    }

    fn preconditions(model: &Model, call: &Call) -> bool {
        !(matches!(call, Call::Write(_)) && model.claims.is_empty())
    }
}

fn source() -> impl Strategy<Value = u8> {
    prop_oneof![5 => Just(0_u8), 1 => Just(1)]
}

fn name() -> impl Strategy<Value = Name> {
    // Mostly one stream, so that its notifications get into each other's way.
    let supplier = prop_oneof![5 => Just(0_u8), 1 => Just(1), 1 => Just(2)];
    let order = prop_oneof![5 => Just(0_u8), 1 => Just(1)];
    let name = (source(), supplier, order, 0..4_u8);
    name.prop_map(|(source, supplier, order, occurrence)| Name {
        source,
        supplier,
        order,
        occurrence,
    })
}

fn reference() -> impl Strategy<Value = String> {
    select(vec!["R-1".to_owned(), "by phone, \u{1F4DE}".to_owned()])
}

fn new() -> impl Strategy<Value = New> {
    let append = prop_oneof![5 => Just(Append::Next), 1 => (1..4_u64).prop_map(Append::At)];
    let start = prop_oneof![
        8 => (0..4_u8).prop_map(|number| Start::pending(body(number))),
        1 => Just(Start::NotWanted),
        1 => (0..4_u8, 1..3_u8).prop_map(|(number, delay)| Start::Pending {
            body: body(number),
            delay: hours(delay),
        }),
        1 => reference().prop_map(|reference| Start::Notified { reference, by: by() }),
    ];
    let new = (
        name(),
        append,
        start,
        option::of(0..2_u8),
        option::of(0..4_u8),
    );
    new.prop_map(|(name, append, start, digest, memo)| New {
        name,
        append,
        start,
        digest,
        memo,
    })
}

/// Of what is inserted some is to be handed out at once, and perhaps something else.
fn insert() -> impl Strategy<Value = Call> {
    let insert = vec(new(), 1..4).prop_flat_map(|new| {
        let names: Vec<_> = new.iter().map(|new| new.name).collect();
        let most = names.len();
        (
            Just(new),
            subsequence(names, 0..=most),
            option::of(name()),
            1..3_u8,
        )
    });
    insert.prop_map(|(new, mut names, other, lease)| {
        names.extend(other);
        Call::Insert(new, AtOnce { names, lease })
    })
}

/// Mostly of what is there.
fn names(known: Vec<Name>) -> BoxedStrategy<Vec<Name>> {
    match known.is_empty() {
        true => vec(name(), 0..3).boxed(),
        false => vec(prop_oneof![5 => select(known), 1 => name()], 0..6).boxed(),
    }
}

fn claim(known: Vec<Name>) -> impl Strategy<Value = Claim> {
    let pick = prop_oneof![
        2 => Just(Pick::New),
        2 => Just(Pick::Due),
        2 => vec(0..3_u8, 0..4).prop_map(Pick::PutOff),
        1 => names(known.clone()).prop_map(Pick::DueOf),
        1 => names(known).prop_map(Pick::NowOf),
    ];
    let due_before = prop_oneof![4 => Just(None), 1 => (0..3_u8).prop_map(Some)];
    let claim = (source(), pick, 0..8_u32, 0..3_u8, due_before);
    claim.prop_map(|(source, pick, limit, lease, due_before)| Claim {
        source,
        pick,
        limit,
        lease,
        due_before,
    })
}

fn write() -> impl Strategy<Value = Write> {
    let end = prop_oneof![
        2 => (0..3_u8).prop_map(End::Keep),
        2 => reference().prop_map(End::Notified),
        2 => (0..3_u8).prop_map(End::Again),
        2 => (0..3_u8).prop_map(End::HandBack),
        4 => (reason(), prop_oneof![1 => Just(StreamRule::Hold), 2 => Just(StreamRule::Pass)])
            .prop_map(|(reason, stream)| End::Failed(reason, stream)),
    ];
    let claim = prop_oneof![3 => 0..3_usize, 1 => 0..20_usize];
    let write = (
        claim,
        prop::bool::weighted(0.1),
        0..3_u8,
        0..3_u8,
        0..4_u8,
        end,
    );
    write.prop_map(|(claim, foreign, known, attempts, ledger, end)| Write {
        claim,
        foreign,
        known,
        attempts,
        ledger,
        end,
    })
}

fn reason() -> impl Strategy<Value = FailureReason> {
    select(FailureReason::ALL.to_vec())
}

fn selection(known: Vec<Name>) -> impl Strategy<Value = Select> {
    let supplier = prop_oneof![3 => Just(0_u8), 1 => 0..3_u8];
    let of_supplier = (
        source(),
        supplier,
        subsequence(FailureReason::ALL.to_vec(), 1..=6),
    );
    prop_oneof![
        2 => names(known).prop_map(Select::Keys),
        1 => of_supplier.prop_map(|(source, supplier, reasons)| Select::FailedFor(source, supplier, reasons)),
    ]
}

fn decision() -> impl Strategy<Value = Decide> {
    prop_oneof![
        3 => Just(Decide::Reopen),
        1 => Just(Decide::Retry),
        1 => reference().prop_map(Decide::Withdraw),
        1 => reference().prop_map(Decide::MarkNotified),
        1 => Just(Decide::Erase),
        1 => Just(Decide::Forget),
    ]
}

fn which() -> impl Strategy<Value = Which> {
    let states =
        prop_oneof![2 => Just(Vec::new()), 1 => subsequence(StateName::ALL.to_vec(), 1..=6)];
    let which = (
        source(),
        option::of(0..2_u8),
        option::of(0..3_u8),
        states,
        option::of(0..4_u8),
    );
    which.prop_map(|(source, order, supplier, states, older_than)| Which {
        source,
        order,
        supplier,
        states,
        older_than,
    })
}
