//! The entries of `spawner.volumes`: what is mounted where, and what the names in it come to.

const USERNAME: &str = "{username}";
const SERVERNAME: &str = "{servername}";

/// One entry of `spawner.volumes`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeEntry<'a> {
    /// The path or the name of the volume.
    pub source: &'a str,
    /// Where it is inside of the container.
    pub target: &'a str,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// What the names of people can make of two sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// What one person gets is another person's, too.
    OfPeople,
    /// Who has the right name gets what the other source says.
    OfAName,
}

impl<'a> VolumeEntry<'a> {
    /// Takes an entry apart; the error is advice.
    pub fn read(entry: &'a str) -> Result<Self, &'static str> {
        let mut parts = entry.split(':');
        let (Some(source), Some(target), mode, None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("write \"source:target\" or \"source:target:ro\"");
        };
        let read_only = match mode {
            None | Some("rw") => false,
            Some("ro") => true,
            Some(_) => return Err("what follows the second \":\" can only be \"ro\" or \"rw\""),
        };
        let is_outside = |path: &str| path.split('/').any(|part| part == "..");
        if !target.starts_with('/') || is_outside(target) {
            return Err("the target must begin with \"/\" and be without \"..\"");
        }
        if source.is_empty() || is_outside(source) {
            return Err("the source must be a path without \"..\" or the name of a volume");
        }
        if source
            .replace(USERNAME, "")
            .replace(SERVERNAME, "")
            .contains(['{', '}'])
        {
            return Err("only `{username}` and `{servername}` are replaced");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-{}".contains(c);
        if !source.starts_with('/') && !source.chars().all(plain) {
            return Err("the name of a volume has only letters, digits, \"_\", \".\" and \"-\"");
        }
        let entry = Self {
            source,
            target,
            read_only,
        };
        if !entry.is_apart() {
            return Err(
                "write \".\", \"_\" or, in a path, \"/\" between `{username}` and `{servername}`: \
                 with a hyphen, `lab` of `u` and the default server of `u-lab` would have the same",
            );
        }
        Ok(entry)
    }

    /// Whether it is a path of this machine, and no volume of the engine.
    pub fn is_path(&self) -> bool {
        self.source.starts_with('/')
    }

    /// Whether it is another one for each person.
    pub fn has_username(&self) -> bool {
        self.source.contains(USERNAME)
    }

    /// The source for a server.
    pub fn filled(&self, user: &str, server: &str) -> String {
        // In one pass, so that a user called `{servername}` is nothing special.
        let filled = self.parts().map(|part| match part {
            Part::Text(text) => text,
            Part::User => user,
            Part::Server => server,
        });
        filled.collect()
    }

    /// Whether something is the source for a server of this user, whatever the name of the server.
    pub fn is_of(&self, user: &str, source: &str) -> bool {
        let of_user = self.filled(user, SERVERNAME);
        can_meet(&of_user, source)
    }

    /// What names can make of this source and another one that is mounted beside it.
    pub fn meets(&self, other: &Self) -> Option<Meeting> {
        let own = own_prefix(self.source);
        if !self.has_username() || own.is_some() && own == own_prefix(other.source) {
            return None;
        }
        // Whoever has a directory has what lies in it.
        let inner = other.source.match_indices('/');
        let above = inner.filter_map(|(at, _)| other.source.get(..at).filter(|_| at > 0));
        let met = above
            .chain([other.source])
            .find(|above| *above != self.source && can_meet(self.source, above))?;
        Some(if met.contains(USERNAME) {
            Meeting::OfPeople
        } else {
            Meeting::OfAName
        })
    }

    /// Whether what stands between a person's name and that of a server cannot be a part of the latter, so
    /// that each pair of names gives another source.
    fn is_apart(&self) -> bool {
        let parts: Vec<Part<'_>> = self.parts().collect();
        let mut between = "";
        let mut last = None;
        for part in parts {
            match part {
                Part::Text(text) => between = text,
                name => {
                    if last.is_some_and(|last| last != name) && is_within_a_server_name(between) {
                        return false;
                    }
                    (last, between) = (Some(name), "");
                }
            }
        }
        true
    }

    fn parts(&self) -> impl Iterator<Item = Part<'a>> {
        parts(self.source)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    User,
    Server,
}

fn parts(source: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = source;
    std::iter::from_fn(move || {
        for (name, part) in [(USERNAME, Part::User), (SERVERNAME, Part::Server)] {
            if let Some(after) = rest.strip_prefix(name) {
                rest = after;
                return Some(part);
            }
        }
        let names = [rest.find(USERNAME), rest.find(SERVERNAME)];
        let end = names.into_iter().flatten().min().unwrap_or(rest.len());
        let (text, after) = rest.split_at(end);
        rest = after;
        (!text.is_empty()).then_some(Part::Text(text))
    })
}

/// The beginning of a source that tells people apart: up to what follows the name, which no name has.
fn own_prefix(source: &str) -> Option<&str> {
    let end = source.find(USERNAME)? + USERNAME.len();
    let next = source.get(end..)?.chars().next()?;
    let users = Letters::of_users(source);
    (!users.has(next) && next != '{').then(|| &source[..=end])
}

/// Names of servers have no two hyphens in a row.
fn is_within_a_server_name(text: &str) -> bool {
    text.chars().all(|c| Letters::Servers.has(c)) && !text.contains("--")
}

/// What a source is made of, one letter at a time.
#[derive(Clone, Copy)]
struct Symbol {
    letters: Letters,
    repeats: bool,
}

#[derive(Clone, Copy)]
enum Letters {
    One(char),
    /// Names of users stand in paths as they are.
    UsersInPaths,
    /// In the names of volumes all but letters, digits and hyphens is escaped.
    UsersInVolumes,
    Servers,
}

impl Letters {
    fn of_users(source: &str) -> Self {
        if source.starts_with('/') {
            Self::UsersInPaths
        } else {
            Self::UsersInVolumes
        }
    }

    fn has(self, letter: char) -> bool {
        match self {
            Self::One(one) => one == letter,
            Self::UsersInPaths => letter != '/',
            Self::UsersInVolumes => letter.is_ascii_alphanumeric() || "-_".contains(letter),
            Self::Servers => {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'
            }
        }
    }

    fn share_one(self, other: Self) -> bool {
        match (self, other) {
            (Self::One(letter), set) | (set, Self::One(letter)) => set.has(letter),
            // All of these have some in common.
            _ => true,
        }
    }
}

fn symbols(source: &str) -> Vec<Symbol> {
    let users = Letters::of_users(source);
    let mut symbols = Vec::new();
    let mut add = |letters, repeats| symbols.push(Symbol { letters, repeats });
    for part in parts(source) {
        match part {
            Part::Text(text) => text.chars().for_each(|c| add(Letters::One(c), false)),
            Part::User => {
                add(users, false);
                add(users, true);
            }
            // The default server has no name.
            Part::Server => add(Letters::Servers, true),
        }
    }
    symbols
}

/// Whether there are names with which both are the same.
fn can_meet(one: &str, other: &str) -> bool {
    let (one, other) = (symbols(one), symbols(other));
    let mut seen = vec![vec![false; other.len() + 1]; one.len() + 1];
    let mut next = vec![(0, 0)];
    while let Some((i, j)) = next.pop() {
        if std::mem::replace(&mut seen[i][j], true) {
            continue;
        }
        let (a, b) = (one.get(i), other.get(j));
        if a.is_none() && b.is_none() {
            return true;
        }
        // A name may be over here,
        if a.is_some_and(|a| a.repeats) {
            next.push((i + 1, j));
        }
        if b.is_some_and(|b| b.repeats) {
            next.push((i, j + 1));
        }
        // or both go on with the same letter.
        if let (Some(a), Some(b)) = (a, b)
            && a.letters.share_one(b.letters)
        {
            next.push((i + usize::from(!a.repeats), j + usize::from(!b.repeats)));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entry: &str) -> VolumeEntry<'_> {
        VolumeEntry::read(entry).expect(entry)
    }

    #[test]
    fn an_entry_of_volumes_is_taken_apart() {
        let entry = read("/data:/mnt/data:ro");

        assert_eq!(
            (entry.source, entry.target, entry.read_only),
            ("/data", "/mnt/data", true)
        );
        for wrong in [
            "data",
            "a:b",
            "a:/b:rx",
            "a:/b:ro:z",
            "/a/../b:/c",
            "a:/b/..",
            ":/b",
            "a b:/c",
            "x-{user}:/c",
        ] {
            assert!(VolumeEntry::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_put_in_as_they_are() {
        let entry = read("/srv/{username}/{servername}/x:/x");

        assert_eq!(
            entry.filled("{servername}", "lab"),
            "/srv/{servername}/lab/x"
        );
        assert_eq!(entry.filled("u", ""), "/srv/u//x");
    }

    #[test]
    fn two_names_stand_apart_in_a_source_or_it_is_refused() {
        for wrong in [
            "x-{username}-{servername}:/x",
            "{servername}-{username}:/x",
            "{username}{servername}:/x",
            "{username}-at-{servername}:/x",
            "/data/{username}-{servername}:/x",
            "{username}.{servername}-{username}:/x",
        ] {
            assert!(VolumeEntry::read(wrong).is_err(), "{wrong}");
        }
        let (users, servers) = (
            [
                "u", "u-lab", "u--lab", "u-", "u_5f", "u_lab", "-u", "lab", "x", "x-u",
            ],
            ["", "lab", "x", "lab-x", "a9"],
        );
        for right in [
            "x-{username}.{servername}:/x",
            "{username}_{servername}:/x",
            "{username}--{servername}:/x",
            "{servername}.{username}:/x",
            "{servername}--{username}:/x",
            "/data/{username}/{servername}:/x",
            "{username}-{username}:/x",
        ] {
            let entry = read(right);
            let mut seen = std::collections::BTreeMap::new();
            for pair in users
                .iter()
                .flat_map(|user| servers.map(|server| (*user, server)))
            {
                let source = entry.filled(pair.0, pair.1);
                let other = seen.insert(source, pair);
                let is_same = !right.contains(SERVERNAME);
                assert!(other.is_none() || is_same, "{right}: {pair:?} {other:?}");
            }
        }
    }

    #[test]
    fn sources_that_names_can_make_one_are_found() {
        let meeting = |one: &str, other: &str| {
            let (one, other) = (format!("{one}:/x"), format!("{other}:/y"));
            let (one, other) = (read(&one), read(&other));
            one.meets(&other).or_else(|| other.meets(&one))
        };
        for (one, other, expected) in [
            (
                "home-{username}",
                "home-{username}-data",
                Some(Meeting::OfPeople),
            ),
            ("{username}", "data-{username}", Some(Meeting::OfPeople)),
            (
                "a-{username}",
                "a-{username}_{servername}",
                Some(Meeting::OfPeople),
            ),
            (
                "/srv/{username}",
                "/srv/x{username}",
                Some(Meeting::OfPeople),
            ),
            ("home-{username}", "home-shared", Some(Meeting::OfAName)),
            ("/data/{username}", "/data/shared", Some(Meeting::OfAName)),
            (
                "/data/{username}",
                "/data/shared/{username}",
                Some(Meeting::OfAName),
            ),
            ("home-{username}", "data-{username}", None),
            ("{username}-home", "{username}-data", None),
            ("home-{username}", "home-{username}.{servername}", None),
            ("home-{username}", "home-{username}", None),
            (
                "home.{username}.common",
                "home.{username}.{servername}",
                None,
            ),
            ("/data", "/data/{username}", None),
            ("/srv/{username}", "/srv/{username}/{servername}", None),
            ("/srv/{username}/all", "/srv/{username}/{servername}", None),
            ("/srv/{username}", "srv-{username}", None),
            ("home-{username}", "home-", None),
        ] {
            assert_eq!(meeting(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn what_is_of_somebody_is_found_whatever_the_server() {
        let entry = read("x-{username}.{servername}:/x");

        for own in ["x-u.", "x-u.lab"] {
            assert!(entry.is_of("u", own), "{own}");
        }
        for other in ["x-u", "x-u-2.lab", "y-u.lab", "x-u.LAB"] {
            assert!(!entry.is_of("u", other), "{other}");
        }
    }
}
