//! What happens to headers on their way: hop-by-hop fields end here, `X-Forwarded-*` begin here.

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, Method, Version, request};

use crate::client::Client;
use crate::origin;
use crate::refusal::Refusal;
use crate::route::Route;
use crate::settings::ProxySettings;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Checks what hyper does not, and reduces the target of the request to its path.
///
/// After it, the request has exactly one `Host`, at most one `Cookie`, and an origin-form target.
///
/// # Errors
/// [`Refusal::Malformed`] for a request that two servers could understand differently (RFC 9112 sections
/// 3.2, 6.1), and others for one whose head is larger than the settings allow, as far as its size depends on
/// the client.
pub(crate) fn normalize(
    head: &mut request::Parts,
    settings: &ProxySettings,
) -> Result<(), Refusal> {
    if head.uri.authority().is_some() {
        take_authority(head)?;
    }
    if head.method == Method::CONNECT || !head.uri.path().starts_with('/') {
        return Err(Refusal::Malformed);
    }
    let path = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
    if path.len() > settings.uri_limit {
        return Err(Refusal::UriTooLong(settings.uri_limit));
    }
    let (mut size, mut hosts, mut codings, mut cookies) = (path.len(), 0, 0, 0);
    // To go through all headers once costs less than to look two of them up.
    for (name, value) in &head.headers {
        size += name.as_str().len() + value.len() + ": \r\n".len();
        match *name {
            HOST => hosts += 1,
            COOKIE => cookies += 1,
            // hyper decodes `chunked` alone, so nothing else may be announced further on.
            TRANSFER_ENCODING if !is_chunked(value) => return Err(Refusal::Malformed),
            TRANSFER_ENCODING => codings += 1,
            _ => {}
        }
    }
    if hosts > 1 || codings > 1 || (hosts == 0 && head.version != Version::HTTP_10) {
        return Err(Refusal::Malformed);
    }
    if size > settings.header_limit {
        return Err(Refusal::HeaderTooLarge(settings.header_limit));
    }
    if head.headers.len() > settings.header_fields {
        return Err(Refusal::TooManyFields(settings.header_fields));
    }
    if cookies > 1 {
        join_cookies(&mut head.headers)?;
    }
    Ok(())
}

/// Makes one field of several: browsers split it in HTTP/2, and servers read the first (RFC 9113
/// section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let fields: Vec<_> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let joined = HeaderValue::from_bytes(&fields.join(&b"; "[..]));
    headers.insert(COOKIE, joined.map_err(|_| Refusal::Malformed)?);
    Ok(())
}

fn is_chunked(coding: &HeaderValue) -> bool {
    let coding = coding.as_bytes().trim_ascii();
    coding.eq_ignore_ascii_case(b"chunked")
}

/// The value of `Host`. It comes first nearly always, so this costs less than to look it up.
pub(crate) fn host(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut headers = headers.iter();
    headers.find_map(|(name, value)| (*name == HOST).then_some(value))
}

/// RFC 9112 section 3.2.2: the authority of the target replaces `Host`; HTTP/2 has no other.
fn take_authority(head: &mut request::Parts) -> Result<(), Refusal> {
    let uri = std::mem::take(&mut head.uri).into_parts();
    // Without a scheme it is the target of CONNECT alone.
    let (Some(_), Some(authority)) = (uri.scheme, uri.authority) else {
        return Err(Refusal::Malformed);
    };
    let text = authority.as_str();
    let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let host = HeaderValue::from_str(host).map_err(|_| Refusal::Malformed)?;
    head.headers.insert(HOST, host);
    head.uri = Uri::from(
        uri.path_and_query
            .unwrap_or_else(|| PathAndQuery::from_static("/")),
    );
    Ok(())
}

/// Makes the head of a request ready for the server behind a route; says whether it asks for a
/// WebSocket.
pub(crate) fn forward_request(head: &mut request::Parts, client: &Client, has_body: bool) -> bool {
    let headers = &mut head.headers;
    let asks_upgrade = strip(headers, |name| !client.trusted && is_claim(name));
    let websocket = asks_upgrade
        && !has_body
        && head.version == Version::HTTP_11
        && is_websocket(headers.get(UPGRADE));
    if websocket {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    } else if asks_upgrade {
        // Only WebSockets go through: an upgrade to `h2c` would hide later requests from us.
        headers.remove(UPGRADE);
    }
    if has_body && !headers.contains_key(CONTENT_LENGTH) {
        // hyper would send no body with a GET that does not say so.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    set_forwarded(headers, client);
    head.version = Version::HTTP_11;
    websocket
}

/// Makes the head of a response to a request for `asked` ready for the client.
pub(crate) fn forward_response(
    headers: &mut HeaderMap,
    route: &Route,
    asked: &str,
    is_upgraded: bool,
) {
    let mut has_narrowed = false;
    let names_upgrade = strip(headers, |name| {
        has_narrowed |= origin::is_narrowed(name);
        origin::is_taken_out(route, name)
    });
    if has_narrowed {
        origin::narrow(headers, route, asked);
    }
    if is_upgraded {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    } else if names_upgrade {
        headers.remove(UPGRADE);
    }
}

/// Removes the hop-by-hop headers, those that `Connection` names (RFC 9110 section 7.6.1), and
/// those for which `is_unwanted` holds; says whether `Connection` named `upgrade`.
///
/// `Upgrade` stays if so. `Host` and `Content-Length` stay, whatever `Connection` says.
fn strip(headers: &mut HeaderMap, mut is_unwanted: impl FnMut(&str) -> bool) -> bool {
    let (mut has_upgrade, mut names_upgrade) = (false, false);
    let mut doomed = Vec::new();
    for (name, value) in &*headers {
        match *name {
            CONNECTION => {
                doomed.push(CONNECTION);
                names_upgrade |= named(value, &mut doomed);
            }
            UPGRADE => has_upgrade = true,
            TE | EXPECT | TRANSFER_ENCODING | PROXY_AUTHENTICATE | PROXY_AUTHORIZATION => {
                doomed.push(name.clone());
            }
            _ => match name.as_str() {
                "keep-alive" | "proxy-connection" => doomed.push(name.clone()),
                text if is_unwanted(text) => doomed.push(name.clone()),
                _ => {}
            },
        }
    }
    if has_upgrade && !names_upgrade {
        doomed.push(UPGRADE);
    }
    for name in doomed {
        headers.remove(name);
    }
    names_upgrade
}

/// Collects the headers that a value of `Connection` names; says whether it names `upgrade`.
fn named(value: &HeaderValue, names: &mut Vec<HeaderName>) -> bool {
    let mut upgrade = false;
    for token in value.as_bytes().split(|byte| *byte == b',') {
        if let Ok(name) = HeaderName::from_bytes(token.trim_ascii()) {
            upgrade |= name == UPGRADE;
            if ![HOST, CONTENT_LENGTH, UPGRADE].contains(&name) {
                names.push(name);
            }
        }
    }
    upgrade
}

/// Whether only a trusted proxy may say this: who the client is and how it came. Tornado, for
/// example, believes `X-Real-IP` and `X-Scheme` more than `X-Forwarded-*`.
fn is_claim(name: &str) -> bool {
    match name.strip_prefix("x-") {
        Some("real-ip" | "scheme") => true,
        Some(rest) => rest.starts_with("forwarded-"),
        None => name == "forwarded",
    }
}

fn is_websocket(upgrade: Option<&HeaderValue>) -> bool {
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Sets `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`.
///
/// What a trusted proxy said stays, with its own address added to `X-Forwarded-For`; what anybody
/// else said about these things is removed.
fn set_forwarded(headers: &mut HeaderMap, client: &Client) {
    let host = host(headers).cloned();
    if client.trusted {
        let mut chain = Vec::new();
        for value in headers.get_all(X_FORWARDED_FOR) {
            chain.extend_from_slice(value.as_bytes());
            chain.extend_from_slice(b", ");
        }
        chain.extend_from_slice(client.forwarded_for.as_bytes());
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(chain)) {
            headers.insert(X_FORWARDED_FOR, value);
        }
        let mut absent = |name, value| {
            headers.entry(name).or_insert(value);
        };
        absent(X_FORWARDED_PROTO, client.scheme());
        absent(X_FORWARDED_PORT, client.port(host.as_ref()));
        if let Some(host) = host {
            absent(X_FORWARDED_HOST, host);
        }
        return;
    }
    headers.insert(X_FORWARDED_FOR, client.forwarded_for.clone());
    headers.insert(X_FORWARDED_PROTO, client.scheme());
    headers.insert(X_FORWARDED_PORT, client.port(host.as_ref()));
    if let Some(host) = host {
        headers.insert(X_FORWARDED_HOST, host);
    }
}

/// What the headers of a trusted proxy say about the client: its address and whether it spoke TLS.
pub(crate) fn claimed_client(
    headers: &HeaderMap,
    is_trusted: impl Fn(std::net::IpAddr) -> bool,
) -> (Option<std::net::IpAddr>, Option<bool>) {
    let mut chain: Vec<_> = headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|address| address.trim().parse().ok())
        .collect();
    // Each proxy adds its peer at the end, so the last address that is not a proxy of ours is the
    // client; anything further left the client may have made up.
    let mut address = None;
    while let Some(Some(next)) = chain.pop() {
        address = Some(next);
        if !is_trusted(next) {
            break;
        }
    }
    let secure = headers
        .get(X_FORWARDED_PROTO)
        .map(|value| value.as_bytes().starts_with(b"https"));
    (address, secure)
}
