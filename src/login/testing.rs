//! Nodes for the tests of logins: a certificate authority, `redis-server` with TLS and ACLs, and
//! TLS servers that answer from a script.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::policy::{Endpoint, Tls};

/// A certificate authority, and one that nobody trusts; each has a certificate for `localhost`.
pub(super) struct Pki {
    folder: TempDir,
}

impl Pki {
    /// The one that all tests share: making keys takes time.
    pub(super) fn get() -> &'static Self {
        static PKI: OnceLock<Pki> = OnceLock::new();
        PKI.get_or_init(|| {
            let pki = Self {
                folder: tempfile::tempdir().unwrap(),
            };
            for name in ["trusted", "stranger"] {
                pki.issue(name);
            }
            pki
        })
    }

    fn issue(&self, name: &str) {
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        std::fs::write(self.path("san"), "subjectAltName=DNS:localhost\n").unwrap();
        self.openssl(&format!(
            "req -x509 {key} -days 30 -subj /CN={name} -keyout {name}.ca.key -out {name}.ca"
        ));
        self.openssl(&format!("req {key} -subj /CN=node -keyout {name}.key -out {name}.csr"));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {name}.ca -CAkey {name}.ca.key -CAcreateserial -days 30 -extfile san -out {name}.pem"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .output()
            .expect("these tests need openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// A policy's TLS settings that trust `name`'s authority.
    pub(super) fn trust(&self, name: &str) -> Tls {
        Tls {
            ca_file: Some(self.path(&format!("{name}.ca"))),
        }
    }
}

/// `localhost` at a port.
pub(super) fn localhost(port: u16) -> Endpoint {
    Endpoint {
        host: "localhost".to_owned(),
        port,
    }
}

/// A port that nobody listens on.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A `redis-server`, which ends with the test.
pub(super) struct Redis {
    process: Child,
    _folder: TempDir,
    pub(super) node: Endpoint,
}

impl Redis {
    /// Starts one with these users, written as in a Redis configuration file.
    pub(super) fn start(users: &[&str]) -> Self {
        let (pki, folder, port) = (Pki::get(), tempfile::tempdir().unwrap(), free_port());
        let mut config = format!(
            "port 0\nbind 127.0.0.1\ntls-port {port}\ntls-auth-clients no\nsave \"\"\ndir {}\n\
             tls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n",
            folder.path().display(),
            pki.path("trusted.pem").display(),
            pki.path("trusted.key").display(),
            pki.path("trusted.ca").display(),
        );
        for user in users {
            config += &format!("user {user}\n");
        }
        let file = folder.path().join("redis.conf");
        std::fs::write(&file, config).unwrap();
        let process = Command::new("redis-server")
            .arg(file)
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need redis-server");
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        Self {
            process,
            _folder: folder,
            node: localhost(port),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A node that says `answer` once it has read something, and tells all that it has read when its
/// client has gone. It serves one connection after the other.
pub(super) fn scripted(name: &str, answer: &'static [u8]) -> (Endpoint, Receiver<Vec<u8>>) {
    let (tell, told) = channel();
    let node = tls_node(name, move |mut stream| {
        let (mut read, mut buffer) = (Vec::new(), [0; 1024]);
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            if read.is_empty() {
                stream.write_all(answer).unwrap();
            }
            read.extend_from_slice(&buffer[..count]);
        }
        let _ = tell.send(read);
    });
    (node, told)
}

/// A node's end of a TLS connection.
pub(super) type Stream = StreamOwned<ServerConnection, TcpStream>;

/// A TLS server that treats one connection after the other like this.
pub(super) fn tls_node(name: &str, treat: impl Fn(Stream) + Send + 'static) -> Endpoint {
    let pki = Pki::get();
    let certificate = CertificateDer::from_pem_file(pki.path(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(pki.path(&format!("{name}.key"))).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    plain(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        treat(StreamOwned::new(connection, stream));
    })
}

/// A TCP server that treats one connection after the other like this.
pub(super) fn plain(treat: impl Fn(TcpStream) + Send + 'static) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            treat(stream);
        }
    });
    localhost(port)
}
