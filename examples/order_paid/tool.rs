//! The tool: one order, one action, one line for each supplier.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use orderhook::{Dispatcher, Key, PaidOrder, SupplierId, SuppliersFile};

use super::support::actions::{self, Action};
use super::support::args::{self, Common, Words};
use super::support::output::{Remark, print};
use super::support::stores;
use super::support::{Failure, say};

/// Runs the tool with these words.
pub(super) async fn run(mut words: Words) -> Result<ExitCode, Failure> {
    let (mut common, mut action) = (Common::default(), None);
    let (mut order, mut suppliers): (Option<PathBuf>, Option<PathBuf>) = (None, None);
    while let Some(option) = words.option() {
        let chosen = match option.as_str() {
            "--help" | "-h" => {
                say(super::USAGE);
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
            _ if common.take(&option, &mut words)? => continue,
            _ => match Action::of_option(&option, &mut words)? {
                Some(action) => action,
                None => return Err(args::unknown(&option)),
            },
        };
        if action.replace(chosen).is_some() {
            return Err(Failure::input(&option, "only one action at a time"));
        }
    }
    let action = action.unwrap_or(Action::Notify);
    if let Action::Check = action {
        let order = order.map(|path| args::order(&path)).transpose()?;
        return check(
            &common,
            order.as_ref(),
            &args::suppliers(&args::required(suppliers, "--suppliers")?)?,
        )
        .await;
    }
    let order_path = args::required(order, "--order")?;
    let order = args::order(&order_path)?;
    let file = args::suppliers(&args::required(suppliers, "--suppliers")?)?;
    common.only_reads = matches!(action, Action::Show);
    if matches!(action, Action::Notify | Action::EnqueueOnly) {
        all_known(&order, &file, &order_path)?;
    }
    let dispatcher = stores::dispatcher(&common, file.clone()).await?;
    let told = act(&dispatcher, &order, action, common.json).await?;
    Ok(if told {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

/// Looks at the endpoints of the suppliers of an order, or of all suppliers.
async fn check(
    common: &Common,
    order: Option<&PaidOrder>,
    file: &SuppliersFile,
) -> Result<ExitCode, Failure> {
    let dispatcher = stores::without_store(common, file.clone())?;
    let suppliers = file.suppliers();
    let ids: BTreeSet<&SupplierId> = order.map_or_else(
        || suppliers.keys().collect(),
        |order| order.suppliers().collect(),
    );
    let all_well = actions::check(&dispatcher, ids, file, common.json).await;
    Ok(if all_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

/// Names the line of a supplier that is not in the file.
fn all_known(order: &PaidOrder, file: &SuppliersFile, path: &Path) -> Result<(), Failure> {
    let suppliers = file.suppliers();
    let stranger = order
        .lines()
        .iter()
        .enumerate()
        .find(|(_, line)| !suppliers.contains_key(line.supplier()));
    stranger.map_or(Ok(()), |(n, line)| {
        let problem = format!(
            "lines[{n}].supplier: {} is not in the suppliers file",
            line.supplier()
        );
        Err(Failure::input(path.display(), problem))
    })
}

async fn act(
    dispatcher: &Dispatcher,
    order: &PaidOrder,
    action: Action,
    json: bool,
) -> Result<bool, Failure> {
    let keys: Vec<Key> = order
        .suppliers()
        .map(|supplier| dispatcher.key(supplier, order.order_code()))
        .collect();
    match action {
        Action::Notify => {
            let report = dispatcher.notify(order).await?;
            for entry in &report.entries {
                let remark = Remark::of(entry.inserted, entry.difference.as_ref());
                print(&entry.notification, remark, json);
            }
            Ok(report.is_notified())
        }
        Action::EnqueueOnly => {
            let enqueued = dispatcher.enqueue(order).await?;
            for stored in &enqueued.stored {
                let remark = Remark::of(stored.inserted, stored.difference.as_ref());
                actions::show(dispatcher, &stored.key, remark, json).await?;
            }
            Ok(enqueued.conflicts().next().is_none())
        }
        Action::Retry => actions::retry(dispatcher, &keys, json).await,
        Action::Resume => actions::resume(dispatcher, &keys, json).await,
        Action::Withdraw(reason) => actions::withdraw(dispatcher, &keys, &reason, json).await,
        // A check has been made without a store.
        Action::Show | Action::Check => actions::show_all(dispatcher, &keys, json).await,
    }
}
