//! TLS by the hub itself: reads certificate and key, takes new ones without a restart, and says to the
//! doctor what is wrong with them.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use jansky_config::Tls;
use jansky_crypto::token::equal;
use jansky_model::{Clock, Secret, Timestamp};
use jansky_spawn::Finding;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How often the files are looked at. A new certificate is served after this long.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);

/// A certificate that ends sooner is worth a word. Automatic renewal is long past its time then.
const SOON: Duration = Duration::from_hours(14 * 24);

/// What the two files hold.
struct Pair {
    certificate: String,
    key: Secret,
}

impl Pair {
    fn read(tls: &Tls) -> anyhow::Result<Self> {
        let read = |key: &str, path: &std::path::Path| {
            std::fs::read_to_string(path)
                .map_err(|error| anyhow::anyhow!("{key}: `{}`: {error}", path.display()))
        };
        Ok(Self {
            certificate: read("tls.certificate", tls.certificate.get())?,
            key: Secret::new(read("tls.key", tls.key.get())?),
        })
    }

    fn is(&self, other: &Self) -> bool {
        self.certificate == other.certificate && equal(self.key.expose(), other.key.expose())
    }

    /// The certificate of the hub, and those between it and an authority.
    fn chain(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .context("tls.certificate is no PEM file")?;
        anyhow::ensure!(!chain.is_empty(), "tls.certificate holds no certificate");
        Ok(chain)
    }

    fn to_config(&self) -> anyhow::Result<ServerConfig> {
        let key = PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes())
            .map_err(|error| anyhow::anyhow!("tls.key holds no private key: {error}"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("tls: no usable protocol version")?
            .with_no_client_auth()
            .with_single_cert(self.chain()?, key)
            .context("tls.key does not belong to tls.certificate")?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(server)
    }

    /// From when and until when the certificate holds.
    fn validity(&self) -> anyhow::Result<(Timestamp, Timestamp)> {
        let chain = self.chain()?;
        let (_, certificate) =
            X509Certificate::from_der(&chain[0]).context("tls.certificate holds no certificate")?;
        let validity = certificate.validity();
        let at = |time: x509_parser::time::ASN1Time| Timestamp::from_seconds(time.timestamp());
        Ok((at(validity.not_before), at(validity.not_after)))
    }

    /// Whether browsers take the certificate for one of this host.
    fn is_for(&self, host: &str) -> anyhow::Result<bool> {
        let chain = self.chain()?;
        let parsed = ParsedCertificate::try_from(&chain[0])
            .context("tls.certificate holds no certificate")?;
        let name = ServerName::try_from(host).with_context(|| format!("`{host}` is no host"))?;
        Ok(verify_server_name(&parsed, &name).is_ok())
    }
}

/// What the listener uses for new connections, kept up to date until `stop`.
///
/// # Errors
/// When one of the files cannot be read or used.
pub(crate) fn serve(
    tls: &Tls,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
) -> anyhow::Result<Arc<ArcSwap<ServerConfig>>> {
    let first = Pair::read(tls)?;
    let current = Arc::new(ArcSwap::from_pointee(first.to_config()?));
    note_end(&first, clock.now());
    tokio::spawn(renew(
        tls.clone(),
        first,
        Arc::clone(&current),
        Arc::clone(clock),
        stop.clone(),
    ));
    Ok(current)
}

/// Takes what is new in the files. What cannot be used, or is written at this moment, changes nothing.
async fn renew(
    tls: Tls,
    mut served: Pair,
    current: Arc<ArcSwap<ServerConfig>>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut said = String::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BETWEEN_LOOKS) => {}
        }
        let found = Pair::read(&tls).and_then(|pair| {
            let config = (!pair.is(&served)).then(|| pair.to_config()).transpose()?;
            Ok((pair, config))
        });
        match found {
            Ok((_, None)) => said.clear(),
            Ok((pair, Some(config))) => {
                current.store(Arc::new(config));
                info!("new connections get the new certificate");
                note_end(&pair, clock.now());
                served = pair;
                said.clear();
            }
            Err(error) => {
                let message = format!("{error:#}");
                if message != said {
                    warn!(error = %message, "the new certificate cannot be used; the old one stays");
                    said = message;
                }
            }
        }
    }
}

fn note_end(pair: &Pair, now: Timestamp) {
    if let Ok((_, end)) = pair.validity()
        && end < now.plus(SOON)
    {
        warn!(certificate.ends = %end, "the certificate of the hub ends soon or has ended");
    }
}

/// What there is to say about the files, for people who find the hub and its servers at these hosts.
pub(crate) fn examine(tls: &Tls, hosts: &[String], now: Timestamp) -> Vec<Finding> {
    let pair = match Pair::read(tls).and_then(|pair| pair.to_config().map(|_| pair)) {
        Ok(pair) => pair,
        Err(error) => {
            let advice = "name the files of one certificate and its key in [tls]; this account must be \
                          able to read them";
            return vec![Finding::error("tls", format!("{error:#}"), advice)];
        }
    };
    let mut findings = vec![ends(&pair, now)];
    findings.extend(hosts.iter().filter_map(|host| names(&pair, host)));
    findings.extend(readable(tls));
    findings
}

fn ends(pair: &Pair, now: Timestamp) -> Finding {
    let advice = "renew it; Jansky takes the new files by itself";
    match pair.validity() {
        Err(error) => Finding::error("tls", format!("{error:#}"), advice),
        Ok((start, _)) if start > now => Finding::error(
            "tls",
            format!("the certificate only begins to hold at {start}"),
            "look at the clock of this machine, or use the certificate later",
        ),
        Ok((_, end)) if end <= now => {
            Finding::error("tls", format!("the certificate ended at {end}"), advice)
        }
        Ok((_, end)) if end < now.plus(SOON) => {
            let days = end.since(now).as_secs() / (24 * 60 * 60);
            let message = format!("the certificate ends in {days} days, at {end}");
            Finding::warning("tls", message, advice)
        }
        Ok((_, end)) => Finding::good("tls", format!("the certificate holds until {end}")),
    }
}

fn names(pair: &Pair, host: &str) -> Option<Finding> {
    match pair.is_for(host) {
        Ok(true) => None,
        Ok(false) => Some(Finding::error(
            "tls",
            format!(
                "the certificate is not for `{host}`, where people find the hub or its servers"
            ),
            "get one with this name (`*` may stand for its first part), or mend hub.public_url and \
             hub.subdomain_host",
        )),
        Err(error) => Some(Finding::error("tls", format!("{error:#}"), "mend [tls]")),
    }
}

fn readable(tls: &Tls) -> Option<Finding> {
    let path = tls.key.get();
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o007 != 0).then(|| {
        Finding::error(
            "tls",
            format!(
                "everybody on this machine may read the key `{}`",
                path.display()
            ),
            "chmod it to 0600 or 0640, and get a new certificate if others were here",
        )
    })
}

#[cfg(test)]
mod tests {
    use jansky_spawn::Severity;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    const HOST: &str = "hub.example.org";

    struct Files {
        _directory: tempfile::TempDir,
        tls: Tls,
    }

    /// A certificate for these names that holds in the year 2030, with its key.
    fn files(names: &[&str], key_of_another: bool) -> Files {
        let directory = tempfile::tempdir().expect("a directory");
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = date_time_ymd(2030, 1, 1);
        params.not_after = date_time_ymd(2031, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let other = KeyPair::generate().expect("a key");
        let written = if key_of_another { &other } else { &key };
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("certificate"), certificate.pem()).expect("a file of ours");
        std::fs::write(path("key"), written.serialize_pem()).expect("a file of ours");
        std::fs::set_permissions(path("key"), std::fs::Permissions::from_mode(0o600))
            .expect("a file of ours");
        let tls = Tls {
            certificate: jansky_config::Written(path("certificate")),
            key: jansky_config::Written(path("key")),
        };
        Files {
            _directory: directory,
            tls,
        }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    /// The worst of what is found, as severity and message.
    fn found(files: &Files, host: &str, now: &str) -> (Severity, String) {
        let findings = examine(&files.tls, &[host.to_owned()], at(now));
        let worst = findings.into_iter().max_by_key(|found| found.severity);
        let worst = worst.expect("there is always something to say");
        (worst.severity, worst.message)
    }

    #[test]
    fn the_doctor_says_when_a_certificate_ends_and_whom_it_is_for() {
        let files = files(&[HOST, "*.hub.example.org"], false);
        for (host, now, severity, words) in [
            (
                HOST,
                "2030-06-01T00:00:00Z",
                Severity::Good,
                "holds until 2031-01-01",
            ),
            (
                "river.hub.example.org",
                "2030-06-01T00:00:00Z",
                Severity::Good,
                "holds until",
            ),
            (
                HOST,
                "2030-12-25T00:00:00Z",
                Severity::Warning,
                "ends in 7 days",
            ),
            (
                HOST,
                "2031-01-01T00:00:00Z",
                Severity::Error,
                "ended at 2031-01-01",
            ),
            (
                HOST,
                "2029-12-31T00:00:00Z",
                Severity::Error,
                "only begins to hold",
            ),
            (
                "other.org",
                "2030-06-01T00:00:00Z",
                Severity::Error,
                "is not for `other.org`",
            ),
            (
                "a.b.hub.example.org",
                "2030-06-01T00:00:00Z",
                Severity::Error,
                "is not for",
            ),
        ] {
            let (got, message) = found(&files, host, now);
            assert_eq!(got, severity, "{host} {now}: {message}");
            assert!(message.contains(words), "{host} {now}: {message}");
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named_with_what_is_wrong() {
        let now = "2030-06-01T00:00:00Z";
        let apart = files(&[HOST], true);
        let (severity, message) = found(&apart, HOST, now);
        assert_eq!(severity, Severity::Error);
        assert!(message.contains("does not belong to"), "{message}");

        let open = files(&[HOST], false);
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(open.tls.key.get(), mode).expect("a file of ours");
        let (severity, message) = found(&open, HOST, now);
        assert_eq!(severity, Severity::Error);
        assert!(message.contains("may read the key"), "{message}");

        std::fs::remove_file(open.tls.certificate.get()).expect("a file of ours");
        let (severity, message) = found(&open, HOST, now);
        assert_eq!(severity, Severity::Error);
        assert!(message.starts_with("tls.certificate: `"), "{message}");
    }
}
