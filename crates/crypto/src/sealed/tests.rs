//! What a key ring promises.

use proptest::prelude::*;

use super::*;
use crate::SystemRandom;

const PLACE: Place<'static> = Place {
    table: "grants",
    column: "refresh_token",
    row: RowId::Number(7),
};

fn secret() -> Secret {
    Secret::new("a refresh token")
}

fn key_line(id: &str, byte: u8) -> String {
    format!("{id} {}\n", URL_SAFE_NO_PAD.encode([byte; KEY_LENGTH]))
}

#[test]
fn what_was_sealed_opens_in_its_place() {
    let ring = KeyRing::generate(&SystemRandom);

    let sealed = ring.seal(&SystemRandom, &secret(), &PLACE);

    assert_eq!(ring.open(&sealed, &PLACE), Ok(secret()));
    assert_eq!(key_id_of(&sealed), Some(ring.active_id()));
    assert!(sealed.starts_with(&ring.active_prefix()));
    assert_ne!(ring.seal(&SystemRandom, &secret(), &PLACE), sealed);
}

#[test]
fn what_was_sealed_opens_in_no_other_place() {
    let ring = KeyRing::generate(&SystemRandom);
    let sealed = ring.seal(&SystemRandom, &secret(), &PLACE);
    let others = [
        Place {
            row: RowId::Number(8),
            ..PLACE
        },
        Place {
            row: RowId::Text("7"),
            ..PLACE
        },
        Place {
            column: "access_token",
            ..PLACE
        },
        Place {
            table: "identities",
            ..PLACE
        },
        // The same letters, cut elsewhere.
        Place {
            table: "grantsrefresh",
            column: "_token",
            row: RowId::Number(7),
        },
    ];

    for other in others {
        assert_eq!(ring.open(&sealed, &other), Err(OpenError::Damaged));
    }
}

#[test]
fn a_rotated_ring_seals_with_the_new_key_and_opens_the_old_values() {
    let mut ring = KeyRing::generate(&SystemRandom);
    let old = ring.seal(&SystemRandom, &secret(), &PLACE);
    let old_id = ring.active_id().to_owned();

    ring.rotate(&SystemRandom);

    let new = ring.seal(&SystemRandom, &secret(), &PLACE);
    assert_ne!(ring.active_id(), old_id);
    assert_eq!(key_id_of(&new), Some(ring.active_id()));
    assert_eq!(key_id_of(&old), Some(old_id.as_str()));
    assert!(!old.starts_with(&ring.active_prefix()));
    for sealed in [old, new] {
        assert_eq!(ring.open(&sealed, &PLACE), Ok(secret()));
    }
}

#[test]
fn a_value_of_a_lost_key_names_that_key() {
    let lost = KeyRing::generate(&SystemRandom);
    let sealed = lost.seal(&SystemRandom, &secret(), &PLACE);
    let ring = KeyRing::parse(&key_line("other", 1)).expect("a key");

    let id = lost.active_id().to_owned();

    assert_eq!(
        ring.open(&sealed, &PLACE),
        Err(OpenError::UnknownKey { id })
    );
}

#[test]
fn another_key_of_the_same_name_does_not_open() {
    let one = KeyRing::parse(&key_line("main", 1)).expect("a key");
    let other = KeyRing::parse(&key_line("main", 2)).expect("a key");

    let sealed = one.seal(&SystemRandom, &secret(), &PLACE);

    assert_eq!(other.open(&sealed, &PLACE), Err(OpenError::Damaged));
}

#[test]
fn a_value_under_the_name_of_another_key_does_not_open() {
    let text = format!("{}{}", key_line("main", 1), key_line("next", 1));
    let ring = KeyRing::parse(&text).expect("two names for one key");
    let mut sealed = ring.seal(&SystemRandom, &secret(), &PLACE);

    sealed[2..6].copy_from_slice(b"next");

    assert_eq!(ring.open(&sealed, &PLACE), Err(OpenError::Damaged));
}

#[test]
fn a_ring_written_down_is_the_same_ring() {
    let mut ring = KeyRing::generate(&SystemRandom);
    let sealed = ring.seal(&SystemRandom, &secret(), &PLACE);
    ring.rotate(&SystemRandom);

    let read = KeyRing::parse(ring.to_text().expose()).expect("it is a key file");

    assert_eq!(read.active_id(), ring.active_id());
    assert_eq!(read.to_text(), ring.to_text());
    assert_eq!(read.open(&sealed, &PLACE), Ok(secret()));
}

#[test]
fn a_key_file_may_have_comments_and_its_first_key_is_active() {
    let text = format!("# since May\n\n  {}{}", key_line("b", 1), key_line("a", 2));

    let ring = KeyRing::parse(&text).expect("two keys");

    assert_eq!(ring.active_id(), "b");
}

#[test]
fn a_mistake_in_a_key_file_names_its_line_and_not_its_key() {
    let short = URL_SAFE_NO_PAD.encode([1; 31]);
    let wrong = [
        "lonely".to_owned(),
        key_line("an-id-of-17-bytes", 1),
        key_line("ümlaut", 1),
        key_line("main", 2),
        format!("short {short}"),
        "main2 !!!!".to_owned(),
        format!("two {short} {short}"),
    ];

    assert_eq!(KeyRing::parse("# none\n").err(), Some(KeyFileError::Empty));
    for line in wrong {
        let error = KeyRing::parse(&format!("{}{line}", key_line("main", 1)));
        let error = error.expect_err("a bad line");
        assert!(
            matches!(error, KeyFileError::BadLine { line: 2, .. }),
            "{error}"
        );
        assert!(!error.to_string().contains(&short), "{error}");
    }
}

#[test]
fn a_row_may_have_a_text_for_its_id() {
    let ring = KeyRing::generate(&SystemRandom);
    let of = |row| Place {
        row: RowId::Text(row),
        ..PLACE
    };
    let sealed = ring.seal(&SystemRandom, &secret(), &of("session-1"));

    assert_eq!(ring.open(&sealed, &of("session-1")), Ok(secret()));
    let others = [of("session-2"), of("session-"), of(""), PLACE];
    for other in others {
        assert_eq!(ring.open(&sealed, &other), Err(OpenError::Damaged));
    }
    // Not even a text that has the bytes of a number.
    let sealed = ring.seal(&SystemRandom, &secret(), &of(""));
    let zero = Place {
        row: RowId::Number(0),
        ..PLACE
    };
    assert_eq!(ring.open(&sealed, &zero), Err(OpenError::Damaged));
}

#[test]
fn debug_output_shows_names_only() {
    let ring = KeyRing::parse(&key_line("main", 1)).expect("a key");

    assert_eq!(format!("{ring:?}"), "[\"main\"]");
}

proptest! {
    #[test]
    fn any_text_comes_back(text in any::<String>(), row in any::<i64>()) {
        let ring = KeyRing::generate(&SystemRandom);
        let place = Place { row: RowId::Number(row), ..PLACE };
        let sealed = ring.seal(&SystemRandom, &Secret::new(text.clone()), &place);

        prop_assert_eq!(ring.open(&sealed, &place), Ok(Secret::new(text)));
    }

    #[test]
    fn no_bit_can_be_flipped(text in ".{0,40}", position in any::<prop::sample::Index>()) {
        let ring = KeyRing::generate(&SystemRandom);
        let mut sealed = ring.seal(&SystemRandom, &Secret::new(text), &PLACE);
        let bit = position.index(sealed.len() * 8);

        sealed[bit / 8] ^= 1 << (bit % 8);

        prop_assert!(ring.open(&sealed, &PLACE).is_err());
    }

    #[test]
    fn no_part_of_a_value_opens(text in ".{0,40}", end in any::<prop::sample::Index>()) {
        let ring = KeyRing::generate(&SystemRandom);
        let sealed = ring.seal(&SystemRandom, &Secret::new(text), &PLACE);

        prop_assert!(ring.open(&sealed[..end.index(sealed.len())], &PLACE).is_err());
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in any::<Vec<u8>>()) {
        let ring = KeyRing::generate(&SystemRandom);

        prop_assert!(ring.open(&bytes, &PLACE).is_err());
    }
}
