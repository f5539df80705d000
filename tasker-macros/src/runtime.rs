//! Where expanded code finds the runtime.
//!
//! A dependency may have another name than its package. Cargo tells macros where the manifest of the crate is
//! that is compiled, and the manifest tells the name.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use std::{env, fs};

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use toml::{Table, Value};

/// The package that is looked for.
const PACKAGE: &str = "tasker-runtime";

/// The tables in which a crate names what its code uses, in the order in which they count.
const DEPENDENCIES: [&str; 2] = ["dependencies", "dev-dependencies"];

/// The path of the runtime: what is written; else what the manifest says; `::tasker_runtime` where there is
/// none that says it.
pub(crate) fn path(written: Option<&syn::Path>) -> TokenStream {
    if let Some(path) = written {
        return quote!(#path);
    }
    let name = of_this_crate().unwrap_or_else(|| PACKAGE.replace('-', "_"));
    let ident: syn::Result<Ident> = syn::parse_str(&name).or_else(|_| syn::parse_str(&format!("r#{name}")));
    match ident {
        Ok(ident) => quote!(::#ident),
        Err(_) => quote!(::tasker_runtime),
    }
}

/// A manifest as it was when it was read.
struct Known {
    manifest: PathBuf,
    changed: Option<SystemTime>,
    name: Option<String>,
}

/// The name of the runtime in the crate that is compiled. The manifest is read once: one process compiles one
/// crate, unless it is that of an editor.
fn of_this_crate() -> Option<String> {
    static LAST: Mutex<Option<Known>> = Mutex::new(None);
    let manifest = manifest(env::var_os("CARGO_MANIFEST_PATH"), env::var_os("CARGO_MANIFEST_DIR"))?;
    let changed = fs::metadata(&manifest).and_then(|file| file.modified()).ok();
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = last.as_ref().filter(|known| known.manifest == manifest && known.changed == changed)
    {
        return known.name.clone();
    }
    let name = fs::read_to_string(&manifest).ok().and_then(|text| name_in(&text, || of_workspace(&manifest)));
    *last = Some(Known { manifest, changed, name: name.clone() });
    name
}

fn manifest(path: Option<OsString>, directory: Option<OsString>) -> Option<PathBuf> {
    let in_directory = || Some(PathBuf::from(directory?).join("Cargo.toml"));
    path.map(PathBuf::from).or_else(in_directory)
}

/// The name under which a manifest depends on the runtime, as code writes it. Under several, its own counts, then
/// the first one. `workspace` reads the manifest of the workspace, if a dependency is inherited from there.
fn name_in(manifest: &str, workspace: impl FnOnce() -> Option<Table>) -> Option<String> {
    let manifest: Table = manifest.parse().ok()?;
    let platforms = manifest.get("target").and_then(Value::as_table);
    let platforms = platforms.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let places: Vec<&Table> = [&manifest].into_iter().chain(platforms).collect();
    let of_kind = |kind| places.iter().filter_map(move |place| place.get(kind)?.as_table());
    let tables: Vec<&Table> = DEPENDENCIES.into_iter().flat_map(of_kind).collect();
    let entries = || tables.iter().flat_map(|table| table.iter());
    let package = |value: &Value| value.get("package").and_then(Value::as_str).map(str::to_owned);
    let is_inherited = |value: &Value| value.get("workspace").and_then(Value::as_bool) == Some(true);
    let workspace = if entries().any(|(_, value)| is_inherited(value)) { workspace() } else { None };
    let inherited = |key: &str| package(workspace.as_ref()?.get("workspace")?.get("dependencies")?.get(key)?);
    let is_runtime = |(key, value): &(&String, &Value)| {
        let package = if is_inherited(value) { inherited(key) } else { package(value) };
        package.as_deref().unwrap_or(key) == PACKAGE
    };
    let mut names = entries().filter(is_runtime).map(|(key, _)| key);
    let first = names.next()?;
    let name = if first == PACKAGE { first } else { names.find(|name| *name == PACKAGE).unwrap_or(first) };
    Some(name.replace('-', "_"))
}

/// The manifest of the workspace that a manifest belongs to.
fn of_workspace(manifest: &Path) -> Option<Table> {
    let read = |path: &Path| -> Option<Table> { fs::read_to_string(path).ok()?.parse().ok() };
    let own = read(manifest)?;
    if let Some(root) =
        own.get("package").and_then(|package| package.get("workspace")).and_then(Value::as_str)
    {
        return read(&manifest.parent()?.join(root).join("Cargo.toml"));
    }
    let folders = manifest.parent()?.ancestors();
    let mut manifests = folders.filter_map(|folder| read(&folder.join("Cargo.toml")));
    manifests.find(|manifest| manifest.contains_key("workspace"))
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    fn name(manifest: &str) -> Option<String> {
        let workspace = "[workspace.dependencies]\n\
                         flow = { package = \"tasker-runtime\", version = \"1\" }\n\
                         tasker-runtime = \"1\"\nserde = \"1\"\n";
        name_in(manifest, || workspace.parse().ok())
    }

    #[test]
    fn name_is_that_of_the_dependency() {
        let renamed = "{ package = \"tasker-runtime\", version = \"1\" }";
        for (manifest, found) in [
            ("[dependencies]\ntasker-runtime = \"1\"\n".to_owned(), Some("tasker_runtime")),
            (format!("[dependencies]\nserde = \"1\"\nmy-flow = {renamed}\n"), Some("my_flow")),
            ("[dependencies.flow]\npackage = \"tasker-runtime\"\npath = \"x\"\n".to_owned(), Some("flow")),
            (format!("[dev-dependencies]\nflow = {renamed}\n"), Some("flow")),
            (format!("[target.'cfg(unix)'.dependencies]\nflow = {renamed}\n"), Some("flow")),
            // What the code of the crate uses comes before what its tests use, the plain name before others.
            (
                format!("[dev-dependencies]\nlate = {renamed}\n[dependencies]\nflow = {renamed}\n"),
                Some("flow"),
            ),
            (
                format!("[dependencies]\nold = {renamed}\n[dev-dependencies]\ntasker-runtime = \"2\"\n"),
                Some("tasker_runtime"),
            ),
            ("[dependencies]\nflow.workspace = true\n".to_owned(), Some("flow")),
            ("[dependencies]\nflow = { workspace = true, features = [] }\n".to_owned(), Some("flow")),
            ("[dependencies]\ntasker-runtime.workspace = true\n".to_owned(), Some("tasker_runtime")),
            ("[dependencies]\nserde.workspace = true\n".to_owned(), None),
            // A package of this name that is something else.
            ("[dependencies]\ntasker-runtime = { package = \"other\" }\n".to_owned(), None),
            ("[package]\nname = \"tasker-runtime\"\n".to_owned(), None),
            ("no manifest".to_owned(), None),
        ] {
            assert_eq!(name(&manifest).as_deref(), found, "{manifest}");
        }
    }

    #[test]
    fn workspace_is_asked_only_where_something_is_inherited() {
        let plain = "[dependencies]\ntasker-runtime = \"1\"\n";
        assert_eq!(name_in(plain, || panic!("asked")).as_deref(), Some("tasker_runtime"));
    }

    #[test]
    fn manifest_is_where_cargo_says() {
        let [path, directory] = [Some("/a/script.rs"), Some("/a")].map(|text| text.map(OsString::from));
        assert_eq!(manifest(path, directory.clone()), Some(PathBuf::from("/a/script.rs")));
        assert_eq!(manifest(None, directory), Some(PathBuf::from("/a/Cargo.toml")));
        assert_eq!(manifest(None, None), None, "built without Cargo");
    }
}
