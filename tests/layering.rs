//! Imports go downwards only, and the HTTP client and the database driver each have one place.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the crate in the order in which an order passes through them. A folder may name those above it in this
/// list, never those below.
const FOLDERS: [&str; 10] = [
    "value",
    "order",
    "event",
    "supplier",
    "notification",
    "store",
    "wire",
    "delivery",
    "dispatcher",
    "fulfilment",
];

/// Where HTTP and TLS are spoken.
const WIRE: &[&str] = &["wire/send.rs", "wire/send/"];

/// Crates that may be named in one place only.
const FOREIGN: &[(&str, &[&str])] = &[
    ("hyper", WIRE),
    ("hyper_util", WIRE),
    ("rustls", WIRE),
    ("rustls_platform_verifier", WIRE),
    ("tokio_rustls", WIRE),
    ("webpki", WIRE),
    (
        "sqlx",
        &[
            // Exported as it is, for programs that give the store a transaction of theirs.
            "lib.rs",
            "store/sqlite.rs",
            "store/sqlite/",
            "store/postgres.rs",
            "store/postgres/",
        ],
    ),
];

#[test]
fn imports_go_downwards_only() {
    let found = violations(&sources());
    assert!(
        found.is_empty(),
        "{}",
        found
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[test]
fn the_root_of_the_crate_has_these_folders_and_nothing_else() {
    let found: BTreeSet<_> = sources()
        .iter()
        .map(|file| file.module().to_owned())
        .collect();
    let wanted: BTreeSet<_> = FOLDERS
        .into_iter()
        .chain(["lib"])
        .map(str::to_owned)
        .collect();
    assert_eq!(found, wanted);
}

/// What `docs/architecture.md` tells is read before the code is, so a file that was moved must be moved there too.
#[test]
fn the_page_of_the_architecture_names_files_that_exist_and_tells_an_order_s_way_in_thirty_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let named: Vec<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.contains('/') && !name.contains("NAME"))
        .collect();
    assert!(named.len() > 30, "{named:?}");
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !root.join(name).exists())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");

    let way = page
        .split("\n## ")
        .find(|part| part.starts_with("The way of an order"))
        .expect("the way of an order");
    let lines = way.lines().skip(1).filter(|line| !line.is_empty()).count();
    assert!(lines <= 30, "{lines} lines");
    let folders = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| FOLDERS.contains(name));
    assert!(folders.eq(FOLDERS));
}

/// The monotonic clock stands still while the machine sleeps and the leases run on in the store.
#[test]
fn what_holds_a_lease_reads_the_clock_in_which_leases_are_counted() {
    let holds = |file: &&Source| {
        ["delivery", "dispatcher"].contains(&file.module()) || file.path.contains("store/memory")
    };
    for file in sources().iter().filter(holds) {
        let named = words(&file.code).find(|(_, word)| *word == "Instant");
        assert!(
            named.is_none(),
            "src/{}:{}: Instant",
            file.path,
            file.line(named.unwrap().0)
        );
    }
}

#[test]
fn there_is_something_to_look_at() {
    // Guards against a walk that finds nothing, or a reader that takes everything for a comment.
    let files = sources();
    let total: usize = files.iter().map(|file| edges(file).len()).sum();
    assert!(
        files.len() > 30 && total > 100,
        "{} files, {total} edges",
        files.len()
    );
    let sees = |from: &str, to: &str| {
        files
            .iter()
            .any(|file| file.module() == from && edges(file).iter().any(|e| e.to == to))
    };
    assert!(
        sees("dispatcher", "delivery")
            && sees("delivery", "notification")
            && sees("event", "value")
    );
}

#[test]
fn a_climb_is_caught_in_every_form_and_named_with_file_line_and_edge() {
    let caught = |path: &str, text: &str| {
        violations(&[Source::new(path, text)])
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let climb = "imports climb: order may not name dispatcher, which is above it";
    for (text, line) in [
        ("use crate::dispatcher::Dispatcher;", 1),
        ("\nfn f() { crate::dispatcher::g() }", 2),
        (
            "use crate::{value::money::Money, dispatcher::{Dispatcher, Report}};",
            1,
        ),
        ("use crate::{\n    value,\n    dispatcher,\n};", 3),
        ("use super::dispatcher::Dispatcher;", 1),
        (
            "#[cfg(test)]\nmod tests {\n    fn f() { \"}\" }\n}\nuse crate::dispatcher::Dispatcher;",
            5,
        ),
    ] {
        assert_eq!(
            caught("order.rs", text),
            [format!("src/order.rs:{line}: {climb}")],
            "{text}"
        );
    }
    assert_eq!(
        caught("order/line.rs", "use super::super::dispatcher::X;"),
        [format!("src/order/line.rs:1: {climb}")]
    );
    assert_eq!(
        caught("novel.rs", ""),
        ["src/novel.rs:1: novel is no folder of the crate"]
    );
    assert_eq!(
        caught("order.rs", "use crate::novel::X;"),
        ["src/order.rs:1: novel is no folder of the crate"]
    );
    assert_eq!(
        caught("dispatcher/worker.rs", "use crate::Dispatcher;"),
        ["src/dispatcher/worker.rs:1: Dispatcher is named by the crate's root; name its module"]
    );
    assert_eq!(
        caught("dispatcher.rs", "use hyper::Request;"),
        ["src/dispatcher.rs:1: hyper may be named in src/wire/send.rs, src/wire/send/ only"]
    );
    assert_eq!(caught("store/memory.rs", "type P = sqlx::Pool;").len(), 1);
}

#[test]
fn what_is_no_import_is_not_taken_for_one() {
    for text in [
        "//! See [`crate::dispatcher::Dispatcher`].",
        "/* crate::dispatcher /* crate::delivery */ crate::delivery */",
        "const A: &str = \"crate::dispatcher and \\\" crate::delivery\";",
        "const A: &str = r#\"crate::dispatcher \" \"#; const B: char = '\"'; fn f<'a>(x: &'a str) {}",
        "#[cfg(test)]\nmod tests {\n    use crate::dispatcher::Dispatcher;\n}",
        "use crate::order::line::Line; use crate::value::money::Money; use self::line::Line;",
        "use crate::event_of_a_longer_name!();",
    ] {
        let found = violations(&[Source::new("order.rs", text)]);
        let found: Vec<_> = found
            .iter()
            .filter(|violation| !violation.problem.contains("event_of"))
            .collect();
        assert!(found.is_empty(), "{text}: {}", found[0]);
    }
    assert!(violations(&[Source::new("wire/send.rs", "use hyper::Request;")]).is_empty());
    assert!(violations(&[Source::new("store/sqlite/pool.rs", "use sqlx::Pool;")]).is_empty());
}

struct Violation {
    path: String,
    line: usize,
    problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.path, self.line, self.problem)
    }
}

fn violations(files: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        let mut report = |line, problem| {
            found.push(Violation {
                path: file.path.clone(),
                line,
                problem,
            })
        };
        for (name, places) in FOREIGN {
            let at_home = places
                .iter()
                .any(|place| file.path == *place || file.path.starts_with(place));
            if let (false, Some(at)) = (at_home, words(&file.code).find(|(_, word)| word == name)) {
                let places: Vec<_> = places.iter().map(|place| format!("src/{place}")).collect();
                report(
                    file.line(at.0),
                    format!("{name} may be named in {} only", places.join(", ")),
                );
            }
        }
        if file.path == "lib.rs" {
            continue;
        }
        let from = file.module();
        let Some(own) = rank(from) else {
            report(1, format!("{from} is no folder of the crate"));
            continue;
        };
        for edge in edges(file) {
            let problem = match rank(&edge.to) {
                _ if edge.to == from => continue,
                _ if edge.to.starts_with(char::is_uppercase) => {
                    format!("{} is named by the crate's root; name its module", edge.to)
                }
                None => format!("{} is no folder of the crate", edge.to),
                Some(other) if other < own => continue,
                Some(_) => format!(
                    "imports climb: {from} may not name {}, which is above it",
                    edge.to
                ),
            };
            report(edge.line, problem);
        }
    }
    found
}

/// Where a folder stands in the list.
fn rank(folder: &str) -> Option<usize> {
    FOLDERS.iter().position(|known| *known == folder)
}

/// A module at the root of the crate that a file names.
struct Edge {
    line: usize,
    to: String,
}

/// All paths of a file that begin at the crate's root, `crate::` or as many `super::` as lead there.
fn edges(file: &Source) -> Vec<Edge> {
    let to_root = "super::".repeat(file.depth());
    let mut edges = Vec::new();
    for (at, word) in words(&file.code) {
        let rest = &file.code[at..];
        let after = match word {
            "crate" => rest.strip_prefix("crate::"),
            // Only the whole chain: its first word, which no path comes before.
            "super" if !file.code[..at].ends_with("::") => rest.strip_prefix(to_root.as_str()),
            _ => None,
        };
        let Some(after) = after else { continue };
        let start = file.code.len() - after.len();
        match after.strip_prefix('{') {
            Some(group) => {
                edges.extend(members(group).map(|(offset, to)| (start + 1 + offset, to)))
            }
            None => edges.extend(words(after).next().map(|(offset, to)| (start + offset, to))),
        }
    }
    // A macro of the crate stands at its root wherever it is written.
    let is_macro = |at: usize, to: &str| file.code[at + to.len()..].starts_with('!');
    edges.retain(|(at, to)| !is_macro(*at, to) && !["super", "self"].contains(to));
    edges
        .into_iter()
        .map(|(at, to)| Edge {
            line: file.line(at),
            to: to.to_owned(),
        })
        .collect()
}

/// The first words of the members of a group `{a::b, c::{d, e}}`, whose opening brace is gone.
fn members(group: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut depth, mut fresh, mut found) = (0, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            _ if fresh && !c.is_whitespace() => {
                fresh = false;
                found.extend(words(&group[at..]).next().map(|(_, word)| (at, word)));
            }
            _ => {}
        }
    }
    found.into_iter()
}

/// The identifiers of a text and where they begin.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.split(move |c| !is_part(c))
        .filter(|word| !word.is_empty())
        .map(move |word| {
            let at = word.as_ptr() as usize - text.as_ptr() as usize;
            (at, word)
        })
}

struct Source {
    /// Below `src`, with slashes.
    path: String,
    /// Without comments, texts and test modules; every character that is left stands where it stood.
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Source {
            path: path.to_owned(),
            code: without_tests(&plain_code(text)),
        }
    }

    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many modules deep the file is.
    fn depth(&self) -> usize {
        self.path.split('/').count()
    }

    fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

/// Blanks comments, texts and characters.
fn plain_code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let hidden = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment(rest),
            '"' => 1 + quoted(&rest[1..]),
            'r' if !code.ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                raw(rest).unwrap_or(0)
            }
            '\'' => character(rest).unwrap_or(0),
            _ => 0,
        };
        let shown = if hidden == 0 { c.len_utf8() } else { 0 };
        code.push_str(&rest[..shown]);
        code.extend(
            rest[..hidden].chars().flat_map(|c| {
                std::iter::repeat_n(if c == '\n' { '\n' } else { ' ' }, c.len_utf8())
            }),
        );
        rest = &rest[shown + hidden..];
    }
    code
}

fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        at += match rest {
            _ if rest.starts_with("/*") => {
                depth += 1;
                2
            }
            _ if rest.starts_with("*/") => {
                depth -= 1;
                2
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        if depth == 0 {
            break;
        }
    }
    at
}

/// How long a text is whose opening quote is gone, its closing quote included.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw(text: &str) -> Option<usize> {
    let hashes = text[1..].bytes().take_while(|b| *b == b'#').count();
    let body = text[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(
        body.find(&end)
            .map_or(text.len(), |at| text.len() - body.len() + at + end.len()),
    )
}

/// A character, and not a lifetime.
fn character(text: &str) -> Option<usize> {
    let inner = &text[1..];
    let end = match inner.strip_prefix('\\') {
        Some(escaped) => 2 + escaped.char_indices().skip(1).find(|(_, c)| *c == '\'')?.0,
        None => 1 + inner.chars().next()?.len_utf8(),
    };
    text[end..].starts_with('\'').then_some(end + 1)
}

/// Blanks every `#[cfg(test)] mod name { .. }`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let item = after[MARK.len()..].trim_start();
        let has_block = item
            .find(['{', ';'])
            .is_some_and(|at| item[at..].starts_with('{'));
        let length = if item.starts_with("mod ") && has_block {
            block(after)
        } else {
            MARK.len()
        };
        out.extend(
            after[..length]
                .chars()
                .map(|c| if c == '\n' { '\n' } else { ' ' }),
        );
        rest = &after[length..];
    }
    out.push_str(rest);
    out
}

fn block(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The sources of the crate, without those that are compiled for tests only.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    let is_test = |path: &Path| {
        path.components().any(|part| {
            ["tests", "tests.rs"]
                .iter()
                .any(|name| part.as_os_str() == *name)
        })
    };
    let below = |path: &Path| path.strip_prefix(&root).expect("found below it").to_owned();
    let mut files: Vec<Source> = paths
        .iter()
        .map(|path| (below(path), path))
        .filter(|(below, _)| !is_test(below))
        .map(|(below, path)| {
            let name = below.to_string_lossy().replace('\\', "/");
            Source::new(&name, &fs::read_to_string(path).expect("a source is text"))
        })
        .collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => walk(&path, found),
            false if path.extension().is_some_and(|end| end == "rs") => found.push(path),
            false => {}
        }
    }
}
