//! Requests and answers with a length, one after the other on a connection.

use anyhow::{Context as _, bail};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::backend::head_end;

/// A request or an answer.
pub(crate) struct Message {
    /// The first line.
    pub(crate) start: String,
    headers: Vec<(String, String)>,
    /// What comes after the head.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Reads the next message; `None` when the other side has ended the connection before it.
    /// `buffer` keeps what has come of the one after it.
    pub(crate) async fn read(
        stream: &mut TcpStream,
        buffer: &mut Vec<u8>,
    ) -> anyhow::Result<Option<Self>> {
        loop {
            if let Some(end) = head_end(buffer) {
                let mut message = Self::of_head(&buffer[..end])?;
                let length = match message.header("content-length") {
                    Some(text) => text.parse().context("a length that is none")?,
                    None => 0,
                };
                while buffer.len() < end + length {
                    if stream.read_buf(buffer).await? == 0 {
                        bail!("the connection was closed in a message");
                    }
                }
                message.body = buffer[end..end + length].to_vec();
                buffer.drain(..end + length);
                return Ok(Some(message));
            }
            if stream.read_buf(buffer).await? == 0 {
                if buffer.is_empty() {
                    return Ok(None);
                }
                bail!("the connection was closed in a message");
            }
        }
    }

    fn of_head(head: &[u8]) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(head)?;
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            (name, value.trim().to_owned())
        });
        Ok(Self {
            start,
            headers: headers.collect(),
            body: Vec::new(),
        })
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a header, whose name is given in small letters.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let fitting = self.headers.iter().filter(move |(own, _)| own == name);
        fitting.map(|(_, value)| value.as_str())
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }
}
