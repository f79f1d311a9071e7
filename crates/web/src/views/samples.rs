//! One sample of every state that a page can be in: for the tests, and for looking at the pages.

use jansky_model::{Secret, Timestamp};

use super::{
    ConsentPage, ErrorPage, ExpiryOption, FailedPage, Frame, FrameUser, HomePage, Link, LocalForm,
    LoginPage, NotRunningPage, Page, PendingEvent, PendingPage, ProviderButton, ScopeLine,
    ServerCard, ServerPhase, SetupPage, SignOutPage, SignedOutPage, StoppingPage, TokenRow,
    TokensPage,
};
use crate::render::{RenderError, Renderer};
use crate::scope_words::scope_in_words;

/// A name that breaks every page which forgets to escape.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}";

type Render = dyn Fn(&Renderer, &Frame) -> Result<String, RenderError> + Send + Sync;

/// One page in one state.
pub struct Sample {
    /// What it shows, usable as a file name.
    pub name: &'static str,
    /// File name of its template.
    pub template: &'static str,
    /// Title of the page.
    pub title: String,
    /// Whether somebody is signed in.
    pub signed_in: bool,
    render: Box<Render>,
}

impl Sample {
    fn new<P: Page + Send + Sync + 'static>(
        name: &'static str,
        title: &str,
        signed_in: bool,
        page: P,
    ) -> Self {
        Self {
            name,
            template: P::TEMPLATE,
            title: title.to_owned(),
            signed_in,
            render: Box::new(move |renderer, frame| renderer.render(frame, &page)),
        }
    }

    /// Renders the page inside [`sample_frame`].
    pub fn render(&self, renderer: &Renderer) -> Result<String, RenderError> {
        let mut frame = sample_frame(&self.title, self.signed_in);
        if self.name == "home" {
            frame.announcement =
                Some("Maintenance on Sunday from 08:00 to 10:00 UTC: servers will stop.".into());
        }
        if self.name.ends_with("hostile") {
            frame.announcement = Some(HOSTILE.into());
            frame.site_name = HOSTILE.into();
            frame.user = Some(FrameUser {
                name: HOSTILE.into(),
                admin: true,
            });
        }
        (self.render)(renderer, &frame)
    }
}

/// The frame that the samples are shown in.
pub fn sample_frame(title: &str, signed_in: bool) -> Frame {
    Frame {
        title: title.to_owned(),
        site_name: "Jansky".into(),
        base: "/hub/".into(),
        user: signed_in.then(|| FrameUser {
            name: "river".into(),
            admin: false,
        }),
        xsrf: "sample-xsrf".into(),
        static_version: crate::static_files::version().to_owned(),
        announcement: None,
    }
}

/// All samples.
pub fn samples() -> Vec<Sample> {
    let mut all = sign_in();
    all.extend(home());
    all.extend(spawn());
    all.extend(sign_out());
    all.extend(consent());
    all.extend(setup());
    all.extend(tokens());
    all.extend(errors());
    all
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("sample times are ISO 8601")
}

fn provider(id: &str, title: &str, reason: Option<&str>) -> ProviderButton {
    ProviderButton {
        id: id.into(),
        title: title.into(),
        url: format!("/hub/oauth_login/{id}?next=%2Fhub%2Fhome"),
        available: reason.is_none(),
        reason: reason.map(Into::into),
    }
}

fn sign_in() -> Vec<Sample> {
    let local = LocalForm {
        action_url: "/hub/login?next=%2Fhub%2Fhome".into(),
        username: String::new(),
        error: None,
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
        local: Some(local.clone()),
        next: "/hub/home".into(),
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
                notice: Some("Your session has ended. Sign in to go on.".into()),
                ..page.clone()
            },
        ),
        sample(
            "sign-in-wrong-password",
            LoginPage {
                local: Some(LocalForm {
                    username: "river".into(),
                    error: Some("The name or the password is not right.".into()),
                    ..local.clone()
                }),
                ..page.clone()
            },
        ),
        sample(
            "sign-in-provider-failed",
            LoginPage {
                local: None,
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
                local: None,
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
                local: Some(LocalForm {
                    username: HOSTILE.into(),
                    error: Some(HOSTILE.into()),
                    ..local
                }),
                next: HOSTILE.into(),
                notice: Some(HOSTILE.into()),
                error: Some(HOSTILE.into()),
            },
        ),
    ]
}

fn server(name: &str, state: ServerPhase) -> ServerCard {
    let is_default = name.is_empty();
    let path = if is_default {
        "river".into()
    } else {
        format!("river/{name}")
    };
    ServerCard {
        name: name.into(),
        title: if is_default {
            "My server".into()
        } else {
            name.into()
        },
        state,
        url: format!("/user/{path}/"),
        pending_url: format!("/hub/spawn-pending/{path}"),
        start_action: format!("/hub/spawn/{path}"),
        stop_action: format!("/hub/stop/{path}"),
        delete_action: (!is_default && matches!(state, ServerPhase::Stopped | ServerPhase::Failed))
            .then(|| format!("/hub/delete/{path}")),
        since: (state != ServerPhase::Stopped).then(|| at("2026-07-26T09:14:00Z")),
        last_activity: Some(at("2026-07-26T11:02:37Z")),
        failure: (state == ServerPhase::Failed)
            .then(|| "It did not answer within 2 minutes.".into()),
        is_default,
    }
}

fn home() -> Vec<Sample> {
    let page = HomePage {
        servers: vec![
            server("", ServerPhase::Ready),
            server("calibration", ServerPhase::Starting),
            server("gpu", ServerPhase::Stopped),
            server("imaging-ngc5921", ServerPhase::Stopping),
            server("vlbi", ServerPhase::Failed),
        ],
        can_add: true,
        add_action: "/hub/servers".into(),
        add_error: None,
        add_name: String::new(),
        named_limit_note: Some("You have 4 of 5 further servers.".into()),
    };
    let default_only = |state| HomePage {
        servers: vec![server("", state)],
        can_add: false,
        named_limit_note: None,
        ..page.clone()
    };
    let sample = |name, page| Sample::new(name, "Home", true, page);
    vec![
        sample("home", page.clone()),
        sample(
            "home-first-visit",
            HomePage {
                servers: vec![ServerCard {
                    last_activity: None,
                    ..server("", ServerPhase::Stopped)
                }],
                named_limit_note: None,
                ..page.clone()
            },
        ),
        sample("home-stopped", default_only(ServerPhase::Stopped)),
        sample("home-starting", default_only(ServerPhase::Starting)),
        sample("home-stopping", default_only(ServerPhase::Stopping)),
        sample("home-failed", default_only(ServerPhase::Failed)),
        sample(
            "home-add-error",
            HomePage {
                add_error: Some("A name has only letters, digits, `-`, `_` and `.`.".into()),
                add_name: "my server!".into(),
                ..page.clone()
            },
        ),
        sample(
            "home-hostile",
            HomePage {
                servers: vec![
                    ServerCard {
                        title: HOSTILE.into(),
                        ..server("", ServerPhase::Ready)
                    },
                    ServerCard {
                        name: HOSTILE.into(),
                        title: HOSTILE.into(),
                        failure: Some(HOSTILE.into()),
                        ..server("x", ServerPhase::Failed)
                    },
                ],
                add_error: Some(HOSTILE.into()),
                add_name: HOSTILE.into(),
                named_limit_note: Some(HOSTILE.into()),
                ..page
            },
        ),
    ]
}

fn spawn() -> Vec<Sample> {
    let event = |progress, message: &str| PendingEvent {
        progress,
        message: message.into(),
    };
    let pending = PendingPage {
        title: "My server".into(),
        events: vec![
            event(0, "The start was asked for."),
            event(20, "The process was started."),
            event(50, "Waiting until it answers."),
        ],
        percent: 50,
        events_url: "/hub/api/users/river/server/progress?_xsrf=sample-xsrf".into(),
        refresh_seconds: Some(3),
        cancel_action: "/hub/stop/river".into(),
        ready_url: "/user/river/".into(),
    };
    let failed = FailedPage {
        title: "My server".into(),
        reason: "Your server did not answer within 2 minutes. You can try again; your files are \
                 safe."
            .into(),
        log_tail: "[I 2026-07-26 09:14:02.113 ServerApp] jupyterlab | extension was successfully \
                   loaded.\n[C 2026-07-26 09:14:02.250 ServerApp] Bad config encountered during \
                   initialization: No such directory: '/home/river/notebooks'\n"
            .into(),
        retry_action: "/hub/spawn/river".into(),
        home_url: "/hub/home".into(),
        when: Some(at("2026-07-26T09:16:02Z")),
    };
    let not_running = NotRunningPage {
        title: "My server".into(),
        start_action: "/hub/spawn/river".into(),
        home_url: "/hub/home".into(),
        next: "/user/river/lab/tree/ngc5921.ipynb".into(),
    };
    let stopping = StoppingPage {
        title: "My server".into(),
        refresh_seconds: 3,
        home_url: "/hub/home".into(),
    };
    let starting = |name, page| Sample::new(name, "My server is starting", true, page);
    let failing = |name, page| Sample::new(name, "My server did not start", true, page);
    vec![
        starting("pending", pending.clone()),
        starting(
            "pending-begin",
            PendingPage {
                events: vec![],
                percent: 0,
                ..pending.clone()
            },
        ),
        starting("pending-hostile", {
            PendingPage {
                title: HOSTILE.into(),
                events: vec![event(10, HOSTILE)],
                refresh_seconds: None,
                ..pending
            }
        }),
        failing("failed", failed.clone()),
        failing(
            "failed-without-log",
            FailedPage {
                log_tail: String::new(),
                when: None,
                ..failed.clone()
            },
        ),
        failing(
            "failed-hostile",
            FailedPage {
                title: HOSTILE.into(),
                reason: HOSTILE.into(),
                log_tail: HOSTILE.into(),
                ..failed
            },
        ),
        Sample::new(
            "not-running",
            "My server does not run",
            true,
            not_running.clone(),
        ),
        Sample::new(
            "not-running-hostile",
            "My server does not run",
            true,
            NotRunningPage {
                title: HOSTILE.into(),
                next: HOSTILE.into(),
                ..not_running
            },
        ),
        Sample::new("stopping", "My server is stopping", true, stopping.clone()),
        Sample::new(
            "stopping-hostile",
            "My server is stopping",
            true,
            StoppingPage {
                title: HOSTILE.into(),
                ..stopping
            },
        ),
    ]
}

fn sign_out() -> Vec<Sample> {
    let ask = |name, note: Option<&str>| {
        let page = SignOutPage {
            servers_note: note.map(Into::into),
            action: "/hub/logout".into(),
        };
        Sample::new(name, "Sign out", true, page)
    };
    let done = |name, note: Option<&str>| {
        let page = SignedOutPage {
            login_url: "/hub/login".into(),
            provider_note: note.map(Into::into),
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
    ]
}

fn consent() -> Vec<Sample> {
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

fn setup() -> Vec<Sample> {
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

fn tokens() -> Vec<Sample> {
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

fn errors() -> Vec<Sample> {
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
