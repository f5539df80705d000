//! A PgBouncer of a test's own, in front of a PostgreSQL server.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// What a pooler hands out a connection of the server for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As long as a client is connected.
    Session,
    /// A transaction.
    Transaction,
}

/// A running pooler. Dropping it ends it.
#[derive(Debug)]
pub struct Pooler {
    process: Child,
    port: u16,
    _directory: TempDir,
}

const MISSING: &str = "no PgBouncer found: install it (Debian, Ubuntu: `apt-get install pgbouncer`; Fedora: \
                       `dnf install pgbouncer`; macOS: `brew install pgbouncer`)";

impl Pooler {
    /// Starts a pooler with few connections in front of the server that has the database at `url`.
    ///
    /// # Errors
    ///
    /// One sentence that says what is missing and how to get it, or what the pooler said last.
    pub fn start(url: &str, mode: Mode) -> Result<Self, String> {
        let binary = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
        let binary = binary.into_iter().find(|path| Path::new(path).exists()).unwrap_or("pgbouncer");
        let Parts { user, password, place, .. } = parts(url)?;
        let (host, server) = place.rsplit_once(':').unwrap_or((place, "5432"));
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let port = free_port()?;
        let password = if password.is_empty() { String::new() } else { format!("password={password}") };
        let mode = match mode {
            Mode::Session => "session",
            Mode::Transaction => "transaction",
        };
        let size = if mode == "session" { 60 } else { 4 };
        let settings = format!(
            "[databases]\n* = host={host} port={server} user={user} {password}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = {mode}\ndefault_pool_size = {size}\nmax_client_conn = 500\n",
        );
        let (file, log) = (directory.path().join("pgbouncer.ini"), directory.path().join("log"));
        fs::write(&file, settings).map_err(|error| error.to_string())?;
        let said = File::create(&log).map_err(|error| error.to_string())?;
        let mut command = Command::new(binary);
        if is_root() {
            // It does not run as root.
            command.args(["-u", "nobody"]);
        }
        let command = command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        let process = command.spawn().map_err(|_| MISSING.to_owned())?;
        let mut pooler = Self { process, port, _directory: directory };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = pooler.process.try_wait().is_ok_and(|status| status.is_some());
            if ended || begun.elapsed() > Duration::from_secs(20) {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(format!(
                    "PgBouncer does not start: {}",
                    said.lines().last().unwrap_or("no output")
                ));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(pooler)
    }

    /// The URL through the pooler of the database at `url`.
    ///
    /// # Errors
    ///
    /// When it is not one as the tests write them.
    pub fn url(&self, url: &str) -> Result<String, String> {
        let Parts { user, password, database, .. } = parts(url)?;
        Ok(format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port))
    }
}

/// What a URL says, in the form that `tests/private-postgres` prints.
struct Parts<'a> {
    user: &'a str,
    password: &'a str,
    place: &'a str,
    database: &'a str,
}

fn parts(url: &str) -> Result<Parts<'_>, String> {
    let parts = || {
        let (who, rest) = url.split_once("://")?.1.split_once('@')?;
        let (user, password) = who.split_once(':').unwrap_or((who, ""));
        let (place, database) = rest.split_once('/')?;
        let database = database.split('?').next()?;
        Some(Parts { user, password, place, database })
    };
    parts().ok_or_else(|| "the server's URL is not of the form postgres://user@host/database".to_owned())
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // Either fails only when it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}
