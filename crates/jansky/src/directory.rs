//! From `[provider.<id>]` with `kind = "ldap"` to the directory.

use std::sync::Arc;

use anyhow::Context as _;
use jansky_config::LdapProvider;
use jansky_identity::LdapSettings;
use jansky_model::ProviderId;
use rustls::pki_types::CertificateDer;

/// Reads the secret and the certificates that the section names.
pub(crate) fn settings(
    id: &ProviderId,
    ldap: &LdapProvider,
    authorities: Option<Vec<CertificateDer<'static>>>,
) -> anyhow::Result<LdapSettings> {
    let tls = authorities.map(trusting).transpose();
    let tls = tls.with_context(|| format!("provider.{id}.ca_file cannot be used"))?;
    let bind_password = match (&ldap.bind_dn, &ldap.bind_password) {
        (Some(_), Some(source)) => Some(
            source
                .read()
                .with_context(|| format!("provider.{id}.bind_password cannot be read"))?,
        ),
        _ => None,
    };
    let settings = LdapSettings {
        id: id.clone(),
        section: ldap.clone(),
        tls,
        bind_password,
    };
    if let Some((key, filter)) = settings.unreadable_filter() {
        anyhow::bail!(
            "provider.{id}.{key}: the filter `{filter}` cannot be read; look for a bracket that is \
             missing or too many"
        );
    }
    Ok(settings)
}

/// A client that believes only these.
fn trusting(
    authorities: Vec<CertificateDer<'static>>,
) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    for authority in authorities {
        roots.add(authority)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
