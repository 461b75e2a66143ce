//! The contract of the store as a state machine: `MemoryStore` and `SqliteStore` do what a reference model does that was
//! written on its own, out of a plain list.
//!
//! `PROPTEST_CASES` sets the number of cases, for long runs.

mod generate;
mod reference;
mod subject;
mod words;

use proptest::test_runner::Config;
use proptest_state_machine::prop_state_machine;

use subject::{InMemory, InSqlite, Machine};

/// So many cases unless the environment says otherwise.
fn cases(default: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|number| number.parse().ok());
    Config {
        cases: asked.unwrap_or(default),
        max_shrink_iters: 3_000,
        ..Config::default()
    }
}

prop_state_machine! {
    #![proptest_config(cases(200))]
    #[test]
    fn the_store_in_memory_does_what_the_model_does(sequential 1..100 => Machine<InMemory>);
}

prop_state_machine! {
    #![proptest_config(cases(80))]
    #[test]
    fn the_store_in_sqlite_does_what_the_model_does(sequential 1..80 => Machine<InSqlite>);
}
