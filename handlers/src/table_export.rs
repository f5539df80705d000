//! A table is exported by a server that takes its time: it is asked again and again until it is done, which may take
//! days and survives every restart.

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

/// An export that the server has begun.
#[derive(Serialize, Deserialize)]
pub struct Export {
    /// What the server calls it.
    pub id: String,
}

/// What the server says of it.
#[derive(Deserialize)]
struct Status {
    done: bool,
    rows: u64,
}

/// How far it was when the server was last asked.
#[derive(Default, Serialize, Deserialize)]
pub struct Watched {
    /// The rows that were written by then.
    rows: u64,
    /// How often in a row there were no more than before.
    idle: u32,
}

#[step_handler]
#[api(config = "exports", base_url = "https://exports.example.com")]
async fn export_begin(#[input("table")] table: String, api: Api) -> Result<Export, StepError> {
    // With the same idempotency key at every attempt: however often it is sent, one export begins.
    api.post("/exports", &serde_json::json!({ "table": table })).await
}

/// Asks every ten seconds, and every minute once nothing has changed for a while.
#[step_handler(max_rounds = 20_000)]
#[api(config = "exports", base_url = "https://exports.example.com")]
async fn export_wait(
    #[depends_on(export_begin)] export: Export,
    mut watched: Round<Watched>,
    api: Api,
) -> Result<Loop<Watched, u64>, StepError> {
    let status: Status = api.get(format!("/exports/{}", export.id)).await?;
    if status.done {
        return Ok(Loop::done(status.rows));
    }
    watched.idle = if status.rows > watched.rows { 0 } else { watched.idle + 1 };
    watched.rows = status.rows;
    let pause = if watched.idle < 6 { "10s" } else { "1m" };
    Ok(Loop::again(watched).after(pause))
}

#[step_handler]
async fn export_report(#[input("table")] table: String, #[depends_on(export_wait)] rows: u64) -> String {
    format!("{rows} rows of {table}")
}

workflow!(pub table_export = [export_begin, export_wait, export_report], namespace = "shop");
