//! The server behind the proxies: small answers and WebSocket echoes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What the load generator expects back: 128 bytes.
pub(crate) const BODY: [u8; 128] = [b'x'; 128];

/// A masked text message of 64 bytes from a client: 2 bytes of header, 4 of mask, then the text.
pub(crate) const MESSAGE: usize = 2 + 4 + 64;
/// The same as the backend sends it, without a mask.
pub(crate) const ECHO: usize = 2 + 64;

pub(crate) async fn run(address: SocketAddr) -> anyhow::Result<()> {
    let listener = crate::listen(address)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A client that leaves in the middle of a message is not worth a word here.
            let _ = serve(stream).await;
        });
    }
}

async fn serve(mut stream: TcpStream) -> anyhow::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 128\r\n\r\n";
    let answer = [head.as_bytes(), &BODY].concat();
    let mut buffer = vec![0; 16 << 10];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let Some(end) = head_end(&buffer[..filled]) else {
            continue;
        };
        if contains(&buffer[..end], b"upgrade: websocket") {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                .await?;
            return echo(stream).await;
        }
        stream.write_all(&answer).await?;
        buffer.copy_within(end..filled, 0);
        filled -= end;
    }
}

async fn echo(mut stream: TcpStream) -> anyhow::Result<()> {
    let mut message = [0; MESSAGE];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut message[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        if filled < MESSAGE {
            continue;
        }
        let mut answer = [0; ECHO];
        answer[..2].copy_from_slice(&[0x81, 64]);
        for (index, byte) in message[6..].iter().enumerate() {
            answer[2 + index] = byte ^ message[2 + index % 4];
        }
        stream.write_all(&answer).await?;
        filled = 0;
    }
}

/// Where the head of a message ends, if it is there as a whole.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|position| position + 4)
}

/// Whether `text` has `part`, whatever the case.
fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len())
        .any(|window| window.eq_ignore_ascii_case(part))
}
