//! Distinguished names as directories compare them.
//!
//! `CN=Staff, OU=Groups,DC=example,DC=org` and `cn=staff,ou=groups,dc=example,dc=org` are one name:
//! types of attributes have no case (RFC 4512 section 2.5), and the values of those that names are made
//! of are compared without case and with any number of spaces as one (`caseIgnoreMatch`, RFC 4517
//! section 4.2.11, prepared as RFC 4518 says). How a character is escaped (RFC 4514) makes no difference.

use unicode_normalization::UnicodeNormalization as _;

/// Types that say of a text that it is a distinguished name (RFC 4514 section 3), with their numbers.
const KNOWN: &[(&str, &str)] = &[
    ("c", "2.5.4.6"),
    ("cn", "2.5.4.3"),
    ("dc", "0.9.2342.19200300.100.1.25"),
    ("l", "2.5.4.7"),
    ("o", "2.5.4.10"),
    ("ou", "2.5.4.11"),
    ("st", "2.5.4.8"),
    ("street", "2.5.4.9"),
    ("uid", "0.9.2342.19200300.100.1.1"),
];

/// One form for all texts that mean the same distinguished name; `None` for a text that is none.
pub fn canonical(text: &str) -> Option<String> {
    let mut names = Vec::new();
    let mut is_known = false;
    for part in split(text, &[',', ';'])? {
        let mut pairs = Vec::new();
        for pair in split(part, &['+'])? {
            let (kind, value) = pair.split_once('=')?;
            let kind = kind_of(kind.trim())?;
            is_known |= KNOWN.iter().any(|(name, _)| *name == kind);
            pairs.push(format!("{kind}={}", escaped(&compared(&unescaped(value)?))));
        }
        // RFC 4514 gives the pairs of one part no order.
        pairs.sort();
        names.push(pairs.join("+"));
    }
    is_known.then(|| names.join(","))
}

/// Splits at characters that are neither escaped nor within quotation marks.
fn split<'a>(text: &'a str, at: &[char]) -> Option<Vec<&'a str>> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut is_escaped, mut is_quoted) = (false, false);
    for (position, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            c if !is_quoted && at.contains(&c) => {
                parts.push(&text[begin..position]);
                begin = position + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    (!is_escaped && !is_quoted).then_some(parts)
}

/// The type of an attribute: a word or a number with dots.
fn kind_of(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let number = lower.strip_prefix("oid.").unwrap_or(&lower);
    if let Some((name, _)) = KNOWN.iter().find(|(_, known)| *known == number) {
        return Some((*name).to_owned());
    }
    let is_number = number.contains('.') && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let is_word = lower.starts_with(|c: char| c.is_ascii_lowercase())
        && lower
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (is_number || is_word).then(|| number.to_owned())
}

/// The value behind its escapes (RFC 4514 section 2.4).
fn unescaped(text: &str) -> Option<String> {
    let text = text.trim_start();
    if text.starts_with('#') {
        // The bytes of an encoding; what is written so is compared so.
        return Some(text.trim_end().to_owned());
    }
    let (mut bytes, mut solid) = (Vec::new(), 0);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => {}
            '\\' => {
                let next = rest.next()?;
                match next.to_digit(16) {
                    Some(high) => {
                        let low = rest.next()?.to_digit(16)?;
                        bytes.push(u8::try_from(high * 16 + low).ok()?);
                    }
                    None => bytes.extend(next.to_string().bytes()),
                }
                solid = bytes.len();
            }
            c => {
                bytes.extend(c.to_string().bytes());
                if c != ' ' {
                    solid = bytes.len();
                }
            }
        }
    }
    bytes.truncate(solid);
    String::from_utf8(bytes).ok()
}

/// A value in the form in which `caseIgnoreMatch` compares it.
pub fn compared(value: &str) -> String {
    let folded: String = value
        .nfkc()
        .filter(|c| !is_mapped_to_nothing(*c))
        .collect::<String>()
        .to_lowercase()
        .nfkc()
        .collect();
    let words: Vec<&str> = folded.split_whitespace().collect();
    words.join(" ")
}

/// What RFC 4518 section 2.2 takes away.
fn is_mapped_to_nothing(c: char) -> bool {
    let is_control = c.is_control() && !c.is_whitespace();
    is_control
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2063}'
            | '\u{206a}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fffc}')
}

/// A value as RFC 4514 writes it.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (position, c) in value.chars().enumerate() {
        let is_special =
            matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\') || (position == 0 && c == '#');
        if is_special {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let (a, b) = (canonical(a), canonical(b));
        a.is_some() && a == b
    }

    #[test]
    fn a_value_has_one_form_for_all_its_spellings() {
        for other in [" River  TAM", "\u{ff52}iver tam", "ri\u{ad}ver tam"] {
            assert_eq!(compared(other), "river tam", "{other:?}");
        }
    }

    #[test]
    fn names_are_compared_as_directories_compare_them() {
        let name = "cn=staff,ou=groups,dc=example,dc=org";
        assert_eq!(canonical(name).as_deref(), Some(name));
        for other in [
            "CN=Staff,OU=Groups,DC=example,DC=org",
            "cn = Staff , ou=Groups ,dc=EXAMPLE,dc=org",
            "2.5.4.3=staff,OID.2.5.4.11=groups,dc=example,dc=org",
            "cn=st\\61ff,ou=groups,dc=example,dc=org",
            "cn=sta\u{ad}ff,ou=groups,dc=example,dc=org",
            "cn=\"staff\";ou=groups;dc=example;dc=org",
            "cn=ｓｔａｆｆ,ou=groups,dc=example,dc=org",
        ] {
            assert!(same(name, other), "{other}: {:?}", canonical(other));
        }
        assert!(same("cn=a  b,o=x", "cn=a b,o=x"), "spaces are one");
        assert!(
            same("cn=Lučić,o=x", "cn=luc\u{30c}ic\u{301},o=x"),
            "one form"
        );
        assert!(same("cn=a\\,b,o=x", "cn=a\\2cb,o=x"), "escapes");
        assert!(
            same("cn=a+uid=1,o=x", "uid=1+cn=A,o=x"),
            "pairs have no order"
        );
        for other in [
            "cn=staff,ou=groups,dc=example,dc=com",
            "ou=groups,cn=staff,dc=example,dc=org",
            "cn=staff\\,ou=groups,dc=example,dc=org",
            "cn=staff2,ou=groups,dc=example,dc=org",
        ] {
            assert!(!same(name, other), "{other}");
        }
    }

    #[test]
    fn other_names_are_none() {
        for text in [
            "",
            "/radio/evn",
            "radio",
            "vo:role=m",
            "urn:mace:egi.eu:group:x:role=m#aai.egi.eu",
            "a=b,x=d",
            "cn=a,b",
            "cn=a\\",
            "cn=\"a,o=x",
            "cn=a\\zz,o=x\\",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn one_form_is_its_own_form(text in "(cn|OU|dc)=[ -~é]{0,12}(,(o|L|uid)=[ -~é]{0,12}){0,3}") {
            if let Some(form) = canonical(&text) {
                prop_assert_eq!(canonical(&form), Some(form));
            }
        }

        #[test]
        fn no_text_is_too_much(text in any::<String>()) {
            let _ = canonical(&text);
        }
    }
}
