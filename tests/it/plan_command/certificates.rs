//! A TLS server whose certificate has expired, and an authority that signed nothing.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output();
    let output = output.expect("these tests need openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// A root that has signed no node's certificate.
pub(super) fn strangers_root(folder: &Path) -> PathBuf {
    openssl(
        folder,
        &format!("req -x509 {KEY} -days 30 -subj /CN=stranger -keyout stranger.key -out stranger.ca"),
    );
    folder.join("stranger.ca")
}

/// Another root beside these, whose time was over in 2020.
pub(super) fn with_an_expired_root(folder: &Path, roots: &Path) -> PathBuf {
    openssl(folder, &format!("req {KEY} -subj /CN=old -keyout old.key -out old.csr"));
    write_authority(folder);
    openssl(
        folder,
        "ca -batch -notext -selfsign -config ca.conf -keyfile old.key -startdate 20190201000000Z -enddate \
         20200201000000Z -in old.csr -out old.ca",
    );
    let both = [roots, &folder.join("old.ca")].map(|file| std::fs::read(file).expect("a file"));
    let file = folder.join("both.ca");
    std::fs::write(&file, both.concat()).expect("a file");
    file
}

/// What `openssl ca` keeps its books in.
fn write_authority(folder: &Path) {
    let authority = "[ca]\ndefault_ca = a\n[a]\ndatabase = index\nserial = serial\nnew_certs_dir = .\n\
                     default_md = sha256\npolicy = p\nx509_extensions = x\n[p]\ncommonName = supplied\n\
                     [x]\nsubjectAltName = DNS:localhost\n";
    for (file, content) in [("ca.conf", authority), ("index", ""), ("serial", "01\n")] {
        std::fs::write(folder.join(file), content).expect("a file");
    }
}

/// A server at `localhost`, whose certificate was good in 2020. Gives its port and its root.
pub(super) fn expired_server(folder: &Path) -> (u16, PathBuf) {
    openssl(
        folder,
        &format!("req -x509 {KEY} -days 30 -subj /CN=root -keyout root.key -out root.ca"),
    );
    openssl(
        folder,
        &format!("req {KEY} -subj /CN=node -keyout node.key -out node.csr"),
    );
    write_authority(folder);
    openssl(
        folder,
        "ca -batch -notext -config ca.conf -cert root.ca -keyfile root.key -startdate 20200101000000Z -enddate \
         20200201000000Z -in node.csr -out node.pem",
    );
    let certificates = CertificateDer::pem_file_iter(folder.join("node.pem")).expect("a file");
    let chain = certificates.collect::<Result<Vec<_>, _>>().expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join("node.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a server");
    let config = Arc::new(config);
    let listener = TcpListener::bind("localhost:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(connection) = ServerConnection::new(config.clone()) else {
                return;
            };
            // Whoever looks at the certificate hangs up.
            let _ = StreamOwned::new(connection, stream).write_all(b"-ERR\r\n");
        }
    });
    (port, folder.join("root.ca"))
}
