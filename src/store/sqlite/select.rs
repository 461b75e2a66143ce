//! Statements for what a filter selects, each led by an index that is named, so that no plan depends on statistics.

use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};

use crate::event::EventKind;
use crate::notification::StateName;
use crate::store::{Filter, Group};
use crate::value::time::Timestamp;

use super::row;

/// Of what is being sent, what is selected.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leases {
    /// What may be changed: leases that have run out.
    RunOut,
    /// What may not: leases that live.
    Live,
}

/// Rows without attempts and body, oldest first.
pub(super) fn rows_query(
    filter: &Filter,
    now: Timestamp,
    leases: Leases,
    limit: i64,
) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(concat!("SELECT ", row::columns!()));
    narrow(&mut query, filter, now, 0);
    query.push(match leases {
        Leases::RunOut => " AND (n.state <> 'sending' OR n.due_at <= ",
        Leases::Live => " AND (n.due_at > ",
    });
    query.push_bind(now.as_micros());
    query.push(") ORDER BY n.id LIMIT ").push_bind(limit);
    query
}

/// A page of whole rows without their bodies. The ids first, so that only what is on the page is read and sorted as a whole.
pub(super) fn list_query(
    filter: &Filter,
    now: Timestamp,
    after: i64,
    limit: i64,
) -> QueryBuilder<Sqlite> {
    const ROWS: &str = concat!(
        "SELECT ",
        row::columns!(),
        ", ",
        row::attempt_lines!(),
        ", NULL FROM (SELECT n.id AS id"
    );
    let mut query = QueryBuilder::new(ROWS);
    narrow(&mut query, filter, now, after);
    query.push(" ORDER BY n.id LIMIT ").push_bind(limit);
    query.push(") p CROSS JOIN orderhook_notifications n ON n.id = p.id ORDER BY p.id");
    query
}

/// Numbers by group: the state, the number, the earliest due_at, the earliest moment, and by [`Group::SupplierAndReason`] the
/// supplier and the reason.
pub(super) fn count_query(filter: &Filter, now: Timestamp, group: Group) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT n.state, count(*), min(n.due_at), \
         min(iif(n.state IN ('pending', 'sending'), n.created_at, coalesce(n.settled_at, n.created_at)))",
    );
    let (columns, by) = match group {
        Group::State => ("", " GROUP BY +n.state"),
        Group::SupplierAndReason => (
            ", n.supplier, iif(n.state = 'failed', n.reason, NULL)",
            " GROUP BY +n.state, +n.supplier, iif(n.state = 'failed', n.reason, NULL)",
        ),
    };
    query.push(columns);
    narrow(&mut query, filter, now, 0);
    query.push(by);
    query
}

/// From where the rows come, and on which conditions: what the filter selects with an id above this one.
fn narrow(query: &mut QueryBuilder<Sqlite>, filter: &Filter, now: Timestamp, after: i64) {
    let states = filter.possible_states();
    query.push(" FROM ");
    match filter {
        Filter { order: Some(_), .. } => {
            query.push(
                "orderhook_notifications n INDEXED BY orderhook_notifications_key WHERE +n.id > ",
            );
        }
        _ if !states.iter().any(|state| state.is_final()) => {
            open(query, filter, &states, after);
            query.push(
                " i CROSS JOIN orderhook_notifications n NOT INDEXED ON n.id = i.id WHERE +n.id > ",
            );
        }
        Filter {
            supplier: Some(_), ..
        } => {
            query.push(
                "orderhook_notifications n INDEXED BY orderhook_notifications_stream WHERE +n.id > ",
            );
        }
        _ => {
            query.push("orderhook_notifications n NOT INDEXED WHERE n.id > ");
        }
    }
    query.push_bind(after);
    conditions(query, filter, &states, now);
}

/// The ids of what is pending, being sent, failed or unreadable, as far as these states need it. What has failed and lets its
/// stream pass is not unfinished.
fn open(query: &mut QueryBuilder<Sqlite>, filter: &Filter, states: &[StateName], after: i64) {
    let failed = ("orderhook_notifications_failed", " AND state = 'failed'");
    let unfinished = ("orderhook_notifications_unfinished", " AND unfinished = 1");
    query.push("(");
    if states == [StateName::Failed] {
        part(query, filter, failed, after);
    } else {
        part(query, filter, unfinished, after);
        if states.contains(&StateName::Failed) {
            query.push(" UNION ALL ");
            part(query, filter, failed, after);
            query.push(" AND unfinished = 0");
        }
    }
    query.push(")");
}

fn part(
    query: &mut QueryBuilder<Sqlite>,
    filter: &Filter,
    (index, condition): (&str, &str),
    after: i64,
) {
    query
        .push("SELECT id FROM orderhook_notifications INDEXED BY ")
        .push(index)
        .push(" WHERE source = ")
        .push_bind(filter.source.as_str().to_owned());
    if let Some(supplier) = &filter.supplier {
        query
            .push(" AND supplier = ")
            .push_bind(supplier.as_str().to_owned());
    }
    query.push(condition).push(" AND +id > ").push_bind(after);
}

fn conditions(
    query: &mut QueryBuilder<Sqlite>,
    filter: &Filter,
    states: &[StateName],
    now: Timestamp,
) {
    let Filter {
        source,
        order,
        supplier,
        kinds,
        states: _,
        reasons,
        older_than,
    } = filter;
    query
        .push(" AND n.source = ")
        .push_bind(source.as_str().to_owned());
    if let Some(order) = order {
        query
            .push(" AND n.order_code = ")
            .push_bind(order.as_str().to_owned());
    }
    if let Some(supplier) = supplier {
        query
            .push(" AND n.supplier = ")
            .push_bind(supplier.as_str().to_owned());
    }
    if !kinds.is_empty() {
        is_one_of(query, "n.kind", kinds.iter().map(EventKind::as_str));
    }
    if !filter.states.is_empty() || !reasons.is_empty() {
        is_one_of(query, "n.state", states.iter().map(|state| state.as_str()));
    }
    if !reasons.is_empty() {
        is_one_of(
            query,
            "n.reason",
            reasons.iter().map(|reason| reason.as_str()),
        );
    }
    if let Some(age) = older_than {
        query
            .push(" AND n.created_at <= ")
            .push_bind(now.before(*age).as_micros());
    }
}

fn is_one_of<'a>(
    query: &mut QueryBuilder<Sqlite>,
    column: &str,
    words: impl Iterator<Item = &'a str>,
) {
    let words: Vec<_> = words.map(Value::from).collect();
    query
        .push(" AND ")
        .push(column)
        .push(" IN (SELECT value FROM json_each(")
        .push_bind(Value::from(words).to_string())
        .push("))");
}
