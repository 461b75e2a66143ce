//! What a person can do about notifications, with a line for each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use orderhook::notification::{By, Stream};
use orderhook::report::{EndpointCheck, Verdict};
use orderhook::{
    Dispatcher, Error, Key, Notification, NotificationState, SupplierId, SuppliersFile, Timestamp,
};
use serde_json::json;

use super::Failure;
use super::args::Words;
use super::output::{Remark, print, print_absent};
use super::say;

/// What is to be done.
pub enum Action {
    Notify,
    EnqueueOnly,
    Retry,
    Resume,
    Withdraw(String),
    Show,
    Check,
}

impl Action {
    /// The action that an option asks for, if it is one.
    pub fn of_option(option: &str, words: &mut Words) -> Result<Option<Self>, Failure> {
        Ok(Some(match option {
            "--enqueue-only" => Action::EnqueueOnly,
            "--retry" => Action::Retry,
            "--resume" => Action::Resume,
            "--withdraw" => Action::Withdraw(words.value(option)?),
            "--show" => Action::Show,
            "--check" => Action::Check,
            _ => return Ok(None),
        }))
    }
}

/// Whether the supplier is notified.
pub fn is_told(notification: &Notification) -> bool {
    matches!(notification.state, NotificationState::Notified { .. })
}

/// Prints what is stored under a key; whether the supplier is notified.
pub async fn show(
    dispatcher: &Dispatcher,
    key: &Key,
    remark: Option<Remark>,
    json: bool,
) -> Result<bool, Failure> {
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

/// Prints what is stored; whether every supplier is notified.
pub async fn show_all(dispatcher: &Dispatcher, keys: &[Key], json: bool) -> Result<bool, Failure> {
    let mut all_told = true;
    for key in keys {
        all_told &= show(dispatcher, key, None, json).await?;
    }
    Ok(all_told)
}

/// Who decides, as the history has it.
const WHO: &str = "order_paid";

/// The decision of a person who calls the program with this option.
fn asked_with(option: &str) -> Result<By, Failure> {
    By::new(WHO, option).map_err(|refused| Failure::input(option, refused.to_string()))
}

/// Orders and suppliers side by side, the notifications of one order to one supplier one after the other, for a later
/// one waits for those before it. The lines come in the order of the keys.
pub async fn retry(dispatcher: &Dispatcher, keys: &[Key], json: bool) -> Result<bool, Failure> {
    let mut streams: BTreeMap<Stream, Vec<Key>> = BTreeMap::new();
    for key in keys {
        streams.entry(key.stream()).or_default().push(key.clone());
    }
    let by = asked_with("--retry")?;
    let retrying = streams.into_values().map(|keys| {
        let (dispatcher, by) = (dispatcher.clone(), by.clone());
        tokio::spawn(async move {
            let mut results = Vec::with_capacity(keys.len());
            for key in keys {
                results.push((dispatcher.retry(&key, &by).await, key));
            }
            results
        })
    });
    let mut results = Vec::with_capacity(keys.len());
    for task in retrying.collect::<Vec<_>>() {
        results.extend(task.await.map_err(|_| Failure::from(Error::Panicked))?);
    }
    let places: HashMap<&Key, usize> = keys
        .iter()
        .enumerate()
        .map(|(place, key)| (key, place))
        .collect();
    results.sort_by_key(|(_, key)| places.get(key));
    let (mut all_told, mut left_to_do) = (true, false);
    for (result, key) in results {
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

/// Reopens what failed because of the configuration and tries it; whether every supplier is notified then.
pub async fn resume(dispatcher: &Dispatcher, keys: &[Key], json: bool) -> Result<bool, Failure> {
    let suppliers: BTreeSet<SupplierId> = keys.iter().map(|key| key.supplier.clone()).collect();
    let by = asked_with("--resume")?;
    let resuming = suppliers.into_iter().map(|supplier| {
        let (dispatcher, by) = (dispatcher.clone(), by.clone());
        tokio::spawn(async move { dispatcher.resume(&supplier, &by).await })
    });
    for task in resuming.collect::<Vec<_>>() {
        task.await.map_err(|_| Failure::from(Error::Panicked))??;
    }
    show_all(dispatcher, keys, json).await
}

/// Closes what is not notified yet; whether all of it is closed.
pub async fn withdraw(
    dispatcher: &Dispatcher,
    keys: &[Key],
    reason: &str,
    json: bool,
) -> Result<bool, Failure> {
    let by = By::new(WHO, reason).map_err(|refused| {
        let problem = refused.to_string();
        Failure::input("--withdraw", problem.trim_start_matches("why: "))
    })?;
    let mut all_withdrawn = true;
    for key in keys {
        let withdrawn = match dispatcher.withdraw(key, &by).await {
            Ok(notification) => {
                print(&notification, None, json);
                true
            }
            Err(Error::AlreadyNotified { .. }) => {
                show(dispatcher, key, Some(Remark::AlreadyNotified), json).await?;
                false
            }
            Err(
                closed @ (Error::Closed { .. } | Error::InFlight { .. } | Error::NotFound { .. }),
            ) => {
                show(dispatcher, key, None, json).await?;
                matches!(closed, Error::Closed { .. })
            }
            Err(error) => return Err(error.into()),
        };
        all_withdrawn &= withdrawn;
    }
    Ok(all_withdrawn)
}

/// Prints what the guard, name resolution and TLS say about each endpoint; whether all is well.
pub async fn check(
    dispatcher: &Dispatcher,
    ids: impl IntoIterator<Item = &SupplierId>,
    file: &SuppliersFile,
    json: bool,
) -> bool {
    let suppliers = file.suppliers();
    let mut all_well = true;
    for id in ids {
        let checks = match suppliers.get(id) {
            Some(supplier) => dispatcher.check(supplier).await,
            None => Vec::new(),
        };
        if checks.is_empty() {
            all_well = false;
            let why = if suppliers.contains_key(id) {
                "no endpoint is configured"
            } else {
                "not in the suppliers file"
            };
            match json {
                true => say(
                    json!({"supplier": id.as_str(), "endpoint": null, "verdict": "missing", "why": why}),
                ),
                false => say(format_args!("{id}: {why}")),
            }
        }
        for check in checks {
            all_well &= check.verdict == Verdict::Reachable;
            let why = check.verdict.to_string();
            match json {
                true => {
                    let line = json!({"supplier": id.as_str(), "endpoint": check.endpoint, "verdict": check.verdict.as_str(), "why": why});
                    say(line);
                }
                false => say(format_args!(
                    "{id}: {} {why}{}",
                    check.endpoint,
                    ends(&check)
                )),
            }
        }
    }
    all_well
}

/// Until when the certificates are valid that a check has seen.
fn ends(check: &EndpointCheck) -> String {
    let end = |whose: &str, until: Option<Timestamp>| {
        until.map(|until| format!(", {whose} certificate until {until}"))
    };
    [
        end("its", check.certificate_until),
        end("our client", check.client_certificate_until),
    ]
    .into_iter()
    .flatten()
    .collect()
}
