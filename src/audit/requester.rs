//! Who asked for what is done just now: known to the surface that took the request, told by the engine to the store.

use std::future::Future;

tokio::task_local! {
    static REQUESTER: String;
}

/// Carries out a request for somebody, named in words such as `alice`.
pub async fn on_behalf_of<T>(requester: String, request: impl Future<Output = T>) -> T {
    REQUESTER.scope(requester, request).await
}

/// Who asked for what this task does; nothing if nobody did.
pub fn requester() -> Option<String> {
    REQUESTER.try_with(Clone::clone).ok()
}
