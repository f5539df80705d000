//! What handlers are promised about the HTTP APIs they call, against a server that misbehaves.
#![allow(clippy::unwrap_used, clippy::panic)]

mod addresses;
mod answers;
mod composed;
mod configuration;
mod polling;
mod redirects;
mod requests;
mod server;
mod workflow;

use tasker_runtime::{
    config::{Config, ConfigError},
    handler::http::{Api, ApiClient},
};

/// The settings of a file with this text.
fn settings(text: &str) -> Result<Config, ConfigError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Config::from_parts(Some(file.path()), |_| None)
}

/// A client that may call servers of this machine, with more keys of `[api]`.
fn client(keys: &str) -> ApiClient {
    let text = format!("[api]\nallowed_networks = '127.0.0.0/8, ::1'\n{keys}");
    ApiClient::configured(&settings(&text).unwrap())
}

/// An `Api` for a server of this machine.
fn api(server: &server::Server) -> Api {
    Api::for_test(&server.url()).unwrap()
}
