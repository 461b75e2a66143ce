//! Delivers in the background what `order_paid --enqueue-only` and others have stored.

mod support;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use orderhook::report::Summary;
use orderhook::{News, RetryPolicy, Worker};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use support::Failure;
use support::args::{self, Common, Words};
use support::{output, say, stores};

const USAGE: &str = "worker: delivers what is stored

  worker --suppliers FILE --store memory:|sqlite:PATH|postgres://..
         [--source NAME] [--ca PEM] [--allow-network CIDR].. [--timeout-ms N] [--lease-margin-ms N]
         [--concurrency N] [--first-delay-ms N] [--grace-ms N] [--until-idle | --drain] [--json]

  --concurrency N    slots for calls (256); the limit of open files may lower it (ulimit -n)
  --first-delay-ms N the first delay of the schedule (5000); later ones double
  --drain            for cron: one round at most for everything that is due now, then the end
  --until-idle       for tests: ends when nothing is pending or being sent any more
SIGTERM and SIGINT: no new claim, drain for the grace period (10000 ms), hand back the rest, exit 0
exit status: 0; 2 with --drain and --until-idle if something failed meanwhile; 1 unusable input; 3 the store cannot be used";

#[tokio::main]
async fn main() -> ExitCode {
    support::log();
    match run().await {
        Ok(status) => status,
        Err(failure) => failure.report(),
    }
}

async fn run() -> Result<ExitCode, Failure> {
    // Before anything that takes time: a signal that comes while the store is opened is not lost.
    let stop = stopped();
    let mut words = Words::of_process()?;
    let mut common = Common::default();
    let mut suppliers: Option<PathBuf> = None;
    let mut ending = Ending::Signal;
    let mut grace = Duration::from_secs(10);
    while let Some(option) = words.option() {
        match option.as_str() {
            "--help" | "-h" => {
                say(USAGE);
                return Ok(ExitCode::SUCCESS);
            }
            "--suppliers" => suppliers = Some(words.value(&option)?.into()),
            "--concurrency" => {
                common.concurrency =
                    Some(words.parsed::<NonZeroUsize>(&option, "a number of at least 1")?);
            }
            "--first-delay-ms" => {
                common.retry = Some(RetryPolicy::DEFAULT.with_first_delay(words.millis(&option)?));
            }
            "--grace-ms" => grace = words.millis(&option)?,
            "--drain" => ending.choose(Ending::Drained)?,
            "--until-idle" => ending.choose(Ending::Idle)?,
            _ if common.take(&option, &mut words)? => {}
            _ => return Err(args::unknown(&option)),
        }
    }
    let file = args::suppliers(&args::required(suppliers, "--suppliers")?)?;
    let (tell, told) = mpsc::unbounded_channel();
    let no_more = tell.clone();
    let hear = move |news: &News| {
        if let News::Notified { key, .. } | News::Failed { key, .. } = news {
            // The receiver is gone only when the program ends.
            let _ = tell.send(Some(key.clone()));
        }
    };
    let dispatcher =
        stores::dispatcher_with(&common, file, |builder| builder.listener(hear)).await?;
    let printer = tokio::spawn(print(dispatcher.clone(), told, common.json));

    let worker = Worker::new(&dispatcher)
        .with_grace(grace)
        .with_poll(Duration::from_millis(200));
    let summary = match ending {
        Ending::Signal => worker.run_until(stop).await,
        Ending::Drained => or_stopped(worker.drain(), stop, dispatcher.shutdown(grace)).await?,
        Ending::Idle => or_stopped(worker.until_idle(), stop, dispatcher.shutdown(grace)).await?,
    };
    dispatcher.shutdown(Duration::ZERO).await;
    // What settled before is in front of this; if the printer has failed already, its result says so.
    let _ = no_more.send(None);
    printer
        .await
        .map_err(|_| Failure::Store("the output could not be written".into()))??;
    Ok(match ending {
        Ending::Drained | Ending::Idle if summary.failed > 0 => ExitCode::from(2),
        _ => ExitCode::SUCCESS,
    })
}

/// When the program ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Signal,
    Drained,
    Idle,
}

impl Ending {
    fn choose(&mut self, other: Ending) -> Result<(), Failure> {
        if *self != Ending::Signal && *self != other {
            return Err(Failure::input("--until-idle", "not together with --drain"));
        }
        *self = other;
        Ok(())
    }
}

/// The end of the work, which a signal brings about earlier.
async fn or_stopped(
    work: impl Future<Output = Result<Summary, orderhook::Error>>,
    stop: impl Future<Output = ()>,
    shutdown: impl Future<Output = ()>,
) -> Result<Summary, orderhook::Error> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        summary = &mut work => summary,
        () = stop => tokio::join!(work, shutdown).0,
    }
}

/// One line for each notification that settles, until there are no more.
async fn print(
    dispatcher: orderhook::Dispatcher,
    mut told: mpsc::UnboundedReceiver<Option<orderhook::Key>>,
    json: bool,
) -> Result<(), Failure> {
    while let Some(Some(key)) = told.recv().await {
        if let Some(notification) = dispatcher.notification(&key).await? {
            output::print(&notification, None, json);
        }
    }
    Ok(())
}

/// Resolves at the first SIGTERM or SIGINT from now on, also at one that comes before it is waited for.
fn stopped() -> impl Future<Output = ()> {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    async move {
        match signals {
            (Ok(mut terminate), Ok(mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            _ => std::future::pending().await,
        }
    }
}
