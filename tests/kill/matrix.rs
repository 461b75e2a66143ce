//! Every point, with one endpoint and with three, in every way.

use orderhook::store::Store;
use orderhook::{Error, MemoryStore, SqliteStore};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::case::{Call, Case, Point, Way};
use crate::child;
use crate::scene::{LEASE, Scene};
use crate::trap::Trapped;

/// For all tests together: each has a receiver, and a process or two.
static PLACES: Semaphore = Semaphore::const_new(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_sender_loses_nothing_and_repeats_the_post_in_flight_at_most() {
    play(both(Way::Kill), |case| async move { killed(case).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_enqueuing_process_was_killed_is_stored_as_a_whole_or_not_at_all() {
    let points = [Point::BeforeInsert, Point::InInsert, Point::AfterInsert];
    let cases = [1, 3].into_iter().flat_map(|endpoints| {
        points.map(|point| Case {
            point,
            endpoints,
            way: Way::Kill,
            call: Call::Enqueue,
        })
    });
    play(cases.collect(), |case| async move { killed(case).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_panic_in_the_senders_task_others_go_on_as_after_a_kill() {
    play(both(Way::Panic), |case| async move {
        died_here_on_sqlite(case).await
    })
    .await;
    play(in_memory(Way::Panic), |case| async move {
        died_here_in_memory(case).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_does_not_cancel_a_delivery() {
    play(both(Way::Drop), |case| async move {
        died_here_on_sqlite(case).await
    })
    .await;
    play(in_memory(Way::Drop), |case| async move {
        died_here_in_memory(case).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_shutdown_of_the_senders_runtime_others_go_on_as_after_a_kill() {
    play(both(Way::Runtime), |case| async move {
        died_here_on_sqlite(case).await
    })
    .await;
    play(in_memory(Way::Runtime), |case| async move {
        died_here_in_memory(case).await
    })
    .await;
}

fn both(way: Way) -> Vec<Case> {
    [1, 3]
        .into_iter()
        .flat_map(|endpoints| Case::all(endpoints, way))
        .collect()
}

/// In memory a call has no middle.
fn in_memory(way: Way) -> Vec<Case> {
    both(way)
        .into_iter()
        .filter(|case| !case.point.is_inside())
        .collect()
}

/// Plays the cases, some side by side, and prints the table in their order.
async fn play<F>(cases: Vec<Case>, run: impl Fn(Case) -> F)
where
    F: Future<Output = String> + Send + 'static,
{
    assert!(!cases.is_empty());
    let mut playing = JoinSet::new();
    for (number, case) in cases.into_iter().enumerate() {
        let run = run(case);
        playing.spawn(async move {
            let _place = PLACES.acquire().await.unwrap();
            (number, run.await)
        });
    }
    let mut lines = Vec::new();
    while let Some(played) = playing.join_next().await {
        lines.push(played.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    lines.sort();
    // In one piece: other tests print theirs.
    println!(
        "{}",
        lines
            .into_iter()
            .map(|(_, line)| line)
            .collect::<Vec<_>>()
            .join("\n")
    );
}

/// The sender is a process, and another process goes on.
pub(crate) async fn killed(case: Case) -> String {
    let scene = Scene::new(case).await;
    let store = scene.store().await;
    scene.prepare(store.clone()).await;
    let mut child = child::start(case, scene.path());
    if matches!(
        case.point,
        Point::Connected(_) | Point::HalfSent(_) | Point::Unanswered(_)
    ) {
        scene.reached().await;
        child.start_kill().unwrap();
    }
    scene.bury(child).await;
    scene.check_death(&store).await;
    scene.free(&store).await;
    scene.go_on_in_another_process().await;
    scene.compare(&store).await
}

async fn died_here_on_sqlite(case: Case) -> String {
    let scene = Scene::new(case).await;
    let store = scene.store().await;
    scene.prepare(store.clone()).await;
    die_here(&scene, store).await;
    let store: SqliteStore = scene.store().await;
    scene.check_death(&store).await;
    scene.free(&store).await;
    scene.go_on_here(store.clone()).await;
    format!("{} (SQLite)", scene.compare(&store).await)
}

async fn died_here_in_memory(case: Case) -> String {
    let scene = Scene::new(case).await;
    let store = MemoryStore::new();
    scene.prepare(store.clone()).await;
    die_here(&scene, store.clone()).await;
    scene.check_death(&store).await;
    store.advance(LEASE);
    scene.go_on_here(store.clone()).await;
    format!("{} (memory)", scene.compare(&store).await)
}

/// The sender is a task of this process.
async fn die_here(scene: &Scene, store: impl Store) {
    let case = scene.case;
    let store = Trapped::new(store, &scene.trap);
    let dispatcher = scene.dispatcher(store, Trapped::new(scene.suppliers(), &scene.trap));
    match case.way {
        Way::Kill => unreachable!("a process is killed, not a task"),
        Way::Panic => {
            let died = dispatcher.notify(&scene.order).await;
            assert!(matches!(died, Err(Error::Panicked)), "{case}: {died:?}");
        }
        Way::Drop => {
            let mut notifying = Box::pin(dispatcher.notify(&scene.order));
            tokio::select! {
                report = &mut notifying => panic!("{case}: the point was not reached: {report:?}"),
                () = scene.reached() => drop(notifying),
            }
            scene.trap.hold.gate.open();
            dispatcher
                .shutdown(std::time::Duration::from_secs(30))
                .await;
        }
        Way::Runtime => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            let order = scene.order.clone();
            let notifying = runtime.spawn(async move { dispatcher.notify(&order).await });
            scene.reached().await;
            runtime.shutdown_background();
            assert!(notifying.await.unwrap_err().is_cancelled(), "{case}");
            scene.cut();
        }
    }
}
