//! Names and labels: how what the spawner made is found again, and how users' names go into others.

use std::fmt::Write as _;

use jansky_model::{ServerId, StartId};

/// The label with the id of the hub.
pub(crate) const INSTANCE: &str = "jansky.instance";
/// The label with the id of the server.
pub(crate) const SERVER: &str = "jansky.server";
/// The label with the start that the container was made for; a kept one may be in a later start,
/// which its name says.
pub(crate) const START: &str = "jansky.start";
/// The label with the name of the user.
pub(crate) const USER: &str = "jansky.user";
/// The label that tells containers of different settings apart.
pub(crate) const DEFINITION: &str = "jansky.definition";

/// What a container is called until it has its document.
const BEGUN: &str = ".new";

/// The name of the container of a start that has its document.
pub(crate) fn container(instance: &str, server: ServerId, start: StartId) -> String {
    format!("jansky-{instance}-{server}-{start}")
}

/// The name of the container of a start that somebody is working on. Who has it has the turn.
pub(crate) fn begun(instance: &str, server: ServerId, start: StartId) -> String {
    container(instance, server, start) + BEGUN
}

/// Whether a name was made by [`begun`].
pub(crate) fn is_begun(name: &str) -> bool {
    name.ends_with(BEGUN)
}

/// What [`container`] or [`begun`] made a name of; `None` for another hub's or any other container.
pub(crate) fn read_container(instance: &str, name: &str) -> Option<(ServerId, StartId)> {
    let rest = name.trim_start_matches('/').strip_prefix("jansky-")?;
    let rest = rest.strip_suffix(BEGUN).unwrap_or(rest);
    let (server, start) = rest
        .strip_prefix(instance)?
        .strip_prefix('-')?
        .split_once('-')?;
    Some((ServerId(number(server)?), StartId(number(start)?)))
}

/// A number as [`container`] writes it.
fn number(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A user's name as a part of a volume's name: different names stay different.
///
/// Letters, digits and hyphens stay, everything else becomes `_` and two hexadecimal digits for each
/// byte.
pub(crate) fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "_{byte:02x}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_container_says_which_start_it_is() {
        let name = container("hub-1", ServerId(7), StartId(12));

        assert_eq!(name, "jansky-hub-1-7-12");
        let read = Some((ServerId(7), StartId(12)));
        assert_eq!(read_container("hub-1", &name), read);
        assert_eq!(read_container("hub-1", "/jansky-hub-1-7-12"), read);
        let begun = begun("hub-1", ServerId(7), StartId(12));
        assert_ne!(begun, name);
        assert_eq!(read_container("hub-1", &begun), read);
    }

    #[test]
    fn containers_of_others_are_not_ours() {
        for name in [
            "jansky-hub-7-12",
            "jansky-hub-1-7",
            "jansky-hub-1-7-x",
            "jansky-hub-1-7-012",
            "jansky-hub-1-7-12-3",
            "postgres",
        ] {
            assert_eq!(read_container("hub-1", name), None, "{name}");
        }
    }

    #[test]
    fn different_users_have_different_volumes() {
        assert_eq!(escaped("river-2"), "river-2");
        assert_eq!(escaped("a@b.org"), "a_40b_2eorg");
        assert_eq!(escaped("a_40b"), "a_5f40b");
        assert_eq!(escaped("ü"), "_c3_bc");
    }
}
