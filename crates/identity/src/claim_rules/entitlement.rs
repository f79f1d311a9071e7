//! Group membership as a URN, which research infrastructures exchange (AARC-G069, before G002).

use percent_encoding::percent_decode_str;

/// Which entitlements are believed.
#[derive(Clone, Debug, Default)]
pub struct EntitlementRules {
    /// The namespaces before `:group:`, such as `urn:mace:egi.eu`; one of them must be there.
    pub namespaces: Vec<String>,
    /// The authorities after `#`, such as `aai.egi.eu`; if any are given, one of them must be
    /// there.
    pub authorities: Vec<String>,
}

/// `<namespace>:group:<group>[:<subgroup>…][:role=<role>][#<authority>]`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// What comes before `:group:`.
    pub namespace: String,
    /// The group and its subgroups, from the outside in; at least one.
    pub groups: Vec<String>,
    /// The role in the innermost group.
    pub role: Option<String>,
    /// Who says so.
    pub authority: Option<String>,
}

impl Entitlement {
    /// Whether a text is a URN at all (RFC 8141: the case of `urn` does not matter).
    pub fn is_urn(text: &str) -> bool {
        text.get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("urn:"))
    }

    /// Takes an entitlement apart; `None` if it is no URN, or one about something else than groups,
    /// such as a resource capability.
    pub fn parse(text: &str) -> Option<Self> {
        if !Self::is_urn(text) || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return None;
        }
        // The first `#`: what an authority holds cannot reach into the name of the group.
        let (name, authority) = match text.split_once('#') {
            Some((name, authority)) => (name, Some(authority).filter(|text| !text.is_empty())),
            None => (text, None),
        };
        let (namespace, path) = name.split_once(":group:")?;
        let mut groups: Vec<&str> = path.split(':').collect();
        let role = groups.last()?.strip_prefix("role=");
        if role.is_some() {
            groups.pop();
        }
        let is_whole = !groups.is_empty()
            && role != Some("")
            && groups
                .iter()
                .all(|group| !group.is_empty() && !group.starts_with("role="));
        is_whole.then(|| Self {
            namespace: namespace.to_owned(),
            groups: groups.into_iter().map(decode).collect(),
            role: role.map(decode),
            authority: authority.map(str::to_owned),
        })
    }

    /// The group as one text: `/radio/evn`, with a role `/radio/evn:role=chief`. A role in a group
    /// does not stand for the group itself.
    pub fn group(&self) -> String {
        let mut text = String::new();
        for group in &self.groups {
            text.push('/');
            text.push_str(group);
        }
        if let Some(role) = &self.role {
            text.push_str(":role=");
            text.push_str(role);
        }
        text
    }
}

impl EntitlementRules {
    /// Whether an entitlement is from where the operator expects it.
    pub fn accept(&self, entitlement: &Entitlement) -> bool {
        let namespace = self
            .namespaces
            .iter()
            .any(|own| same_namespace(own, &entitlement.namespace));
        let authority = self.authorities.is_empty()
            || entitlement
                .authority
                .as_ref()
                .is_some_and(|authority| self.authorities.contains(authority));
        namespace && authority
    }
}

/// RFC 8141 3.1: the case of `urn` and of the part after it does not matter, that of the rest does.
fn same_namespace(one: &str, other: &str) -> bool {
    let one: Vec<_> = one.splitn(3, ':').collect();
    let other: Vec<_> = other.splitn(3, ':').collect();
    one.len() == other.len()
        && one
            .iter()
            .zip(&other)
            .enumerate()
            .all(|(position, (a, b))| {
                if position < 2 {
                    a.eq_ignore_ascii_case(b)
                } else {
                    a == b
                }
            })
}

/// Undoes percent-encoding, unless a character came out that has a meaning in the name of a group:
/// nobody may make a group look like another, or like a role in one.
fn decode(part: &str) -> String {
    match percent_decode_str(part).decode_utf8() {
        Ok(plain) if !plain.contains(|c: char| "/:#%".contains(c) || c.is_control()) => {
            plain.into_owned()
        }
        // A slash as it stands is a part of this name, not the border to the next.
        _ => part.replace('/', "%2F"),
    }
}
