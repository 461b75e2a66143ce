//! Stores a paid order and notifies its suppliers.
//!
//! Without arguments: a demonstration with real HTTPS receivers on this machine. With arguments: a tool, see `USAGE`.

#[path = "order_paid/demo.rs"]
mod demo;
mod support;
#[path = "order_paid/tool.rs"]
mod tool;

use std::process::ExitCode;

use support::Failure;
use support::args::Words;

const USAGE: &str = "order_paid: tells the suppliers of a paid order, once

  order_paid                      a demonstration with receivers on this machine
  order_paid --order FILE --suppliers FILE --store memory:|sqlite:PATH|postgres://..
             [--source NAME] [--ca PEM] [--allow-network CIDR].. [--timeout-ms N] [--lease-margin-ms N]
             [--enqueue-only | --retry | --resume | --withdraw REASON | --show] [--json]
  order_paid --check --suppliers FILE [--order FILE] [--ca PEM] [--allow-network CIDR].. [--timeout-ms N] [--json]

without an action: stores what is new, and does one round for what is new or due
  --enqueue-only     only stores
  --retry            tries at once what is pending, failed, or abandoned
  --resume           reopens what failed because of the configuration, and tries it
  --withdraw REASON  closes what is not notified yet
  --show             only reports; makes no store
  --check            what the guard, DNS and TLS say about each endpoint, of the order's suppliers or of all; sends no order

exit status: 0 notified (or stored, or withdrawn, as asked); 2 something is not notified; 1 unusable input;
             3 the store cannot be used";

#[tokio::main]
async fn main() -> ExitCode {
    support::log();
    match run().await {
        Ok(status) => status,
        Err(failure) => failure.report(),
    }
}

async fn run() -> Result<ExitCode, Failure> {
    let words = Words::of_process()?;
    if words.is_empty() {
        demo::run().await
    } else {
        tool::run(words).await
    }
}
