//! Where a person may be sent after signing in: nowhere but on this host.

use jansky_hub::Settings;
use url::Url;

/// Turns what stood in `next` into a path on this host below `base`, or nothing.
///
/// The text is read as a browser would read it (backslashes, missing schemes, dot segments), so
/// that nothing is let through that a browser would take elsewhere.
pub(crate) fn safe_next(next: &str, origin: &Url, base: &str) -> Option<String> {
    if next.is_empty() || next.chars().any(char::is_control) {
        return None;
    }
    let target = origin.join(next).ok()?;
    if target.origin() != origin.origin() || !target.username().is_empty() {
        return None;
    }
    let path = target.path();
    // `//host` as a path would be another host to a browser that is sent there.
    if !path.starts_with(base) || path.starts_with("//") {
        return None;
    }
    let mut text = path.to_owned();
    if let Some(query) = target.query() {
        text.push('?');
        text.push_str(query);
    }
    if let Some(fragment) = target.fragment() {
        text.push('#');
        text.push_str(fragment);
    }
    Some(text)
}

/// The path of an address on the host of somebody's servers. On the hub's host it leads there again,
/// if that person has servers.
pub(crate) fn path_on_server_host(next: &str, settings: &Settings) -> Option<String> {
    let url = Url::parse(next).ok()?;
    let hub = settings.subdomain_host.as_ref()?;
    let is_same = url.scheme() == hub.scheme() && url.port() == hub.port();
    if !is_same || !settings.is_server_host(url.host_str()?) || !url.username().is_empty() {
        return None;
    }
    Some(url[url::Position::BeforePath..].to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_address_of_a_server_on_its_own_host_becomes_its_path() {
        let settings = Settings {
            subdomain_host: Url::parse("https://hub.test:8000").ok(),
            ..Settings::default()
        };
        let path = |next| path_on_server_host(next, &settings);

        assert_eq!(
            path("https://river.hub.test:8000/user/river/lab?x=1#y").as_deref(),
            Some("/user/river/lab?x=1#y")
        );
        for other in [
            "http://river.hub.test:8000/user/river/",
            "https://river.hub.test/user/river/",
            "https://river@river.hub.test:8000/user/river/",
            "https://hub.test:8000/user/river/",
            "https://riverhub.test:8000/user/river/",
            "https://evil.org/user/river/",
            "/user/river/",
        ] {
            assert_eq!(path(other), None, "{other}");
        }
    }

    use super::*;

    #[test]
    fn nothing_leads_to_another_host() {
        let origin = Url::parse("http://hub.test:8000/").expect("a URL");
        for evil in [
            "//evil.org",
            "https://evil.org/",
            "https:\\\\evil",
            "/\\evil.org",
            "\\\\evil.org",
            "javascript:alert(1)",
            "http://hub.test:8000@evil.org/",
            "http://user@hub.test:8000/",
            "/x\n/y",
            "/.//evil.org",
            "",
        ] {
            let next = safe_next(evil, &origin, "/");
            assert_eq!(next, None, "{evil:?} led to {next:?}");
        }
    }

    #[test]
    fn paths_and_addresses_of_this_host_are_kept() {
        let origin = Url::parse("http://hub.test:8000/").expect("a URL");

        for (given, kept) in [
            ("/hub/token", "/hub/token"),
            ("/user/a/lab?x=1#y", "/user/a/lab?x=1#y"),
            ("http://hub.test:8000/hub/home", "/hub/home"),
            ("/hub/../user/x", "/user/x"),
        ] {
            assert_eq!(safe_next(given, &origin, "/").as_deref(), Some(kept));
        }
        assert_eq!(safe_next("/other/x", &origin, "/base/"), None);
    }
}
