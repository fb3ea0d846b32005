//! Serverless caches.
