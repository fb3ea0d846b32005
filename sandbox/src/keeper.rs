//! Keeps the state file up to date: soon after each change, and no more than once a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::core::keep::Kept;
use crate::sandbox::Sandbox;
use crate::state_file::{StateFile, StateFileError};

/// The least time from one write to the next: changes that come meanwhile are written together.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a change waits for others that come with it.
const MOMENT: Duration = Duration::from_millis(20);

/// Writes a sandbox's state to its file. Clones write to the same.
#[derive(Clone)]
pub(crate) struct Keeper {
    sandbox: Sandbox,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// None once the sandbox has ended, and the file is somebody else's.
    file: Option<StateFile>,
    /// The revision that the file holds, once it has been written.
    written: Option<u64>,
}

impl Keeper {
    /// Gives the sandbox what was kept, and writes once: a file that cannot be written is noticed at the start.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn begin(sandbox: &Sandbox, file: StateFile, kept: Option<Kept>) -> Result<Self, StateFileError> {
        if let Some(kept) = kept {
            sandbox.with(|state, now| state.restore(now, kept));
        }
        let inner = Inner {
            file: Some(file),
            written: None,
        };
        let keeper = Self {
            sandbox: sandbox.clone(),
            inner: Arc::new(Mutex::new(inner)),
        };
        keeper.save()?;
        Ok(keeper)
    }

    /// Writes what there is, unless the file holds it already.
    ///
    /// # Errors
    /// The file could not be written.
    pub(crate) fn save(&self) -> Result<(), StateFileError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = &inner.file else {
            return Ok(());
        };
        if inner.written == Some(self.sandbox.revision()) {
            return Ok(());
        }
        let kept = self.sandbox.to_keep();
        let (revision, text) = kept.map_err(|error| file.unwritten(error.into()))?;
        file.write(&text)?;
        inner.written = Some(revision);
        Ok(())
    }

    /// Writes for the last time and gives the file up.
    ///
    /// # Errors
    /// As for [`save`](Self::save); the file is given up all the same.
    pub(crate) fn end(&self) -> Result<(), StateFileError> {
        let saved = self.save();
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).file = None;
        saved
    }

    /// Writes whenever something has changed, until it is dropped. What could not be written is tried again.
    pub(crate) async fn run(self) {
        let mut failing = false;
        loop {
            if !failing {
                self.sandbox.revised().await;
                tokio::time::sleep(MOMENT).await;
            }
            let keeper = self.clone();
            let result = tokio::task::spawn_blocking(move || keeper.save()).await;
            failing = match result {
                Ok(Err(error)) => {
                    tracing::error!(%error, "the state could not be kept; trying again");
                    true
                }
                // The runtime is ending if the task could not run.
                Ok(Ok(())) | Err(_) => false,
            };
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Sandbox {
    fn revision(&self) -> u64 {
        self.lock().revision()
    }

    fn to_keep(&self) -> serde_json::Result<(u64, Vec<u8>)> {
        self.lock().to_keep(self.now())
    }
}
