//! The suite bites: stores that break the contract in one way each, and the functions that find it.

use std::collections::BTreeSet;

use orderhook::store::conformance::sentences;

use super::foreign_store::Foreign;

macro_rules! faults {
    ($($fault:ident: $($found_by:ident)+;)+) => {
        /// In which way the foreign store breaks the contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault {
            None,
            $($fault,)+
        }

        const FAULTS: &[(Fault, &[&str])] = &[$((Fault::$fault, &[$(stringify!($found_by)),+])),+];
    };
}

faults! {
    // What is stored.
    StartsLate: an_absent_key_becomes_pending_and_due_now;
    StartsAllPending: what_nobody_wants_begins_closed what_was_told_elsewhere_begins_notified
        what_begins_finished_holds_nothing_back;
    HasNoDelays: what_is_delayed_is_claimed_by_nobody_before_its_time;
    HurriesDelayed: what_is_delayed_is_claimed_by_nobody_before_its_time;
    AnswersBackwards: each_that_is_to_be_stored_is_answered_in_its_place;
    Upserts: a_present_key_changes_nothing;
    InsertsDropClaims: a_present_key_leaves_the_claim_alone;
    NeverDiffers: other_content_under_a_present_key_differs;
    ComparesDigestsAsTheyAre: contents_that_cannot_be_compared_do_not_differ;
    StoresBesideTheStale: a_slice_is_stored_whole_or_not_at_all;
    OverlooksTwins: a_key_that_stands_twice_in_a_slice_is_new_once;
    ChecksThenInserts: of_concurrent_inserts_of_one_key_one_is_new of_concurrent_slices_each_key_is_new_in_one
        concurrent_appends_leave_no_gap_and_no_twin of_concurrent_appends_at_one_position_one_is_stored;
    CommitsRowByRow: a_dropped_call_has_happened_or_has_not;
    StrandsDroppedClaims: a_dropped_claim_strands_nothing;

    // What an insert hands out.
    HandsOutNothingNew: an_insert_hands_out_what_it_is_asked_for the_claim_of_an_insert_is_one_like_any_other;
    HandsOutAllThatIsNew: an_insert_hands_out_what_it_is_asked_for;
    HandsOutWithoutLedgers: an_insert_hands_out_what_it_is_asked_for;
    HandsOutTheDelayed: an_insert_hands_out_nothing_that_cannot_be_claimed;
    HandsOutOutOfTurn: an_insert_hands_out_nothing_that_cannot_be_claimed;
    HandsOutThePresent: an_insert_hands_out_nothing_that_cannot_be_claimed;
    HandsOutForEver: an_insert_hands_out_what_it_is_asked_for the_claim_of_an_insert_is_one_like_any_other;
    HandsOutOneToken: the_claim_of_an_insert_is_one_like_any_other;
    StrandsDroppedInserts: a_dropped_insert_strands_nothing;

    // Who may send.
    ClaimsNewestFirst: what_is_due_is_claimed_oldest_first;
    IgnoresDue: what_is_not_due_yet_is_not_claimed;
    IgnoresDueBy: a_claim_can_be_bound_to_what_was_due_at_a_moment;
    HasNoNow: what_is_not_due_yet_is_claimed_when_asked_for_now;
    BreaksLeases: what_is_under_a_live_lease_is_not_claimed;
    NeverTakesOver: what_was_abandoned_is_taken_over;
    NeverSaysTakenOver: what_was_abandoned_is_taken_over a_lease_that_was_kept_runs_out_too;
    SaysTakenOverForEver: what_its_holder_gave_back_is_not_taken_over;
    ClaimsFailed: what_has_failed_is_not_claimed;
    ClaimsAnySource: what_is_of_another_source_is_not_claimed;
    IgnoresKeys: a_claim_of_certain_keys_has_no_others;
    ForgetsEventIds: a_claim_has_all_that_its_holder_needs texts_come_back_as_they_were_given;
    LeasesTwiceAsLong: the_lease_of_a_claim_begins_at_its_time;
    ChoosesThenClaims: of_concurrent_claimers_each_notification_goes_to_one
        of_concurrent_claimers_of_one_key_one_has_it a_claim_and_a_withdrawal_do_not_both_succeed;
    CountsTokensPerRow: every_claim_has_a_token_that_none_had_before a_token_is_good_for_its_own_notification_only;
    ClaimsFinal: what_is_final_is_never_claimed;

    // What holders record.
    IgnoresTokens: a_newer_claim_makes_a_token_stale an_end_makes_a_token_stale an_intervention_makes_a_token_stale
        of_concurrent_ends_with_one_token_one_is_recorded;
    KeepsTokensAfterEnds: an_end_makes_a_token_stale of_concurrent_ends_with_one_token_one_is_recorded;
    KeepsTokensAfterInterventions: an_intervention_makes_a_token_stale;
    TakesNothingLate: a_late_outcome_is_recorded_when_nobody_took_over;
    TakesAnyToken: a_token_is_good_for_its_own_notification_only;
    ShrugsAtUnknownKeys: a_step_for_an_unknown_key_is_stale;
    KeepGivesAnotherToken: a_claim_that_is_kept_keeps_its_token_and_lives_longer;
    KeepsNothing: a_claim_that_is_kept_keeps_its_token_and_lives_longer;
    KeepsForEver: a_lease_that_was_kept_runs_out_too;
    RecordsStaleAttempts: a_newer_claim_makes_a_token_stale;
    ForgetsAttempts: a_step_records_attempts_ledger_and_state_together;
    ForgetsLedgers: a_step_records_attempts_ledger_and_state_together what_has_failed_can_be_reopened;
    AppendsRepeats: a_step_that_is_repeated_is_recorded_once;
    ReplacesAttempts: attempts_are_appended_over_steps_and_claims;
    ForgetsReasons: a_failure_keeps_its_reason_and_what_it_means_for_its_stream
        failures_are_selected_by_source_supplier_and_reason;
    HoldsAlways: a_failure_keeps_its_reason_and_what_it_means_for_its_stream
        a_failure_holds_its_stream_or_lets_it_pass;
    GivesBackAtOnce: what_is_given_back_is_due_after_the_wait_asked_for what_is_put_off_is_due_when_its_time_has_come;
    WaitsTwiceAsLong: what_is_given_back_is_due_after_the_wait_asked_for waits_and_leases_follow_the_time_of_the_store;
    StopsAtTheStale: the_steps_of_a_slice_are_answered_in_their_place;
    SplitsSteps: a_reader_sees_a_step_whole_or_not_at_all a_dropped_call_has_happened_or_has_not;

    // What a person decides.
    ReopensWithoutAttempts: what_has_failed_can_be_reopened;
    CountsNoReopening: what_has_failed_can_be_reopened a_claim_has_all_that_its_holder_needs;
    ReopensAnything: nothing_but_a_failure_can_be_reopened;
    ChangesPendingOnly: what_is_open_can_be_withdrawn what_is_open_can_be_marked_as_notified;
    ChangesFinal: what_is_final_stays_as_it_is;
    IntervenesInFlight: what_is_under_a_live_lease_is_in_flight;
    IntervenesWithoutLimit: an_intervention_takes_the_oldest_up_to_its_limit;
    SelectsAnyReason: failures_are_selected_by_source_supplier_and_reason;
    TakesKeysAsTheyCome: keys_that_are_absent_or_named_twice_do_no_harm
        an_intervention_takes_the_oldest_up_to_its_limit;

    SelectsAnySupplier: a_filter_selects_for_a_decision_what_it_lists;
    HasNoHistory: what_was_decided_is_in_the_history a_retry_leaves_what_is_open_as_it_is;
    TellsOfWhatIsLeftAlone: what_is_in_flight_has_no_entry_in_its_history;
    ListsHistory: what_was_decided_is_in_the_history;
    RetriesAreReopenings: a_retry_leaves_what_is_open_as_it_is;
    ForgetsWhoSaidSo: what_was_told_elsewhere_has_who_said_so;

    // What is dropped on purpose.
    ErasesBodiesOnly: what_is_erased_keeps_its_mark_and_no_texts a_reason_is_erased_too;
    ErasesNoHistory: what_is_erased_keeps_its_mark_and_no_texts a_reason_is_erased_too;
    ErasesAnything: only_what_is_over_is_erased_or_forgotten;
    ForgetsContentOnly: what_is_forgotten_is_as_if_it_had_never_been;
    PrunesFailed: pruning_drops_the_content_of_what_is_over;
    PrunesAnyAge: pruning_drops_the_content_of_what_is_over;
    PrunesWithoutLimit: pruning_drops_the_content_of_what_is_over;

    // What comes back.
    ListsReplies: a_reply_comes_with_its_notification_and_in_no_listing;
    DropsReplies: a_reply_comes_with_its_notification_and_in_no_listing;
    KeepsBodiesAsText: bodies_come_back_byte_for_byte;
    HasNoEmptyMemos: memos_come_back_byte_for_byte;
    EndsRounds: ledgers_come_back_as_they_were_written;
    TakesALedgerForARecord: a_ledger_that_comes_with_an_insert_is_kept;
    BeginsWithNoLedger: a_ledger_that_comes_with_an_insert_is_kept;
    HasNoEqualAttempts: attempts_come_back_as_they_were_written;
    CutsNames: names_come_back_as_they_were_given;
    FoldsNames: names_that_look_alike_are_told_apart;
    TrimsTexts: texts_come_back_as_they_were_given;

    // Streams.
    ClaimsOutOfTurn: only_the_oldest_unfinished_of_a_stream_is_claimed a_failure_holds_its_stream_or_lets_it_pass
        what_comes_to_the_front_of_its_stream_is_new;
    WithdrawnHold: a_stream_goes_on_when_its_first_is_finished;
    LooksOneBack: a_withdrawal_in_the_middle_of_a_stream_leaves_its_order;
    ReopensAtTheEnd: what_is_reopened_is_the_oldest_of_its_stream_again;
    HasOneStreamPerOrder: streams_do_not_wait_for_each_other;
    CountsFrom0: positions_start_at_1_and_have_no_gaps;
    IgnoresPositions: a_position_that_is_asked_for_must_be_the_next;
    LooksAtPositionsFirst: a_present_key_is_found_whatever_position_was_asked_for;

    // In which order.
    ClaimsInOrderOfNames: what_is_new_is_claimed_in_the_order_in_which_it_was_stored;
    HasNoQueues: what_is_new_is_claimed_in_the_order_in_which_it_was_stored;
    IsNewForEver: what_a_holder_gave_back_is_never_new_again;
    LimitsBeforeStreams: held_streams_keep_nobody_else_out;
    PutsOffUntilDue: what_is_put_off_is_claimed_by_supplier_before_its_time;
    PutsOffAnySupplier: what_is_put_off_is_claimed_by_supplier_before_its_time;
    PutsOffWhatWaits: what_waits_for_its_next_try_is_not_put_off;
    HandsBackWithoutLedgers: what_is_put_off_keeps_its_attempts_and_ledger;

    // How much, and when again.
    IgnoresLimits: a_claim_has_no_more_than_its_limit;
    HasNoNextDue: the_next_due_time_is_never_too_late the_next_due_time_knows_what_a_stream_sets_free;
    IsDueLate: the_next_due_time_is_never_too_late;
    IsDueForOthers: there_is_no_next_due_time_where_nothing_waits;
    AlwaysSaysWhenNext: there_is_no_next_due_time_for_what_was_named;

    // What is seen.
    HandlesApart: two_handles_see_the_same two_handles_share_streams_leases_and_interventions
        the_time_of_a_store_is_one_and_never_goes_back a_later_handle_has_what_was_there;
    ListsByName: a_listing_is_in_the_order_of_insertion;
    ListsBodies: a_listing_has_all_but_the_bodies;
    NeverSaysItIsTheLastPage: the_last_page_says_so;
    PagesByOffset: paging_neither_skips_nor_repeats_while_others_change;
    FiltersNoSuppliers: a_filter_names_what_is_listed_and_counted;
    FiltersNoAge: a_filter_by_age_leaves_out_what_is_younger;
    FiltersNoKinds: a_filter_names_kinds_and_reasons;
    FiltersNoReasons: a_filter_names_kinds_and_reasons;
    CountsWithoutMoments: groups_have_their_numbers_and_their_earliest_moments;
    CountsSendingAsPending: counts_are_of_what_is_there_now;
    NumbersOnlyInserts: what_settled_is_listed_in_the_order_in_which_it_did;
    SettlesByInsertion: what_settled_is_listed_in_the_order_in_which_it_did;
    SettlesWithBodies: what_settled_is_listed_in_the_order_in_which_it_did;
    SettlesAnySource: what_settled_is_listed_in_the_order_in_which_it_did;
    SettlesBeyondThePage: what_settles_later_comes_after_the_cursor;
    ForgetsWhereItWas: what_settles_later_comes_after_the_cursor;
}

// On one thread, so that a store that does two things one after another is interrupted between them every time.
#[tokio::test]
async fn every_fault_is_found() {
    let mut missed = Vec::new();
    for (fault, found_by) in FAULTS {
        for name in *found_by {
            let sentence = sentences::<Foreign>()
                .into_iter()
                .find(|sentence| sentence.name() == *name);
            let Some(sentence) = sentence else {
                panic!("the suite has no function {name}")
            };
            let run = tokio::spawn(async move { sentence.check(&Foreign(*fault)).await });
            match run.await {
                Err(error) if error.is_panic() => {
                    let panic = error.into_panic();
                    let told = panic.downcast_ref::<String>().map_or("", String::as_str);
                    // A failure of the suite, not an accident of the store or of the suite itself.
                    if !told.contains("the contract does not hold") {
                        missed.push(format!("{fault:?} by {name}: {told}"));
                    }
                }
                _ => missed.push(format!("{fault:?} by {name}")),
            }
        }
    }
    assert!(missed.is_empty(), "not found:\n{}", missed.join("\n"));
}

#[test]
fn every_function_of_the_suite_finds_a_fault() {
    let suite: BTreeSet<_> = sentences::<Foreign>()
        .iter()
        .map(|sentence| sentence.name())
        .collect();
    let found: BTreeSet<_> = FAULTS
        .iter()
        .flat_map(|(_, found_by)| found_by.iter().copied())
        .collect();
    let idle: Vec<_> = suite.difference(&found).collect();
    assert!(idle.is_empty(), "these have never failed: {idle:?}");
}
