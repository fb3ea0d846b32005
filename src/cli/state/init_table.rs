//! `rekeyd state init-table`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::args::{InitTableArgs, TableTemplate};
use crate::audit::command::CommandTrail;
use crate::audit::{AuditError, Change, Outcome, Subject};
use crate::cli::exit::Exit;
use crate::cli::show::pretty;
use crate::cli::text::clean;
use crate::cli::{CliError, Reply, Session, run};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::store::dynamodb::creation::{Seen, Sight, TableCreator, table_creator};
use crate::store::dynamodb::{EXPIRES, NoTable, template};
use crate::store::table::TableError;

/// How long a table may take until it can be used: DynamoDB takes seconds.
const PATIENCE: Duration = Duration::from_secs(300);

/// Between two looks at a table that is being created.
const POLL: Duration = Duration::from_millis(500);

/// Creates the table of the configuration, or says that it is there.
pub(super) async fn init_table(config: &Path, args: InitTableArgs, session: &Session) -> Result<Reply, CliError> {
    let config = run::read(config)?.config;
    let other_state = |error: NoTable| CliError::Usage(error.to_string());
    let (table, _) = config.table().ok_or(NoTable::OtherState).map_err(other_state)?;
    match args.print {
        Some(TableTemplate::Cloudformation) => return Ok(Reply::new(Exit::Done, template::cloudformation(table))),
        Some(TableTemplate::Terraform) => return Ok(Reply::new(Exit::Done, template::terraform(table))),
        None => {}
    }
    let metrics = Arc::new(Metrics::new(&[]));
    let creator = table_creator(&config, session.clock.clone(), metrics).await;
    let table = Initialised {
        creator: creator.map_err(other_state)?,
        location: config.daemon.state.to_string(),
        session,
    };
    let report = match table.creator.look().await.map_err(|error| table.failed(error))? {
        Some(sight) => table.complete(sight, &config).await?,
        None => table.make(&config).await?,
    };
    let text = match (args.json, session.terminal) {
        (true, _) => pretty(&report)?,
        (false, true) => clean(&report.words()) + "\n",
        (false, false) => String::new(),
    };
    let caution = (!report.warnings.is_empty()).then(|| clean(&report.warnings.join("; ")));
    Ok(Reply::new(Exit::Done, text).with_caution(caution))
}

/// `state init-table --json`.
#[derive(Serialize)]
struct Report {
    table: String,
    /// Whether it was not there before.
    created: bool,
    /// What is not as it might be.
    warnings: Vec<String>,
}

impl Report {
    fn words(&self) -> String {
        match self.created {
            true => format!("{}: created", self.table),
            false => format!("{}: is there already, and right", self.table),
        }
    }
}

/// A table that is to be as rekeyd needs it.
struct Initialised<'a> {
    creator: TableCreator,
    location: String,
    session: &'a Session,
}

impl Initialised<'_> {
    fn failed(&self, error: TableError) -> CliError {
        CliError::Run(format!("{}: {error}", self.location))
    }

    fn refused(&self, wrong: &str) -> CliError {
        CliError::Refused(format!(
            "{}: this table is not one for rekeyd: {wrong}. Name another in `daemon.state`. Nothing was changed",
            self.location
        ))
    }

    /// Makes the table that is not there.
    async fn make(&self, config: &Config) -> Result<Report, CliError> {
        let made = self.audited(config, true, self.make_unannounced()).await?;
        Ok(self.report(true, made))
    }

    async fn make_unannounced(&self) -> Result<Vec<String>, CliError> {
        match self.creator.create().await {
            // It may be on its way.
            Ok(()) | Err(TableError::Unanswered { .. }) => {}
            Err(error) => return Err(self.failed(error)),
        }
        self.wait().await?;
        let mut warnings = self.let_expire().await?;
        match self.creator.let_recover().await {
            Ok(Seen::Known(())) => {}
            Ok(Seen::Unknown(cause)) => warnings.push(format!("point-in-time recovery is not known here ({cause})")),
            Err(error) => warnings.push(format!("point-in-time recovery is off: {error}")),
        }
        Ok(warnings)
    }

    /// Sees to it that a table that is there is right.
    async fn complete(&self, sight: Sight, config: &Config) -> Result<Report, CliError> {
        if let Some(wrong) = &sight.wrong_keys {
            return Err(self.refused(wrong));
        }
        let sight = match (&sight.unusable, sight.active) {
            (Some(status), _) => return Err(self.refused(&format!("it is {status}"))),
            (None, true) => sight,
            (None, false) => self.wait().await?,
        };
        let mut warnings = match self.creator.expiry().await.map_err(|error| self.failed(error))? {
            Seen::Known(Some(attribute)) if attribute != EXPIRES => {
                let wrong = format!("its items expire by `{attribute}`, and not by `{EXPIRES}`");
                return Err(self.refused(&wrong));
            }
            Seen::Known(Some(_)) => Vec::new(),
            Seen::Known(None) => self.audited(config, false, self.let_expire()).await?,
            Seen::Unknown(cause) => vec![format!("whether items expire is not known here ({cause})")],
        };
        warnings.extend(self.might_be_better(&sight).await);
        Ok(self.report(false, warnings))
    }

    /// What an operator may have left out on purpose.
    async fn might_be_better(&self, sight: &Sight) -> Vec<String> {
        let mut warnings = Vec::new();
        if !sight.on_demand {
            warnings.push("it has provisioned capacity: more requests than that are refused for a while".to_owned());
        }
        if !sight.protected {
            warnings.push("it is not protected from deletion".to_owned());
        }
        if let Ok(Seen::Known(false)) = self.creator.recoverable().await {
            warnings.push("point-in-time recovery is off".to_owned());
        }
        warnings
    }

    async fn let_expire(&self) -> Result<Vec<String>, CliError> {
        match self.creator.let_expire().await {
            Ok(Seen::Known(())) => Ok(Vec::new()),
            Ok(Seen::Unknown(cause)) => Ok(vec![format!("items do not expire here ({cause})")]),
            Err(error) => Err(CliError::Run(format!(
                "{}: the table is there, and its items do not expire yet: {error}. Run this again",
                self.location
            ))),
        }
    }

    /// Waits until the table can be used. Right after its creation it may not even be seen (API reference, DescribeTable).
    async fn wait(&self) -> Result<Sight, CliError> {
        let clock = &self.session.clock;
        let deadline = clock.monotonic().saturating_add(PATIENCE);
        loop {
            match self.creator.look().await {
                Ok(Some(sight)) if sight.active => return Ok(sight),
                Ok(_) | Err(TableError::Throttled { .. } | TableError::Unanswered { .. }) => {}
                Err(error) => return Err(self.failed(error)),
            }
            if clock.monotonic() >= deadline {
                return Err(CliError::Run(format!(
                    "{}: the table cannot be used after {} s; run this again to wait on",
                    self.location,
                    PATIENCE.as_secs()
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn report(&self, created: bool, warnings: Vec<String>) -> Report {
        Report {
            table: self.location.clone(),
            created,
            warnings,
        }
    }

    /// Does something between two lines of the audit log.
    async fn audited<T>(
        &self,
        config: &Config,
        created: bool,
        change: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        let unaudited = |error: AuditError| {
            CliError::Run(format!(
                "{error}. This command writes to it too: run it as the daemon's user. Nothing was changed"
            ))
        };
        let (file, metrics) = (config.daemon.audit_log.as_deref(), Arc::new(Metrics::new(&[])));
        let audit = CommandTrail::open(file, self.session.clock.clone(), metrics).await;
        let audit = audit.map_err(unaudited)?;
        let about = Subject {
            request: Some(json!({ "table": self.location, "create": created })),
            ..Subject::default()
        };
        let begun = audit.begin(Change::StateInitTable, about).await.map_err(unaudited)?;
        let outcome = change.await;
        let (ended, error) = match &outcome {
            Ok(_) => (Outcome::Done, None),
            Err(error) => (Outcome::Failed, Some(error.to_string())),
        };
        audit.end(&begun, ended, error).await;
        outcome
    }
}
