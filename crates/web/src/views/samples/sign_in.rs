//! Samples of the pages about signing in and out.

use super::{HOSTILE, Sample};
use crate::views::{
    LoginPage, PasswordForm, ProviderButton, SetupPage, SignOutPage, SignedInPage, SignedOutPage,
};

fn provider(id: &str, title: &str, reason: Option<&str>) -> ProviderButton {
    ProviderButton {
        id: id.into(),
        title: title.into(),
        url: format!("/hub/oauth_login/{id}?next=%2Fhub%2Fhome"),
        available: reason.is_none(),
        reason: reason.map(Into::into),
    }
}

pub(super) fn sign_in() -> Vec<Sample> {
    let local = PasswordForm {
        provider: "local".into(),
        title: "Local account".into(),
        username: String::new(),
        error: None,
    };
    let institute = PasswordForm {
        provider: "institute".into(),
        title: "Institute account".into(),
        ..local.clone()
    };
    let page = LoginPage {
        providers: vec![
            provider("edugain", "eduGAIN", None),
            provider("keycloak", "Observatory account", None),
            provider(
                "orcid",
                "ORCID",
                Some("ORCID does not answer. Try again in a few minutes."),
            ),
        ],
        forms: vec![local.clone()],
        action_url: "/hub/login".into(),
        next: "/hub/home".into(),
        sign_up_url: None,
        notice: None,
        error: None,
    };
    let sample = |name, page| Sample::new(name, "Sign in", false, page);
    vec![
        sample("sign-in", page.clone()),
        sample(
            "sign-in-local-only",
            LoginPage {
                providers: vec![],
                sign_up_url: Some("/hub/signup".into()),
                notice: Some("Your session has ended. Sign in to go on.".into()),
                ..page.clone()
            },
        ),
        sample(
            "sign-in-wrong-password",
            LoginPage {
                forms: vec![PasswordForm {
                    username: "river".into(),
                    error: Some("The name or the password is not right.".into()),
                    ..local.clone()
                }],
                ..page.clone()
            },
        ),
        sample(
            "sign-in-two-forms",
            LoginPage {
                forms: vec![local.clone(), institute.clone()],
                ..page.clone()
            },
        ),
        sample(
            "sign-in-two-forms-wrong-password",
            LoginPage {
                providers: vec![],
                forms: vec![
                    local.clone(),
                    PasswordForm {
                        username: "river".into(),
                        error: Some("The name or the password is not right.".into()),
                        ..institute.clone()
                    },
                ],
                ..page.clone()
            },
        ),
        sample(
            "sign-in-provider-failed",
            LoginPage {
                forms: vec![],
                error: Some(
                    "Signing in took too long. Nothing is broken; choose a way to try again."
                        .into(),
                ),
                ..page.clone()
            },
        ),
        sample(
            "sign-in-nothing-configured",
            LoginPage {
                providers: vec![],
                forms: vec![],
                ..page.clone()
            },
        ),
        sample(
            "sign-in-hostile",
            LoginPage {
                providers: vec![
                    provider("evil", HOSTILE, None),
                    provider("evil2", HOSTILE, Some(HOSTILE)),
                ],
                forms: [local, institute]
                    .into_iter()
                    .map(|form| PasswordForm {
                        title: HOSTILE.into(),
                        username: HOSTILE.into(),
                        error: Some(HOSTILE.into()),
                        ..form
                    })
                    .collect(),
                action_url: "/hub/login".into(),
                next: HOSTILE.into(),
                sign_up_url: Some("/hub/signup".into()),
                notice: Some(HOSTILE.into()),
                error: Some(HOSTILE.into()),
            },
        ),
    ]
}

pub(super) fn sign_out() -> Vec<Sample> {
    let ask = |name, note: Option<&str>| {
        let page = SignOutPage {
            servers_note: note.map(Into::into),
            action: "/hub/logout".into(),
            can_keep_working: note.is_some(),
        };
        Sample::new(name, "Sign out", true, page)
    };
    let done = |name, note: Option<&str>| {
        let page = SignedOutPage {
            login_url: "/hub/login".into(),
            provider_note: note.map(Into::into),
            farewell_url: None,
        };
        Sample::new(name, "Signed out", false, page)
    };
    vec![
        ask(
            "sign-out",
            Some("Your server goes on running. Stop it at home if you are done."),
        ),
        ask("sign-out-nothing-runs", None),
        ask("sign-out-hostile", Some(HOSTILE)),
        done(
            "signed-out",
            Some("You may still be signed in at Observatory account."),
        ),
        done("signed-out-local", None),
        done("signed-out-hostile", Some(HOSTILE)),
        Sample::new(
            "signed-in",
            "Signed in",
            true,
            SignedInPage {
                home_url: "/hub/home".into(),
            },
        ),
    ]
}

pub(super) fn setup() -> Vec<Sample> {
    let page = SetupPage {
        action: "/hub/setup?code=sample".into(),
        username: String::new(),
        password_minimum: 12,
        username_error: None,
        password_error: None,
        error: None,
    };
    let sample = |name, page| Sample::new(name, "Set up", false, page);
    vec![
        sample("setup", page.clone()),
        sample(
            "setup-errors",
            SetupPage {
                username: "river song".into(),
                username_error: Some("A name has no spaces.".into()),
                password_error: Some("This password has 6 characters; 12 are needed.".into()),
                ..page.clone()
            },
        ),
        sample(
            "setup-hostile",
            SetupPage {
                username: HOSTILE.into(),
                username_error: Some(HOSTILE.into()),
                password_error: Some(HOSTILE.into()),
                error: Some(HOSTILE.into()),
                ..page
            },
        ),
    ]
}
