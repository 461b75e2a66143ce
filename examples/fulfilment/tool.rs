//! The tool: a file of events, one action, one line for each event.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use orderhook::fulfilment::{ChildId, Fulfilment, FulfilmentError, NotAllowed, StageEvent};
use orderhook::{Dispatcher, Key, NotificationState, SupplierId};
use serde_json::json;

use super::support::actions::{self, Action};
use super::support::args::{self, Common, Words};
use super::support::output::{Remark, print};
use super::support::stores;
use super::support::{Failure, say};

/// An event with its client and the number of its line, from 1.
struct Offered {
    line: usize,
    client: SupplierId,
    event: StageEvent,
}

/// Runs the tool with these words.
pub(super) async fn run(mut words: Words) -> Result<ExitCode, Failure> {
    let (mut common, mut action) = (Common::default(), None);
    let (mut events, mut clients): (Option<PathBuf>, Option<PathBuf>) = (None, None);
    while let Some(option) = words.option() {
        match option.as_str() {
            "--help" | "-h" => {
                say(super::USAGE);
                return Ok(ExitCode::SUCCESS);
            }
            "--events" => events = Some(words.value(&option)?.into()),
            "--clients" => clients = Some(words.value(&option)?.into()),
            _ if common.take(&option, &mut words)? => {}
            _ => {
                let chosen = Action::of_option(&option, &mut words)?
                    .ok_or_else(|| args::unknown(&option))?;
                if action.replace(chosen).is_some() {
                    return Err(Failure::input(&option, "only one action at a time"));
                }
            }
        }
    }
    let events_path = args::required(events, "--events")?;
    let offered = read(&events_path)?;
    let file = args::suppliers(&args::required(clients, "--clients")?)?;
    let action = action.unwrap_or(Action::Notify);
    if matches!(action, Action::Notify | Action::EnqueueOnly) {
        let known = file.suppliers();
        if let Some(stranger) = offered
            .iter()
            .find(|offered| !known.contains_key(&offered.client))
        {
            let place = format!("{}: line {}: client", events_path.display(), stranger.line);
            return Err(Failure::input(
                place,
                format!("{} is not in the clients file", stranger.client),
            ));
        }
    }
    if let Action::Check = action {
        let dispatcher = stores::without_store(&common, file.clone())?;
        let clients: BTreeSet<_> = offered.iter().map(|offered| &offered.client).collect();
        let all_well = actions::check(&dispatcher, clients, &file, common.json).await;
        return Ok(if all_well {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        });
    }
    common.only_reads = matches!(action, Action::Show);
    let dispatcher = stores::dispatcher(&common, file.clone()).await?;
    let fulfilment = Fulfilment::new(&dispatcher);
    let mut keys: Vec<Key> = Vec::new();
    for offered in &offered {
        let key = fulfilment.key(&offered.client, &offered.event);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let well = match action {
        Action::Notify | Action::EnqueueOnly => {
            offer(
                &dispatcher,
                &offered,
                matches!(action, Action::Notify),
                common.json,
            )
            .await?
        }
        Action::Retry => actions::retry(&dispatcher, &keys, common.json).await?,
        Action::Resume => actions::resume(&dispatcher, &keys, common.json).await?,
        Action::Withdraw(reason) => {
            actions::withdraw(&dispatcher, &keys, &reason, common.json).await?
        }
        // A check has been made without a store.
        Action::Show | Action::Check => actions::show_all(&dispatcher, &keys, common.json).await?,
    };
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

/// The whole file is read before anything is stored.
fn read(path: &PathBuf) -> Result<Vec<Offered>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::input(path.display(), error))?;
    let filled = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    filled
        .map(|(n, line)| {
            let place = || format!("{}: line {}", path.display(), n + 1);
            let event = StageEvent::from_json(line.as_bytes())
                .map_err(|error| Failure::input(place(), error))?;
            let client = event
                .client()
                .cloned()
                .ok_or_else(|| Failure::input(place(), "client: is missing"))?;
            Ok(Offered {
                line: n + 1,
                client,
                event,
            })
        })
        .collect()
}

/// Offers each event in the order of the file; whether all were taken, and told if they were to be.
async fn offer(
    dispatcher: &Dispatcher,
    offered: &[Offered],
    tell: bool,
    json: bool,
) -> Result<bool, Failure> {
    let fulfilment = Fulfilment::new(dispatcher);
    let mut well = true;
    for Offered {
        line,
        client,
        event,
    } in offered
    {
        let key = fulfilment.key(client, event);
        let result = match tell {
            true => fulfilment.notify(client, event).await.map(|report| {
                let entry = report.entries.first();
                entry.and_then(|entry| Remark::of(entry.inserted, entry.difference.as_ref()))
            }),
            false => fulfilment.enqueue(client, event).await.map(|enqueued| {
                let stored = enqueued.stored.first();
                stored.and_then(|stored| Remark::of(stored.inserted, stored.difference.as_ref()))
            }),
        };
        match result {
            Ok(conflict) => {
                let is_conflict = conflict.is_some();
                let notification = dispatcher.notification(&key).await?;
                let Some(notification) = notification else {
                    return Err(Failure::Store(format!(
                        "line {line}: was stored and is gone"
                    )));
                };
                print(&notification, conflict, json);
                let told = matches!(
                    notification.state,
                    NotificationState::Notified { .. } | NotificationState::Closed { .. }
                );
                well &= !is_conflict && (told || !tell);
            }
            Err(FulfilmentError::NotAllowed(refused)) => {
                print_refused(*line, &refused, json);
                well = false;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(well)
}

/// Prints a refusal.
pub(super) fn print_refused(line: usize, refused: &NotAllowed, json: bool) {
    let allowed: Vec<&str> = refused
        .allowed()
        .iter()
        .map(|stage| stage.as_str())
        .collect();
    match json {
        true => {
            let refusal = json!({
                "line": line,
                "error": "not_allowed",
                "stage": refused.stage().as_str(),
                "child_order": refused.child().map(ChildId::as_str),
                "allowed": allowed,
                "why": refused.to_string(),
            });
            say(refusal);
        }
        false => say(format_args!("line {line}: refused: {refused}")),
    }
}
