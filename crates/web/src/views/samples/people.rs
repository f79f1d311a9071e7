//! Samples of the pages about people: one's own account, and everybody for administrators.

use jansky_hub::FreezeReason;

use super::{HOSTILE, Sample, at};
use crate::pages::frozen;
use crate::views::{
    AccountPage, AdminPage, AdminRow, AdminServer, BrowserRow, GrantPhase, GrantRow, IdentityRow,
    Link, LocalRow, ProviderButton, ServerPhase, ServerSessionRow,
};

fn grant(provider: &str, state: GrantPhase) -> GrantRow {
    let is_failing = state == GrantPhase::NoAnswer;
    GrantRow {
        provider: provider.into(),
        state,
        failing_since: is_failing.then(|| at("2026-07-26T08:40:00Z")),
        refreshed: at("2026-07-26T09:12:00Z"),
        outcome: Some(
            match state {
                GrantPhase::Ok => "it worked",
                GrantPhase::NoAnswer => "the provider did not answer",
                GrantPhase::SignInAgain => "the provider refused to go on",
            }
            .into(),
        ),
        next_try: is_failing.then(|| at("2026-07-26T09:15:30Z")),
        ends: Some(at("2026-07-26T09:17:00Z")),
        sign_in_url: (state == GrantPhase::SignInAgain)
            .then(|| "/hub/oauth_login?idp=globus&link=sample".into()),
    }
}

fn identity(provider: &str, subject: &str, state: Option<GrantPhase>) -> IdentityRow {
    IdentityRow {
        provider: provider.into(),
        subject: subject.into(),
        linked: at("2026-05-02T10:00:00Z"),
        last_used: at("2026-07-26T09:12:00Z"),
        is_current: false,
        unlink_action: Some("/hub/account/identities/7/unlink".into()),
        grant: state.map(|state| grant(provider, state)),
    }
}

fn browser(title: &str, is_this: bool) -> BrowserRow {
    BrowserRow {
        title: title.into(),
        provider: "Observatory account".into(),
        since: at("2026-07-26T09:12:00Z"),
        ends: at("2026-08-09T09:12:00Z"),
        is_this,
        end_action: (!is_this).then(|| "/hub/account/sessions/5f3a/end".into()),
    }
}

fn link(title: &str, reason: Option<&str>) -> ProviderButton {
    ProviderButton {
        id: "github".into(),
        title: title.into(),
        url: "/hub/oauth_login?idp=github&link=sample&next=%2Fhub%2Faccount".into(),
        available: reason.is_none(),
        reason: reason.map(Into::into),
    }
}

pub(super) fn account() -> Vec<Sample> {
    let current = IdentityRow {
        is_current: true,
        unlink_action: None,
        ..identity(
            "Observatory account",
            "0d5e2c61-7f0b-4a55-9a57-6a1d5d1f0c55",
            Some(GrantPhase::Ok),
        )
    };
    let local = LocalRow {
        title: "Local account".into(),
        changed: at("2026-06-30T08:00:00Z"),
        password_url: "/hub/account/password".into(),
        has_second_factor: Some(true),
        second_factor_url: "/hub/account/second-factor".into(),
    };
    let page = AccountPage {
        notice: None,
        local: None,
        audit_url: "/hub/account/audit".into(),
        identities: vec![
            current.clone(),
            identity("Globus", "b44bddda-1e2b", Some(GrantPhase::SignInAgain)),
            identity("eduGAIN", "river@example.org", Some(GrantPhase::NoAnswer)),
        ],
        linkable: vec![
            link("GitHub", None),
            link(
                "ORCID",
                Some("It does not answer at the moment. Try again in a moment."),
            ),
        ],
        browsers: vec![
            browser("Firefox on Linux", true),
            browser("Safari on an iPhone", false),
        ],
        servers: vec![],
        everywhere_action: "/hub/account/sign-out-everywhere".into(),
    };
    let sample = |name, page| Sample::new(name, "Account", true, page);
    vec![
        sample("account", page.clone()),
        sample(
            "account-password-only",
            AccountPage {
                notice: Some(
                    "Your password is changed. Your other browsers are signed out.".into(),
                ),
                local: Some(LocalRow {
                    has_second_factor: Some(false),
                    ..local.clone()
                }),
                identities: vec![],
                linkable: vec![],
                browsers: vec![browser("Chrome on Windows", true)],
                ..page.clone()
            },
        ),
        sample(
            "account-one-identity",
            AccountPage {
                local: Some(local.clone()),
                identities: vec![current],
                browsers: vec![browser("A browser", true)],
                servers: vec![
                    ServerSessionRow {
                        title: "My server".into(),
                        since: at("2026-07-26T09:14:00Z"),
                        frozen: None,
                    },
                    ServerSessionRow {
                        title: "gpu".into(),
                        since: at("2026-07-25T09:14:00Z"),
                        frozen: Some("It gets no tokens because you signed out.".into()),
                    },
                ],
                ..page.clone()
            },
        ),
        sample(
            "account-hostile",
            AccountPage {
                notice: Some(HOSTILE.into()),
                local: Some(LocalRow {
                    title: HOSTILE.into(),
                    has_second_factor: None,
                    ..local
                }),
                identities: vec![identity(HOSTILE, HOSTILE, Some(GrantPhase::SignInAgain))],
                linkable: vec![link(HOSTILE, None), link(HOSTILE, Some(HOSTILE))],
                browsers: vec![browser(HOSTILE, false)],
                servers: vec![ServerSessionRow {
                    title: HOSTILE.into(),
                    since: at("2026-07-26T09:14:00Z"),
                    frozen: Some(HOSTILE.into()),
                }],
                ..page
            },
        ),
    ]
}

fn row(name: &str) -> AdminRow {
    AdminRow {
        name: name.into(),
        admin: false,
        last_activity: Some(at("2026-07-26T09:12:00Z")),
        signed_in: vec!["With Observatory account in one browser".into()],
        grants: vec![grant("Observatory account", GrantPhase::Ok)],
        is_excluded: false,
        excluded_until: None,
        servers: vec![],
        reauthenticate_action: Some(format!("/hub/admin/users/{name}/reauthenticate")),
        sign_out_action: Some(format!("/hub/admin/users/{name}/sign-out")),
        password_link_action: None,
        reset_action: None,
    }
}

fn server(title: &str, state: ServerPhase) -> AdminServer {
    AdminServer {
        title: title.into(),
        state,
        stop_action: (state != ServerPhase::Stopping).then(|| "/hub/stop/river".into()),
        frozen: None,
    }
}

pub(super) fn admin() -> Vec<Sample> {
    let page = AdminPage {
        search: String::new(),
        search_url: "/hub/admin".into(),
        here: "/hub/admin".into(),
        first: 1,
        last: 4,
        total: 123,
        previous_url: None,
        next_url: Some("/hub/admin?offset=50".into()),
        links: vec![Link {
            title: "Approve accounts (3)".into(),
            url: "/hub/admin/approvals".into(),
        }],
        rows: vec![
            AdminRow {
                admin: true,
                signed_in: vec!["With a local account in one browser".into()],
                grants: vec![],
                password_link_action: Some("/hub/admin/users/grote/password-link".into()),
                reset_action: Some("/hub/admin/users/grote/reset-second-factor".into()),
                ..row("grote")
            },
            AdminRow {
                signed_in: vec![
                    "With Observatory account in 2 browsers".into(),
                    "With Globus in one browser".into(),
                ],
                grants: vec![
                    grant("Observatory account", GrantPhase::NoAnswer),
                    grant("Globus", GrantPhase::SignInAgain),
                ],
                servers: vec![
                    server("river's server", ServerPhase::Ready),
                    server("river's server `gpu`", ServerPhase::Starting),
                ],
                ..row("river")
            },
            AdminRow {
                is_excluded: true,
                excluded_until: Some(at("2026-07-26T09:45:00Z")),
                grants: vec![],
                servers: vec![server("wash's server", ServerPhase::Stopping)],
                ..row("wash")
            },
            AdminRow {
                last_activity: None,
                signed_in: vec![],
                grants: vec![],
                reauthenticate_action: None,
                sign_out_action: None,
                password_link_action: Some("/hub/admin/users/zoe/password-link".into()),
                ..row("zoe")
            },
        ],
    };
    let sample = |name, page| Sample::new(name, "Administration", true, page);
    vec![
        sample("admin", page.clone()),
        sample(
            "admin-found-nobody",
            AdminPage {
                search: "kaylee".into(),
                first: 0,
                last: 0,
                total: 0,
                next_url: None,
                links: vec![],
                rows: vec![],
                ..page.clone()
            },
        ),
        sample(
            "admin-frozen",
            AdminPage {
                rows: vec![AdminRow {
                    servers: vec![AdminServer {
                        frozen: frozen::for_operator(FreezeReason::Tripwire).map(str::to_owned),
                        ..server("river's server", ServerPhase::Ready)
                    }],
                    ..row("river")
                }],
                ..page.clone()
            },
        ),
        sample(
            "admin-last-page",
            AdminPage {
                previous_url: Some("/hub/admin?offset=50".into()),
                next_url: None,
                rows: vec![row("zoe")],
                ..page.clone()
            },
        ),
        sample(
            "admin-hostile",
            AdminPage {
                search: HOSTILE.into(),
                links: vec![Link {
                    title: HOSTILE.into(),
                    url: "/hub/admin/approvals".into(),
                }],
                rows: vec![AdminRow {
                    signed_in: vec![HOSTILE.into()],
                    grants: vec![grant(HOSTILE, GrantPhase::NoAnswer)],
                    servers: vec![AdminServer {
                        frozen: Some(HOSTILE.into()),
                        ..server(HOSTILE, ServerPhase::Ready)
                    }],
                    ..row(HOSTILE)
                }],
                ..page
            },
        ),
    ]
}
