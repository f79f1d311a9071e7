//! Who may vouch for a provider, where that is not for this machine to say.

use std::path::Path;

use anyhow::Context as _;
use jansky_config::Provider;
use jansky_model::ProviderId;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The certificates in the file that the section of a provider names; `None` if it names none.
pub(crate) fn of(
    id: &ProviderId,
    provider: &Provider,
) -> anyhow::Result<Option<Vec<CertificateDer<'static>>>> {
    let Some(file) = provider.ca_file() else {
        return Ok(None);
    };
    let read = read(file);
    read.map(Some)
        .with_context(|| format!("provider.{id}.ca_file: `{}` cannot be used", file.display()))
}

/// A client for the requests to a provider.
pub(crate) fn http_client(
    id: &ProviderId,
    provider: &Provider,
) -> anyhow::Result<jansky_identity::HttpClient> {
    let authorities = of(id, provider)?;
    let authorities = authorities
        .as_ref()
        .map(|all| all.iter().map(AsRef::as_ref));
    let made = match authorities {
        Some(authorities) => jansky_identity::http_client_trusting(authorities),
        None => jansky_identity::http_client(),
    };
    made.context("could not make an HTTP client")
}

fn read(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file)?.collect();
    let certificates = certificates?;
    anyhow::ensure!(!certificates.is_empty(), "there is no certificate in it");
    Ok(certificates)
}
