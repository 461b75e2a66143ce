//! How SQLite goes about the statements that run all the time: by an index, never over a table.

use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::connect::Opener;
use super::{change, claim, insert, intervene, read, schema};

async fn plan(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}

#[tokio::test]
async fn no_statement_goes_over_the_table() {
    let directory = tempfile::tempdir().unwrap();
    let opener = Opener::of_file(&directory.path().join("orderhook.db")).unwrap();
    let mut connection = opener.creator().await.unwrap();
    schema::migrate(&mut connection).await.unwrap();
    let statements = [insert::LOOK, insert::ADD_ONE, change::CHANGE_ONE]
        .into_iter()
        .chain([claim::FRONT_NEW, claim::FRONT_DUE, claim::FRONT_PUT_OFF])
        .chain([claim::READ, claim::READ_KEYS, claim::HAND_OUT_ONE])
        .chain([
            intervene::OF_KEYS,
            intervene::FAILED_FOR,
            intervene::EXTRAS,
            intervene::DROP_ATTEMPTS,
            read::GET,
            read::SETTLED,
        ])
        .flat_map(|sql| sql.split("; "));
    for sql in statements {
        for step in plan(&mut connection, sql).await {
            let over = ["SCAN n", "SCAN e", "SCAN orderhook", "SCAN b", "SCAN a"];
            let over_it = over.iter().any(|scan| step == *scan || step.starts_with(&format!("{scan} ")));
            assert!(!over_it && !step.starts_with("SCAN orderhook"), "{step}\n{sql}");
        }
    }
    // The index of what is ready is in the order in which claims want it.
    for front in [claim::FRONT_NEW, claim::FRONT_DUE, claim::FRONT_PUT_OFF] {
        for step in plan(&mut connection, front).await {
            assert!(step.contains("INDEX orderhook_notifications_") && !step.contains("TEMP B-TREE"), "{step}");
        }
    }
}
