//! Template files that cannot be read, beside the one template that is asked for.

use std::path::{Path, PathBuf};

/// A template file with mistakes.
#[derive(Clone, Debug)]
pub(crate) struct UnreadableFile {
    pub path: PathBuf,
    /// What is wrong with it, for people.
    pub report: String,
}

impl UnreadableFile {
    /// Whether the file may be about the template `wanted`: it says so, or what it is about cannot be told.
    pub(crate) fn may_be(&self, wanted: &str) -> bool {
        read(&self.path).is_none_or(|text| mentions(&text, wanted))
    }

    /// That the file is passed over, in one line.
    pub(crate) fn left_out(&self) -> String {
        format!("{} has mistakes and is left out", self.path.display())
    }
}

fn read(path: &Path) -> Option<String> {
    let size = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.len();
    (size <= crate::template::MAX_FILE as u64).then(|| std::fs::read_to_string(path).ok()).flatten()
}

/// Whether a template's text is about `wanted`. It may be no YAML: what counts are the lines that say a name
/// or a namespace at the left edge.
fn mentions(text: &str, wanted: &str) -> bool {
    let values = |keys: &[&str]| -> Vec<String> {
        let value = |line: &str| {
            let (key, value) = line.strip_prefix(':').unwrap_or(line).split_once(':')?;
            keys.contains(&key.trim_end()).then(|| plain(value))
        };
        text.lines().filter_map(value).collect()
    };
    let (names, namespaces) = (values(&["name"]), values(&["namespace", "namespace_name"]));
    let (namespace, name) =
        wanted.split_once('/').map_or((None, wanted), |(space, name)| (Some(space), name));
    let elsewhere = namespace.is_some_and(|wanted| {
        let given = if namespaces.is_empty() { vec!["default".to_owned()] } else { namespaces };
        given.iter().all(|given| given != wanted)
    });
    names.is_empty() || (names.iter().any(|found| found.is_empty() || found == name) && !elsewhere)
}

/// A scalar without its quotes and without what is said beside it.
fn plain(value: &str) -> String {
    let value = value.split(" #").next().unwrap_or_default().trim();
    value.trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn broken_file_is_in_the_way_of_its_own_template_and_of_all_when_it_has_no_name() {
        for (text, wanted, expected) in [
            ("name: x\n", "x", true),
            ("name: x\n", "default/x", true),
            ("name: x\n", "shop/x", false),
            ("name: x\n", "y", false),
            (":name: 'x' # mine\n:namespace_name: shop\nsteps: [", "shop/x", true),
            ("namespace: shop\nname: \"y\"\n\tsteps", "shop/x", false),
            ("steps:\n  - name: y\n", "x", true),
            ("name:\n", "x", true),
            ("", "x", true),
        ] {
            assert_eq!(mentions(text, wanted), expected, "{text:?} {wanted}");
        }
    }
}
