//! Files and directories.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use tasker_template::{Code, Options, Verdict, load_file, load_tree};

/// A directory that is removed at the end of its test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tasker-template-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// The verdict over each file, by its path below the directory.
    fn verdicts(&self) -> Vec<(String, Verdict)> {
        let relative = |path: &Path| path.strip_prefix(&self.0).unwrap().display().to_string();
        load_tree(&self.0, &Options::default())
            .iter()
            .map(|file| (relative(&file.path), file.report().verdict()))
            .collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn good(name: &str) -> String {
    format!("name: {name}\nsteps: [{{name: a}}]\n")
}

#[test]
fn every_template_below_a_directory_has_its_verdict() {
    let directory = Directory::new("tree");
    directory
        .write("b/one.yaml", good("one"))
        .write("a/two.yml", good("two") + "language: rust\n")
        .write("a/three.yaml", "name: three\n")
        .write("a/notes.txt", "no template")
        .write(".hidden/four.yaml", "no: template")
        .write("b/.five.yaml", "no: template");
    let expected =
        [("a/three.yaml", Verdict::Error), ("a/two.yml", Verdict::Warnings), ("b/one.yaml", Verdict::Ok)];
    assert_eq!(directory.verdicts(), expected.map(|(path, verdict)| (path.to_owned(), verdict)));
}

#[test]
fn two_files_cannot_define_one_template() {
    let directory = Directory::new("twins");
    directory
        .write("a.yaml", good("one"))
        .write("b.yaml", good("one"))
        .write("c.yaml", good("one") + "version: 2.0.0\n");
    let loaded = load_tree(&directory.0, &Options::default());
    let verdicts: Vec<_> = loaded.iter().map(|file| file.report().verdict()).collect();
    assert_eq!(verdicts, [Verdict::Ok, Verdict::Error, Verdict::Ok]);
    let (a, b) = (directory.0.join("a.yaml"), directory.0.join("b.yaml"));
    assert_eq!(
        loaded[1].report().to_string(),
        format!(
            "\
error[duplicate_template]: `default/one` 1.0.0 is defined here and in {}
 --> {}:1:7
  |
1 | name: one
  |       ^^^
  |
  = help: give one of them another version or another name",
            a.display(),
            b.display()
        )
    );
}

#[test]
fn what_cannot_be_read_is_a_mistake() {
    let directory = Directory::new("unreadable");
    directory.write("large.yaml", "#".repeat(2 << 20)).write("bytes.yaml", [0xff, 0xfe]);
    fs::create_dir(directory.0.join("folder.yaml")).unwrap();
    let codes: Vec<_> = ["bytes.yaml", "folder.yaml", "large.yaml", "none.yaml"]
        .iter()
        .map(|name| load_file(&directory.0.join(name), &Options::default()).report().mistakes[0].code)
        .collect();
    assert_eq!(codes, [Code::NotUtf8, Code::Unreadable, Code::FileTooLarge, Code::Unreadable]);
}

#[cfg(unix)]
#[test]
fn links_in_circles_end() {
    let directory = Directory::new("links");
    directory.write("a/one.yaml", good("one"));
    std::os::unix::fs::symlink(&directory.0, directory.0.join("a/up")).unwrap();
    std::os::unix::fs::symlink(directory.0.join("a/one.yaml"), directory.0.join("same.yaml")).unwrap();
    std::os::unix::fs::symlink("nowhere", directory.0.join("broken.yaml")).unwrap();
    let verdicts = directory.verdicts();
    assert_eq!(
        verdicts,
        [("a/one.yaml".to_owned(), Verdict::Ok), ("broken.yaml".to_owned(), Verdict::Error)]
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_does_not_hold_the_loader_up() {
    let socket = Directory::new("pipe");
    let path = socket.0.join("pipe.yaml");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert_eq!(load_file(&path, &Options::default()).report().mistakes[0].code, Code::Unreadable);
}
