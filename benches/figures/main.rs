//! The figures that rekeyd is held to, measured. Run: `make bench`.
//!
//! The processes that are measured are the ones that ship: release builds of `rekeyd run` and of
//! `rekeyd-sandbox`, which speak HTTP with each other, and real `redis-server` processes. This
//! program starts and watches them from outside. It prints and never fails on a figure.
//!
//! `ONLY=calls,restart` and `SIZE=100,1000` choose; what they may be is in `selection.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calls;
mod costs;
mod daemon;
mod drifting;
mod dynalite;
mod fleet;
mod floor;
mod http;
mod process;
mod replicas;
mod restarting;
mod resting;
mod rotating;
mod sandbox;
mod selection;
mod store;
mod table;

use std::path::Path;

use selection::{Section, Selection};
use table::Table;

/// What failed, in words: a bench has nobody who could handle it.
type Outcome<T> = Result<T, String>;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    if let Some((url, ca_file)) = calls::asked() {
        return runtime.block_on(calls::spend(&url, ca_file)).unwrap();
    }
    let selection = Selection::from_environment();
    process::build_what_ships();
    let mut table = Table::default();
    for section in Section::ALL.into_iter().filter(|section| selection.has(*section)) {
        for size in selection.sizes(section) {
            table::progress(&format!("{}: {size} secrets", section.name()));
            let measured = runtime.block_on(measure(section, size, &mut table));
            if let Err(failure) = measured {
                table.failed(section.name(), size, &failure);
            }
        }
    }
    table.print();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .join("bench.json");
    table.write(&file);
    println!("\n{}", file.display());
}

async fn measure(section: Section, size: usize, table: &mut Table) -> Outcome<()> {
    match section {
        Section::Rotation => rotating::measure(size, table).await,
        Section::Memory => rotating::measure_memory(size, table).await,
        Section::Drift => drifting::measure(size, table).await,
        Section::Rest => resting::measure(size, table).await,
        Section::Replicas => replicas::measure(size, table).await,
        Section::Restart => restarting::measure(size, table).await,
        Section::Costs => {
            costs::measure(table).await;
            calls::measure(table).await
        }
    }
}
