//! Which server to run for which engine.

use std::path::{Path, PathBuf};
use std::sync::Once;

/// The servers that are there: at least one.
#[derive(Debug)]
pub(crate) struct Binaries {
    redis: Option<PathBuf>,
    valkey: Option<PathBuf>,
    /// Said once that one engine stands in for the other.
    substitute: Once,
}

impl Binaries {
    /// `REKEYD_SANDBOX_REDIS_SERVER` and `REKEYD_SANDBOX_VALKEY_SERVER`, or `redis-server` and
    /// `valkey-server` on the path; nothing if there is no server.
    ///
    /// # Errors
    /// The variable that names no file.
    pub(crate) fn find() -> Result<Option<Self>, &'static str> {
        let redis = find("REKEYD_SANDBOX_REDIS_SERVER", "redis-server")?;
        let valkey = find("REKEYD_SANDBOX_VALKEY_SERVER", "valkey-server")?;
        Ok((redis.is_some() || valkey.is_some()).then(|| Self {
            redis,
            valkey,
            substitute: Once::new(),
        }))
    }

    /// The server for an engine; the other engine's if it has none of its own.
    pub(crate) fn of(&self, engine: &str) -> Option<&Path> {
        let (own, other) = match engine {
            "valkey" => (&self.valkey, &self.redis),
            _ => (&self.redis, &self.valkey),
        };
        if own.is_none() {
            self.substitute.call_once(
                || tracing::warn!(engine, server = ?other, "another engine's server stands in for this one"),
            );
        }
        own.as_deref().or(other.as_deref())
    }
}

/// The file, if there is one. The error is a variable that names none.
fn find(variable: &'static str, name: &str) -> Result<Option<PathBuf>, &'static str> {
    if let Some(given) = std::env::var_os(variable) {
        let given = PathBuf::from(given);
        return if given.is_file() {
            Ok(Some(given))
        } else {
            Err(variable)
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file());
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn binaries(redis: Option<&str>, valkey: Option<&str>) -> Binaries {
        Binaries {
            redis: redis.map(PathBuf::from),
            valkey: valkey.map(PathBuf::from),
            substitute: Once::new(),
        }
    }

    #[test]
    fn an_engine_runs_on_its_own_server_or_else_on_the_others() {
        let both = binaries(Some("r"), Some("v"));
        assert_eq!(
            (both.of("redis"), both.of("valkey")),
            (Some(Path::new("r")), Some(Path::new("v")))
        );
        assert_eq!(binaries(Some("r"), None).of("valkey"), Some(Path::new("r")));
        assert_eq!(binaries(None, Some("v")).of("redis"), Some(Path::new("v")));
    }
}
