//! The ids that AWS gives to requests, for whoever keeps a log of them.

use std::cell::RefCell;
use std::future::Future;

tokio::task_local! {
    static LAST: RefCell<Option<String>>;
}

/// What a call gives, and the id of the last request that it made; none where AWS gave none, or did not answer.
pub async fn with_request_id<T>(call: impl Future<Output = T>) -> (T, Option<String>) {
    let listening = async {
        let result = call.await;
        (result, LAST.with(RefCell::take))
    };
    LAST.scope(RefCell::default(), listening).await
}

/// Notes the id of an answer, if anybody listens.
pub(super) fn note(id: Option<&str>) {
    // Most calls are reads, of which nobody wants to know.
    let _ = LAST.try_with(|last| *last.borrow_mut() = id.map(str::to_owned));
}
