//! rekeyd's store, read from outside: that costs the daemon nothing, unlike asking it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rekeyd::clock::{Clock, SystemClock};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::state::Record;
use rekeyd::store::sqlite::SqliteStore;
use rusqlite::{Connection, OpenFlags};
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::fleet::Made;

/// How often an event happened, and when.
pub(crate) struct Happenings {
    pub(crate) count: usize,
    pub(crate) first: DateTime<Utc>,
    pub(crate) last: DateTime<Utc>,
}

/// The file.
pub(crate) struct Store(PathBuf);

impl Store {
    pub(crate) fn of(files: &Path) -> Self {
        Self(files.join("state.db"))
    }

    /// Makes the store of a rekeyd that has checked every secret a moment ago. Without, it would
    /// check 50 a second after its start, 33 minutes long for 100,000.
    pub(crate) fn make(&self, secrets: &[Made]) -> Outcome<()> {
        SqliteStore::open(&self.0).map_err(|error| error.to_string())?;
        self.fill(secrets).map_err(|error| error.to_string())
    }

    fn fill(&self, secrets: &[Made]) -> Result<(), Box<dyn std::error::Error>> {
        let now = SystemClock::new().now();
        let mut connection = Connection::open(&self.0)?;
        let transaction = connection.transaction()?;
        for secret in secrets {
            let checked = Event::Checked {
                version: secret.version.clone(),
                proof: Proof::Proven,
                nodes: 1,
            };
            let record = Record::new(secret.arn.clone(), now).apply(now, &checked)?;
            transaction
                .prepare_cached("INSERT INTO records VALUES (?1, ?2, ?3)")?
                .execute((&secret.arn, serde_json::to_string(&record)?, now.to_rfc3339()))?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Rotations and retirements under way.
    pub(crate) fn in_flight(&self) -> Outcome<usize> {
        self.count(
            "SELECT count(*) FROM records WHERE json_extract(json, '$.rotation') IS NOT NULL
             OR json_extract(json, '$.retirement') IS NOT NULL",
        )
    }

    /// Secrets that were given up on, or wait for a person.
    pub(crate) fn in_trouble(&self) -> Outcome<usize> {
        self.count(
            "SELECT count(*) FROM records WHERE json_extract(json, '$.halt') IS NOT NULL
             OR json_extract(json, '$.attention') IS NOT NULL",
        )
    }

    /// How often an event happened, the first time and the last.
    pub(crate) fn events(&self, name: &str) -> Outcome<Option<Happenings>> {
        let row = self.open()?.query_row(
            "SELECT count(*), min(at), max(at) FROM history WHERE json_extract(event, '$.event') = ?1",
            [name],
            |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, Option<String>>(1)?,
                    row.get::<_, Option<String>>(2)?,
                ))
            },
        );
        let (count, first, last) = row.map_err(|error| error.to_string())?;
        let date = |text: Option<String>| text?.parse().ok();
        let count = usize::try_from(count).map_err(|error| error.to_string())?;
        Ok(date(first)
            .zip(date(last))
            .map(|(first, last)| Happenings { count, first, last }))
    }

    /// Waits until something is so.
    pub(crate) async fn wait(
        &self,
        what: &str,
        patience: Duration,
        done: impl Fn(&Self) -> Outcome<bool>,
    ) -> Outcome<()> {
        let deadline = Instant::now() + patience;
        // Not yet there, or being made: only the deadline tells.
        while !done(self).unwrap_or(false) {
            if Instant::now() > deadline {
                return Err(format!("not within {} s: {what}", patience.as_secs()));
            }
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    fn count(&self, query: &str) -> Outcome<usize> {
        let count = self.open()?.query_row(query, (), |row| row.get::<_, i64>(0));
        let count = count.map_err(|error| error.to_string())?;
        usize::try_from(count).map_err(|error| error.to_string())
    }

    fn open(&self) -> Outcome<Connection> {
        Connection::open_with_flags(&self.0, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|error| format!("{}: {error}", self.0.display()))
    }
}
