//! From `[provider.<id>]` with `kind = "ldap"` to the directory.

use std::sync::Arc;

use anyhow::Context as _;
use jansky_config::LdapProvider;
use jansky_identity::{LdapGroups, LdapLookup, LdapSettings};
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
    let settings = LdapSettings {
        id: id.clone(),
        title: ldap.title.clone(),
        url: ldap.url.clone(),
        start_tls: ldap.start_tls,
        tls,
        lookup: lookup(id, ldap)?,
        username_attribute: ldap.username_attribute.clone(),
        subject_attribute: ldap.subject_attribute.clone(),
        email_attribute: ldap.email_attribute.clone(),
        name_attribute: ldap.name_attribute.clone(),
        member_of: ldap.groups_from.clone(),
        groups: ldap.groups_base.as_ref().map(|base| LdapGroups {
            base: base.clone(),
            filter: ldap.groups_filter.clone(),
            attribute: ldap.groups_name.clone(),
        }),
        timeout: *ldap.timeout,
        attempts_per_minute: ldap.attempts_per_minute,
    };
    if let Some((key, filter)) = settings.unreadable_filter() {
        anyhow::bail!(
            "provider.{id}.{key}: the filter `{filter}` cannot be read; look for a bracket that is \
             missing or too many"
        );
    }
    Ok(settings)
}

fn lookup(id: &ProviderId, ldap: &LdapProvider) -> anyhow::Result<LdapLookup> {
    if let Some(template) = &ldap.user_dn {
        return Ok(LdapLookup::Template(template.clone()));
    }
    let bind = match (&ldap.bind_dn, &ldap.bind_password) {
        (Some(dn), Some(source)) => {
            let password = source
                .read()
                .with_context(|| format!("provider.{id}.bind_password cannot be read"))?;
            Some((dn.clone(), password))
        }
        _ => None,
    };
    Ok(LdapLookup::Search {
        base: ldap.search_base.clone().unwrap_or_default(),
        filter: ldap.search_filter.clone(),
        bind,
    })
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
