//! Request heads: whatever a client sends, the proxy goes on, and a server behind it sees requests alone that
//! all servers understand in the same way.
#![no_main]

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use jansky_model::{Clock as _, SystemClock};
use jansky_proxy::{Listener, Proxy, ProxySettings, Route, Routes, Target, serve};
use libfuzzer_sys::fuzz_target;
use tokio_util::sync::CancellationToken;

/// How long an answer is waited for before the client says that it has sent all.
const PATIENCE: Duration = Duration::from_millis(2);

/// What the server behind the proxy has seen that it should not.
static FAULTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

static PROXY: LazyLock<SocketAddr> = LazyLock::new(|| {
    let backend = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = format!("http://{}", backend.local_addr().expect("it is bound"));
    std::thread::spawn(move || {
        for stream in backend.incoming().flatten() {
            std::thread::spawn(move || answer_all(stream));
        }
    });
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    let settings = ProxySettings {
        workers: std::num::NonZeroUsize::MIN,
        header_limit: 2048,
        header_fields: 20,
        uri_limit: 512,
        ..ProxySettings::default()
    };
    std::thread::spawn(move || {
        let routes = Routes::new();
        let target = Target::http(&target).expect("a URL");
        routes.add(Route::new("/", target, SystemClock.now()).expect("a spec"));
        let proxy = Proxy::new(routes, settings, Arc::new(SystemClock));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let served = serve(
            vec![Listener { socket, tls: None }],
            proxy,
            CancellationToken::new(),
        );
        runtime
            .expect("a runtime")
            .block_on(served)
            .expect("it goes on");
    });
    address
});

fuzz_target!(|data: &[u8]| {
    let mut stream = TcpStream::connect(*PROXY).expect("the proxy goes on");
    // Who is refused cannot send all.
    let _ = stream.write_all(data);
    let mut answer = [0; 4096];
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    let _ = stream.read(&mut answer);
    let _ = stream.shutdown(Shutdown::Write);
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a time");
    loop {
        match stream.read(&mut answer) {
            Ok(0) => break,
            Ok(_) => {}
            // The clock of the fuzzer.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the connection does not end: {error}"),
        }
    }
    let faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(faults.is_empty(), "{faults:?}");
});

/// Reads requests as strictly as can be and answers each.
fn answer_all(stream: TcpStream) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match reader.read_until(b'\n', &mut head) {
                Ok(1..) => {}
                _ => return,
            }
        }
        let length = match look_at(&head) {
            Ok(length) => length,
            Err(fault) => {
                let head = String::from_utf8_lossy(&head).into_owned();
                let mut faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
                faults.push(format!("{fault}: {head}"));
                return;
            }
        };
        let is_read = match length {
            Some(length) => {
                let read = std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink());
                read.is_ok_and(|read| read == length)
            }
            None => skip_chunks(&mut reader).is_some(),
        };
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        if !is_read || reader.get_mut().write_all(answer).is_err() {
            return;
        }
    }
}

/// The length of the body that follows; none if it comes in chunks.
fn look_at(head: &[u8]) -> Result<Option<u64>, &'static str> {
    let mut lines = head[..head.len() - 4].split(|byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    let mut parts = line.trim_ascii_end().split(|byte| *byte == b' ');
    let (method, path, version) = (parts.next(), parts.next(), parts.next());
    if parts.next().is_some() || version != Some(b"HTTP/1.1") {
        return Err("the first line has other parts");
    }
    if method.is_none_or(|method| method.is_empty() || method == b"CONNECT") {
        return Err("the method is none");
    }
    if path.is_none_or(|path| !path.starts_with(b"/")) {
        return Err("the target is no path");
    }
    let (mut hosts, mut lengths, mut codings) = (0, Vec::new(), 0);
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            return Err("a line has an end within");
        }
        let at = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or("a line has no name")?;
        let (name, value) = (line[..at].to_ascii_lowercase(), line[at + 1..].trim_ascii());
        if name.is_empty() || name.iter().any(|byte| byte.is_ascii_whitespace()) {
            return Err("a name has spaces");
        }
        match name.as_slice() {
            b"host" => hosts += 1,
            b"content-length" => lengths.push(value.to_vec()),
            b"transfer-encoding" if value == b"chunked" => codings += 1,
            b"transfer-encoding" => return Err("another coding"),
            b"te" | b"keep-alive" | b"proxy-connection" | b"expect" => return Err("a hop's own"),
            _ => {}
        }
    }
    match (hosts, lengths.as_slice(), codings) {
        (0 | 1, [], 0) => Ok(Some(0)),
        (0 | 1, [], 1) => Ok(None),
        (0 | 1, [length], 0) if length.iter().all(u8::is_ascii_digit) => {
            let length = str::from_utf8(length)
                .ok()
                .and_then(|length| length.parse().ok());
            length.map(Some).ok_or("the length is no number")
        }
        _ => Err("it can be understood in two ways"),
    }
}

fn skip_chunks(reader: &mut BufReader<TcpStream>) -> Option<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = u64::from_str_radix(line.trim_end(), 16).ok()?;
        if size == 0 {
            // Trailers, and the empty line.
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).ok()? <= 2 {
                    return Some(());
                }
            }
        }
        std::io::copy(&mut reader.by_ref().take(size + 2), &mut std::io::sink()).ok()?;
    }
}
