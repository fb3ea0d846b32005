//! The stores that are tried. A new one is a function that makes empty ones, and a test that hands it over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use rekeyd::store::Store;
use rekeyd::store::memory::MemoryStore;
use rekeyd::store::sqlite::SqliteStore;
use rekeyd::store::table::Table;
use rekeyd::store::table::memory::MemoryTable;

use super::claims::hold;
use super::process;
use crate::support::dynamo::StandIn;

/// Where stores are made.
#[async_trait]
pub trait Ground: Send + Sync {
    /// A place for one that holds nothing.
    async fn place(&self) -> Box<dyn Place>;
}

/// Where one store is.
pub trait Place: Send + Sync {
    /// Opens it, as a process that starts does. Whoever had it open before has let it go.
    fn open(&self) -> Arc<dyn Store>;
}

struct InMemory;

impl Place for Arc<MemoryStore> {
    fn open(&self) -> Arc<dyn Store> {
        self.clone()
    }
}

#[async_trait]
impl Ground for InMemory {
    async fn place(&self) -> Box<dyn Place> {
        Box::new(Arc::new(MemoryStore::new()))
    }
}

struct InFiles;

impl Place for tempfile::TempDir {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.path().join("state.db")).expect("opened"))
    }
}

#[async_trait]
impl Ground for InFiles {
    async fn place(&self) -> Box<dyn Place> {
        Box::new(tempfile::tempdir().expect("a folder"))
    }
}

struct InTables;

struct Shared(Arc<dyn Table>);

impl Place for Shared {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(process(&self.0, None))
    }
}

#[async_trait]
impl Ground for InTables {
    async fn place(&self) -> Box<dyn Place> {
        Box::new(Shared(Arc::new(MemoryTable::new())))
    }
}

struct InStandIn(StandIn, AtomicUsize);

#[async_trait]
impl Ground for InStandIn {
    async fn place(&self) -> Box<dyn Place> {
        let number = self.1.fetch_add(1, Ordering::Relaxed);
        Box::new(Shared(Arc::new(self.0.table(&format!("rekeyd-{number}")).await)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_memory_holds_every_claim() {
    hold(&InMemory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_a_file_holds_every_claim() {
    hold(&InFiles).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_a_table_of_simulations_holds_every_claim() {
    hold(&InTables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_a_table_of_dynalite_holds_every_claim() {
    hold(&InStandIn(StandIn::dynalite().await, AtomicUsize::new(0))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_a_table_of_moto_holds_every_claim() {
    hold(&InStandIn(StandIn::moto().await, AtomicUsize::new(0))).await;
}
