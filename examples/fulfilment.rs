//! The stages of fulfilment orders, told in order.
//!
//! Without arguments: a demonstration with a real HTTPS receiver on this machine. With arguments: a tool, see `USAGE`.

#[cfg(feature = "fulfilment")]
#[path = "fulfilment/demo.rs"]
mod demo;
mod support;
#[cfg(feature = "fulfilment")]
#[path = "fulfilment/tool.rs"]
mod tool;

use std::process::ExitCode;

use support::Failure;

#[cfg(feature = "fulfilment")]
const USAGE: &str = "fulfilment: tells clients the stages of their orders, in order

  fulfilment                      a demonstration with a receiver on this machine
  fulfilment --events FILE.jsonl --clients FILE --store memory:|sqlite:PATH|postgres://..
             [--source NAME] [--ca PEM] [--allow-network CIDR].. [--timeout-ms N] [--lease-margin-ms N]
             [--enqueue-only | --retry | --resume | --withdraw REASON | --show | --check] [--json]

each line of the events file: {\"client\",\"parent_order\",\"child_order\"?,\"flow\":\"delivery|pickup\",
             \"prescription\"?:bool,\"stage\",\"occurred_at\"?,\"data\":{..}}

without an action: stores each event and sends it when it is its turn
  --show makes no store; --check touches none

exit status: 0; 2 something was refused or is not notified; 1 unusable input; 3 the store cannot be used";

#[tokio::main]
async fn main() -> ExitCode {
    support::log();
    match run().await {
        Ok(status) => status,
        Err(failure) => failure.report(),
    }
}

#[cfg(feature = "fulfilment")]
async fn run() -> Result<ExitCode, Failure> {
    let words = support::args::Words::of_process()?;
    if words.is_empty() {
        demo::run().await
    } else {
        tool::run(words).await
    }
}

#[cfg(not(feature = "fulfilment"))]
async fn run() -> Result<ExitCode, Failure> {
    Err(Failure::input(
        "fulfilment",
        "this program needs the feature: cargo run --example fulfilment --features fulfilment",
    ))
}
