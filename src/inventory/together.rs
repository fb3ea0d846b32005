//! Several reads, or saves, at once, their results in the order that they were asked for.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// How many reads go on at once: enough to hide the network, too few to be throttled for.
const AT_ONCE: usize = 16;

type Reading<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The results of `read` for every item, in the items' order.
pub(crate) async fn each<'a, I, T, F>(items: impl IntoIterator<Item = I>, read: impl Fn(I) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'a,
{
    let mut items = items.into_iter().peekable();
    let mut results = Vec::new();
    while items.peek().is_some() {
        let batch = items
            .by_ref()
            .take(AT_ONCE)
            .map(|item| Box::pin(read(item)) as Reading<'a, T>);
        results.extend(all(batch.collect()).await);
    }
    results
}

async fn all<T>(readings: Vec<Reading<'_, T>>) -> Vec<T> {
    let mut readings: Vec<_> = readings.into_iter().map(Err).collect();
    poll_fn(|context| {
        let mut pending = false;
        for slot in &mut readings {
            if let Err(reading) = slot {
                match reading.as_mut().poll(context) {
                    Poll::Ready(result) => *slot = Ok(result),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    readings.into_iter().filter_map(Result::ok).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn results_come_in_order_and_so_many_reads_overlap() {
        let (open, most) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
        let results = each(0..40, |index| async move {
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in index..40 {
                tokio::task::yield_now().await; // the later ones are done first
            }
            open.fetch_sub(1, Ordering::SeqCst);
            index
        })
        .await;
        assert_eq!(results, (0..40).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::SeqCst), AT_ONCE);
    }
}
