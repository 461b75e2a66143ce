//! One statement for several rows at once, and several statements in one text: the way to the thread that works on the
//! connection costs more than the work. Either a statement has a row of values for each, or it is repeated, or it takes an
//! array.

use std::sync::OnceLock;

use serde_json::Value;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Execute, Sqlite};

use crate::notification::Key;

use super::error::Fault;

/// A statement with some of its arguments.
pub(super) type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

/// For how many rows a statement is prepared. What there is less of is filled up with NULL; the last is the most at once.
const SIZES: [usize; 12] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
pub(super) const MOST: usize = 64;

/// A statement with a row of values for each of several things: `VALUES (..), (..)` between two halves. A row of which all
/// values are NULL must change nothing and answer nothing.
pub(super) struct Part {
    pub(super) before: &'static str,
    /// Whether the number of the row, from 0, comes before its values.
    pub(super) is_numbered: bool,
    pub(super) columns: usize,
    pub(super) after: &'static str,
}

impl Part {
    fn text(&self, rows: usize) -> String {
        let values = vec!["?"; self.columns].join(", ");
        let row = |number| match self.is_numbered {
            true => format!("({number}, {values})"),
            false => format!("({values})"),
        };
        let rows = (0..rows).map(row).collect::<Vec<_>>().join(", ");
        format!("{}{rows}{}", self.before, self.after)
    }
}

/// Where a text stands in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Somewhere in the middle.
    Within,
    /// At its beginning, where one looks, or at its end, where one writes.
    AtTheEdge,
}

/// Statements that are executed together, each for the same number of rows at most.
pub(super) struct Together {
    /// What stands before and after them at the edge of a transaction.
    edge: (&'static str, &'static str),
    parts: &'static [Part],
    texts: [[OnceLock<String>; 2]; SIZES.len()],
}

impl Together {
    /// These statements.
    pub(super) const fn new(
        edge: (&'static str, &'static str),
        parts: &'static [Part],
    ) -> Together {
        Together {
            edge,
            parts,
            texts: [const { [const { OnceLock::new() }; 2] }; SIZES.len()],
        }
    }

    /// The same for so many rows of each statement, without values so far. More than 64 need another one.
    pub(super) fn for_rows(&'static self, rows: usize) -> Filled {
        let fits = |size: &usize| *size >= rows;
        Filled {
            together: self,
            size: SIZES.iter().position(fits).unwrap_or(SIZES.len() - 1),
            part: 0,
            values: sqlx::query(""),
        }
    }

    fn text(&'static self, size: usize, place: Place) -> &'static str {
        let write = || {
            let rows = SIZES.get(size).copied().unwrap_or(MOST);
            let parts: Vec<_> = self.parts.iter().map(|part| part.text(rows)).collect();
            let parts = parts.join("; ");
            match place {
                Place::Within => parts,
                Place::AtTheEdge => format!("{}{parts}{}", self.edge.0, self.edge.1),
            }
        };
        match self.texts.get(size) {
            Some(texts) => texts[usize::from(place == Place::AtTheEdge)].get_or_init(write),
            None => "",
        }
    }

    /// The statements one by one, each for so many rows.
    #[cfg(test)]
    pub(super) fn statements(&self, rows: usize) -> Vec<String> {
        self.parts.iter().map(|part| part.text(rows)).collect()
    }
}

/// Statements with the values of their rows.
pub(super) struct Filled {
    together: &'static Together,
    size: usize,
    part: usize,
    values: Bound<'static>,
}

impl Filled {
    /// Gives the next statement its rows, of which there may not be more than was said; `bind` binds the values of one.
    pub(super) fn rows<T>(
        mut self,
        rows: impl IntoIterator<Item = T>,
        bind: impl Fn(Bound<'static>, T) -> Bound<'static>,
    ) -> Filled {
        let mut missing = SIZES.get(self.size).copied().unwrap_or(MOST);
        for row in rows {
            self.values = bind(self.values, row);
            missing = missing.saturating_sub(1);
        }
        let columns = self
            .together
            .parts
            .get(self.part)
            .map_or(0, |part| part.columns);
        for _ in 0..missing * columns {
            self.values = self.values.bind(None::<i64>);
        }
        self.part += 1;
        self
    }

    /// The text. At the edge of a transaction the arguments of the statements there are bound behind those of the rows.
    pub(super) fn at(mut self, place: Place) -> Result<Bound<'static>, Fault> {
        let values = self.values.take_arguments().map_err(sqlx::Error::Encode)?;
        let text = self.together.text(self.size, place);
        Ok(sqlx::query_with(text, values.unwrap_or_default()))
    }
}

/// How many times a statement is repeated. What is to be done is cut into these, so that few statements are prepared.
const TIMES: [usize; 4] = [64, 16, 4, 1];

/// A statement with numbered parameters, and the same several times over with the numbers counted on.
pub(super) struct Repeated {
    sql: &'static str,
    parameters: usize,
    texts: [OnceLock<String>; TIMES.len()],
}

impl Repeated {
    pub(super) const fn new(sql: &'static str, parameters: usize) -> Repeated {
        Repeated {
            sql,
            parameters,
            texts: [const { OnceLock::new() }; TIMES.len()],
        }
    }

    /// The statement for the first of so many rows, and for how many it is. There must be one at least.
    pub(super) fn for_first_of(&'static self, rows: usize) -> (&'static str, usize) {
        let fits = |times: &usize| *times <= rows;
        let size = TIMES.iter().position(fits).unwrap_or(TIMES.len() - 1);
        let times = TIMES[size];
        (self.texts[size].get_or_init(|| self.write(times)), times)
    }

    fn write(&self, times: usize) -> String {
        let copies: Vec<_> = (0..times)
            .map(|copy| shifted(self.sql, copy * self.parameters))
            .collect();
        copies.join("; ")
    }
}

/// The statement with every `?N` counted on by so many, and written as `$N`: SQLite takes that for a name, so that a copy
/// does not have all the lower numbers as parameters of its own, which the driver would count as arguments.
fn shifted(sql: &str, by: usize) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut parts = sql.split('?');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        let number = number.parse::<usize>().map_or(by, |number| number + by);
        text.push_str(&format!("${number}{rest}"));
    }
    text
}

/// A JSON array of `[source, order, supplier, kind, occurrence]`, in the order of the index.
pub(super) fn keys_json<'a>(keys: impl Iterator<Item = &'a Key>) -> String {
    let names = |key: &Key| {
        let names = [
            key.source.as_str(),
            key.order.as_str(),
            key.supplier.as_str(),
            key.kind.as_str(),
            key.occurrence.as_str(),
        ];
        Value::from(names.map(Value::from).to_vec())
    };
    Value::from(keys.map(names).collect::<Vec<_>>()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    static TOGETHER: Together = Together::new(
        ("BEGIN; ", "; COMMIT"),
        &[
            Part {
                before: "INSERT INTO t SELECT * FROM (VALUES ",
                is_numbered: false,
                columns: 2,
                after: ")",
            },
            Part {
                before: "VALUES ",
                is_numbered: true,
                columns: 1,
                after: "",
            },
        ],
    );

    #[test]
    fn every_statement_has_as_many_rows_and_what_is_missing_is_null() {
        let bind = |values: Bound<'static>, value: i64| values.bind(value);
        let two = |values: Bound<'static>, value: i64| values.bind(value).bind(value);
        let filled = TOGETHER.for_rows(3).rows([1, 2, 3], two).rows([4], bind);
        let mut within = filled.at(Place::Within).unwrap();
        let values = format!("{:?}", within.take_arguments().unwrap().unwrap());
        assert_eq!(values.matches("Int64").count(), 7, "{values}");
        assert_eq!(values.matches("Null").count(), 2, "{values}");
        assert_eq!(
            within.sql().as_str(),
            "INSERT INTO t SELECT * FROM (VALUES (?, ?), (?, ?), (?, ?)); VALUES (0, ?), (1, ?), (2, ?)"
        );
    }

    #[test]
    fn at_the_edge_of_a_transaction_stands_what_begins_or_ends_it() {
        let filled = TOGETHER.for_rows(1);
        assert_eq!(
            filled.at(Place::AtTheEdge).unwrap().sql().as_str(),
            "BEGIN; INSERT INTO t SELECT * FROM (VALUES (?, ?)); VALUES (0, ?); COMMIT"
        );
    }

    #[test]
    fn there_are_few_sizes() {
        let size = |rows| TOGETHER.for_rows(rows).size;
        assert_eq!(
            (SIZES[size(5)], SIZES[size(33)], SIZES[size(64)]),
            (6, 48, 64)
        );
    }

    #[test]
    fn parameters_are_counted_on() {
        static STATEMENT: Repeated = Repeated::new("UPDATE t SET a = ?1, b = ?12 WHERE c = ?1", 12);
        assert_eq!(
            STATEMENT.for_first_of(3),
            ("UPDATE t SET a = $1, b = $12 WHERE c = $1", 1)
        );
        let (sql, times) = STATEMENT.for_first_of(7);
        assert_eq!(times, 4);
        assert!(
            sql.ends_with("; UPDATE t SET a = $37, b = $48 WHERE c = $37"),
            "{sql}"
        );
        assert_eq!(STATEMENT.for_first_of(99).1, 64);
    }
}
