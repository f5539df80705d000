//! The file of a SQLite database while it is in use.

use std::{
    fs::{self, Metadata},
    path::{Path, PathBuf},
};

use super::{Error, Result};

/// A file as it was when it was opened. What is written into one that was deleted since, or that another one took
/// the place of, is lost with the process.
#[derive(Clone, Debug)]
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl OpenFile {
    /// The file at `path`, which was just opened.
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), identity: fs::metadata(path).ok().as_ref().and_then(identity) }
    }

    /// Refuses to go on with a file that is not there any more.
    ///
    /// # Errors
    /// When it was deleted, moved away or replaced.
    pub(super) fn check(&self) -> Result<()> {
        let Some(known) = self.identity else { return Ok(()) };
        let what = match fs::metadata(&self.path) {
            Ok(there) if identity(&there) == Some(known) => return Ok(()),
            Ok(_) => "replaced by another file",
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "deleted or moved away",
            // Whoever may not look any more knows no more than before.
            Err(_) => return Ok(()),
        };
        Err(Error::FileGone { path: self.path.clone(), what })
    }
}

#[cfg(unix)]
fn identity(file: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((file.dev(), file.ino()))
}

/// Elsewhere a file that is open is neither deleted nor replaced.
#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn file_that_was_deleted_moved_or_replaced_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("t.db"), directory.path().join("other"));
        fs::write(&path, "1").unwrap();
        let file = OpenFile::of(&path);
        fs::write(&path, "2").unwrap();
        file.check().unwrap();
        fs::write(&other, "3").unwrap();
        fs::rename(&other, &path).unwrap();
        let refused = file.check().unwrap_err();
        assert!(
            refused.to_string().contains("t.db was replaced by another file while it was in use"),
            "{refused}"
        );
        assert!(refused.is_transient(), "no step is to blame");
        fs::remove_file(&path).unwrap();
        let refused = file.check().unwrap_err();
        assert!(refused.to_string().contains("was deleted or moved away"), "{refused}");
    }
}
