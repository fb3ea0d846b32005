//! The TLS client configuration of a policy, built once and kept until its roots change.
//!
//! redis-rs builds one for each connection and reads the system's whole certificate store for it,
//! even where a policy names its own roots; thousands of logins should not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CipherSuite, ClientConfig, RootCertStore};
use tokio::time::Instant;

use crate::policy::Tls;

/// Where systems keep their roots as one PEM file: Debian, Ubuntu, Alpine and distroless images;
/// Amazon Linux, Fedora and RHEL, old and new; openSUSE.
const SYSTEM_ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// OpenSSL's variable, which names the file instead.
const SYSTEM_ROOTS_VARIABLE: &str = "SSL_CERT_FILE";

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    /// The file is not there or not readable.
    #[error("TLS: cannot read the roots in {0}: {1}")]
    Read(PathBuf, std::io::ErrorKind),
    /// The file holds no certificate, or a broken one.
    #[error("TLS: {0} is not a PEM file of certificates")]
    NotPem(PathBuf),
    /// There is no system store where we know to look.
    #[error("TLS: the system has no certificate store; set the policy's tls.ca_file")]
    NoSystemRoots,
    /// rustls does not offer the versions of TLS that we ask for.
    #[error("TLS: no usable protocol version")]
    Versions,
}

/// For how long a file of roots is taken not to have changed. To look costs another thread's time, as much
/// as a third of a login.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What tells one version of a file from the next.
type Version = (Option<SystemTime>, u64);

/// A configuration, and the file that it was built from.
struct Known {
    path: PathBuf,
    version: Version,
    config: Arc<ClientConfig>,
    /// When the file was last looked at; never, once a node's certificate was not trusted.
    looked_at: Option<Instant>,
}

/// Configurations by the file that a policy names for its roots.
#[derive(Default)]
pub(super) struct TlsConfigs {
    known: Mutex<BTreeMap<Option<PathBuf>, Known>>,
}

impl TlsConfigs {
    /// The configuration for a policy's nodes. Looks now and then whether the file of roots has changed.
    pub(super) async fn get(&self, tls: &Tls) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = self.known_lately(tls) {
            return Ok(config);
        }
        let looked_at = Some(Instant::now());
        let path = match &tls.ca_file {
            Some(path) => path.clone(),
            None => system_roots().await?,
        };
        let unreadable = |error: std::io::Error| TlsError::Read(path.clone(), error.kind());
        let metadata = tokio::fs::metadata(&path).await.map_err(unreadable)?;
        let version = (metadata.modified().ok(), metadata.len());
        if let Some(known) = self.lock().get_mut(&tls.ca_file)
            && (known.path == path && known.version == version)
        {
            known.looked_at = looked_at;
            return Ok(known.config.clone());
        }
        let pem = tokio::fs::read(&path).await.map_err(unreadable)?;
        let config = Arc::new(build(&path, &pem, tls.ca_file.is_some())?);
        let known = Known {
            path,
            version,
            config: config.clone(),
            looked_at,
        };
        self.lock().insert(tls.ca_file.clone(), known);
        Ok(config)
    }

    /// A node could not be trusted: perhaps the roots have changed, so the next login looks.
    pub(super) fn doubt(&self, tls: &Tls) {
        if let Some(known) = self.lock().get_mut(&tls.ca_file) {
            known.looked_at = None;
        }
    }

    fn known_lately(&self, tls: &Tls) -> Option<Arc<ClientConfig>> {
        let known = self.lock();
        let known = known.get(&tls.ca_file)?;
        let lately = known.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY);
        lately.then(|| known.config.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Option<PathBuf>, Known>> {
        // The map is whole at every moment, so a panic elsewhere leaves nothing half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does what the first connection of a process would do: its first random number takes some 30 ms, in which
/// aws-lc measures the processor's jitter. May block for as long.
pub fn prepare() {
    // Whatever fails here fails at the first login again, which says so.
    let _ = aws_lc_rs::default_provider().secure_random.fill(&mut [0]);
}

async fn system_roots() -> Result<PathBuf, TlsError> {
    if let Some(path) = std::env::var_os(SYSTEM_ROOTS_VARIABLE) {
        return Ok(path.into());
    }
    for path in SYSTEM_ROOTS.iter().map(PathBuf::from) {
        if tokio::fs::try_exists(&path).await.unwrap_or(false) {
            return Ok(path);
        }
    }
    Err(TlsError::NoSystemRoots)
}

/// A configuration that trusts these roots and checks the host name: rustls's default verifier.
///
/// An operator's file must be good to the last certificate. A system's store may hold some that
/// rustls does not take; they are left out, as rustls-native-certs advises.
fn build(path: &Path, pem: &[u8], strict: bool) -> Result<ClientConfig, TlsError> {
    let bad = || TlsError::NotPem(path.to_owned());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let added = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
        if added.is_none() && strict {
            return Err(bad());
        }
    }
    if roots.is_empty() {
        return Err(bad());
    }
    let mut provider = aws_lc_rs::default_provider();
    // The suite that every TLS 1.3 has comes first: processors compute its SHA-256 themselves, while the SHA-384 of
    // rustls's first takes a third of a login's processor time.
    let preferred = CipherSuite::TLS13_AES_128_GCM_SHA256;
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != preferred);
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| TlsError::Versions)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
