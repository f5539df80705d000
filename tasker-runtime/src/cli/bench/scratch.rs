//! Where the measurements happen.

use std::{fs, io, path::PathBuf};

use crate::{
    cli::Failure,
    model::TaskState,
    store::{Options, Store, sql, values},
};

/// A file of their own, or the given database.
pub(super) struct Scratch {
    pub url: String,
    _directory: Option<TemporaryDirectory>,
}

impl Scratch {
    pub(super) fn new(url: Option<&str>) -> Result<Self, Failure> {
        if let Some(url) = url {
            if url.contains(":memory:") || url.contains("mode=memory") {
                return Err(Failure::usage("a database in memory is not what tasks run on: name a file"));
            }
            return Ok(Self { url: url.to_owned(), _directory: None });
        }
        let directory = TemporaryDirectory::new()
            .map_err(|error| Failure::run(format!("no temporary directory: {error}")))?;
        let url = format!("sqlite://{}", directory.0.join("bench.db").display());
        Ok(Self { url, _directory: Some(directory) })
    }

    pub(super) async fn open(&self) -> Result<Store, Failure> {
        open(&self.url).await
    }
}

pub(super) async fn open(url: &str) -> Result<Store, Failure> {
    Ok(Store::open(url, Options::default()).await?)
}

/// How many tasks are complete that were ever measured on this database.
pub(super) async fn complete(store: &Store) -> Result<u64, Failure> {
    let state = i64::from(TaskState::Complete.code());
    let mut reader = store.reader().await?;
    let row = reader.fetch_first(&sql::BENCH_COMPLETE, values!["bench", state]).await?;
    let count = row.as_ref().map_or(Ok(0), |row| row.int(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// A directory that is removed with everything in it when this is dropped.
struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("tasker-bench-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // What cannot be removed stays for the system's own cleaning.
        let _ = fs::remove_dir_all(&self.0);
    }
}
