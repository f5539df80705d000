//! The floor: result rows appended in equal batches through the same driver, and nothing else.

use std::{
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use crate::{
    cli::Failure,
    model::Json,
    store::{Column, Rows, Store, sql, values},
};

const RESULT: &str = r#"{"processing_info":"done by step","result":1296}"#;
/// Writers at once on PostgreSQL, as the engine has.
const WRITERS: usize = 2;

/// Rows per second when `rows` rows are appended, `batch` to a commit.
pub(super) async fn measure(store: &Store, rows: usize, batch: usize) -> Result<f64, Failure> {
    let mut connection = store.writer().await?;
    connection.execute(&sql::FLOOR_DROP, &[]).await?;
    connection.execute(&sql::FLOOR_CREATE, &[]).await?;
    drop(connection);
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let writers = if store.is_postgres() { WRITERS } else { 1 };
    let writers: Vec<_> = (0..writers)
        .map(|_| {
            let (mut session, next) = (store.session(), next.clone());
            tokio::spawn(async move {
                let mut connection = session.open().await?;
                loop {
                    let from = next.fetch_add(batch, Ordering::Relaxed);
                    if from >= rows {
                        return Ok::<(), crate::store::Error>(());
                    }
                    let count = batch.min(rows - from);
                    connection.execute(&sql::FLOOR_APPEND, values![&floor_rows(from, count)]).await?;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.map_err(Failure::run)??;
    }
    let took = started.elapsed().as_secs_f64();
    store.writer().await?.execute(&sql::FLOOR_DROP, &[]).await?;
    Ok(rows as f64 / took)
}

fn floor_rows(from: usize, count: usize) -> Rows {
    let range = || (from as i64)..(from + count) as i64;
    let result = Json::stored(RESULT);
    Rows::new(vec![
        Column::Int(range().map(|row| row / 4).collect()),
        Column::Int(vec![1; count]),
        Column::Int(range().map(|row| row % 4).collect()),
        Column::Int(vec![1; count]),
        Column::Int(vec![1_700_000_000_000_000; count]),
        Column::Int(vec![1_700_000_000_000_001; count]),
        Column::Json(vec![result; count]),
    ])
}
