//! Names of users, servers and providers. Parsing is the only way to make one.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::{
    GeneralSecurityProfile as _, RestrictionLevel, RestrictionLevelDetection as _, skeleton,
};

use crate::dn;

/// What JupyterHub leaves alone when it writes a name into a path: unreserved characters, `@`, `~`.
const PATH_SET: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'@');

/// What Python's `quote` leaves alone; used for OAuth client ids, where `@` is escaped.
const QUOTE_SET: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// Escapes a name for use as one segment of a path.
pub fn escape_path(name: &str) -> String {
    utf8_percent_encode(name, PATH_SET).to_string()
}

/// Escapes a name for use in an OAuth client id, as Python's `quote` does.
pub fn quote(name: &str) -> String {
    utf8_percent_encode(name, QUOTE_SET).to_string()
}

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a valid {kind} name: {reason}")]
pub struct InvalidName {
    /// The kind of name: `user`, `server` or `provider`.
    pub kind: &'static str,
    /// The text that was refused.
    pub name: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type! {
    /// The name of a user: what JupyterHub accepts as one.
    ///
    /// Not empty, at most 255 bytes, without `/`, control characters or surrounding white space,
    /// and not only dots. Case is kept: [`UserName::normalize`] lowers it for sign-in.
    UserName
}

impl FromStr for UserName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| {
            Err(InvalidName {
                kind: "user",
                name: text.to_owned(),
                reason,
            })
        };
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.len() > 255 {
            return refuse("it is longer than 255 bytes");
        }
        if text.trim() != text {
            return refuse("it begins or ends with white space");
        }
        if text.contains('/') || text.to_ascii_lowercase().contains("%2f") {
            return refuse("it contains `/`");
        }
        if text.chars().any(char::is_control) {
            return refuse("it contains a control character");
        }
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
        if decoded.chars().all(|c| c == '.') {
            return refuse("it consists of dots only");
        }
        Ok(Self(text.to_owned()))
    }
}

impl UserName {
    /// Reads a name that somebody typed or a provider sent: trims it, lowers its case and writes what
    /// has several spellings in one (NFC).
    pub fn normalize(text: &str) -> Result<Self, InvalidName> {
        Self::compose(&text.to_lowercase())
    }

    /// Reads a name as [`UserName::normalize`] does, and keeps its case.
    pub fn compose(text: &str) -> Result<Self, InvalidName> {
        text.trim().nfc().collect::<String>().parse()
    }

    /// The name as it is given to an account: composed (NFC), and with no character that cannot be
    /// seen or looks like another one.
    ///
    /// # Errors
    /// [`InvalidName`] for a name that nobody should get. Accounts that have one keep it.
    pub fn for_account(&self) -> Result<Self, InvalidName> {
        clear("user", &self.0)?.parse()
    }

    /// What two names have in common that people cannot tell apart (the skeleton of UTS 39).
    pub fn look(&self) -> String {
        skeleton(&self.0.to_lowercase()).collect()
    }

    /// The name as one segment of a path.
    pub fn escaped(&self) -> String {
        escape_path(&self.0)
    }
}

/// One form of a text that is to name something: composed (NFC), of letters and signs that people see
/// and can tell apart.
///
/// ASCII is taken as it is. Of the rest what Unicode recommends for identifiers is taken (UTS 39,
/// `Identifier_Status` allowed), which leaves out what is invisible, changes the direction, or is a
/// variant of another character; and letters of several scripts only where they are written together
/// (highly restrictive).
fn clear(kind: &'static str, text: &str) -> Result<String, InvalidName> {
    let text: String = text.nfc().collect();
    let refuse = |reason| {
        Err(InvalidName {
            kind,
            name: shown(&text),
            reason,
        })
    };
    let is_fine = |c: char| c.is_ascii() || c.identifier_allowed();
    if !text.chars().all(is_fine) {
        return refuse("it has a character that cannot be seen or is easily taken for another one");
    }
    let letters: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
    if !letters.check_restriction_level(RestrictionLevel::HighlyRestrictive) {
        return refuse("it mixes letters of scripts that are not written together");
    }
    Ok(text)
}

/// A text in which every character can be seen for what it is.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && !c.is_control() {
            shown.push(c);
        } else {
            shown.extend(c.escape_unicode());
        }
    }
    shown
}

/// The form in which names of groups are kept and compared: distinguished names as directories
/// compare them, and everything else composed (NFC).
pub fn group_name(text: &str) -> String {
    dn::canonical(text).unwrap_or_else(|| text.nfc().collect())
}

/// The name of a group that somebody makes here, in the form of [`group_name`].
///
/// # Errors
/// [`InvalidName`] for a name that nobody should give. A provider may send others.
pub fn new_group_name(text: &str) -> Result<String, InvalidName> {
    clear("group", &group_name(text))
}

name_type! {
    /// The name of one of a user's servers; empty for the default server.
    ///
    /// 1 to 30 characters of `a-z`, `0-9` and single hyphens, beginning with a letter and not
    /// ending with a hyphen: JupyterHub's rule since 6.0.
    ServerName
}

impl FromStr for ServerName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| {
            Err(InvalidName {
                kind: "server",
                name: text.to_owned(),
                reason,
            })
        };
        if text.is_empty() {
            return Ok(Self(String::new()));
        }
        if text.len() > 30 {
            return refuse("it is longer than 30 characters");
        }
        if !text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return refuse("only a-z, 0-9 and hyphens are allowed");
        }
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            return refuse("it must begin with a letter");
        }
        if text.ends_with('-') || text.contains("--") {
            return refuse("a hyphen must stand between letters or digits");
        }
        Ok(Self(text.to_owned()))
    }
}

impl ServerName {
    /// The name of the default server: the empty text.
    pub const fn default_server() -> Self {
        Self(String::new())
    }

    /// Whether this is the default server.
    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }
}

name_type! {
    /// The id of an identity provider in the configuration: `[a-z0-9-]`, 1 to 40 characters.
    ProviderId
}

impl FromStr for ProviderId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = !text.is_empty()
            && text.len() <= 40
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName {
                kind: "provider",
                name: text.to_owned(),
                reason: "it must be 1 to 40 characters of a-z, 0-9 and hyphens",
            })
        }
    }
}

/// The path prefix of a server below `base` (which ends in `/`), for example `/user/river/gpu/`.
pub fn server_prefix(base: &str, user: &UserName, server: &ServerName) -> String {
    if server.is_default() {
        format!("{base}user/{}/", user.escaped())
    } else {
        format!("{base}user/{}/{server}/", user.escaped())
    }
}

/// The OAuth client id of a server, which is also the name of the cookie it sets.
///
/// Different servers have different ones. JupyterHub writes a hyphen between the two names, and so `lab` of
/// `u` is the default server of `u-lab` there. Here it is a sign that [`quote`] never leaves in a name and
/// that may stand in the name of a cookie.
pub fn server_client_id(user: &UserName, server: &ServerName) -> String {
    let user = quote(user.as_str());
    if server.is_default() {
        format!("jupyterhub-user-{user}")
    } else {
        format!("jupyterhub-user-{user}!{server}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_that_could_leave_their_path_are_refused() {
        for bad in ["", " a", "a/b", "a%2Fb", "..", "%2e%2e", ".", "a\nb"] {
            assert!(bad.parse::<UserName>().is_err(), "{bad:?} was accepted");
        }
        for good in ["ada", "Eve X", "al@ex", "jürgen", "a.b"] {
            assert!(good.parse::<UserName>().is_ok(), "{good:?} was refused");
        }
    }

    #[test]
    fn names_are_escaped_as_jupyterhub_escapes_them() {
        let user = "al@ex b".parse::<UserName>().expect("a valid name");
        let server = "gpu".parse::<ServerName>().expect("a valid name");

        assert_eq!(
            server_prefix("/", &user, &ServerName::default_server()),
            "/user/al@ex%20b/"
        );
        assert_eq!(
            server_prefix("/x/", &user, &server),
            "/x/user/al@ex%20b/gpu/"
        );
        assert_eq!(
            server_client_id(&user, &server),
            "jupyterhub-user-al%40ex%20b!gpu"
        );
    }

    #[test]
    fn no_two_servers_have_one_client_id() {
        let users = ["u", "u-lab", "u-lab-x", "u!lab", "u%21lab", "U", "u.lab"];
        let servers = ["", "lab", "x", "lab-x"];
        let mut seen = std::collections::BTreeMap::new();
        for user in users.iter().filter_map(|user| user.parse().ok()) {
            for server in servers.map(|server| server.parse().expect("a server name")) {
                let id = server_client_id(&user, &server);
                // Also the name of a cookie (RFC 6265 section 4.1.1).
                assert!(
                    id.bytes()
                        .all(|b| b.is_ascii_graphic() && !br#"()<>@,;:\"/[]?={}"#.contains(&b)),
                    "{id}"
                );
                let other = seen.insert(id, (user.clone(), server.clone()));
                assert_eq!(other, None, "{user} {server}");
            }
        }
    }

    #[test]
    fn server_names_follow_the_rule_of_version_six() {
        for good in ["", "a", "gpu", "my-lab-2"] {
            assert!(good.parse::<ServerName>().is_ok(), "{good:?} was refused");
        }
        for bad in ["Bad_", "2a", "a-", "a--b", "-a", &"x".repeat(31)] {
            assert!(bad.parse::<ServerName>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn names_have_one_form_and_nothing_that_cannot_be_seen() {
        let given = |text: &str| {
            let name = text.parse::<UserName>().expect("a name");
            name.for_account().map(|name| name.to_string())
        };

        assert_eq!(given("jurgen\u{308}").expect("decomposed"), "jurgen\u{308}");
        assert_eq!(given("ju\u{308}rgen").expect("decomposed"), "jürgen");
        assert_eq!(
            UserName::normalize("JU\u{308}RGEN").expect("one").as_str(),
            "jürgen"
        );
        for good in [
            "ada",
            "Eve X",
            "al@ex.org",
            "o'brien+x",
            "jürgen",
            "иван",
            "山田太郎",
            "עדה",
        ] {
            assert_eq!(given(good).expect(good), good);
        }
        for bad in [
            "ri\u{200b}ver",
            "ri\u{200d}ver",
            "\u{202e}revir",
            "ri\u{ad}ver",
            "ri\u{feff}ver",
            "river\u{a0}x",
            "ｒｉｖｅｒ",
            "ri\u{2060}ver",
            "ri\u{e0001}ver",
            "r\u{456}ver",
            "αdа",
            "ri\u{115f}ver",
            "ﬁnn",
        ] {
            let refused = given(bad).expect_err(bad).to_string();
            assert!(refused.is_ascii() || !refused.contains(bad), "{refused}");
        }
    }

    #[test]
    fn names_that_look_the_same_have_one_look() {
        let look = |text: &str| text.parse::<UserName>().expect("a name").look();

        for (a, b) in [("scope", "ѕсоре"), ("river", "RIVER"), ("paypal", "рaураl")] {
            assert_eq!(look(a), look(b), "{a} {b}");
        }
        assert_ne!(look("river"), look("rover"));
    }

    #[test]
    fn groups_have_one_form() {
        assert_eq!(group_name("CN=Staff, O=X"), "cn=staff,o=x");
        assert_eq!(group_name("/radio/E\u{301}vn"), "/radio/Évn");
        assert_eq!(group_name("Radio"), "Radio");
        assert!(new_group_name("ra\u{200b}dio").is_err());
        assert_eq!(new_group_name("/vo/Rolle=Ä").expect("fine"), "/vo/Rolle=Ä");
    }

    #[test]
    fn sign_in_names_are_trimmed_and_lowered() {
        assert_eq!(
            UserName::normalize(" ALICE ").expect("valid").as_str(),
            "alice"
        );
    }
}
