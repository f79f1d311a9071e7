//! Browsers in which somebody has signed in with a password before.
//!
//! A cookie says so, for one name at one provider. While strangers type wrong passwords for that name,
//! its owner is counted apart from them and comes in (OWASP, "device cookies"). The cookie proves
//! nothing else: the password is asked for all the same, and wrong ones are counted.

use std::time::Duration;

use axum::response::Response;
use jansky_model::Timestamp;

use crate::cookies;
use crate::visit::Visit;

/// How long a browser is known after the last sign-in that gave it the cookie.
const LIFETIME: Duration = Duration::from_hours(180 * 24);

/// A younger cookie is not replaced. Each has its own count of attempts, so a new one must not come with
/// every sign-in.
const YOUNG: Duration = Duration::from_hours(30 * 24);

/// What the cookie says, apart from the name for which it was given.
struct Known<'a> {
    cookie: &'a str,
    age: Duration,
}

/// The cookie that tells this browser from others, if somebody has signed in with this name here before.
/// Without `provider` it is the first one, as for JupyterHub's form.
pub(crate) fn known<'a>(visit: &'a Visit, provider: Option<&str>, name: &str) -> Option<&'a str> {
    find(visit, provider, name).map(|known| known.cookie)
}

fn find<'a>(visit: &'a Visit, provider: Option<&str>, name: &str) -> Option<Known<'a>> {
    let (provider, name) = visit.web.hub.people.counted_name(provider, name)?;
    let now = visit.web.hub.clock().now();
    visit.own_cookies(cookies::DEVICE).find_map(|cookie| {
        let (text, signature) = cookie.rsplit_once('.')?;
        let signed = ["device", provider.as_str(), &name, text];
        let (seconds, _) = text.split_once('.')?;
        let given = Timestamp::from_seconds(seconds.parse().ok()?);
        let age = now.since(given);
        let holds = visit.web.key.verify(&signed, signature) && age < LIFETIME;
        holds.then_some(Known { cookie, age })
    })
}

/// Gives the browser of an answer the cookie for a name with which somebody has just signed in.
pub(crate) fn remember(visit: &Visit, response: &mut Response, provider: Option<&str>, name: &str) {
    if find(visit, provider, name).is_some_and(|known| known.age < YOUNG) {
        return;
    }
    let hub = &visit.web.hub;
    let Some((provider, name)) = hub.people.counted_name(provider, name) else {
        return;
    };
    let text = format!("{}.{}", hub.clock().now().seconds(), hub.random().hex_id());
    let signature = visit
        .web
        .key
        .sign(&["device", provider.as_str(), &name, &text]);
    let value = format!("{text}.{signature}");
    visit.set_own_cookie(
        response,
        cookies::DEVICE,
        &value,
        &visit.hub(),
        Some(LIFETIME),
    );
}
