//! Ordering under fire: receivers that fail every third call, three workers that are killed again and again, two nodes that
//! append to the same streams and are killed as well; all of them processes on one SQLite file.
//!
//! `FIRE_SECONDS` is how long it burns (8), `FIRE_SEED` what it burns by.

#![cfg(feature = "sqlite")]

mod check;
mod nodes;
#[path = "../support/programs.rs"]
mod programs;
mod seed;
#[path = "../support/mod.rs"]
mod support;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use nodes::Node;
use seed::Seed;
use support::{Ca, Receiver, Reply};

/// What all the processes are given.
struct Scene {
    directory: tempfile::TempDir,
    worker: PathBuf,
    fulfilment: PathBuf,
}

impl Scene {
    async fn new(ca: &Ca, receiver: &Receiver) -> Self {
        let [worker, fulfilment] =
            tokio::task::spawn_blocking(|| ["worker", "fulfilment"].map(programs::example))
                .await
                .expect("both are built");
        let scene = Scene {
            directory: tempfile::tempdir().unwrap(),
            worker,
            fulfilment,
        };
        // Two clients: one URL, and two URLs of which one acceptance suffices.
        let clients = json!({ "suppliers": [
            { "id": "clinic", "webhook_urls": [receiver.url("/clinic")], "max_concurrent": 6 },
            { "id": "ward", "webhook_urls": [receiver.url("/ward/a"), receiver.url("/ward/b")], "max_concurrent": 6 },
        ]});
        std::fs::write(scene.path("clients.json"), clients.to_string()).unwrap();
        std::fs::write(scene.path("ca.pem"), ca.pem()).unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A process on the store of the scene. What it says on stderr is kept in a file.
    fn command(&self, program: &PathBuf, clients: &str, name: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg(clients)
            .arg(self.path("clients.json"))
            .arg("--ca")
            .arg(self.path("ca.pem"));
        command
            .arg("--store")
            .arg(format!("sqlite:{}", self.path("orderhook.db").display()));
        command.args([
            "--allow-network",
            "127.0.0.0/8",
            "--timeout-ms",
            "1500",
            "--lease-margin-ms",
            "500",
            "--json",
        ]);
        let said = File::options()
            .create(true)
            .append(true)
            .open(self.path(&format!("{name}.err")))
            .unwrap();
        command
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stderr(said);
        command
    }

    fn worker(&self, name: &str, until_idle: bool) -> Process {
        let mut command = self.command(&self.worker, "--suppliers", name);
        command.args(["--first-delay-ms", "20", "--concurrency", "12"]);
        if until_idle {
            command.arg("--until-idle");
        }
        command.stdout(Stdio::null());
        Process::begin(command)
    }

    /// Everything that the processes have said on stderr.
    fn said(&self) -> String {
        let files = std::fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let said =
            files.filter(|path| path.extension().is_some_and(|extension| extension == "err"));
        said.map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    }
}

/// A child process that does not outlive the test, and when it began.
struct Process(Child, Instant);

impl Process {
    fn begin(mut command: Command) -> Self {
        Process(command.spawn().unwrap(), Instant::now())
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM; whether it ended well. One that has only just begun may not listen to signals yet.
    fn stop(&mut self) -> bool {
        let is_new = self.1.elapsed() < Duration::from_secs(3);
        let told = Command::new("kill")
            .args(["-TERM", &self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(told.success());
        let status = self.end();
        status == Some(0) || (status.is_none() && is_new)
    }

    fn end(&mut self) -> Option<i32> {
        let give_up = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                Instant::now() < give_up,
                "a process does not come to an end"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the receiver answers to its n-th request. Every third call fails, each in its own way.
fn reply(n: usize) -> Reply {
    match (n % 3, n / 3 % 4) {
        (2, 0) => Reply::Status(500),
        (2, 1) => Reply::CloseAfterRequest,
        (2, 2) => Reply::Status(404),
        (2, _) => Reply::RawThenReset(b"HTTP/1.1 2".to_vec()),
        // An acceptance, whatever becomes of its body.
        (1, 0) => Reply::BrokenBody,
        (0, 1) => Reply::ok().delayed(Duration::from_millis(30)),
        _ => Reply::ok(),
    }
}

fn fails(n: usize) -> bool {
    n % 3 == 2
}

#[derive(Debug, Default)]
struct Fire {
    workers_killed: usize,
    nodes_killed: usize,
    rounds: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_order_s_stages_arrive_in_order_whoever_is_killed() {
    let seconds: f64 = setting("FIRE_SECONDS").unwrap_or(8.0);
    let number = setting("FIRE_SEED").unwrap_or_else(seed::of_now);
    println!("FIRE_SEED={number} FIRE_SECONDS={seconds}");
    let ca = Ca::new();
    let receiver = Receiver::start(&ca).await;
    receiver.script((0..200_000).map(reply));
    let scene = Scene::new(&ca, &receiver).await;

    let began = Instant::now();
    let (scene, fire, offered) = tokio::task::spawn_blocking(move || {
        let (fire, offered) = burn(&scene, Seed::new(number), Duration::from_secs_f64(seconds));
        (scene, fire, offered)
    })
    .await
    .expect("the fire burns");
    let burnt = began.elapsed();

    let said = scene.said();
    assert!(!said.contains("panicked"), "{said}");
    let found = check::check(&scene.path("orderhook.db"), &receiver.received(), &offered).await;
    println!(
        "{} stages of {} streams ({} not wanted), offered by 2 nodes in {} rounds; {} workers and {} nodes killed; \
         {} requests, {} of them failed, {} repeated after an acceptance that nobody recorded; {:.1} s",
        found.stages,
        found.streams,
        found.not_wanted,
        fire.rounds,
        fire.workers_killed,
        fire.nodes_killed,
        found.requests,
        found.failed,
        found.repeated,
        burnt.as_secs_f64(),
    );
    assert!(
        found.failed > 0 && fire.workers_killed > 0 && fire.rounds > 0,
        "{fire:?}: there was no fire"
    );
}

/// Workers and nodes, and what befalls them; ends when everything is told.
fn burn(scene: &Scene, mut seed: Seed, long: Duration) -> (Fire, Vec<nodes::Offered>) {
    let mut fire = Fire::default();
    let mut workers: Vec<_> = (0..3)
        .map(|n| scene.worker(&format!("worker-{n}"), false))
        .collect();
    let mut offered = Vec::new();
    let end = Instant::now() + long;
    while Instant::now() < end {
        let (one, other) = nodes::round(&mut seed, fire.rounds, &mut offered);
        let mut pair = [
            Node::start(scene, 0, fire.rounds, one),
            Node::start(scene, 1, fire.rounds, other),
        ];
        while pair.each_mut().map(|node| node.is_done(scene)) != [true, true] {
            std::thread::sleep(Duration::from_millis(10 + seed.below(60)));
            match seed.below(8) {
                0 | 1 => {
                    let n = seed.below(3) as usize;
                    workers[n].kill();
                    workers[n] = scene.worker(&format!("worker-{n}"), false);
                    fire.workers_killed += 1;
                }
                2 if Instant::now() < end => {
                    fire.nodes_killed += usize::from(pair[seed.below(2) as usize].kill());
                }
                _ => {}
            }
        }
        fire.rounds += 1;
    }
    for worker in &mut workers {
        assert!(worker.stop(), "{}", scene.said());
    }
    assert_eq!(
        scene.worker("last", true).end(),
        Some(0),
        "{}",
        scene.said()
    );
    (fire, offered)
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} cannot be read")),
    )
}
