//! Rules of `[spawner]` with `kind = "docker"`.

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use super::Rules;
use jansky_settings::{Config, DockerSpawner, Meeting, VolumeEntry};

pub(super) fn check(docker: &DockerSpawner, config: &Config, rules: &mut Rules<'_, '_>) {
    host(docker, rules);
    images(docker, rules);
    agent(docker, rules);
    network(docker, rules);
    volumes(docker, rules);
    account(docker, rules);
    api_url(config, rules);
}

fn host(docker: &DockerSpawner, rules: &mut Rules<'_, '_>) {
    let key = &["spawner", "host"];
    let found = format!("`{}`", docker.host);
    if let Some(path) = docker.host.strip_prefix("unix://") {
        if !path.starts_with('/') {
            rules.error(
                key,
                &found,
                "write the whole path of the socket, for example \"unix:///var/run/docker.sock\"",
            );
        }
    } else if let Some(address) = docker.host.strip_prefix("tcp://") {
        let (name, _) = address.rsplit_once(':').unwrap_or((address, ""));
        let is_loopback = name
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .map_or(name == "localhost", |address| address.is_loopback());
        if !is_loopback {
            rules.error(
                key,
                &found,
                "an engine is spoken to without encryption: write an address of this machine, such \
                 as \"tcp://127.0.0.1:2375\"",
            );
        }
    } else {
        rules.error(
            key,
            &found,
            "write \"unix://\" with the path of a socket, or \"tcp://\" with an address",
        );
    }
}

fn images(docker: &DockerSpawner, rules: &mut Rules<'_, '_>) {
    let key = &["spawner", "images"];
    if docker.images.is_empty() {
        rules.error(
            key,
            "no image",
            "write at least one, for example { lab = \"quay.io/jupyter/base-notebook@sha256:…\" }",
        );
        return;
    }
    for (id, offered) in &docker.images {
        let image = offered.image();
        let key = &["spawner", "images", id.as_str()];
        let found = format!("`{image}`");
        if image.is_empty() || image.contains(char::is_whitespace) {
            rules.error(key, &found, "write the name of an image with its digest");
        } else if !image.contains("sha256:") {
            rules.warning(
                key,
                &format!("{found}, which names no digest"),
                "write \"name@sha256:…\" (`docker inspect` shows it under RepoDigests): what a tag \
                 means can change at any time",
            );
        }
    }
    match &docker.default_image {
        Some(id) if !docker.images.contains_key(id) => rules.error(
            &["spawner", "default_image"],
            &format!("`{id}`"),
            "write one of the ids in `spawner.images`",
        ),
        None if docker.images.len() > 1 => rules.error(
            key,
            "several images and no default",
            "write the id of one of them as `default_image`",
        ),
        _ => {}
    }
}

fn agent(docker: &DockerSpawner, rules: &mut Rules<'_, '_>) {
    if docker.agent.is_some() && docker.agent_in_image.is_some() {
        rules.error(
            &["spawner", "agent_in_image"],
            "two agents",
            "write either `agent` or `agent_in_image`",
        );
    }
}

fn network(docker: &DockerSpawner, rules: &mut Rules<'_, '_>) {
    let name = &docker.network;
    if matches!(name.as_str(), "" | "host" | "none" | "default") || name.contains(':') {
        rules.error(
            &["spawner", "network"],
            &format!("`{name}`"),
            "write the name of a bridge: servers must have an address of their own",
        );
    }
    if let Some(subnet) = &docker.subnet
        && subnet.parse::<IpNet>().is_err()
    {
        rules.error(
            &["spawner", "subnet"],
            &format!("`{subnet}`"),
            "write addresses as \"172.30.0.0/24\"",
        );
    }
    for entry in &docker.extra_hosts {
        let is_pair = entry
            .split_once(':')
            .is_some_and(|(name, address)| !name.is_empty() && !address.is_empty());
        if !is_pair {
            rules.error(
                &["spawner", "extra_hosts"],
                &format!("`{entry}`"),
                "write \"name:address\"",
            );
        }
    }
}

fn volumes(docker: &DockerSpawner, rules: &mut Rules<'_, '_>) {
    let key = &["spawner", "volumes"];
    for entry in &docker.volumes {
        match VolumeEntry::read(entry) {
            Err(advice) => rules.error(key, &format!("`{entry}`"), advice),
            Ok(volume) if Path::new(volume.source).extension() == Some("sock".as_ref()) => rules.warning(
                key,
                &format!("`{entry}`, a socket"),
                "who can write to the engine's socket is an administrator of this machine; leave it \
                 out",
            ),
            Ok(_) => {}
        }
    }
    shared_volumes(docker, rules);
}

/// What one person has under their name another one must not get under theirs.
fn shared_volumes(docker: &DockerSpawner, rules: &mut Rules<'_, '_>) {
    let key = &["spawner", "volumes"];
    let entries = || {
        docker
            .volumes
            .iter()
            .filter_map(|entry| VolumeEntry::read(entry).ok())
    };
    let pairs = entries()
        .enumerate()
        .flat_map(|(at, one)| entries().skip(at + 1).map(move |other| (one, other)));
    for (one, other) in pairs {
        let found = format!("`{}` beside `{}`", one.source, other.source);
        match one.meets(&other).or_else(|| other.meets(&one)) {
            Some(Meeting::OfPeople) => rules.error(
                key,
                &found,
                "what one person has under their name another one would get under theirs: begin the two \
                 differently, for example \"home-{username}\" and \"data-{username}\"",
            ),
            Some(Meeting::OfAName) => rules.warning(
                key,
                &found,
                "whoever has the right name gets what is meant for all: write them so that no name makes \
                 them the same, for example \"/data/homes/{username}\" and \"/data/shared\"",
            ),
            None => {}
        }
    }
}

fn account(docker: &DockerSpawner, rules: &mut Rules<'_, '_>) {
    let Some(user) = &docker.user else { return };
    let (uid, gid) = user.split_once(':').unwrap_or((user, "0"));
    if uid.parse::<u32>().is_err() || gid.parse::<u32>().is_err() {
        rules.error(
            &["spawner", "user"],
            &format!("`{user}`"),
            "write numbers: \"1000\" or \"1000:100\"",
        );
    } else if uid == "0" {
        rules.warning(
            &["spawner", "user"],
            "root",
            "root of a container is close to root of the machine: write another account",
        );
    }
}

/// Inside of a container, 127.0.0.1 is the container.
fn api_url(config: &Config, rules: &mut Rules<'_, '_>) {
    let api_url = config.api_url();
    let host = url::Url::parse(&api_url).ok().and_then(|url| {
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some(host)
    });
    let Some(host) = host else { return };
    let is_here = host
        .parse::<IpAddr>()
        .map_or(host == "localhost", |address| {
            address.is_loopback() || address.is_unspecified()
        });
    if is_here {
        rules.error(
            &["hub", "api_url"],
            &format!("`{api_url}`, which inside of a container is the container itself"),
            "write how containers reach Jansky: the first address of `spawner.subnet` with the port \
             of hub.bind, for example \"http://172.30.0.1:8000/\"",
        );
    }
}
