//! The certificate authorities that the agent trusts when it asks the hub over TLS.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use crate::log::say;

/// A configuration with the certificate authorities of the machine, or those of Mozilla where an
/// image has none. `SSL_CERT_FILE` and `SSL_CERT_DIR` say where the machine's are.
pub(crate) fn client_config() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        say("this machine has no certificate authorities; those of Mozilla are used");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be used: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
