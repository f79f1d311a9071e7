//! Samples of the pages about local accounts.

use jansky_model::Secret;

use super::{HOSTILE, Sample, at};
use crate::views::{
    ApprovalRow, ApprovalsPage, FactorSetUp, FactorState, PasswordLinkPage, PasswordPage, Picture,
    RecoveryCodesPage, SecondFactorPage, SecondStepPage, SignUpPage, WaitingPage,
};

pub(super) fn passwords() -> Vec<Sample> {
    let own = PasswordPage {
        action: "/hub/account/password".into(),
        name: None,
        password_minimum: 12,
        current_error: None,
        password_error: None,
        error: None,
    };
    let by_link = PasswordPage {
        action: "/hub/new-password?code=sample".into(),
        name: Some("river".into()),
        ..own.clone()
    };
    let link = PasswordLinkPage {
        name: "river".into(),
        link: Secret::new(
            "https://hub.example.org/hub/new-password?code=Xq3v9pYkR2m8sT5wZ1cN7bL4hJ6gF0dA",
        ),
        back_url: "/hub/admin".into(),
    };
    let own_sample = |name, page| Sample::new(name, "Password", true, page);
    let by_link_sample = |name, page| Sample::new(name, "Password", false, page);
    vec![
        own_sample("password", own.clone()),
        own_sample(
            "password-errors",
            PasswordPage {
                current_error: Some("This is not your password.".into()),
                password_error: Some(
                    "The password is too short: it needs at least 12 characters.".into(),
                ),
                error: Some("Too many attempts to sign in. Try again in 7 seconds.".into()),
                ..own
            },
        ),
        by_link_sample("password-by-link", by_link.clone()),
        by_link_sample(
            "password-hostile",
            PasswordPage {
                name: Some(HOSTILE.into()),
                password_error: Some(HOSTILE.into()),
                error: Some(HOSTILE.into()),
                ..by_link
            },
        ),
        Sample::new("password-link", "Link for a password", true, link.clone()),
        Sample::new(
            "password-link-hostile",
            "Link for a password",
            true,
            PasswordLinkPage {
                name: HOSTILE.into(),
                link: Secret::new(HOSTILE),
                ..link
            },
        ),
    ]
}

/// A picture that is only as large as real ones.
fn picture() -> Picture {
    use std::fmt::Write as _;

    let size = 45;
    let mut path = String::new();
    for y in 0..size {
        for x in (0..size).filter(|x| (x * 7 + y * 11 + x * y) % 5 < 2) {
            let _ = write!(path, "M{x} {y}h1v1h-1z");
        }
    }
    Picture {
        size,
        path: Secret::new(path),
    }
}

fn set_up() -> FactorSetUp {
    FactorSetUp {
        picture: picture(),
        secret: Secret::new("GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"),
    }
}

fn on(recovery_codes: u64) -> FactorState {
    FactorState::On {
        since: at("2026-07-01T10:00:00Z"),
        recovery_codes,
        is_readable: true,
        is_required: false,
        codes_action: "/hub/account/second-factor/recovery-codes".into(),
        off_action: "/hub/account/second-factor/off".into(),
    }
}

pub(super) fn second_factors() -> Vec<Sample> {
    let none = SecondFactorPage {
        state: FactorState::None {
            set_up: set_up(),
            action: "/hub/account/second-factor".into(),
        },
        account_url: "/hub/account".into(),
        form: String::new(),
        current_error: None,
        otp_error: None,
        error: None,
    };
    let step = SecondStepPage {
        name: "river".into(),
        action: "/hub/login/second-step".into(),
        login_url: "/hub/login?again=1".into(),
        set_up: None,
        otp_error: None,
        error: None,
    };
    let codes = RecoveryCodesPage {
        codes: (0..10)
            .map(|n| Secret::new(format!("k7mp-2x{n}w-9qhd-ru4e")))
            .collect(),
        is_new: true,
        next_url: "/hub/account".into(),
    };
    let factor = |name, page| Sample::new(name, "Second factor", true, page);
    let asked = |name, page| Sample::new(name, "Sign in", false, page);
    vec![
        factor("second-factor", none.clone()),
        factor(
            "second-factor-wrong-code",
            SecondFactorPage {
                form: "on".into(),
                current_error: Some("This is not your password.".into()),
                otp_error: Some("This is not the code. Take the one that your app shows.".into()),
                ..none.clone()
            },
        ),
        factor(
            "second-factor-on",
            SecondFactorPage {
                state: on(8),
                ..none.clone()
            },
        ),
        factor(
            "second-factor-on-errors",
            SecondFactorPage {
                state: on(0),
                form: "codes".into(),
                otp_error: Some("This code was used already. Wait for the next one.".into()),
                error: Some("Too many codes were wrong. Try again in 31 seconds.".into()),
                ..none.clone()
            },
        ),
        factor(
            "second-factor-key-lost",
            SecondFactorPage {
                state: FactorState::On {
                    since: at("2026-07-01T10:00:00Z"),
                    recovery_codes: 1,
                    is_readable: false,
                    is_required: true,
                    codes_action: "/hub/account/second-factor/recovery-codes".into(),
                    off_action: "/hub/account/second-factor/off".into(),
                },
                form: "off".into(),
                current_error: Some("This is not your password.".into()),
                otp_error: Some("This is none of the recovery codes that are left.".into()),
                ..none.clone()
            },
        ),
        factor(
            "second-factor-hostile",
            SecondFactorPage {
                form: "on".into(),
                current_error: Some(HOSTILE.into()),
                otp_error: Some(HOSTILE.into()),
                error: Some(HOSTILE.into()),
                ..none
            },
        ),
        asked("second-step", step.clone()),
        asked(
            "second-step-wrong-code",
            SecondStepPage {
                otp_error: Some(
                    "The code is wrong. Check that the clock of your phone is right.".into(),
                ),
                ..step.clone()
            },
        ),
        asked(
            "second-step-set-up",
            SecondStepPage {
                set_up: Some(set_up()),
                ..step.clone()
            },
        ),
        asked(
            "second-step-hostile",
            SecondStepPage {
                name: HOSTILE.into(),
                otp_error: Some(HOSTILE.into()),
                error: Some(HOSTILE.into()),
                ..step
            },
        ),
        Sample::new("recovery-codes", "Recovery codes", true, codes.clone()),
        Sample::new(
            "recovery-codes-again",
            "Recovery codes",
            true,
            RecoveryCodesPage {
                is_new: false,
                ..codes
            },
        ),
    ]
}

pub(super) fn sign_ups() -> Vec<Sample> {
    let form = SignUpPage {
        action: "/hub/signup".into(),
        login_url: "/hub/login".into(),
        needs_approval: true,
        username: String::new(),
        email: String::new(),
        reason: String::new(),
        password_minimum: 12,
        email_maximum: 254,
        reason_maximum: 500,
        username_error: None,
        password_error: None,
        email_error: None,
        reason_error: None,
        error: None,
    };
    let row = ApprovalRow {
        name: "river".into(),
        email: "river@example.org".into(),
        reason: "I work with Inara on the maser survey and need the notebooks of the course."
            .into(),
        requested: at("2026-07-26T07:30:00Z"),
        ends: at("2026-08-25T07:30:00Z"),
        is_in_rules: false,
        approve_action: "/hub/admin/approvals/1/approve".into(),
        refuse_action: "/hub/admin/approvals/1/refuse".into(),
    };
    let list = ApprovalsPage {
        notice: Some("wash has an account now and can sign in.".into()),
        error: None,
        rows: vec![
            row.clone(),
            ApprovalRow {
                name: "zoe".into(),
                email: String::new(),
                reason: String::new(),
                is_in_rules: true,
                ..row.clone()
            },
        ],
        admin_url: "/hub/admin".into(),
    };
    let waiting = |is_new| WaitingPage {
        is_new,
        login_url: "/hub/login".into(),
    };
    let sign_up = |name, page| Sample::new(name, "Sign up", false, page);
    let approvals = |name, page| Sample::new(name, "Approve accounts", true, page);
    vec![
        sign_up("sign-up", form.clone()),
        sign_up(
            "sign-up-open",
            SignUpPage {
                needs_approval: false,
                ..form.clone()
            },
        ),
        sign_up(
            "sign-up-errors",
            SignUpPage {
                username: "river".into(),
                email: "river".into(),
                reason: "I work with Inara.".into(),
                username_error: Some("The name `river` is not free. Choose another one.".into()),
                password_error: Some(
                    "The password is too short: it needs at least 12 characters.".into(),
                ),
                email_error: Some("This is not an e-mail address.".into()),
                reason_error: Some("This is too long: 500 characters are enough.".into()),
                error: Some("Too many accounts were asked for from your network.".into()),
                ..form.clone()
            },
        ),
        sign_up(
            "sign-up-hostile",
            SignUpPage {
                username: HOSTILE.into(),
                email: HOSTILE.into(),
                reason: HOSTILE.into(),
                username_error: Some(HOSTILE.into()),
                error: Some(HOSTILE.into()),
                ..form
            },
        ),
        Sample::new("waiting-new", "Waiting", false, waiting(true)),
        Sample::new("waiting", "Waiting", false, waiting(false)),
        approvals("approvals", list.clone()),
        approvals(
            "approvals-none",
            ApprovalsPage {
                notice: None,
                error: Some(
                    "This person does not wait any more: somebody else has answered.".into(),
                ),
                rows: vec![],
                ..list.clone()
            },
        ),
        approvals(
            "approvals-hostile",
            ApprovalsPage {
                notice: Some(HOSTILE.into()),
                error: Some(HOSTILE.into()),
                rows: vec![ApprovalRow {
                    name: HOSTILE.into(),
                    email: HOSTILE.into(),
                    reason: HOSTILE.into(),
                    ..row
                }],
                ..list
            },
        ),
    ]
}
