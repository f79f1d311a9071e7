//! Lists of nodes, as Slurm writes them: `n[1-3,7],gpu2`, or `rack[0-1]n[1-4]` in several dimensions.

/// The first node of a list; `None` while a job has none.
pub fn first_node(list: &str) -> Option<String> {
    let mut name = String::new();
    let mut rest = list.trim();
    // Each bracket holds numbers, the first of which is that of the first node.
    while let Some(at) = rest.find(['[', ',']) {
        name.push_str(&rest[..at]);
        if rest[at..].starts_with(',') {
            rest = "";
            break;
        }
        let (numbers, after) = rest[at + 1..].split_once(']')?;
        name.push_str(numbers.split([',', '-']).next()?);
        rest = after;
    }
    name.push_str(rest);
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
            ("n[3]-ib,n[4-5]-ib", Some("n3-ib")),
            ("rack[0-1]n[2,4]", Some("rack0n2")),
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
