//! The worker processes, and what is done to them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

pub(crate) struct Crew {
    folder: PathBuf,
    workers: Vec<Child>,
    /// When one was killed or told to stop.
    pub(crate) kills: Vec<Instant>,
    pub(crate) terminations: Vec<Instant>,
    started: usize,
}

impl Crew {
    /// Starts so many on `soak.db` in the folder.
    pub(crate) fn start(folder: &Path, number: usize) -> Self {
        let mut crew = Crew {
            folder: folder.to_owned(),
            workers: Vec::new(),
            kills: Vec::new(),
            terminations: Vec::new(),
            started: 0,
        };
        for _ in 0..number {
            let worker = crew.spawn();
            crew.workers.push(worker);
        }
        crew
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self, n: usize) {
        self.workers[n].kill().await.unwrap();
        self.kills.push(Instant::now());
    }

    /// SIGTERM: it has to drain and to end well.
    pub(crate) async fn terminate(&mut self, n: usize) {
        let worker = &mut self.workers[n];
        let pid = worker.id().expect("it runs until it is told to stop");
        let kill = std::process::Command::new("sh")
            .args(["-c", &format!("kill -TERM {pid}")])
            .status()
            .unwrap();
        assert!(kill.success());
        let ended = tokio::time::timeout(Duration::from_secs(20), worker.wait()).await;
        let status = ended.expect("SIGTERM ends a worker").unwrap();
        // A signal that comes before the program can hear it ends it like any other program.
        let too_early = std::os::unix::process::ExitStatusExt::signal(&status) == Some(15);
        assert!(
            status.code() == Some(0) || too_early,
            "{status}\n{}",
            self.words()
        );
        self.terminations.push(Instant::now());
    }

    pub(crate) fn restart(&mut self, n: usize) {
        self.workers[n] = self.spawn();
    }

    /// SIGTERM to all.
    pub(crate) async fn stop(&mut self) {
        for n in 0..self.workers.len() {
            self.terminate(n).await;
        }
    }

    /// What the workers said on stderr.
    pub(crate) fn words(&self) -> String {
        (1..=self.started)
            .filter_map(|n| fs::read_to_string(self.folder.join(format!("worker-{n}.err"))).ok())
            .collect()
    }

    fn spawn(&mut self) -> Child {
        self.started += 1;
        let errors =
            File::create(self.folder.join(format!("worker-{}.err", self.started))).unwrap();
        let file = |name: &str| self.folder.join(name).display().to_string();
        Command::new(example("worker"))
            .args(["--source", "soak", "--allow-network", "127.0.0.0/8"])
            .args(["--store", &format!("sqlite:{}", file("soak.db"))])
            .args([
                "--suppliers",
                &file("suppliers.json"),
                "--ca",
                &file("ca.pem"),
            ])
            .args([
                "--timeout-ms",
                "400",
                "--lease-margin-ms",
                "300",
                "--first-delay-ms",
                "20",
                "--grace-ms",
                "2000",
            ])
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }
}

/// An example program, which cargo puts beside the folder of the test programs.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples")
        .join(name);
    assert!(
        path.exists(),
        "{} is not there: cargo build --examples --features sqlite",
        path.display()
    );
    path
}
