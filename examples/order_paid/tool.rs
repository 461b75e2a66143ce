//! The tool: one order, one action, one line for each supplier.

use std::path::PathBuf;
use std::process::ExitCode;

use orderhook::{Dispatcher, Error, Key, Notification, PaidOrder, State, SuppliersFile, Verdict};
use serde_json::json;

use super::support::Failure;
use super::support::args::{self, Common, Words};
use super::support::output::{Remark, print, print_absent};
use super::support::stores;

enum Action {
    Notify,
    EnqueueOnly,
    Retry,
    Resume,
    Withdraw(String),
    Show,
    Check,
}

/// Runs the tool with these words.
pub(super) async fn run(mut words: Words) -> Result<ExitCode, Failure> {
    let (mut common, mut action) = (Common::default(), None);
    let (mut order, mut suppliers): (Option<PathBuf>, Option<PathBuf>) = (None, None);
    while let Some(option) = words.option() {
        let chosen = match option.as_str() {
            "--help" | "-h" => {
                println!("{}", super::USAGE);
                return Ok(ExitCode::SUCCESS);
            }
            "--order" => {
                order = Some(words.value(&option)?.into());
                continue;
            }
            "--suppliers" => {
                suppliers = Some(words.value(&option)?.into());
                continue;
            }
            "--enqueue-only" => Action::EnqueueOnly,
            "--retry" => Action::Retry,
            "--resume" => Action::Resume,
            "--withdraw" => Action::Withdraw(words.value(&option)?),
            "--show" => Action::Show,
            "--check" => Action::Check,
            _ if common.take(&option, &mut words)? => continue,
            _ => return Err(args::unknown(&option)),
        };
        if action.replace(chosen).is_some() {
            return Err(Failure::input(&option, "only one action at a time"));
        }
    }
    let order_path = args::required(order, "--order")?;
    let order = args::order(&order_path)?;
    let file = args::suppliers(&args::required(suppliers, "--suppliers")?)?;
    let action = action.unwrap_or(Action::Notify);
    if matches!(action, Action::Notify | Action::EnqueueOnly) {
        all_known(&order, &file, &order_path)?;
    }
    let dispatcher = stores::dispatcher(&common, file.clone()).await?;
    let told = act(&dispatcher, &order, &file, action, common.json).await?;
    Ok(if told { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// Names the line of a supplier that is not in the file.
fn all_known(order: &PaidOrder, file: &SuppliersFile, path: &PathBuf) -> Result<(), Failure> {
    let suppliers = file.suppliers();
    let stranger = order.lines().iter().enumerate().find(|(_, line)| !suppliers.contains_key(line.supplier()));
    stranger.map_or(Ok(()), |(n, line)| {
        let problem = format!("lines[{n}].supplier: {} is not in the suppliers file", line.supplier());
        Err(Failure::input(path.display(), problem))
    })
}

async fn act(
    dispatcher: &Dispatcher,
    order: &PaidOrder,
    file: &SuppliersFile,
    action: Action,
    json: bool,
) -> Result<bool, Failure> {
    match action {
        Action::Notify => {
            let report = dispatcher.notify(order).await?;
            for entry in &report.entries {
                print(&entry.notification, entry.is_conflict().then_some(Remark::Conflict), json);
            }
            Ok(report.is_told())
        }
        Action::EnqueueOnly => {
            let enqueued = dispatcher.enqueue(order).await?;
            let conflicts: Vec<&Key> = enqueued.conflicts().map(|stored| &stored.key).collect();
            for stored in &enqueued.stored {
                let remark = conflicts.contains(&&stored.key).then_some(Remark::Conflict);
                show(dispatcher, &stored.key, remark, json).await?;
            }
            Ok(conflicts.is_empty())
        }
        Action::Retry => retry(dispatcher, order, json).await,
        Action::Resume => resume(dispatcher, order, json).await,
        Action::Withdraw(reason) => withdraw(dispatcher, order, &reason, json).await,
        Action::Show => show_all(dispatcher, order, json).await,
        Action::Check => check(dispatcher, order, file, json).await,
    }
}

fn keys(dispatcher: &Dispatcher, order: &PaidOrder) -> Vec<Key> {
    order.suppliers().map(|supplier| dispatcher.key(supplier, order.order_code())).collect()
}

fn is_told(notification: &Notification) -> bool {
    matches!(notification.state, State::Notified { .. })
}

/// Prints what is stored under a key; whether the supplier is told.
async fn show(dispatcher: &Dispatcher, key: &Key, remark: Option<Remark>, json: bool) -> Result<bool, Failure> {
    match dispatcher.notification(key).await? {
        Some(notification) => {
            print(&notification, remark, json);
            Ok(is_told(&notification))
        }
        None => {
            print_absent(key, json);
            Ok(false)
        }
    }
}

async fn show_all(dispatcher: &Dispatcher, order: &PaidOrder, json: bool) -> Result<bool, Failure> {
    let mut all_told = true;
    for key in keys(dispatcher, order) {
        all_told &= show(dispatcher, &key, None, json).await?;
    }
    Ok(all_told)
}

/// Suppliers side by side; the lines come in the order of the suppliers.
async fn retry(dispatcher: &Dispatcher, order: &PaidOrder, json: bool) -> Result<bool, Failure> {
    let retrying = keys(dispatcher, order).into_iter().map(|key| {
        let dispatcher = dispatcher.clone();
        tokio::spawn(async move { (dispatcher.retry(&key).await, key) })
    });
    let (mut all_told, mut left_to_do) = (true, false);
    for task in retrying.collect::<Vec<_>>() {
        let (result, key) = task.await.map_err(|_| Failure::from(Error::Panicked))?;
        match result {
            Ok(notification) => {
                left_to_do = true;
                all_told &= is_told(&notification);
                print(&notification, None, json);
            }
            Err(Error::AlreadyNotified { .. }) => {
                show(dispatcher, &key, Some(Remark::AlreadyNotified), json).await?;
            }
            Err(Error::Closed { .. } | Error::NotFound { .. }) => {
                all_told &= show(dispatcher, &key, None, json).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all_told && left_to_do)
}

async fn resume(dispatcher: &Dispatcher, order: &PaidOrder, json: bool) -> Result<bool, Failure> {
    let resuming = order.suppliers().cloned().map(|supplier| {
        let dispatcher = dispatcher.clone();
        tokio::spawn(async move { dispatcher.resume(&supplier).await })
    });
    for task in resuming.collect::<Vec<_>>() {
        task.await.map_err(|_| Failure::from(Error::Panicked))??;
    }
    show_all(dispatcher, order, json).await
}

async fn withdraw(dispatcher: &Dispatcher, order: &PaidOrder, reason: &str, json: bool) -> Result<bool, Failure> {
    let mut all_withdrawn = true;
    for key in keys(dispatcher, order) {
        let withdrawn = match dispatcher.withdraw(&key, reason).await {
            Ok(notification) => {
                print(&notification, None, json);
                true
            }
            Err(Error::AlreadyNotified { .. }) => {
                show(dispatcher, &key, Some(Remark::AlreadyNotified), json).await?;
                false
            }
            Err(closed @ (Error::Closed { .. } | Error::InFlight { .. } | Error::NotFound { .. })) => {
                show(dispatcher, &key, None, json).await?;
                matches!(closed, Error::Closed { .. })
            }
            Err(error) => return Err(error.into()),
        };
        all_withdrawn &= withdrawn;
    }
    Ok(all_withdrawn)
}

async fn check(dispatcher: &Dispatcher, order: &PaidOrder, file: &SuppliersFile, json: bool) -> Result<bool, Failure> {
    let suppliers = file.suppliers();
    let mut all_well = true;
    for id in order.suppliers() {
        let checks = match suppliers.get(id) {
            Some(supplier) => dispatcher.check(supplier).await,
            None => Vec::new(),
        };
        if checks.is_empty() {
            all_well = false;
            let why =
                if suppliers.contains_key(id) { "no endpoint is configured" } else { "not in the suppliers file" };
            match json {
                true => {
                    println!("{}", json!({"supplier": id.as_str(), "endpoint": null, "verdict": "missing", "why": why}))
                }
                false => println!("{id}: {why}"),
            }
        }
        for check in checks {
            let word = match check.verdict {
                Verdict::Reachable => "reachable",
                Verdict::Blocked { .. } => "blocked",
                _ => "unreachable",
            };
            all_well &= check.verdict == Verdict::Reachable;
            let why = check.verdict.to_string();
            match json {
                true => {
                    let line =
                        json!({"supplier": id.as_str(), "endpoint": check.endpoint, "verdict": word, "why": why});
                    println!("{line}");
                }
                false => println!("{id}: {} {why}", check.endpoint),
            }
        }
    }
    Ok(all_well)
}
