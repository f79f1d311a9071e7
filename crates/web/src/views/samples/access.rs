//! Samples of the pages about tokens, consent and errors.

use jansky_model::Secret;

use super::{HOSTILE, Sample, at};
use crate::scope_descriptions::scope_in_words;
use crate::views::{
    AcceptSharePage, AuditPage, AuditRow, ConsentPage, DevicePage, DeviceStep, ErrorPage,
    ExpiryOption, Link, ScopeLine, TokenRow, TokensPage,
};

pub(super) fn consent() -> Vec<Sample> {
    let line = |scope: &str| ScopeLine {
        name: scope.into(),
        description: scope_in_words(scope, "river"),
    };
    let page = ConsentPage {
        client_title: "wash's server".into(),
        client_owner: Some("wash".into()),
        action: "/hub/api/oauth2/authorize?client_id=jupyterhub-user-wash&response_type=code"
            .into(),
        scopes: vec![line("identify"), line("access:servers!server=wash/")],
        deny_url: "/hub/home".into(),
    };
    let sample = |name, page| Sample::new(name, "Allow access", true, page);
    vec![
        sample("consent", page.clone()),
        sample(
            "consent-service",
            ConsentPage {
                client_title: "Archive browser".into(),
                client_owner: None,
                scopes: [
                    "read:users!user=river",
                    "servers!user=river",
                    "custom:archive:read",
                ]
                .map(line)
                .to_vec(),
                ..page.clone()
            },
        ),
        sample(
            "consent-nothing",
            ConsentPage {
                scopes: vec![],
                ..page.clone()
            },
        ),
        sample(
            "consent-hostile",
            ConsentPage {
                client_title: HOSTILE.into(),
                client_owner: Some(HOSTILE.into()),
                scopes: vec![line(HOSTILE)],
                ..page
            },
        ),
    ]
}

pub(super) fn accept_share() -> Vec<Sample> {
    let line = |description: &str, name: &str| ScopeLine {
        description: description.into(),
        name: name.into(),
    };
    let page = AcceptSharePage {
        server_title: "wash's server".into(),
        owner: "wash".into(),
        is_ready: true,
        scopes: vec![line(
            "open and use wash's servers",
            "access:servers!server=wash/",
        )],
        action: "/hub/accept-share".into(),
        code: "sample-code".into(),
        next: String::new(),
        home_url: "/hub/home".into(),
    };
    let sample = |name, page| Sample::new(name, "Shared server", true, page);
    vec![
        sample("accept-share", page.clone()),
        sample(
            "accept-share-stopped",
            AcceptSharePage {
                server_title: "gain calibration, experiment N24L1".into(),
                is_ready: false,
                scopes: vec![
                    line(
                        "open and use wash's servers",
                        "access:servers!server=wash/n24l1",
                    ),
                    line("start wash's servers", "start:servers!server=wash/n24l1"),
                ],
                ..page.clone()
            },
        ),
        sample(
            "accept-share-hostile",
            AcceptSharePage {
                server_title: HOSTILE.into(),
                owner: HOSTILE.into(),
                scopes: vec![line(HOSTILE, HOSTILE)],
                code: HOSTILE.into(),
                next: HOSTILE.into(),
                ..page
            },
        ),
    ]
}

pub(super) fn device() -> Vec<Sample> {
    let sample = |name, step| {
        let page = DevicePage {
            action: "/hub/oidc/device".into(),
            home_url: "/hub/home".into(),
            step,
        };
        Sample::new(name, "Command line", true, page)
    };
    let question = |client: &str, audience: &str, scopes: &[&str]| DeviceStep::Question {
        user_code: "BCDF-GHJK".into(),
        client: client.into(),
        audience: audience.into(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    let code = |user_code: &str, error: Option<&str>| DeviceStep::Code {
        user_code: user_code.into(),
        error: error.map(str::to_owned),
    };
    vec![
        sample("device-code", code("", None)),
        sample(
            "device-code-unknown",
            code("BCDF-GHJX", Some("Nothing waits under this code.")),
        ),
        sample(
            "device-question",
            question(
                "A program on a command line",
                "EVN archive",
                &["archive:read", "archive:write"],
            ),
        ),
        sample(
            "device-question-hostile",
            question(HOSTILE, HOSTILE, &[HOSTILE]),
        ),
        sample("device-allowed", DeviceStep::Allowed),
        sample("device-denied", DeviceStep::Denied),
    ]
}

pub(super) fn tokens() -> Vec<Sample> {
    let row = |id: &str, note: &str, client: Option<&str>| TokenRow {
        id: id.into(),
        note: note.into(),
        scopes_text: "everything that you may do".into(),
        created: at("2026-07-20T08:00:00Z"),
        last_used: client.map(|_| at("2026-07-26T11:02:37Z")),
        expires: client.map_or_else(|| Some(at("2026-10-18T08:00:00Z")), |_| None),
        client: client.map(Into::into),
        revoke_action: format!("/hub/token/{id}/revoke"),
    };
    let option = |value: &str, title: &str| ExpiryOption {
        value: value.into(),
        title: title.into(),
        selected: value == "2592000",
    };
    let page = TokensPage {
        tokens: vec![
            row("a1", "laptop, download of visibilities", None),
            row("a2", "", None),
            row("a3", "Server at /user/river/", Some("river's server")),
        ],
        new_token: None,
        create_action: "/hub/token".into(),
        error: None,
        note: String::new(),
        expires_options: vec![
            option("3600", "an hour"),
            option("86400", "a day"),
            option("2592000", "30 days"),
            option("31536000", "a year"),
            option("", "no end"),
        ],
    };
    let sample = |name, page| Sample::new(name, "Tokens", true, page);
    vec![
        sample("tokens", page.clone()),
        sample(
            "tokens-none",
            TokensPage {
                tokens: vec![],
                ..page.clone()
            },
        ),
        sample(
            "tokens-new",
            TokensPage {
                new_token: Some(Secret::new("jsky_u_4pY7nW0bqZ2xKcT9sLhV6dRfE3mJaG8u")),
                ..page.clone()
            },
        ),
        sample(
            "tokens-error",
            TokensPage {
                error: Some("A note has at most 200 characters.".into()),
                note: "a very long note".into(),
                ..page.clone()
            },
        ),
        sample(
            "tokens-hostile",
            TokensPage {
                tokens: vec![TokenRow {
                    scopes_text: HOSTILE.into(),
                    ..row("a1", HOSTILE, Some(HOSTILE))
                }],
                new_token: Some(Secret::new(HOSTILE)),
                error: Some(HOSTILE.into()),
                note: HOSTILE.into(),
                ..page
            },
        ),
    ]
}

pub(super) fn errors() -> Vec<Sample> {
    let link = |title: &str, url: &str| Link {
        title: title.into(),
        url: url.into(),
    };
    let not_found = ErrorPage {
        status: 404,
        heading: "This page does not exist".into(),
        message: "Nothing is here. A server that you may not open looks the same as one that does \
                  not exist."
            .into(),
        advice: vec![
            "Check the address for a typing mistake.".into(),
            "If somebody sent you the link, ask them to share their server with you.".into(),
        ],
        request_id: None,
        links: vec![link("Home", "/hub/home")],
    };
    let sample = |name, page: ErrorPage| {
        let title = page.heading.clone();
        Sample::new(name, &title, true, page)
    };
    vec![
        sample("error-404", not_found.clone()),
        sample(
            "error-500",
            ErrorPage {
                status: 500,
                heading: "Something went wrong on our side".into(),
                message: "Your files and your running servers are not affected.".into(),
                advice: vec![
                    "Try again in a minute.".into(),
                    "If it stays, send the number below to the people who run this site.".into(),
                ],
                request_id: Some("01k1b2q7d9".into()),
                links: vec![link("Try again", "/hub/home"), link("Tokens", "/hub/token")],
            },
        ),
        sample(
            "error-bare",
            ErrorPage {
                status: 429,
                heading: "Too many attempts".into(),
                message: "Wait a minute, then try again.".into(),
                advice: vec![],
                request_id: None,
                links: vec![],
            },
        ),
        sample(
            "error-hostile",
            ErrorPage {
                heading: HOSTILE.into(),
                message: HOSTILE.into(),
                advice: vec![HOSTILE.into()],
                request_id: Some(HOSTILE.into()),
                links: vec![link(HOSTILE, "/hub/home")],
                ..not_found
            },
        ),
    ]
}

pub(super) fn audit() -> Vec<Sample> {
    let row = |words: &str, outcome: &str| AuditRow {
        at: at("2026-05-04T09:30:00Z"),
        words: words.into(),
        user: "river".into(),
        server: Some(String::new()),
        actor: "agent".into(),
        outcome: (outcome != "ok").then(|| outcome.into()),
        source: Some("cache".into()),
        scope: Some("archive:read".into()),
        address: None,
        browser: None,
        key: Some("cn-I_WNM".into()),
    };
    let of_account = |words: &str, outcome: &str| AuditRow {
        server: None,
        actor: "river".into(),
        source: None,
        scope: None,
        address: Some("192.0.2.7".into()),
        key: None,
        ..row(words, outcome)
    };
    let page = AuditPage {
        rows: vec![
            row("Token for archive", "ok"),
            of_account("Password changed", "ok"),
            of_account("API token made: nightly pipeline", "ok"),
            AuditRow {
                browser: Some("Firefox on Linux".into()),
                ..of_account("Signed in (eduid)", "ok")
            },
            AuditRow {
                actor: "the hub".into(),
                address: Some("203.0.113.9".into()),
                ..of_account("Sign-in refused", "wrong password")
            },
            AuditRow {
                actor: "zoe".into(),
                ..of_account("Put into the group radio", "ok")
            },
            AuditRow {
                server: None,
                actor: "river".into(),
                source: None,
                key: None,
                ..row("Command line allowed to have a token for archive", "ok")
            },
            AuditRow {
                server: Some("gpu".into()),
                actor: "unknown".into(),
                source: None,
                scope: None,
                address: Some("192.0.2.7".into()),
                key: None,
                ..row(
                    "Token request refused",
                    "the request was sent a second time",
                )
            },
        ],
        of_everybody: false,
        older: Some("/hub/account/audit?before=7".into()),
    };
    let sample = |name, page| Sample::new(name, "Audit trail", true, page);
    vec![
        sample("audit", page.clone()),
        sample(
            "audit-all",
            AuditPage {
                of_everybody: true,
                ..page.clone()
            },
        ),
        sample(
            "audit-empty",
            AuditPage {
                rows: vec![],
                older: None,
                ..page.clone()
            },
        ),
        sample(
            "audit-hostile",
            AuditPage {
                rows: vec![AuditRow {
                    user: HOSTILE.into(),
                    server: Some(HOSTILE.into()),
                    actor: HOSTILE.into(),
                    source: Some(HOSTILE.into()),
                    scope: Some(HOSTILE.into()),
                    address: Some(HOSTILE.into()),
                    browser: Some(HOSTILE.into()),
                    key: Some(HOSTILE.into()),
                    ..row(HOSTILE, HOSTILE)
                }],
                of_everybody: true,
                ..page
            },
        ),
    ]
}
