//! One statement for several rows at once: the way to the thread that works on the connection costs more than the work. Either
//! the statement has a row of values for each, or it is repeated, or it takes an array.

use std::sync::OnceLock;

use serde_json::Value;
use sqlx::SqliteConnection;

use crate::notification::Key;

use super::change::Bound;
use super::error::Fault;

/// How many times a statement is repeated. What is to be done is cut into these, so that few statements are prepared.
const TIMES: [usize; 4] = [64, 16, 4, 1];

/// A statement with a row of values for each of several things: `VALUES (..), (..)` between two halves.
pub(super) struct ManyRows {
    before: &'static str,
    columns: usize,
    after: &'static str,
    texts: [OnceLock<String>; TIMES.len()],
}

impl ManyRows {
    pub(super) const fn new(before: &'static str, columns: usize, after: &'static str) -> ManyRows {
        ManyRows {
            before,
            columns,
            after,
            texts: [const { OnceLock::new() }; TIMES.len()],
        }
    }

    /// The statement for the first of so many rows, and for how many it is. There must be one at least.
    fn for_first_of(&'static self, rows: usize) -> (&'static str, usize) {
        let (size, times) = size_for(rows);
        (self.texts[size].get_or_init(|| self.text(times)), times)
    }

    /// Executes it for all of these, as often as it takes; `bind` binds the values of one.
    pub(super) async fn execute<T>(
        &'static self,
        connection: &mut SqliteConnection,
        rows: Vec<T>,
        bind: impl Fn(Bound<'static>, T) -> Bound<'static>,
    ) -> Result<(), Fault> {
        let mut left = rows.into_iter();
        while left.len() > 0 {
            let (sql, times) = self.for_first_of(left.len());
            let query = left.by_ref().take(times).fold(sqlx::query(sql), &bind);
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }

    pub(super) fn text(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns].join(", "));
        let rows = vec![row; rows].join(", ");
        format!("{}{rows}{}", self.before, self.after)
    }
}

fn size_for(rows: usize) -> (usize, usize) {
    let size = TIMES
        .iter()
        .position(|times| *times <= rows)
        .unwrap_or(TIMES.len() - 1);
    (size, TIMES[size])
}

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
        let (size, times) = size_for(rows);
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

    #[test]
    fn rows_stand_between_the_halves() {
        static STATEMENT: ManyRows = ManyRows::new("INSERT INTO t VALUES ", 2, " RETURNING a");
        let four = "INSERT INTO t VALUES (?, ?), (?, ?), (?, ?), (?, ?) RETURNING a";
        assert_eq!(STATEMENT.for_first_of(7), (four, 4));
        assert_eq!(STATEMENT.for_first_of(2).1, 1);
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
