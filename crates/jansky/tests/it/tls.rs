//! TLS by the program itself: a new certificate needs no restart.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::time::Instant;

use crate::house::{House, until};

/// How long new files may lie there unnoticed, with what a busy machine adds.
const BOUND: Duration = Duration::from_secs(10 + 5);

/// Puts a new certificate in the place of the one before; returns it.
fn renew(directory: &Path) -> String {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    put(directory, "key.pem", &signing_key.serialize_pem());
    put(directory, "certificate.pem", &cert.pem());
    cert.pem()
}

fn put(directory: &Path, name: &str, text: &str) {
    let part = directory.join("part");
    std::fs::write(&part, text).expect("a file of ours");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&part, mode).expect("a file of ours");
    std::fs::rename(&part, directory.join(name)).expect("a file of ours");
}

/// Whether a new connection works for somebody who trusts this certificate alone.
async fn is_served(url: &str, certificate: &str) -> bool {
    let root = reqwest::Certificate::from_pem(certificate.as_bytes()).expect("a certificate");
    let client = reqwest::Client::builder()
        .tls_certs_only([root])
        .no_proxy()
        .build()
        .expect("a client");
    let answer = client.get(format!("{url}hub/health")).send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test]
async fn a_new_certificate_is_served_within_its_bound_and_a_broken_one_never() {
    let house = House::new();
    let first = renew(house.path());
    let mut config = std::fs::read_to_string(house.config()).expect("a file of ours");
    for (key, file) in [("certificate", "certificate.pem"), ("key", "key.pem")] {
        let section = if key == "certificate" { "[tls]\n" } else { "" };
        let path = house.path().join(file);
        let _ = writeln!(config, "{section}{key} = \"{}\"", path.display());
    }
    std::fs::write(house.config(), config).expect("a file of ours");
    let hub = house.start(&[]).await;
    assert!(hub.url.starts_with("https://"), "{}", hub.url);
    assert!(is_served(&hub.url, &first).await);

    put(
        house.path(),
        "certificate.pem",
        "-----BEGIN CERTIFICATE-----\nhalf",
    );
    until("nothing is said of a broken certificate", async || {
        let said = house.said("stderr");
        said.contains("the new certificate cannot be used")
            .then_some(())
    })
    .await;
    assert!(is_served(&hub.url, &first).await, "the old one stays");

    let second = renew(house.path());
    let renewed = Instant::now();
    until("the new certificate is not served", async || {
        is_served(&hub.url, &second).await.then_some(())
    })
    .await;
    assert!(renewed.elapsed() < BOUND, "{:?}", renewed.elapsed());
    assert!(!is_served(&hub.url, &first).await);
    let said = house.said("stderr");
    let complaints = said.matches("the new certificate cannot be used").count();
    assert_eq!(complaints, 1, "{said}");
    assert!(!said.contains("PRIVATE KEY"));
}
