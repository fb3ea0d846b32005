//! Files of trusted roots: whether logins can work with one, and until when others trust what stands in it. Pure.

use chrono::{DateTime, TimeDelta};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::clock::Timestamp;

/// How long before a root's end somebody is told.
const SOON: TimeDelta = TimeDelta::days(14);

/// What is wrong with a file of roots, in words that follow its name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RootsDoubt {
    /// It holds none.
    #[error(
        "holds no certificate (a PEM block that begins with -----BEGIN CERTIFICATE-----), so that every login would fail"
    )]
    NoCertificate,
    /// One of them is damaged. A login wants every one to be good.
    #[error("is damaged: certificate {0} in it cannot be read, so that every login would fail")]
    Damaged(usize),
    /// One's time is over. rekeyd goes on trusting it, as rustls does not look at a root's dates; OpenSSL does.
    #[error("holds the root {subject}, which expired on {}; rekeyd trusts it still, clients that look at its date do not", date(.at))]
    Expired {
        /// Its subject.
        subject: String,
        /// Since when.
        at: Timestamp,
    },
    /// One's time is nearly over.
    #[error("holds the root {subject}, which expires on {}; clients that look at its date will trust no node then", date(.at))]
    ExpiresSoon {
        /// Its subject.
        subject: String,
        /// When.
        at: Timestamp,
    },
}

impl RootsDoubt {
    /// Whether no login can succeed.
    pub fn stops_logins(&self) -> bool {
        matches!(self, Self::NoCertificate | Self::Damaged(_))
    }

    /// Its name in JSON.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NoCertificate | Self::Damaged(_) => "roots_unreadable",
            Self::Expired { .. } => "root_expired",
            Self::ExpiresSoon { .. } => "root_expires_soon",
        }
    }

    /// What to do about it, in words.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NoCertificate | Self::Damaged(_) => "put PEM certificates there, of the roots that signed the nodes'",
            Self::Expired { .. } | Self::ExpiresSoon { .. } => {
                "have the nodes' certificates signed by a root that lasts, and put that one into the file"
            }
        }
    }
}

fn date(at: &Timestamp) -> String {
    at.format("%Y-%m-%d").to_string()
}

/// What is wrong with the content of a file of roots: what stops logins, or else the root that expires first.
pub fn doubt(pem: &[u8], now: Timestamp) -> Option<RootsDoubt> {
    let mut doubts = Vec::new();
    let mut roots = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots += 1;
        let Some((subject, at)) = certificate.ok().and_then(|certificate| read(&certificate)) else {
            return Some(RootsDoubt::Damaged(roots));
        };
        if at <= now {
            doubts.push((at, RootsDoubt::Expired { subject, at }));
        } else if at - now <= SOON {
            doubts.push((at, RootsDoubt::ExpiresSoon { subject, at }));
        }
    }
    match roots {
        0 => Some(RootsDoubt::NoCertificate),
        _ => doubts.into_iter().min_by_key(|(at, _)| *at).map(|(_, doubt)| doubt),
    }
}

/// Whose certificate it is and when it expires, if a login can work with it.
fn read(certificate: &CertificateDer<'_>) -> Option<(String, Timestamp)> {
    RootCertStore::empty().add(certificate.clone()).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let expires = DateTime::from_timestamp(parsed.validity().not_after.timestamp(), 0)?;
    // Whoever wrote the certificate wrote its name: nothing of it may steer a terminal.
    let subject = parsed.subject().to_string();
    Some((subject.chars().filter(|c| !c.is_control()).collect(), expires))
}
