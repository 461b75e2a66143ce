//! A paid order goes in, its suppliers are told.
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
             [--enqueue-only | --retry | --resume | --withdraw REASON | --show | --check] [--json]

exit status: 0 told (or stored, or withdrawn, as asked); 2 something is not told; 1 unusable input; 3 the store failed";

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
    if words.is_empty() { demo::run().await } else { tool::run(words).await }
}
