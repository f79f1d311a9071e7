//! What `jansky doctor` says about FirecREST.

use jansky_spawn::Finding;

use crate::api::Api;
use crate::settings::FirecrestSettings;

/// Looks at everything that can be seen without anybody's token.
pub(crate) async fn all(api: &Api, settings: &FirecrestSettings) -> Vec<Finding> {
    vec![address_owner(api, settings).await, looking(settings)]
}

async fn address_owner(api: &Api, settings: &FirecrestSettings) -> Finding {
    let subject = "FirecREST";
    let url = settings.url.as_ref().map_or("", |url| url.as_written());
    match api.address_owner().await {
        Ok(()) => Finding::good(subject, format!("{url} answers and wants a token")),
        Err(error) => Finding::error(
            subject,
            format!("{url}: {error}"),
            "check spawner.url, the network and the certificate of FirecREST",
        ),
    }
}

/// With whose token jobs are looked at.
fn looking(settings: &FirecrestSettings) -> Finding {
    let subject = "service account";
    if !settings.has_service_account() {
        return Finding::warning(
            subject,
            "jobs are looked at with the tokens of their owners: when somebody's session ends, \
             nobody knows whether their server runs until they sign in again",
            "name an audience with the source `client-credentials` in spawner.service_account",
        );
    }
    if settings.service_account_may_cancel {
        Finding::good(
            subject,
            "it looks at jobs, and ends those of people whose session is over",
        )
    } else {
        Finding::good(
            subject,
            "it looks at jobs; a server whose owner's session is over stops when they sign in again",
        )
    }
}
