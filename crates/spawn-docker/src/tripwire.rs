//! The trip-wire: what somebody with rights at the engine does to our containers.
//!
//! The hub itself never runs a program in a container, copies nothing out of one and attaches to one
//! exactly once, before it has its final name. So whatever else the engine reports of that kind was
//! somebody else.

use std::collections::{HashMap, HashSet};

use bollard::models::{ContainerInspectResponse, EventMessage};
use jansky_model::{ServerId, StartId};

use crate::names;

/// What brings somebody into a container, or its contents out of it. With `exec_create` the command
/// follows.
const ACTIONS: [&str; 9] = [
    "exec_create",
    // Of Podman.
    "exec",
    "attach",
    "archive-path",
    "extract-to-dir",
    "copy",
    "commit",
    "checkpoint",
    "export",
];

/// What is longer is cut in messages.
const LONGEST: usize = 200;

/// Tells what is ours from what is not.
#[derive(Default)]
pub(crate) struct Tripwire {
    /// Containers that are being started and were attached to for that.
    attached: HashSet<String>,
    /// Containers of others, with what they share with which of ours, that were told.
    told: HashSet<(String, String, String)>,
}

/// Something that was not us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tripped {
    pub(crate) server: ServerId,
    pub(crate) start: StartId,
    pub(crate) what: String,
}

impl Tripwire {
    /// The container that an event says has come. Its name says nothing: whoever makes one may call it
    /// as we call ours, which share nothing with each other.
    pub(crate) fn newcomer(&mut self, event: &EventMessage) -> Option<String> {
        let id = event.actor.as_ref()?.id.as_deref()?;
        match event.action.as_deref()? {
            // What it names may be made between the two.
            "create" | "start" | "init" => Some(id.to_owned()),
            "destroy" | "remove" => {
                self.told.retain(|(other, ..)| other != id);
                None
            }
            _ => None,
        }
    }

    /// Whether it was not told yet.
    pub(crate) fn is_news(&mut self, newcomer: &str, share: &str, ours: &str) -> bool {
        let told = [newcomer, share, ours].map(str::to_owned);
        self.told.insert(told.into())
    }

    /// Takes an event of the engine in.
    pub(crate) fn note(&mut self, instance: &str, event: &EventMessage) -> Option<Tripped> {
        let what = event.action.as_deref()?;
        let actor = event.actor.as_ref()?;
        let id = actor.id.as_deref()?;
        let empty = HashMap::new();
        let attributes = actor.attributes.as_ref().unwrap_or(&empty);
        let name = attributes.get("name").map(String::as_str)?;
        let (server, start) = names::read_container(instance, name)?;
        let (action, _) = what.split_once(':').unwrap_or((what, ""));
        if matches!(action, "die" | "destroy" | "remove") {
            self.attached.remove(id);
        }
        if !ACTIONS.contains(&action) {
            return None;
        }
        // The one time that the document is handed over.
        if action == "attach" && names::is_begun(name) && self.attached.insert(id.to_owned()) {
            return None;
        }
        Some(Tripped {
            server,
            start,
            what: what.chars().take(LONGEST).collect(),
        })
    }
}

/// What a container shares with which others, by their names or ids.
pub(crate) fn shares(container: &ContainerInspectResponse) -> Vec<(String, String)> {
    let Some(host) = &container.host_config else {
        return Vec::new();
    };
    let modes = [
        ("pid", &host.pid_mode),
        ("network", &host.network_mode),
        ("ipc", &host.ipc_mode),
    ];
    let joined = modes.into_iter().filter_map(|(share, mode)| {
        let target = mode.as_deref()?.strip_prefix("container:")?;
        Some((share.to_owned(), target.to_owned()))
    });
    let volumes = host.volumes_from.iter().flatten().map(|from| {
        // `name:ro`
        let (target, _) = from.split_once(':').unwrap_or((from, ""));
        ("volumes-from".to_owned(), target.to_owned())
    });
    joined.chain(volumes).collect()
}

#[cfg(test)]
mod tests {
    use bollard::models::{EventActor, HostConfig};

    use super::*;

    fn event(action: &str, name: &str) -> EventMessage {
        EventMessage {
            action: Some(action.to_owned()),
            actor: Some(EventActor {
                id: Some("c0ffee".to_owned()),
                attributes: Some(HashMap::from([("name".to_owned(), name.to_owned())])),
            }),
            ..EventMessage::default()
        }
    }

    #[test]
    fn one_attach_of_a_start_is_ours_and_every_other_is_not() {
        let mut tripwire = Tripwire::default();
        let mut trips = |action, name| tripwire.note("hub", &event(action, name)).is_some();

        assert!(!trips("attach", "jansky-hub-7-2.new"));
        assert!(trips("attach", "jansky-hub-7-2.new"));
        assert!(trips("attach", "jansky-hub-7-2"));
        // A kept one is started again.
        assert!(!trips("die", "jansky-hub-7-2"));
        assert!(!trips("attach", "jansky-hub-7-3.new"));
    }

    #[test]
    fn reaching_in_is_told_apart_from_looking_and_from_others() {
        let mut tripwire = Tripwire::default();

        for action in [
            "start", "stop", "kill", "top", "rename", "resize", "exec_die",
        ] {
            let noted = tripwire.note("hub", &event(action, "jansky-hub-7-2"));
            assert_eq!(noted, None, "{action}");
        }
        let noted = tripwire.note("hub", &event("exec_create: id", "jansky-hub-7-2"));
        assert_eq!(
            noted,
            Some(Tripped {
                server: ServerId(7),
                start: StartId(2),
                what: "exec_create: id".to_owned(),
            })
        );
        let others = tripwire.note("hub", &event("exec_create: id", "postgres"));
        assert_eq!(others, None);
    }

    #[test]
    fn what_a_container_shares_with_others_is_read() {
        let container = ContainerInspectResponse {
            host_config: Some(HostConfig {
                pid_mode: Some("container:c0ffee".to_owned()),
                network_mode: Some("container:jansky-hub-7-2".to_owned()),
                ipc_mode: Some("private".to_owned()),
                volumes_from: Some(vec!["jansky-hub-7-2:ro".to_owned()]),
                ..HostConfig::default()
            }),
            ..ContainerInspectResponse::default()
        };

        let found = shares(&container);

        let found: Vec<_> = found
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("pid", "c0ffee"),
                ("network", "jansky-hub-7-2"),
                ("volumes-from", "jansky-hub-7-2"),
            ]
        );
    }

    #[test]
    fn a_container_that_joins_is_told_once_whatever_it_is_called() {
        let mut tripwire = Tripwire::default();

        assert!(tripwire.newcomer(&event("create", "evil")).is_some());
        assert!(tripwire.newcomer(&event("start", "evil")).is_some());
        assert!(tripwire.newcomer(&event("die", "evil")).is_none());
        let disguised = event("create", "jansky-hub-7-99");
        assert!(tripwire.newcomer(&disguised).is_some());
        assert!(tripwire.is_news("c0ffee", "pid", "x"));
        assert!(!tripwire.is_news("c0ffee", "pid", "x"));
        tripwire.newcomer(&event("destroy", "evil"));
        assert!(tripwire.is_news("c0ffee", "pid", "x"));
    }
}
