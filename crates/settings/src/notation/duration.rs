//! Lengths of time: `30s`, `5m`, `12h`, `14d`.

use std::time::Duration;

use super::Notation;

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
];

/// A hundred years: longer ones are mistakes and would not fit into a timestamp.
const LONGEST_MILLIS: u64 = 36_525 * 86_400_000;

impl Notation for Duration {
    const FORMAT: &'static str = "duration";
    const MEANING: &'static str = "a duration";
    const ADVICE: &'static str =
        "write a whole number and a unit (ms, s, m, h or d), for example \"30s\" or \"14d\"";

    fn read(text: &str) -> Result<Self, String> {
        let advice = || Self::ADVICE.to_owned();
        let (digits, unit) = UNITS
            .iter()
            .find_map(|(unit, millis)| Some((text.strip_suffix(unit)?.trim_end(), *millis)))
            .ok_or_else(advice)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(advice());
        }
        let count: u64 = digits.parse().map_err(|_| advice())?;
        match count.checked_mul(unit) {
            Some(millis) if millis <= LONGEST_MILLIS => Ok(Self::from_millis(millis)),
            _ => Err("the longest duration is \"36525d\", a hundred years".to_owned()),
        }
    }

    fn write(&self) -> String {
        let millis = self.as_millis();
        let (unit, size) = ["d", "h", "m", "s"]
            .into_iter()
            .filter_map(|unit| UNITS.iter().find(|(name, _)| *name == unit))
            .find(|(_, size)| millis > 0 && millis.is_multiple_of(u128::from(*size)))
            .unwrap_or(if millis == 0 { &UNITS[4] } else { &UNITS[0] });
        format!("{}{unit}", millis / u128::from(*size))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, seconds) in [
            ("30s", 30),
            ("5m", 300),
            ("12 h", 43_200),
            ("14d", 1_209_600),
        ] {
            assert_eq!(Duration::read(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in [
            "",
            "s",
            "30",
            "-1s",
            "+1s",
            "1.5h",
            "1h30m",
            "1w",
            "99999999999999999999d",
        ] {
            assert!(Duration::read(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn durations_print_in_the_largest_whole_unit() {
        for text in ["0s", "250ms", "90s", "5m", "12h", "14d"] {
            assert_eq!(Duration::read(text).expect("valid").write(), text);
        }
    }

    proptest! {
        #[test]
        fn every_duration_reads_as_it_was_written(millis in 0..=LONGEST_MILLIS) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(Duration::read(&duration.write()), Ok(duration));
        }
    }
}
