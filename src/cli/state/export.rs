//! `rekeyd state export`.

use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;

use serde::Serialize;
use tempfile::NamedTempFile;

use super::args::ExportArgs;
use super::{counted, failed};
use crate::cli::exit::Exit;
use crate::cli::show::pretty;
use crate::cli::text::clean;
use crate::cli::{CliError, Reply};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::exported::{Contents, FORMAT, Header};
use crate::store::sqlite::{Counts, Snapshot};

/// What is exported.
pub(super) enum Source {
    /// A file, as it is at a moment.
    File(Snapshot),
    /// All that a table held.
    Table(Contents),
}

impl Source {
    /// The file of a store.
    pub(super) fn of_file(path: &Path) -> Result<Self, CliError> {
        let snapshot = Snapshot::open(path).map_err(failed)?;
        snapshot.map(Self::File).ok_or_else(|| {
            CliError::Run(format!(
                "{}: there is no such store; the configuration names it in `daemon.state`",
                path.display()
            ))
        })
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        match self {
            Self::File(snapshot) => snapshot.counts(),
            Self::Table(contents) => Ok(Counts {
                records: contents.records.len(),
                history: contents.history.len(),
                outbox: contents.outbox.len(),
                unreadable: contents.unreadable,
            }),
        }
    }

    /// Writes a line for each thing in it.
    fn lines(&self, to: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::File(snapshot) => {
                snapshot.records(|record| line(to, &record))??;
                snapshot.history(|entry| line(to, &entry))??;
                snapshot.outbox(|outgoing| line(to, &outgoing))?
            }
            Self::Table(contents) => {
                contents.records.iter().try_for_each(|record| line(to, record))?;
                contents.history.iter().try_for_each(|entry| line(to, entry))?;
                contents.outbox.iter().try_for_each(|outgoing| line(to, outgoing))
            }
        }
    }

    /// That it was of one moment. What a table held never is, and needs not be.
    fn is_of_one_moment(&self) -> Result<(), StoreError> {
        match self {
            Self::File(snapshot) => snapshot.is_of_one_moment(),
            Self::Table(_) => Ok(()),
        }
    }
}

/// Exports what the store of this name holds.
pub(super) fn export(
    store: &str,
    source: &Source,
    args: &ExportArgs,
    now: Timestamp,
    terminal: bool,
) -> Result<Reply, CliError> {
    let counts = source.counts().map_err(failed)?;
    let header = Header {
        rekeyd_state: FORMAT,
        exported_at: now,
        release: env!("CARGO_PKG_VERSION").to_owned(),
        records: counts.records,
        history: counts.history,
        outbox: counts.outbox,
    };
    match &args.out {
        Some(out) => to_file(source, &header, out)?,
        None => to_standard_output(source, &header)?,
    }
    let reply = Reply::new(Exit::Done, told(store, args, &header, counts, terminal)?);
    let left_out = (counts.unreadable > 0).then(|| {
        format!(
            "{} that cannot be read, of the log's warnings, are left out: rekeyd does not go by them either",
            counts.unreadable
        )
    });
    Ok(reply.with_caution(left_out))
}

/// `state export --json`.
#[derive(Serialize)]
struct Report<'a> {
    store: &'a str,
    file: &'a Path,
    exported_at: Timestamp,
    records: usize,
    history: usize,
    /// Notifications that wait.
    outbox: usize,
    /// Rows that cannot be read.
    left_out: usize,
}

fn told(store: &str, args: &ExportArgs, header: &Header, counts: Counts, terminal: bool) -> Result<String, CliError> {
    let Some(file) = &args.out else {
        return Ok(String::new());
    };
    if args.json {
        return pretty(&Report {
            store,
            file,
            exported_at: header.exported_at,
            records: counts.records,
            history: counts.history,
            outbox: counts.outbox,
            left_out: counts.unreadable,
        });
    }
    let line = format!(
        "{}: {} of {}",
        file.display(),
        counted(counts.records, counts.history, counts.outbox),
        store
    );
    Ok(if terminal { clean(&line) + "\n" } else { String::new() })
}

/// Why it was not written.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Written(#[from] std::io::Error),
    #[error(transparent)]
    Line(#[from] serde_json::Error),
}

/// Writes a whole export.
fn write(source: &Source, header: &Header, to: impl Write) -> Result<(), Failure> {
    let mut to = BufWriter::new(to);
    line(&mut to, header)?;
    source.lines(&mut to)?;
    to.flush()?;
    Ok(source.is_of_one_moment()?)
}

fn line(to: &mut impl Write, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)?;
    Ok(writeln!(to, "{text}")?)
}

/// A reader that has seen enough is no error.
fn to_standard_output(source: &Source, header: &Header) -> Result<(), CliError> {
    match write(source, header, std::io::stdout().lock()) {
        Err(Failure::Written(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(Failure::Written(error)) => Err(CliError::Run(format!("standard output cannot be written: {error}"))),
        other => other.map_err(of_store),
    }
}

/// Under its name only when it is whole and on the disk, and never in the place of another.
fn to_file(source: &Source, header: &Header, out: &Path) -> Result<(), CliError> {
    let there = || {
        CliError::Refused(format!(
            "{} is there already and is not overwritten: name another file, or move it away",
            out.display()
        ))
    };
    if out.symlink_metadata().is_ok() {
        return Err(there());
    }
    let folder = match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let unwritten = |error: std::io::Error| CliError::Run(format!("{} cannot be written: {error}", out.display()));
    // With mode 0600, and removed unless it gets its name.
    let draft = NamedTempFile::with_prefix_in(".rekeyd-state-", folder).map_err(unwritten)?;
    match write(source, header, draft.as_file()) {
        Err(Failure::Written(error)) => return Err(unwritten(error)),
        other => other.map_err(of_store)?,
    }
    draft.as_file().sync_all().map_err(unwritten)?;
    draft.persist_noclobber(out).map_err(|error| match error.error.kind() {
        ErrorKind::AlreadyExists => there(),
        _ => unwritten(error.error),
    })?;
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(unwritten)
}

fn of_store(failure: Failure) -> CliError {
    match failure {
        Failure::Store(error) => failed(error),
        other => CliError::Run(other.to_string()),
    }
}
