//! Secrets at rest that must be read again: the tokens of identity providers.
//!
//! A [`KeyRing`] seals with its active key and opens with any of its keys. A sealed value is bound
//! to its [`Place`], so one that is copied into another row or column does not open there.
//!
//! The form, for ever readable: a version byte, the length of the key's id, the id, a nonce of 12
//! bytes, then the ciphertext with its tag of 16 bytes.
//!
//! The cipher is AES-256-GCM-SIV (RFC 8452). Nonces are random, and there they may even repeat:
//! all that a repetition tells is whether the same text was sealed for the same place twice, while
//! with AES-GCM it would give away the key of the tags.

use std::fmt;
use std::fmt::Write as _;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jansky_model::Secret;
use zeroize::Zeroizing;

use crate::Random;

/// The form that is described above.
const VERSION: u8 = 1;

/// The longest id of a key, in bytes.
const MAX_ID_LENGTH: usize = 16;

/// The length of a key, in bytes.
const KEY_LENGTH: usize = 32;

/// Where a sealed value is kept. It opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The id of the row.
    pub row: RowId<'a>,
}

/// What tells the rows of a table apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowId<'a> {
    /// A number.
    Number(i64),
    /// A text.
    Text(&'a str),
}

impl Place<'_> {
    /// What is authenticated with the ciphertext; each text has its length in front, so that no two
    /// places read the same.
    fn associated_data(&self, key_id: &str) -> Vec<u8> {
        let mut data = vec![VERSION];
        for text in [key_id, self.table, self.column] {
            data.extend_from_slice(&(text.len() as u64).to_be_bytes());
            data.extend_from_slice(text.as_bytes());
        }
        match self.row {
            RowId::Number(number) => data.extend_from_slice(&number.to_be_bytes()),
            // Nine bytes at least, so that no text reads like a number.
            RowId::Text(text) => {
                data.extend_from_slice(&(text.len() as u64).to_be_bytes());
                data.extend_from_slice(text.as_bytes());
                data.push(b't');
            }
        }
        data
    }
}

/// Why a sealed value does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It was sealed with a key that is not (any more) in the ring.
    #[error("the key `{id}` is not in the key ring; put it back or let the person sign in again")]
    UnknownKey {
        /// The id of that key.
        id: String,
    },
    /// It was changed, belongs to another place, or is not a sealed value at all.
    #[error("the sealed value is damaged or was sealed for another place")]
    Damaged,
}

/// Why a key file cannot be used. The keys themselves are never repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// There is no key in it.
    #[error("the key file holds no key; write one as `id key` on a line")]
    Empty,
    /// A line is not a key.
    #[error("line {line} of the key file {reason}")]
    BadLine {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

struct Key {
    id: String,
    /// Kept to write the ring down again.
    bytes: Zeroizing<[u8; KEY_LENGTH]>,
    cipher: LessSafeKey,
}

impl Key {
    fn new(id: String, bytes: Zeroizing<[u8; KEY_LENGTH]>) -> Self {
        let key = UnboundKey::new(&AES_256_GCM_SIV, bytes.as_slice())
            .expect("the key has the length of the cipher's keys");
        Self {
            id,
            bytes,
            cipher: LessSafeKey::new(key),
        }
    }

    fn generate(random: &dyn Random) -> Self {
        let mut id = [0; 4];
        random.fill(&mut id);
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        random.fill(bytes.as_mut_slice());
        Self::new(format!("{:08x}", u32::from_be_bytes(id)), bytes)
    }
}

/// Named keys, of which the active one seals and all open.
pub struct KeyRing {
    /// Never empty; the active one is the first.
    keys: Vec<Key>,
}

impl KeyRing {
    /// Makes a ring with one random key.
    pub fn generate(random: &dyn Random) -> Self {
        Self {
            keys: vec![Key::generate(random)],
        }
    }

    /// Reads a key file: a line for each key with its id, a space and 32 bytes as base64url without
    /// padding. The first key is active. Empty lines and lines that begin with `#` are skipped.
    ///
    /// An id has 1 to 16 ASCII letters, digits, `-` or `_`.
    ///
    /// # Errors
    /// [`KeyFileError`], which names the line.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let mut keys = Vec::<Key>::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = parse_line(line).and_then(|key| {
                let known = keys.iter().any(|other| other.id == key.id);
                if known {
                    Err("has the id of a line above")
                } else {
                    Ok(key)
                }
            });
            keys.push(key.map_err(|reason| KeyFileError::BadLine {
                line: number + 1,
                reason,
            })?);
        }
        if keys.is_empty() {
            return Err(KeyFileError::Empty);
        }
        Ok(Self { keys })
    }

    /// The key file of this ring, as [`KeyRing::parse`] reads it.
    pub fn to_text(&self) -> Secret {
        // Long enough from the beginning: growing would leave copies of the keys behind.
        let line = MAX_ID_LENGTH + KEY_LENGTH * 2;
        let mut text = String::with_capacity(self.keys.len() * line);
        for key in &self.keys {
            let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(key.bytes.as_slice()));
            let _ = writeln!(text, "{} {}", key.id, encoded.as_str());
        }
        Secret::new(text)
    }

    /// Makes a new random key the active one. The others stay and go on to open.
    pub fn rotate(&mut self, random: &dyn Random) {
        loop {
            let key = Key::generate(random);
            if self.key(&key.id).is_none() {
                self.keys.insert(0, key);
                return;
            }
        }
    }

    /// The id of the key that seals.
    pub fn active_id(&self) -> &str {
        &self.active().id
    }

    /// How every value begins that the active key sealed.
    pub fn active_prefix(&self) -> Vec<u8> {
        prefix(self.active_id())
    }

    /// Seals a text for one place.
    pub fn seal(&self, random: &dyn Random, plaintext: &Secret, place: &Place<'_>) -> Vec<u8> {
        let key = self.active();
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let mut ciphertext = plaintext.expose().as_bytes().to_vec();
        let tag = key
            .cipher
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.associated_data(&key.id)),
                &mut ciphertext,
            )
            .expect("a text that fits into memory is shorter than what the cipher takes");
        let mut sealed = prefix(&key.id);
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut ciphertext);
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what was sealed for this place with any key of this ring.
    ///
    /// # Errors
    /// [`OpenError::UnknownKey`] when its key is gone, [`OpenError::Damaged`].
    pub fn open(&self, sealed: &[u8], place: &Place<'_>) -> Result<Secret, OpenError> {
        let (id, rest) = split(sealed).ok_or(OpenError::Damaged)?;
        let key = self
            .key(id)
            .ok_or_else(|| OpenError::UnknownKey { id: id.to_owned() })?;
        let (nonce, ciphertext) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(OpenError::Damaged)?;
        // Overwritten afterwards: it holds the plaintext even when the tag does not fit.
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let plaintext = key
            .cipher
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place.associated_data(id)),
                &mut buffer,
            )
            .map_err(|_| OpenError::Damaged)?;
        let text = std::str::from_utf8(plaintext).map_err(|_| OpenError::Damaged)?;
        Ok(Secret::new(text))
    }

    fn active(&self) -> &Key {
        &self.keys[0]
    }

    fn key(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| &key.id))
            .finish()
    }
}

/// The id of the key that sealed a value; `None` if it is not a sealed value.
pub fn key_id_of(sealed: &[u8]) -> Option<&str> {
    split(sealed).map(|(id, _)| id)
}

/// The beginning of a value that the key with this id sealed.
fn prefix(id: &str) -> Vec<u8> {
    let length = u8::try_from(id.len()).expect("an id has at most 16 bytes");
    let mut prefix = vec![VERSION, length];
    prefix.extend_from_slice(id.as_bytes());
    prefix
}

/// Splits a sealed value into the id of its key and what follows.
fn split(sealed: &[u8]) -> Option<(&str, &[u8])> {
    let ([version, length], rest) = sealed.split_first_chunk()?;
    if *version != VERSION {
        return None;
    }
    let (id, rest) = rest.split_at_checked(usize::from(*length))?;
    let id = std::str::from_utf8(id).ok()?;
    is_id(id).then_some((id, rest))
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID_LENGTH).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn parse_line(line: &str) -> Result<Key, &'static str> {
    let (id, encoded) = line
        .split_once(char::is_whitespace)
        .ok_or("is not `id key`")?;
    if !is_id(id) {
        return Err("has an id that is not 1 to 16 ASCII letters, digits, `-` or `_`");
    }
    let decoded = URL_SAFE_NO_PAD
        .decode(encoded.trim_start())
        .map(Zeroizing::new)
        .map_err(|_| "has a key that is not base64url without padding")?;
    let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
    if decoded.len() != KEY_LENGTH {
        return Err("has a key that is not 32 bytes long");
    }
    bytes.copy_from_slice(&decoded);
    Ok(Key::new(id.to_owned(), bytes))
}

#[cfg(test)]
mod tests;
