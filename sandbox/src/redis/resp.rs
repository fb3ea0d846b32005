//! As much of the Redis protocol as the sandbox needs: send a command, read a reply that is one value.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// A connection over a node's private socket, logged in as the sandbox's own user.
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
}

/// What the server says: a value, or why not.
pub(crate) type Answer = Result<String, String>;

impl Connection {
    pub(crate) async fn open(socket: &Path, user: &str, password: &str) -> io::Result<Self> {
        let stream = BufReader::new(UnixStream::connect(socket).await?);
        let mut connection = Self { stream };
        match connection.ask(&["AUTH", user, password]).await? {
            Ok(_) => Ok(connection),
            Err(refusal) => Err(io::Error::other(refusal)),
        }
    }

    /// Sends a command. After an error the connection is of no more use; a refusal has the server's
    /// words, which repeat no argument of ACL SETUSER that is a password.
    pub(crate) async fn ask(&mut self, words: &[&str]) -> io::Result<Answer> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.write_all(request.as_bytes()).await?;
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let line = line.trim_end();
        match line.split_at_checked(1) {
            Some(("+" | ":", text)) => Ok(Ok(text.to_owned())),
            Some(("-", text)) => Ok(Err(text.to_owned())),
            Some(("$", length)) => self.bulk(length).await.map(Ok),
            Some(_) => Err(io::Error::other("an unexpected kind of reply")),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    async fn bulk(&mut self, length: &str) -> io::Result<String> {
        let length: usize = length.parse().map_err(|_| io::Error::other("a reply without value"))?;
        // The value is followed by the end of the line.
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).await?;
        bytes.truncate(length);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
