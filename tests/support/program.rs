//! The example programs, run as what they are: processes with arguments, two streams and an exit status.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use tokio::process::Command;

/// Longer than any run of a test; a program that hangs fails the test and not the build.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a program left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The exit status; none if a signal ended it.
    pub status: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Finished {
    /// The lines of stdout as JSON.
    ///
    /// # Panics
    /// If one is none.
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let read = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}: {self:?}"))
        };
        self.stdout.lines().map(read).collect()
    }
}

/// An example program and the circumstances under which it runs.
#[derive(Clone, Debug)]
pub struct Program {
    name: &'static str,
    folder: PathBuf,
    level: Option<&'static str>,
    stdout: Ear,
}

/// What becomes of what a program prints.
#[derive(Clone, Copy, Debug)]
enum Ear {
    Read,
    /// A pipe whose other end is closed.
    Closed,
    /// A disk without room.
    Full,
}

impl Program {
    /// An example by its name, to be run in this folder.
    pub fn example(name: &'static str, folder: &Path) -> Self {
        Program {
            name,
            folder: folder.to_owned(),
            level: None,
            stdout: Ear::Read,
        }
    }

    /// The same in another folder.
    pub fn within(self, folder: &Path) -> Self {
        Program {
            folder: folder.to_owned(),
            ..self
        }
    }

    /// With every log switched on.
    pub fn chatty(self) -> Self {
        Program {
            level: Some("trace"),
            ..self
        }
    }

    /// With a stdout that nobody reads: it is closed before the program begins.
    pub fn unread(self) -> Self {
        Program {
            stdout: Ear::Closed,
            ..self
        }
    }

    /// With a stdout that takes nothing: a file on a disk that is full.
    pub fn full(self) -> Self {
        Program {
            stdout: Ear::Full,
            ..self
        }
    }

    /// Runs it with these arguments.
    ///
    /// # Panics
    /// If it is not built, is older than its sources, or takes more than a minute.
    pub async fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(built(self.name));
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("RUST_BACKTRACE", "0")
            .env_remove("RUST_LOG");
        command.envs(self.level.map(|level| ("RUST_LOG", level)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        match self.stdout {
            Ear::Read => {}
            Ear::Closed => {
                let (reader, writer) = std::io::pipe().expect("a pipe");
                drop(reader);
                command.stdout(writer);
            }
            Ear::Full => {
                let full = std::fs::File::options()
                    .write(true)
                    .open("/dev/full")
                    .expect("a disk that is full");
                command.stdout(full);
            }
        }
        let running = async { command.spawn()?.wait_with_output().await };
        let output = tokio::time::timeout(PATIENCE, running).await;
        let output = output
            .unwrap_or_else(|_| panic!("{} {arguments:?}: took more than {PATIENCE:?}", self.name));
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        Finished {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }
}

/// Where cargo has put an example program: tests are in `target/PROFILE/deps`, examples beside it.
pub fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps/TEST");
    let program = profile
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let Some(made) = modified(&program) else {
        panic!(
            "{} is not there: `cargo test` builds it; with `cargo test --test ..` run `cargo build --example {name}` first, \
             with the same features",
            program.display()
        );
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "examples"] {
        let newest = newest(&root.join(folder));
        assert!(
            newest <= made,
            "{} is older than {folder}/: run `cargo build --example {name}`",
            program.display()
        );
    }
    program
}

fn newest(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder)
        .expect("a folder of the crate")
        .map(|entry| entry.expect("an entry").path());
    // What is compiled for tests only makes no program older.
    let is_for_tests = |path: &Path| path.file_stem().is_some_and(|name| name == "tests");
    let time = |path: PathBuf| match path.is_dir() {
        _ if is_for_tests(&path) => SystemTime::UNIX_EPOCH,
        true => newest(&path),
        false if path.extension().is_some_and(|end| end == "rs") => {
            modified(&path).expect("a file of the crate")
        }
        false => SystemTime::UNIX_EPOCH,
    };
    entries.map(time).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}
