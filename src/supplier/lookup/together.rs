//! Several futures at once.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

/// The results of the futures, in their order; at most so many of them are under way at a time.
pub(super) async fn at_most<F: Future>(
    most: usize,
    mut futures: impl Iterator<Item = F> + Send,
) -> Vec<F::Output> {
    // Most orders have one supplier.
    let Some(first) = futures.next() else {
        return Vec::new();
    };
    let Some(second) = futures.next() else {
        return vec![first.await];
    };
    let mut waiting = [first, second].into_iter().chain(futures).enumerate();
    let mut under_way: Vec<(usize, Pin<Box<F>>)> = Vec::with_capacity(most);
    let mut results = Vec::new();
    std::future::poll_fn(|context| {
        loop {
            let room = most - under_way.len();
            let begun = waiting.by_ref().take(room);
            under_way.extend(begun.map(|(n, future)| (n, Box::pin(future))));
            let before = results.len();
            under_way.retain_mut(|(n, future)| match future.as_mut().poll(context) {
                Poll::Ready(result) => {
                    results.push((*n, result));
                    false
                }
                Poll::Pending => true,
            });
            if under_way.is_empty() && results.len() == before {
                return Poll::Ready(());
            }
            // One that has begun in the room of another has to be polled once.
            if results.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await;
    results.sort_by_key(|(n, _)| *n);
    results.into_iter().map(|(_, result)| result).collect()
}
