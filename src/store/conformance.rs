//! The contract of [`Store`] as a suite that any store can run: one function per sentence, or several.
//!
//! The author of a store implements [`Harness`] for it, says [`conformance_tests!`](crate::conformance_tests) once, and
//! has one test for each function. Needed in `dev-dependencies`: this crate with the feature `conformance`, and tokio
//! with `macros` and `rt-multi-thread`.
//!
//! ```
//! use std::time::Duration;
//! use orderhook::MemoryStore;
//! use orderhook::store::conformance::{self, Harness};
//!
//! struct InMemory;
//!
//! impl Harness for InMemory {
//!     type Store = MemoryStore;
//!
//!     async fn open(&self) -> MemoryStore {
//!         MemoryStore::new()
//!     }
//!
//!     async fn second_handle(&self, store: &MemoryStore) -> MemoryStore {
//!         store.clone()
//!     }
//!
//!     async fn advance(&self, store: &MemoryStore, by: Duration) {
//!         store.advance(by);
//!     }
//! }
//!
//! // In a file of its tests: one `#[tokio::test]` for each function.
//! orderhook::conformance_tests!(InMemory);
//!
//! // Or anywhere: all of them, one after another.
//! # #[tokio::main]
//! # async fn main() {
//! conformance::all(&InMemory).await;
//! # }
//! ```
//!
//! A function fails by panicking; the message names the sentence and says what was seen. Every error of the store is a
//! failure too, also one that is transient: nothing the suite does, up to 64 calls at once, is too much for a store.
//!
//! What must live longer than a test has a minute, what must have run out has 50 ms and is followed by an
//! [`advance`](Harness::advance) of 100 ms. A store without a settable clock waits these out, and passes in some
//! seconds.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a library of tests: a panic is how it reports, and the names it makes up are right"
)]

mod at_once;
mod bytes;
mod case;
mod claim;
mod claimers;
mod filters;
mod handles;
mod insert;
mod intervene;
mod kept;
mod limits;
mod listing;
mod queues;
mod racing;
mod records;
mod settled;
mod step;
mod stream;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::Store;

pub use at_once::*;
pub use bytes::*;
pub use claim::*;
pub use claimers::*;
pub use filters::*;
pub use handles::*;
pub use insert::*;
pub use intervene::*;
pub use kept::*;
pub use limits::*;
pub use listing::*;
pub use queues::*;
pub use racing::*;
pub use records::*;
pub use settled::*;
pub use step::*;
pub use stream::*;

/// How the suite gets at the store that it checks.
pub trait Harness: Sync {
    /// The store.
    type Store: Store;

    /// A new store with nothing in it. What other calls opened goes on beside it, so give each its own file, schema or
    /// name.
    fn open(&self) -> impl Future<Output = Self::Store> + Send;

    /// Another handle of the same store, as far apart from the first as users may have them: another connection, pool
    /// or process.
    fn second_handle(&self, store: &Self::Store) -> impl Future<Output = Self::Store> + Send;

    /// Moves the store's time on by at least so much, for all handles. A store that goes by a clock which cannot be set
    /// sleeps that long.
    fn advance(&self, store: &Self::Store, by: Duration) -> impl Future<Output = ()> + Send;
}

/// One function of the suite, for those who have a test runner of their own.
pub struct Sentence<H> {
    name: &'static str,
    check: for<'a> fn(&'a H) -> Checking<'a>,
}

type Checking<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl<H: Harness> Sentence<H> {
    /// The function's name, which is what it checks.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs it on a new store; panics when the sentence does not hold.
    pub async fn check(&self, harness: &H) {
        (self.check)(harness).await;
    }
}

impl<H> fmt::Debug for Sentence<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sentence").field(&self.name).finish()
    }
}

/// Every function of the suite, by subject.
pub fn sentences<H: Harness>() -> Vec<Sentence<H>> {
    crate::conformance_tests!(@every sentences)
}

/// Runs every function, each on a new store, within a tokio runtime. Panics at the first sentence that does not hold.
pub async fn all(harness: &impl Harness) {
    for sentence in sentences() {
        sentence.check(harness).await;
    }
}

/// One `#[tokio::test]` for every function of the [suite](crate::store::conformance); the harness is an expression,
/// made anew for each.
///
/// ```
/// # use std::time::Duration;
/// # use orderhook::MemoryStore;
/// # struct InMemory;
/// # impl orderhook::store::conformance::Harness for InMemory {
/// #     type Store = MemoryStore;
/// #     async fn open(&self) -> MemoryStore { MemoryStore::new() }
/// #     async fn second_handle(&self, store: &MemoryStore) -> MemoryStore { store.clone() }
/// #     async fn advance(&self, store: &MemoryStore, by: Duration) { store.advance(by) }
/// # }
/// mod in_memory {
///     orderhook::conformance_tests!(super::InMemory);
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr) => {
        $crate::conformance_tests!(@every tests $harness);
    };
    (@every $what:ident $($harness:expr)?) => {
        $crate::conformance_tests! {
            @$what $($harness)?;
            an_absent_key_becomes_pending_and_due_now
            what_is_delayed_is_claimed_by_nobody_before_its_time
            what_nobody_wants_begins_closed
            what_was_told_elsewhere_begins_notified
            each_that_is_to_be_stored_is_answered_in_its_place
            a_present_key_changes_nothing
            a_present_key_leaves_the_claim_alone
            other_content_under_a_present_key_differs
            contents_that_cannot_be_compared_do_not_differ
            a_slice_is_stored_whole_or_not_at_all
            a_key_that_stands_twice_in_a_slice_is_new_once
            of_concurrent_inserts_of_one_key_one_is_new
            of_concurrent_slices_each_key_is_new_in_one
            a_dropped_call_has_happened_or_has_not
            a_dropped_claim_strands_nothing
            an_insert_hands_out_what_it_is_asked_for
            an_insert_hands_out_nothing_that_cannot_be_claimed
            the_claim_of_an_insert_is_one_like_any_other
            a_dropped_insert_strands_nothing
            what_is_due_is_claimed_oldest_first
            what_is_not_due_yet_is_not_claimed
            what_is_not_due_yet_is_claimed_when_asked_for_now
            a_claim_can_be_bound_to_what_was_due_at_a_moment
            what_is_under_a_live_lease_is_not_claimed
            what_was_abandoned_is_taken_over
            what_its_holder_gave_back_is_not_taken_over
            what_has_failed_is_not_claimed
            what_is_of_another_source_is_not_claimed
            a_claim_of_certain_keys_has_no_others
            a_claim_has_all_that_its_holder_needs
            the_lease_of_a_claim_begins_at_its_time
            of_concurrent_claimers_each_notification_goes_to_one
            of_concurrent_claimers_of_one_key_one_has_it
            every_claim_has_a_token_that_none_had_before
            what_is_final_is_never_claimed
            a_newer_claim_makes_a_token_stale
            an_end_makes_a_token_stale
            an_intervention_makes_a_token_stale
            a_late_outcome_is_recorded_when_nobody_took_over
            a_token_is_good_for_its_own_notification_only
            a_step_for_an_unknown_key_is_stale
            a_claim_that_is_kept_keeps_its_token_and_lives_longer
            a_lease_that_was_kept_runs_out_too
            of_concurrent_ends_with_one_token_one_is_recorded
            a_step_records_attempts_ledger_and_state_together
            a_failure_keeps_its_reason_and_what_it_means_for_its_stream
            what_is_given_back_is_due_after_the_wait_asked_for
            attempts_are_appended_over_steps_and_claims
            a_step_that_is_repeated_is_recorded_once
            the_steps_of_a_slice_are_answered_in_their_place
            a_reader_sees_a_step_whole_or_not_at_all
            what_has_failed_can_be_reopened
            nothing_but_a_failure_can_be_reopened
            what_is_open_can_be_withdrawn
            what_is_open_can_be_marked_as_notified
            what_is_final_stays_as_it_is
            what_is_under_a_live_lease_is_in_flight
            an_intervention_takes_the_oldest_up_to_its_limit
            failures_are_selected_by_source_supplier_and_reason
            keys_that_are_absent_or_named_twice_do_no_harm
            a_claim_and_a_withdrawal_do_not_both_succeed
            a_filter_selects_for_a_decision_what_it_lists
            what_was_decided_is_in_the_history
            what_is_in_flight_has_no_entry_in_its_history
            a_retry_leaves_what_is_open_as_it_is
            what_was_told_elsewhere_has_who_said_so
            a_reply_comes_with_its_notification_and_in_no_listing
            what_is_erased_keeps_its_mark_and_no_texts
            a_reason_is_erased_too
            only_what_is_over_is_erased_or_forgotten
            what_is_forgotten_is_as_if_it_had_never_been
            pruning_drops_the_content_of_what_is_over
            bodies_come_back_byte_for_byte
            memos_come_back_byte_for_byte
            ledgers_come_back_as_they_were_written
            a_ledger_that_comes_with_an_insert_is_kept
            attempts_come_back_as_they_were_written
            names_come_back_as_they_were_given
            names_that_look_alike_are_told_apart
            texts_come_back_as_they_were_given
            only_the_oldest_unfinished_of_a_stream_is_claimed
            a_stream_goes_on_when_its_first_is_finished
            a_withdrawal_in_the_middle_of_a_stream_leaves_its_order
            a_failure_holds_its_stream_or_lets_it_pass
            what_is_reopened_is_the_oldest_of_its_stream_again
            what_begins_finished_holds_nothing_back
            streams_do_not_wait_for_each_other
            positions_start_at_1_and_have_no_gaps
            a_position_that_is_asked_for_must_be_the_next
            a_present_key_is_found_whatever_position_was_asked_for
            concurrent_appends_leave_no_gap_and_no_twin
            of_concurrent_appends_at_one_position_one_is_stored
            what_is_new_is_claimed_in_the_order_in_which_it_was_stored
            what_a_holder_gave_back_is_never_new_again
            what_comes_to_the_front_of_its_stream_is_new
            what_is_put_off_is_due_when_its_time_has_come
            what_is_put_off_is_claimed_by_supplier_before_its_time
            what_waits_for_its_next_try_is_not_put_off
            what_is_put_off_keeps_its_attempts_and_ledger
            a_claim_has_no_more_than_its_limit
            held_streams_keep_nobody_else_out
            the_next_due_time_is_never_too_late
            the_next_due_time_knows_what_a_stream_sets_free
            there_is_no_next_due_time_where_nothing_waits
            there_is_no_next_due_time_for_what_was_named
            two_handles_see_the_same
            two_handles_share_streams_leases_and_interventions
            the_time_of_a_store_is_one_and_never_goes_back
            waits_and_leases_follow_the_time_of_the_store
            a_later_handle_has_what_was_there
            a_listing_is_in_the_order_of_insertion
            a_listing_has_all_but_the_bodies
            the_last_page_says_so
            paging_neither_skips_nor_repeats_while_others_change
            a_filter_names_what_is_listed_and_counted
            a_filter_by_age_leaves_out_what_is_younger
            counts_are_of_what_is_there_now
            a_filter_names_kinds_and_reasons
            groups_have_their_numbers_and_their_earliest_moments
            what_settled_is_listed_in_the_order_in_which_it_did
            what_settles_later_comes_after_the_cursor
        }
    };
    (@tests $harness:expr; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                $crate::store::conformance::$name(&$harness).await;
            }
        )*
    };
    (@sentences; $($name:ident)*) => {
        vec![$(Sentence { name: stringify!($name), check: |harness| Box::pin($name(harness)) }),*]
    };
}
