//! A small marketplace backend: the handler that runs when an order is paid answers at once, and a worker notifies
//! the suppliers.
//!
//!     axum_handler --suppliers examples/suppliers.json --store memory: --port 8080
//!     curl -i -H content-type:application/json --data @examples/paid-order.json localhost:8080/orders/MKT-1001/paid
//!     curl localhost:8080/orders/MKT-1001

mod support;

use std::future::IntoFuture;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use orderhook::notification::OrderState;
use orderhook::report::OrderReport;
use orderhook::{Dispatcher, Error, OrderCode, PaidOrder, Worker};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use support::Failure;
use support::args::{self, Common, Words};
use support::{complain, output, say, stores, with_causes};

const USAGE: &str = "axum_handler: a marketplace backend that tells suppliers about paid orders

  axum_handler --suppliers FILE --store memory:|sqlite:PATH|postgres://.. [--port N] [--source NAME] [--ca PEM]
               [--allow-network CIDR].. [--timeout-ms N] [--lease-margin-ms N] [--grace-ms N]

  POST /orders/{id}/paid   the order as JSON: 202 when it is stored; 400, 409 and 422 when it is not; 503 try again
  GET  /orders/{id}        where the order stands

listens on 127.0.0.1 and prints its address; SIGTERM and SIGINT: no new request, drain (10000 ms), exit 0
exit status: 0; 1 unusable input; 3 the store cannot be used";

#[tokio::main]
async fn main() -> ExitCode {
    support::log();
    match run().await {
        Ok(status) => status,
        Err(failure) => failure.report(),
    }
}

async fn run() -> Result<ExitCode, Failure> {
    let mut words = Words::of_process()?;
    let mut common = Common::default();
    let mut suppliers: Option<PathBuf> = None;
    let (mut port, mut grace) = (8080, Duration::from_secs(10));
    while let Some(option) = words.option() {
        match option.as_str() {
            "--help" | "-h" => {
                say(USAGE);
                return Ok(ExitCode::SUCCESS);
            }
            "--suppliers" => suppliers = Some(words.value(&option)?.into()),
            "--port" => port = words.parsed::<u16>(&option, "a port from 0 to 65535")?,
            "--grace-ms" => grace = words.millis(&option)?,
            _ if common.take(&option, &mut words)? => {}
            _ => return Err(args::unknown(&option)),
        }
    }
    let file = args::suppliers(&args::required(suppliers, "--suppliers")?)?;
    let dispatcher = stores::dispatcher(&common, file).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|error| Failure::input("--port", error))?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::input("--port", error))?;
    say(format_args!("http://{address}"));
    serve(listener, dispatcher, grace).await?;
    Ok(ExitCode::SUCCESS)
}

/// Serves until a signal comes. First HTTP stops, so that nothing new is promised; then the worker drains.
async fn serve(
    listener: TcpListener,
    dispatcher: Dispatcher,
    grace: Duration,
) -> Result<(), Failure> {
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(async move {
        signalled().await;
        stop.send_replace(true);
    });

    let (no_more, http_is_over) = watch::channel(false);
    let worker = Worker::new(&dispatcher).with_grace(grace);
    let worker = tokio::spawn(async move { worker.run_until(becomes_true(http_is_over)).await });

    let http = axum::serve(listener, app(dispatcher.clone()))
        .with_graceful_shutdown(becomes_true(stopping.clone()));
    let mut http = pin!(http.into_future());
    let patience = async {
        becomes_true(stopping).await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        served = &mut http => served.map_err(|error| Failure::input("HTTP", error))?,
        // A client that does not finish its request does not keep us.
        () = patience => {}
    }
    no_more.send_replace(true);
    worker
        .await
        .map_err(|_| Failure::Store("the worker panicked".into()))?;
    dispatcher.shutdown(Duration::ZERO).await;
    Ok(())
}

fn app(dispatcher: Dispatcher) -> Router {
    Router::new()
        .route("/orders/{id}/paid", post(order_paid))
        .route("/orders/{id}", get(order))
        .with_state(dispatcher)
}

/// The order was paid. One durable write; the worker notifies the suppliers.
async fn order_paid(
    State(dispatcher): State<Dispatcher>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let order = PaidOrder::from_json(&body)
        .map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))?;
    if order.order_code().as_str() != id {
        return Err(Refusal(
            StatusCode::BAD_REQUEST,
            "order_code: is not the one in the path".into(),
        ));
    }
    let enqueued = dispatcher.enqueue(&order).await?;
    let conflicts: Vec<_> = enqueued
        .conflicts()
        .map(|stored| match &stored.difference {
            Some(difference) => format!("{} ({difference})", stored.key.supplier),
            None => stored.key.supplier.to_string(),
        })
        .collect();
    if !conflicts.is_empty() {
        let why = format!(
            "stored before with other content for {}; the first stays",
            conflicts.join(", ")
        );
        return Err(Refusal(StatusCode::CONFLICT, why));
    }
    let ids: Vec<_> = enqueued
        .stored
        .iter()
        .map(|stored| stored.event_id.as_str())
        .collect();
    Ok((
        StatusCode::ACCEPTED,
        Json(json!({ "order_code": id, "notifications": ids })),
    )
        .into_response())
}

/// Where an order stands.
async fn order(
    State(dispatcher): State<Dispatcher>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let not_found = || Refusal(StatusCode::NOT_FOUND, "no such order".into());
    let code = OrderCode::new(&id).map_err(|_| not_found())?;
    let OrderReport {
        state,
        notifications,
        ..
    } = dispatcher.order(&code).await?.ok_or_else(not_found)?;
    let state = match state {
        OrderState::Notified => "told",
        OrderState::InProgress => "in_progress",
        _ => "error",
    };
    let notifications: Vec<_> = notifications
        .iter()
        .map(|notification| output::as_json(notification, None))
        .collect();
    Ok(Json(
        json!({ "order_code": id, "state": state, "notifications": notifications }),
    ))
}

/// The answer to the caller when it could not be done.
struct Refusal(StatusCode, String);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match &error {
            _ if error.is_transient() => StatusCode::SERVICE_UNAVAILABLE,
            Error::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Error::UnknownSupplier { .. } | Error::Event(_) => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let text = match status {
            StatusCode::UNPROCESSABLE_ENTITY => error.to_string(),
            // Whose fault it is within the house is for the log.
            _ => {
                complain(with_causes(&error));
                "not stored; the same call may be repeated".to_owned()
            }
        };
        Refusal(status, text)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal(status, text) = self;
        let body = Json(json!({ "error": text }));
        match status {
            StatusCode::SERVICE_UNAVAILABLE => (status, [(RETRY_AFTER, "1")], body).into_response(),
            _ => (status, body).into_response(),
        }
    }
}

async fn becomes_true(mut state: watch::Receiver<bool>) {
    // There is nothing left to report to: the program ends.
    let _ = state.wait_for(|is| *is).await;
}

/// Resolves at the first SIGTERM or SIGINT.
async fn signalled() {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
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
