//! What every handler can reach.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::http::{Extensions, HeaderValue};
use jansky_crypto::MacKey;
use jansky_hub::{Hub, HubError, Settings};

use crate::render::Renderer;

/// The state of the HTTP surfaces.
pub struct Web {
    /// The hub that decides.
    pub hub: Arc<Hub>,
    /// What turns pages into HTML.
    pub renderer: Renderer,
    /// Signs the tokens against cross-site request forgery.
    pub key: MacKey,
    /// Name of the site, as people see it.
    pub site_name: String,
    /// A message of the operator to everybody.
    pub announcement: Option<String>,
    /// Whether `/hub/metrics` needs a token.
    pub authenticate_metrics: bool,
    /// Further metrics as Prometheus text, from whoever else has some.
    pub more_metrics: Option<Box<dyn Fn() -> String + Send + Sync>>,
    /// Called when an admin asks over the API that the process ends; the flag asks to stop servers.
    pub on_shutdown: Option<Box<dyn Fn(bool) + Send + Sync>>,
    /// What browsers may load, for pages and for the API.
    pub policies: Policies,
    /// Whether the operator was told that something in front takes the base path off.
    pub told_of_base: AtomicBool,
}

/// Content security policies, made once.
pub struct Policies {
    pub(crate) pages: HeaderValue,
    pub(crate) api: HeaderValue,
}

impl Policies {
    /// Pages load nothing but their own stylesheet, scripts and pictures, and no other page may
    /// frame them. Forms lead to the hub and, as that of the consent page does, to servers.
    pub fn new(settings: &Settings) -> Self {
        let hub_prefix = settings.hub_prefix();
        let servers = settings.server_origins().map(|hosts| format!(" {hosts}"));
        let servers = servers.unwrap_or_default();
        let common = format!("frame-ancestors 'none'; report-uri {hub_prefix}security/csp-report");
        let of_pages = format!(
            "{common}; default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
             connect-src 'self'; base-uri 'none'; form-action 'self'{servers}"
        );
        Self {
            pages: policy(&of_pages),
            api: policy(&format!("{common}; default-src 'none'")),
        }
    }
}

impl Policies {
    /// The policy of a page whose form leads to other sites, too.
    pub(crate) fn pages_with_forms_to(&self, sources: &str) -> HeaderValue {
        let pages = self.pages.to_str().unwrap_or_default();
        policy(&pages.replace(
            "form-action 'self'",
            &format!("form-action 'self' {sources}"),
        ))
    }
}

fn policy(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// The state as axum carries it.
pub type WebState = Arc<Web>;

/// The client of a request, as whoever accepted the connection knows it. It must be in the
/// extensions of every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Network address of the browser or program, as far as the proxies in front are believed.
    pub address: IpAddr,
    /// Address of the other end of the connection, whatever its headers say.
    pub connection: IpAddr,
    /// Whether the browser uses TLS.
    pub secure: bool,
}

impl Peer {
    /// The client of a request. There is no default, because limits and the audit trail use the address.
    ///
    /// # Errors
    /// [`HubError::Internal`] when whoever accepted the connection did not say.
    pub(crate) fn of(extensions: &Extensions) -> Result<Self, HubError> {
        let peer = extensions.get().copied();
        peer.ok_or_else(|| {
            HubError::internal(
                "could not tell from where a request came",
                "whoever accepted its connection did not say",
            )
        })
    }
}
