//! The options that the tools have in common.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use orderhook::value::Network;
use orderhook::{DispatcherBuilder, Error, PaidOrder, RetryPolicy, Source, SuppliersFile};

use super::Failure;

/// The words of the command line, taken out one by one.
pub struct Words {
    words: std::vec::IntoIter<String>,
}

impl Words {
    /// Of this process.
    pub fn of_process() -> Result<Self, Failure> {
        let text = |word: std::ffi::OsString| {
            word.into_string()
                .map_err(|_| Failure::input("command line", "must be UTF-8"))
        };
        let words: Vec<_> = std::env::args_os()
            .skip(1)
            .map(text)
            .collect::<Result<_, _>>()?;
        Ok(Words {
            words: words.into_iter(),
        })
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.words.as_slice().is_empty()
    }

    /// The next option, with the value of `--option=value` put back.
    pub fn option(&mut self) -> Option<String> {
        let word = self.words.next()?;
        match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => {
                let rest: Vec<_> = std::iter::once(value.to_owned())
                    .chain(self.words.by_ref())
                    .collect();
                self.words = rest.into_iter();
                Some(option.to_owned())
            }
            _ => Some(word),
        }
    }

    /// The value of an option.
    pub fn value(&mut self, option: &str) -> Result<String, Failure> {
        self.words
            .next()
            .ok_or_else(|| Failure::input(option, "needs a value"))
    }

    /// The value of an option, read.
    pub fn parsed<T: FromStr>(&mut self, option: &str, right: &str) -> Result<T, Failure> {
        self.value(option)?
            .parse()
            .map_err(|_| Failure::input(option, format!("must be {right}")))
    }

    /// A number of milliseconds.
    pub fn millis(&mut self, option: &str) -> Result<Duration, Failure> {
        self.parsed(option, "a number of milliseconds")
            .map(Duration::from_millis)
    }
}

/// What every tool takes.
pub struct Common {
    pub store: Option<String>,
    pub source: String,
    pub ca: Option<PathBuf>,
    pub networks: Vec<Network>,
    pub timeout: Duration,
    pub lease_margin: Duration,
    pub json: bool,
    /// A store that is not there is not made: the program only reads.
    pub only_reads: bool,
    pub concurrency: Option<NonZeroUsize>,
    pub retry: Option<RetryPolicy>,
}

impl Default for Common {
    fn default() -> Self {
        Common {
            store: None,
            source: "example".to_owned(),
            ca: None,
            networks: Vec::new(),
            timeout: Duration::from_secs(60),
            lease_margin: Duration::from_secs(5),
            json: false,
            only_reads: false,
            concurrency: None,
            retry: None,
        }
    }
}

impl Common {
    /// Takes an option if it is one of these.
    pub fn take(&mut self, option: &str, words: &mut Words) -> Result<bool, Failure> {
        match option {
            "--store" => self.store = Some(words.value(option)?),
            "--source" => self.source = words.value(option)?,
            "--ca" => self.ca = Some(words.value(option)?.into()),
            "--allow-network" => {
                let network = words.value(option)?.parse();
                self.networks
                    .push(network.map_err(|error| Failure::input(option, error))?);
            }
            "--timeout-ms" => self.timeout = words.millis(option)?,
            "--lease-margin-ms" => self.lease_margin = words.millis(option)?,
            "--json" => self.json = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The name of the installation.
    pub fn source(&self) -> Result<Source, Failure> {
        Source::new(&self.source).map_err(|error| Failure::input("--source", error))
    }

    /// Sets everything here that a dispatcher takes.
    pub fn apply(&self, builder: DispatcherBuilder) -> Result<DispatcherBuilder, Failure> {
        let mut builder = builder
            .timeout(self.timeout)
            .lease_margin(self.lease_margin);
        if let Some(number) = self.concurrency {
            builder = builder.concurrency(number);
        }
        if let Some(policy) = self.retry {
            builder = builder.retry(policy);
        }
        for network in &self.networks {
            builder = builder.allow_network(*network);
        }
        if let Some(path) = &self.ca {
            let pem = fs::read(path).map_err(|error| Failure::input(path.display(), error))?;
            builder = builder.root_certificate(pem);
        }
        Ok(builder)
    }
}

impl Common {
    /// A refusal to build a dispatcher, at the place where it was set.
    pub fn blamed(&self, error: Error) -> Failure {
        match (&error, &self.ca) {
            (Error::RootCertificate, Some(path)) => Failure::input(path.display(), error),
            (
                Error::InvalidArgument {
                    argument: "timeout",
                    problem,
                },
                _,
            ) => Failure::input("--timeout-ms", problem),
            (
                Error::InvalidArgument {
                    argument: "lease_margin",
                    problem,
                },
                _,
            ) => Failure::input("--lease-margin-ms", problem),
            _ => error.into(),
        }
    }
}

/// An option that does not exist.
pub fn unknown(option: &str) -> Failure {
    Failure::input(option, "is not a known option")
}

/// A path that must have been given.
pub fn required<T>(value: Option<T>, option: &str) -> Result<T, Failure> {
    value.ok_or_else(|| Failure::input(option, "is required"))
}

/// Reads an order.
pub fn order(path: &PathBuf) -> Result<PaidOrder, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::input(path.display(), error))?;
    PaidOrder::from_json(&bytes).map_err(|error| Failure::input(path.display(), error))
}

/// Reads the suppliers.
pub fn suppliers(path: &PathBuf) -> Result<SuppliersFile, Failure> {
    SuppliersFile::open(path).map_err(|error| Failure::input(path.display(), error))
}
