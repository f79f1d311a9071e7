//! The end of a container's log.

/// As long as the end of a log may be.
const LONGEST: usize = 8 * 1024;

/// How many lines are asked for: more than fit, unless they are very short.
pub(crate) const LINES: &str = "400";

/// The last whole lines of at most 8 KiB.
pub(crate) fn tail(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log);
    if text.len() <= LONGEST {
        return text.into_owned();
    }
    let mut from = text.len() - LONGEST;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let cut = &text[from..];
    let begins_a_line = text[..from].ends_with('\n');
    match cut.split_once('\n') {
        Some((_, rest)) if !begins_a_line && !rest.is_empty() => rest.to_owned(),
        _ => cut.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_log_is_shown_whole() {
        assert_eq!(tail(b"one\ntwo"), "one\ntwo");
        assert_eq!(tail(b""), "");
    }

    #[test]
    fn a_long_log_begins_with_a_whole_line() {
        let lines: Vec<String> = (0..2000).map(|n| format!("line {n}")).collect();
        let lines = lines.join("\n") + "\n";

        let shown = tail(lines.as_bytes());

        assert!(shown.len() <= LONGEST && shown.len() > LONGEST - 20);
        assert!(shown.starts_with("line ") && shown.ends_with("line 1999\n"));
    }

    #[test]
    fn bytes_that_are_not_utf8_do_not_make_it_longer() {
        let shown = tail(&vec![0xff; 20_000]);

        assert!(!shown.is_empty() && shown.len() <= LONGEST);
    }
}
