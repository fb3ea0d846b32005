//! `rekeyd state import`.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::args::ImportArgs;
use super::place::{Opened, Place};
use super::{blocking, counted, failed};
use crate::audit::command::CommandTrail;
use crate::audit::{Change, Outcome, Subject};
use crate::cli::exit::Exit;
use crate::cli::show::pretty;
use crate::cli::text::clean;
use crate::cli::{CliError, Reply, Session};
use crate::clock::Timestamp;
use crate::config::{Config, Daemon};
use crate::metrics::Metrics;
use crate::store::exported::{Exported, Header};

/// Imports into an empty store.
pub(super) async fn import(config: &Config, args: ImportArgs, session: &Session) -> Result<Reply, CliError> {
    let file = args.file.clone();
    // Whole and sound, before anything is opened or made.
    let exported = blocking("import", move || read(&file)).await?;
    let header = exported.header.clone();
    let place = Place::of(config, session).await?;
    let name = place.name();
    let opened = place.opened(&exported).await?;
    announced((&config.daemon, &name), &args, &opened, exported, session).await?;
    let report = Report {
        store: &name,
        exported_at: header.exported_at,
        release: &header.release,
        records: header.records,
        history: header.history,
        outbox: header.outbox,
    };
    let text = match (args.json, session.terminal) {
        (true, _) => pretty(&report)?,
        (false, true) => clean(&report.words()) + "\n",
        (false, false) => String::new(),
    };
    Ok(Reply::new(Exit::Done, text))
}

/// `state import --json`.
#[derive(Serialize)]
struct Report<'a> {
    store: &'a str,
    exported_at: Timestamp,
    /// That wrote the file.
    release: &'a str,
    records: usize,
    history: usize,
    /// Notifications that waited.
    outbox: usize,
}

impl Report<'_> {
    fn words(&self) -> String {
        format!(
            "{}: {}, exported at {} by release {}",
            self.store,
            counted(self.records, self.history, self.outbox),
            self.exported_at.format("%Y-%m-%d %H:%M:%SZ"),
            self.release
        )
    }
}

/// Reads the file, or says what is wrong with it.
fn read(file: &Path) -> Result<Exported, CliError> {
    let (name, bytes) = match file == Path::new("-") {
        true => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            ("standard input".to_owned(), read.map(|_| bytes))
        }
        false => (file.display().to_string(), std::fs::read(file)),
    };
    let bytes = bytes.map_err(|error| CliError::Run(format!("{name} cannot be read: {error}")))?;
    Exported::read(&bytes).map_err(|unreadable| {
        let words = format!("{name}: {unreadable}. Nothing was written");
        CliError::Refused(clean(&words))
    })
}

/// Fills the store, between two lines of the audit log.
async fn announced(
    (settings, name): (&Daemon, &str),
    args: &ImportArgs,
    store: &Opened,
    exported: Exported,
    session: &Session,
) -> Result<(), CliError> {
    let unaudited = |error: crate::audit::AuditError| {
        CliError::Run(format!(
            "{error}. This command writes to it too: run it as the daemon's user"
        ))
    };
    let file = settings.audit_log.as_deref();
    let metrics = Arc::new(Metrics::new(&[]));
    let audit = CommandTrail::open(file, session.clock.clone(), metrics).await;
    let audit = audit.map_err(unaudited)?;
    let begun = audit.begin(Change::StateImport, subject(name, args, &exported.header));
    let begun = begun.await.map_err(unaudited)?;
    let filled = store.fill(exported).await;
    let (outcome, error) = match &filled {
        Ok(()) => (Outcome::Done, None),
        Err(error) => (Outcome::Failed, Some(error.to_string())),
    };
    audit.end(&begun, outcome, error).await;
    filled.map_err(failed)
}

fn subject(store: &str, args: &ImportArgs, header: &Header) -> Subject {
    Subject {
        request: Some(json!({
            "file": args.file.display().to_string(),
            "store": store,
            "records": header.records,
            "history": header.history,
            "outbox": header.outbox,
            "exported_at": header.exported_at,
        })),
        ..Subject::default()
    }
}
