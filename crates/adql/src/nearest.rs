//! Names that somebody may have meant.

/// More candidates than this are not looked at.
const MOST_CANDIDATES: usize = 20_000;
/// A longer name is nobody's slip.
const LONGEST: usize = 128;
/// How many names are told.
const TOLD: usize = 3;

/// The word among `words` that `found` nearly is.
pub(crate) fn word<'w>(found: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let best = words.filter_map(|word| Some((distance(found, word)?, word)));
    best.min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Those of `names` that `found` nearly is, the nearest first.
pub(crate) fn names<'n>(found: &str, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let near = names
        .take(MOST_CANDIDATES)
        .filter_map(|name| Some((distance(found, name)?, name)));
    let mut near: Vec<(usize, &str)> = near.collect();
    near.sort_unstable();
    near.dedup();
    near.truncate(TOLD);
    near.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// How many slips lead from one to the other, if they are few for so short a name.
fn distance(found: &str, name: &str) -> Option<usize> {
    let (shorter, longer) = (found.len().min(name.len()), found.len().max(name.len()));
    let allowed = match longer {
        0..=2 => 0,
        3..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    if longer > LONGEST || longer - shorter > allowed {
        return None;
    }
    let found = found.to_lowercase();
    let distance = strsim::damerau_levenshtein(&found, &name.to_lowercase());
    (distance <= allowed).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_forgiven_and_another_name_is_not() {
        let columns = ["s_ra", "s_dec", "s_region", "target_name", "obs_id"];

        assert_eq!(names("s_rgion", columns.into_iter()), ["s_region"]);
        assert_eq!(names("TARGETNAME", columns.into_iter()), ["target_name"]);
        assert_eq!(names("flux", columns.into_iter()), [] as [&str; 0]);
        assert_eq!(
            word("SELCT", ["SELECT", "FROM"].into_iter()),
            Some("SELECT")
        );
        assert_eq!(word("form", ["SELECT", "FROM"].into_iter()), Some("FROM"));
    }
}
