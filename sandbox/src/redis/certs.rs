//! A certificate authority that lives as long as the sandbox, and one certificate for all nodes.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// Certificates as PEM.
#[derive(Clone)]
pub(crate) struct Certs {
    pub(crate) ca: String,
    pub(crate) node_cert: String,
    pub(crate) node_key: String,
}

impl Certs {
    /// Makes new ones. They are never out of date: rcgen's default dates span centuries, and a
    /// sandbox's life is short.
    pub(crate) fn generate() -> Result<Self, rcgen::Error> {
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name
            .push(DnType::CommonName, "rekeyd sandbox CA, not for real use");
        let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
        let names = ["localhost", "127.0.0.1", "::1"].map(ToOwned::to_owned);
        let mut node = CertificateParams::new(names.to_vec())?;
        node.distinguished_name.push(DnType::CommonName, "rekeyd sandbox node");
        node.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            // A replica shows it to its primary.
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let cert = node.signed_by(&key, &issuer)?;
        Ok(Self {
            ca: issuer.as_ref().pem(),
            node_cert: cert.pem(),
            node_key: key.serialize_pem(),
        })
    }
}
