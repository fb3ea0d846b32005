//! As much of the Redis protocol as the sandbox needs: send a command, see whether it was taken.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// A connection over a node's private socket, logged in as the sandbox's own user.
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
}

impl Connection {
    pub(crate) async fn open(socket: &Path, user: &str, password: &str) -> io::Result<Self> {
        let stream = BufReader::new(UnixStream::connect(socket).await?);
        let mut connection = Self { stream };
        connection.command(&["AUTH", user, password]).await?;
        Ok(connection)
    }

    /// Sends a command. The error has the server's words, which repeat no argument of ACL SETUSER
    /// that is a password.
    pub(crate) async fn command(&mut self, words: &[&str]) -> io::Result<()> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.write_all(request.as_bytes()).await?;
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        match line.chars().next() {
            Some('+' | ':') => Ok(()),
            Some('-') => Err(io::Error::other(line.trim_end().to_owned())),
            Some(_) => Err(io::Error::other("an unexpected kind of reply")),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
