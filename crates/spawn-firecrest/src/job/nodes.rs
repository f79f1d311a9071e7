//! Lists of nodes, as Slurm writes them: `n[1-3,7],gpu2`.

/// The first node of a list; `None` while a job has none.
pub(crate) fn first_node(list: &str) -> Option<String> {
    let list = list.trim();
    let (before, after) = match list.split_once('[') {
        // A bracket of a later node.
        Some((before, _)) if before.contains(',') => (before, None),
        Some((before, after)) => (before, Some(after)),
        None => (list, None),
    };
    let name = match after {
        None => before.split(',').next()?.to_owned(),
        Some(after) => {
            let (numbers, rest) = after.split_once(']')?;
            let number = numbers.split([',', '-']).next()?;
            let rest = rest.split(',').next().unwrap_or_default();
            format!("{before}{number}{rest}")
        }
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    // Slurm writes `(null)` or `None assigned` where there is none.
    (!name.is_empty() && name.bytes().all(plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_node_is_found_in_every_way_of_writing() {
        for (list, first) in [
            ("n1", Some("n1")),
            ("n1,n2", Some("n1")),
            ("n[1-3,7],gpu2", Some("n1")),
            ("nid[001234,001240]", Some("nid001234")),
            ("n[3]-ib", Some("n3-ib")),
            ("gpu2,n[1-3]", Some("gpu2")),
            ("10.0.0.1", Some("10.0.0.1")),
            ("", None),
            ("(null)", None),
            ("None assigned", None),
            ("n[1", None),
            ("n1/../x", None),
        ] {
            assert_eq!(first_node(list).as_deref(), first, "{list}");
        }
    }
}
