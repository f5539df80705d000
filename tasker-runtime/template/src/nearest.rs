//! "Did you mean": the name that is nearest to what was written.

/// Names longer than this, in bytes, are not compared.
const LONGEST: usize = 64;

/// The name that `written` was meant to be, if one is near; of several that are as near, the first.
///
/// One is near when a third of the letters of what was written, but at least one, have to be changed, added, left out
/// or swapped with their neighbours at most, and not all of the name's. Capitals do not count, nor does a hyphen in
/// place of `_`.
///
/// ```
/// use tasker_template::nearest;
///
/// let names = ["charge", "ship", "validate"];
/// assert_eq!(nearest("chrage", names), Some("charge"));
/// assert_eq!(nearest("Validated", names), Some("validate"));
/// assert_eq!(nearest("refund", names), None);
/// ```
pub fn nearest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let plain = plain(written);
    let found = names.into_iter().filter_map(|name| Some((distance(&plain, name)?, name)));
    found.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// What is compared of a name.
pub(crate) fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

/// How far a name is from what was written, which is [`plain`]; `None` where it is not near.
pub(crate) fn distance(written: &str, name: &str) -> Option<usize> {
    let most = written.chars().count().div_ceil(3).max(1);
    if written.len().max(name.len()) > LONGEST || written.len().abs_diff(name.len()) > most * 4 {
        return None;
    }
    let distance = strsim::damerau_levenshtein(written, &plain(name));
    (distance <= most && distance < name.chars().count()).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_those_a_person_may_have_meant() {
        for (written, names, expected) in [
            ("charg", &["charge", "discharge"] as &[_], Some("charge")),
            ("CHARGE", &["charge"], Some("charge")),
            ("process-batch", &["process_batch"], Some("process_batch")),
            ("b", &["a", "c"], None),
            ("ab", &["a"], None),
            ("", &["a"], None),
            ("abc", &["abd", "abe"], Some("abd")),
            ("übung", &["ubung"], Some("ubung")),
            ("retires", &["retry", "name"], Some("retry")),
            ("refund", &["charge"], None),
        ] {
            assert_eq!(nearest(written, names.iter().copied()), expected, "{written}");
        }
        let long = "a".repeat(LONGEST + 1);
        assert_eq!(nearest(&long, [&*long]), None, "what is so long is nobody's slip");
    }
}
