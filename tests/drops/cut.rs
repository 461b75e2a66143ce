//! Futures that are dropped before they have come to their end.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use crate::points::Points;

/// Where a future is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// At its n-th await that is not over at once; it is polled when it is woken. At 0 before it is polled.
    Await(usize),
    /// When the n-th point of the work is reached, in whatever task that is done. The work stands still until the drop.
    Point(usize),
}

impl Cut {
    /// Whether the future is polled at all.
    pub(crate) fn begins(self) -> bool {
        !matches!(self, Cut::Await(0))
    }

    /// What the future answers, or `None` when it was dropped.
    pub(crate) async fn of<T>(self, points: &Points, future: impl Future<Output = T>) -> Option<T> {
        match self {
            Cut::Await(most) => drop_at(most, future).await,
            Cut::Point(n) => {
                let gate = points.stop_at(n);
                let answer = tokio::select! {
                    biased;
                    answer = future => Some(answer),
                    () = points.reached() => None,
                };
                points.clear();
                gate.open();
                answer
            }
        }
    }
}

/// Polls the future whenever it is woken, and drops it when it has not been ready for so many times.
pub(crate) async fn drop_at<T>(most: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut pending = 0;
    poll_fn(|context| {
        if pending == most {
            return Poll::Ready(None);
        }
        match future.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => {
                pending += 1;
                if pending == most {
                    Poll::Ready(None)
                } else {
                    Poll::Pending
                }
            }
        }
    })
    .await
}

/// Repeats a trial with a later drop each time until its future comes to its end; the trial says whether it was dropped.
pub(crate) async fn at_every_await(mut trial: impl AsyncFnMut(Cut) -> bool) {
    const MOST: usize = 1000;
    let mut dropped = 0;
    while trial(Cut::Await(dropped)).await {
        dropped += 1;
        assert!(dropped < MOST, "it does not come to its end");
    }
    assert!(dropped > 0, "it was dropped before its first poll at least");
    let mut point = 1;
    while trial(Cut::Point(point)).await {
        point += 1;
        assert!(point < MOST, "it does not come to its end");
    }
}
