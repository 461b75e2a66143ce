//! One measurement: its clocks, its result, and calls side by side.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use super::machine;

/// How many are under way at once, unless a row says otherwise.
pub(crate) const IN_FLIGHT: usize = 64;

/// What one process has measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) number: usize,
    pub(crate) wall_us: u64,
    pub(crate) cpu_us: u64,
    /// How many POSTs the receiver must have seen, each once, if that is known.
    pub(crate) arrive: Option<usize>,
    /// Commits, bytes, and whatever else belongs to the row.
    pub(crate) other: BTreeMap<String, f64>,
    /// When an order began, in microseconds of the machine's clock.
    pub(crate) began: Vec<(usize, u64)>,
    /// The receiver's times of the orders that are in `began`, from there.
    #[serde(default)]
    pub(crate) latencies: Vec<u64>,
    /// The receiver's times of all orders, in microseconds of the machine's clock.
    #[serde(default)]
    pub(crate) arrivals: Vec<u64>,
}

impl Measured {
    pub(crate) fn with(mut self, name: &str, value: f64) -> Measured {
        self.other.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn cpu_us_each(&self) -> f64 {
        self.cpu_us as f64 / self.number as f64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.number as f64 * 1e6 / self.wall_us as f64
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, cpu) = (self.per_second(), self.cpu_us_each());
        write!(f, "{rate:.0}/s, {cpu:.1} us of CPU each")?;
        if !self.other.is_empty() {
            write!(f, ", {:?}", self.other)?;
        }
        Ok(())
    }
}

/// A measurement that has begun.
pub(crate) struct Watch {
    wall: u64,
    cpu: u64,
}

impl Watch {
    pub(crate) fn start() -> Watch {
        Watch {
            wall: machine::now_us(),
            cpu: machine::cpu_us(),
        }
    }

    /// Its end, after so many deliveries and so many more before it began.
    pub(crate) fn stop(self, number: usize, warm_up: usize) -> Measured {
        Measured {
            number,
            wall_us: machine::now_us() - self.wall,
            cpu_us: machine::cpu_us() - self.cpu,
            arrive: Some(number + warm_up),
            ..Measured::default()
        }
    }
}

/// `number` calls from `first` on, [`IN_FLIGHT`] of them at once.
pub(crate) async fn side_by_side<F: Future<Output = ()> + Send + 'static>(
    number: usize,
    first: usize,
    call: impl Fn(usize) -> F + Clone + Send + 'static,
) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (next, call) = (Arc::clone(&next), call.clone());
        tasks.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= number {
                    break;
                }
                // The future is made first, so that the closure need not be Sync.
                let calling = call(first + n);
                calling.await;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}
