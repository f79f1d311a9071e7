//! Whose certificates are believed, and by which way providers are asked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::house::House;

/// A provider with a certificate that no machine believes.
struct Provider {
    address: SocketAddr,
    authority: PathBuf,
}

impl Provider {
    async fn start(house: &House) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.expect("a certificate");
        let authority = house.path().join("authority.pem");
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            BASE64_STANDARD.encode(made.cert.der())
        );
        std::fs::write(&authority, pem).expect("the directory is ours");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let certificate = CertificateDer::from(made.cert.der().to_vec());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("there are some")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they fit");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Whoever does not believe the certificate hangs up.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                // An answer before the question is none.
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                let body = format!("{{\"issuer\": \"https://localhost:{}\"}}", address.port());
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { address, authority }
    }

    /// What the doctor says about it, in this environment and with these keys.
    async fn examined(&self, house: &House, keys: &str, environment: &[(&str, &str)]) -> String {
        let file = house.path().join("tested.toml");
        let text = format!(
            "[hub]\ndata_dir = \"{}\"\n[provider.op]\nkind = \"oidc\"\nissuer = \
             \"https://localhost:{}\"\nclient_id = \"jansky\"\nclient_secret = {{ env = \"PATH\" }}\n\
             allow_all = true\n{keys}\n",
            house.path().display(),
            self.address.port()
        );
        std::fs::write(&file, text).expect("the directory is ours");
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_jansky"));
        command.args(["doctor", "--config"]).arg(&file);
        for name in [
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
            "NO_PROXY",
            "no_proxy",
        ] {
            command.env_remove(name);
        }
        command
            .envs(environment.iter().copied())
            .stdin(Stdio::null());
        let output = command.output().await.expect("it runs");
        [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat()
    }
}

#[tokio::test]
async fn a_certificate_is_believed_by_the_key_or_by_the_environment() {
    let house = House::new();
    let provider = Provider::start(&house).await;
    let authority = provider.authority.display().to_string();
    let answers = format!(
        "`op` answers as https://localhost:{}",
        provider.address.port()
    );

    let told = provider.examined(&house, "", &[]).await;
    assert!(told.contains("`op` cannot be reached"), "{told}");
    let key = format!("ca_file = \"{authority}\"");
    let told = provider.examined(&house, &key, &[]).await;
    assert!(told.contains(&answers), "{told}");
    let environment = [("SSL_CERT_FILE", authority.as_str())];
    let told = provider.examined(&house, "", &environment).await;
    assert!(told.contains(&answers), "{told}");
    let empty = house.path().join("tested.toml").display().to_string();
    let key = format!("ca_file = \"{empty}\"");
    let told = provider.examined(&house, &key, &environment).await;
    assert!(told.contains("provider.op.ca_file"), "{told}");
}

#[tokio::test]
async fn providers_are_asked_through_the_proxy_of_the_environment() {
    let house = House::new();
    let provider = Provider::start(&house).await;
    let authority = provider.authority.display().to_string();
    let key = format!("ca_file = \"{authority}\"");
    let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", proxy.local_addr().expect("it listens"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = proxy.accept().await {
            let mut line = String::new();
            let _ = BufReader::new(stream).read_line(&mut line).await;
            noted.lock().expect("no test panicked here").push(line);
        }
    });
    let seen = || std::mem::take(&mut *asked.lock().expect("no test panicked here"));

    let told = provider
        .examined(&house, &key, &[("HTTPS_PROXY", &address)])
        .await;
    assert!(told.contains("`op` cannot be reached"), "{told}");
    let wanted = format!("CONNECT localhost:{} HTTP/1.1", provider.address.port());
    assert_eq!(
        seen().first().map(|line| line.trim()),
        Some(wanted.as_str())
    );
    let environment = [("HTTPS_PROXY", address.as_str()), ("NO_PROXY", "localhost")];
    let told = provider.examined(&house, &key, &environment).await;
    assert!(told.contains("`op` answers as"), "{told}");
    assert_eq!(seen(), Vec::<String>::new());
}
