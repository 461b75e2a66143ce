//! How SQLite goes about the statements of the store: by an index, never over a table, and the same whatever it has been
//! told about the tables.
//!
//! Statistics come into a file by `ANALYZE` and `PRAGMA optimize`, which any connection of the application may run while the
//! file is young. A plan that is chosen by them is the right one for a file that has grown since only by luck.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use crate::notification::{FailureReason, StateName};
use crate::store::{Filter, Group};
use crate::value::names::{OrderCode, Source, SupplierId};
use crate::value::time::Timestamp;

use crate::store::sqlite::connect::Opener;
use crate::store::sqlite::select::Leases;
use crate::store::sqlite::{change, claim, history, insert, intervene, queries, schema, select};

/// What SQLite knows about the tables when it makes a plan.
#[derive(Clone, Copy, Debug)]
enum Statistics {
    None,
    OfAnEmptyFile,
    OfTenRows,
    OfFinishedRows,
    OfABacklog,
}

/// So many rows, and what is to be said of their state: 'notified' up to this number and 'pending' from there on.
async fn fill(connection: &mut SqliteConnection, rows: i64, finished: i64) {
    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) \
        INSERT INTO orderhook_notifications (source, supplier, order_code, kind, occurrence, event_id, position, state, \
            unfinished, due_at, ready_at, reopened, created_at, settled_seq, settled_at, ledger, put_off_to) \
        SELECT 'shop', 'supplier-' || (n % 7), 'A-' || n, 'order.created', '', 'msg_' || n, 1, \
            iif(n <= ?2, 'notified', 'pending'), n > ?2, iif(n > ?2, n, NULL), iif(n > ?2, n, NULL), 0, n, \
            iif(n <= ?2, n, NULL), iif(n <= ?2, n, NULL), iif(n % 2, NULL, x'7b7d'), iif(n % 6, NULL, n) FROM n";
    sqlx::query(sql)
        .bind(rows)
        .bind(finished)
        .execute(connection)
        .await
        .unwrap();
}

/// A file whose statistics are of this kind, seen by a connection that has just been opened.
async fn file_with(statistics: Statistics, directory: &std::path::Path) -> SqliteConnection {
    let opener = Opener::of_file(&directory.join(format!("{statistics:?}.db"))).unwrap();
    let mut connection = opener.creator().await.unwrap();
    schema::migrate(&mut connection).await.unwrap();
    match statistics {
        Statistics::None | Statistics::OfAnEmptyFile => {}
        Statistics::OfTenRows => fill(&mut connection, 10, 3).await,
        Statistics::OfFinishedRows => fill(&mut connection, 50_005, 50_000).await,
        Statistics::OfABacklog => fill(&mut connection, 50_000, 0).await,
    }
    if !matches!(statistics, Statistics::None) {
        sqlx::query("ANALYZE")
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();
    opener.writer().await.unwrap()
}

/// Every statement that looks for rows.
fn statements() -> Vec<String> {
    let filter = |order: Option<&str>, supplier: Option<&str>| {
        let mut filter = Filter::of(Source::new("shop").unwrap());
        filter.order = order.map(|code| OrderCode::new(code).unwrap());
        filter.supplier = supplier.map(|id| SupplierId::new(id).unwrap());
        filter.older_than = Some(Duration::from_secs(1));
        filter
    };
    let now = Timestamp::UNIX_EPOCH;
    let open = |states: &[StateName], supplier: Option<&str>| Filter {
        states: states.to_vec(),
        ..filter(None, supplier)
    };
    let mut of_reasons = filter(None, None);
    of_reasons.reasons = FailureReason::OF_CONFIGURATION.to_vec();
    let listings = [
        filter(Some("A-1"), None),
        filter(None, Some("north")),
        filter(Some("A-1"), Some("north")),
        open(&[StateName::Failed], None),
        open(&[StateName::Failed], Some("north")),
        open(&[StateName::Pending, StateName::Sending], None),
        open(&[StateName::Pending, StateName::Failed], Some("north")),
        open(&[StateName::Unreadable, StateName::Failed], None),
        of_reasons,
    ];
    let dynamic = listings.iter().flat_map(|filter| {
        [
            select::list_query(filter, now, 5, 9).into_sql(),
            select::rows_query(filter, now, Leases::RunOut, 9).into_sql(),
            select::count_query(filter, now, Group::State).into_sql(),
            select::count_query(filter, now, Group::SupplierAndReason).into_sql(),
        ]
    });
    let of_rows = [&insert::LOOK, &insert::ADD, &change::FIND, &change::RECORD];
    let of_rows = of_rows
        .into_iter()
        .flat_map(|together| [1, 2, 16].map(|rows| together.statements(rows)))
        .flatten();
    [change::HOLD_BACK, change::LET_GO]
        .into_iter()
        .chain([claim::FRONT_NEW, claim::FRONT_DUE, claim::FRONT_PUT_OFF])
        .chain([claim::READ, claim::READ_KEYS])
        .chain([
            intervene::OF_KEYS,
            intervene::DROP_CONTENT,
            intervene::BLANK,
            intervene::FORGET,
            intervene::WITH_CONTENT,
            history::TELL,
            history::BEGIN,
            intervene::EXTRAS,
            intervene::DROP_ATTEMPTS,
        ])
        .chain([queries::GET, queries::SETTLED])
        .flat_map(|sql| sql.split("; "))
        .map(str::to_owned)
        .chain(of_rows)
        .chain(dynamic.map(|sql| sql.as_str().to_owned()))
        .collect()
}

async fn plan(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows = sqlx::query(sql).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}

/// The program that SQLite makes of a statement, instruction by instruction.
async fn program(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN {sql}")))
        .fetch_all(connection)
        .await
        .unwrap();
    let number = |row: &SqliteRow, column| row.get::<i64, _>(column);
    let instruction = |row: &SqliteRow| {
        let text = row.get::<Option<String>, _>(5).unwrap_or_default();
        // An address in memory, and the number of the schema's version.
        let text = if text.starts_with("vtab:") {
            String::new()
        } else {
            text
        };
        let third = if row.get::<&str, _>(1) == "Transaction" {
            0
        } else {
            number(row, 4)
        };
        format!(
            "{} {} {} {third} {text}",
            row.get::<&str, _>(1),
            number(row, 2),
            number(row, 3)
        )
    };
    rows.iter().map(instruction).collect()
}

#[tokio::test]
async fn no_statement_goes_over_a_table_and_none_depends_on_statistics() {
    let directory = tempfile::tempdir().unwrap();
    let mut without = file_with(Statistics::None, directory.path()).await;
    for sql in statements() {
        for step in plan(&mut without, &sql).await {
            let over = ["SCAN n", "SCAN e", "SCAN b", "SCAN a"];
            let over_it = over
                .iter()
                .any(|scan| step == *scan || step.starts_with(&format!("{scan} ")));
            assert!(
                !over_it && !step.starts_with("SCAN orderhook"),
                "{step}\n{sql}"
            );
        }
    }
    for statistics in [
        Statistics::OfAnEmptyFile,
        Statistics::OfTenRows,
        Statistics::OfFinishedRows,
        Statistics::OfABacklog,
    ] {
        let mut with = file_with(statistics, directory.path()).await;
        for sql in statements() {
            let (before, after) = (plan(&mut without, &sql).await, plan(&mut with, &sql).await);
            assert_eq!(before, after, "{statistics:?}\n{sql}");
            let (before, after) = (
                program(&mut without, &sql).await,
                program(&mut with, &sql).await,
            );
            assert!(before == after, "{statistics:?}: another program\n{sql}");
        }
    }
}

#[tokio::test]
async fn the_front_of_a_queue_is_read_in_the_order_of_its_index() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = file_with(Statistics::None, directory.path()).await;
    for (sql, index) in [
        (claim::FRONT_NEW, "orderhook_notifications_new"),
        (claim::FRONT_DUE, "orderhook_notifications_due"),
        (claim::FRONT_PUT_OFF, "orderhook_notifications_put_off"),
    ] {
        let steps = plan(&mut connection, sql).await;
        assert!(steps.len() == 1 && steps[0].contains(index), "{steps:?}");
    }
}

#[tokio::test]
async fn a_page_of_everything_is_read_from_where_the_last_one_ended() {
    let directory = tempfile::tempdir().unwrap();
    for statistics in [
        Statistics::None,
        Statistics::OfTenRows,
        Statistics::OfABacklog,
    ] {
        let mut connection = file_with(statistics, directory.path()).await;
        let filter = Filter::of(Source::new("shop").unwrap());
        let sql = select::list_query(&filter, Timestamp::UNIX_EPOCH, 5, 9).into_sql();
        let steps = plan(&mut connection, sql.as_str()).await;
        assert!(
            steps
                .iter()
                .any(|step| step.contains("SEARCH n USING INTEGER PRIMARY KEY (rowid>?)")),
            "{steps:?}"
        );
        assert!(
            !steps
                .iter()
                .any(|step| step.contains("SCAN n") || step.ends_with("TEMP B-TREE FOR ORDER BY")),
            "{steps:?}"
        );
    }
}
