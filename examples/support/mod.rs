//! What the example programs share: options, stores, output. Not part of the library.
#![allow(dead_code, unreachable_pub, reason = "each example uses its part")]

pub mod actions;
pub mod args;
pub mod output;
pub mod stores;

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// Why a program ends early, with the exit status that scripts see.
#[derive(Debug)]
pub enum Failure {
    /// 1: unusable input; nothing was sent and nothing stored.
    Input(String),
    /// 3: the store cannot be used.
    Store(String),
}

impl Failure {
    /// Input that cannot be used, at this place.
    pub fn input(place: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Failure::Input(format!("{place}: {problem}"))
    }

    /// Says it on stderr, in one line.
    pub fn report(&self) -> ExitCode {
        let (text, status) = match self {
            Failure::Input(text) => (text, 1),
            Failure::Store(text) => (text, 3),
        };
        complain(text.replace('\n', " "));
        ExitCode::from(status)
    }
}

impl From<orderhook::Error> for Failure {
    fn from(error: orderhook::Error) -> Self {
        let text = with_causes(&error);
        match error {
            orderhook::Error::Store(_) | orderhook::Error::Panicked => Failure::Store(text),
            _ => Failure::Input(text),
        }
    }
}

#[cfg(feature = "fulfilment")]
impl From<orderhook::fulfilment::FulfilmentError> for Failure {
    fn from(error: orderhook::fulfilment::FulfilmentError) -> Self {
        match error {
            orderhook::fulfilment::FulfilmentError::Dispatch(error) => error.into(),
            error => Failure::Input(with_causes(&error)),
        }
    }
}

/// Says a line on stdout. The work goes on when its reader is gone.
pub fn say(line: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Says a line on stderr. The work goes on when its reader is gone.
pub fn complain(line: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Logs go to stderr: warnings, or what `RUST_LOG` says (`error`, `warn`, `info`, `debug`, `trace`, `off`).
pub fn log() {
    let level = std::env::var("RUST_LOG")
        .ok()
        .and_then(|level| level.parse().ok());
    let level = level.unwrap_or(tracing_subscriber::filter::LevelFilter::WARN);
    let logs = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // A log that cannot be written is no reason to end.
    logs.log_internal_errors(false).init();
}

/// An error and its causes in one line. Some errors repeat their cause in their own text; it is said once.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes =
        std::iter::successors(error.source(), |error| error.source()).map(ToString::to_string);
    causes.fold(error.to_string(), |text, cause| {
        if text.ends_with(&cause) {
            text
        } else {
            format!("{text}: {cause}")
        }
    })
}
