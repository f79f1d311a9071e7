//! Samples of the pages about servers.

use jansky_hub::FreezeReason;

use super::{HOSTILE, Sample, at};
use crate::pages::frozen;
use crate::views::{
    ChoiceField, ChoosePage, FailedPage, HomePage, NotRunningPage, OfferRow, PendingEvent,
    PendingPage, ServerCard, ServerPhase, StoppingPage,
};

/// The page that asks which image a server begins with.
pub(super) fn choose() -> Vec<Sample> {
    let offer = |value: &str, title: &str, description: Option<&str>, is_chosen| OfferRow {
        value: value.into(),
        title: title.into(),
        description: description.map(Into::into),
        is_chosen,
    };
    let page = ChoosePage {
        title: "My server".into(),
        start_action: "/hub/spawn/river".into(),
        home_url: "/hub/home".into(),
        next: "/user/river/lab/tree/ngc5921.ipynb".into(),
        fields: vec![ChoiceField {
            key: "image".into(),
            title: "Image".into(),
            offers: vec![
                offer(
                    "lab",
                    "Python for astronomy",
                    Some("Astropy, PyVO and matplotlib. Right for most work."),
                    false,
                ),
                offer(
                    "casa",
                    "CASA 6.7",
                    Some(
                        "Calibration and imaging of radio data, with the plotting tools. It needs \
                         about 4 GB of memory and takes a minute to start.",
                    ),
                    true,
                ),
                offer("minimal-2026-10", "minimal-2026-10", None, false),
            ],
        }],
    };
    let hostile = ChoosePage {
        title: HOSTILE.into(),
        start_action: "/hub/spawn/river".into(),
        home_url: "/hub/home".into(),
        next: HOSTILE.into(),
        fields: vec![ChoiceField {
            key: HOSTILE.into(),
            title: HOSTILE.into(),
            offers: vec![offer(HOSTILE, HOSTILE, Some(HOSTILE), true)],
        }],
    };
    vec![
        Sample::new("choose", "Start my server", true, page),
        Sample::new("choose-hostile", "Start my server", true, hostile),
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
        frozen: None,
        is_default,
    }
}

pub(super) fn home() -> Vec<Sample> {
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
        stops_at: None,
        is_leaving: false,
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
        sample(
            "home-leaving",
            HomePage {
                stops_at: Some(at("2026-07-26T09:45:00Z")),
                is_leaving: true,
                ..default_only(ServerPhase::Ready)
            },
        ),
        sample(
            "home-left",
            HomePage {
                is_leaving: true,
                ..default_only(ServerPhase::Stopped)
            },
        ),
        sample(
            "home-frozen",
            HomePage {
                servers: vec![
                    ServerCard {
                        frozen: frozen::for_owner(FreezeReason::Tripwire).map(str::to_owned),
                        ..server("", ServerPhase::Ready)
                    },
                    ServerCard {
                        frozen: frozen::for_owner(FreezeReason::TicketReplay).map(str::to_owned),
                        ..server("calibration", ServerPhase::Ready)
                    },
                ],
                named_limit_note: None,
                ..page.clone()
            },
        ),
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
                        frozen: Some(HOSTILE.into()),
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

pub(super) fn spawn() -> Vec<Sample> {
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
