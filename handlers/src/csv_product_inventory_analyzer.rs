//! What a list of products is worth: a CSV file, read in batches of 200 rows and summed up. A list of less
//! than one batch is summed up at once.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, de};
use tasker_runtime::prelude::*;

use crate::{money::Money, number::overflow};

const BATCH_SIZE: u64 = 200;
const MOST_BATCHES: u64 = 5;
/// Where the files are that may be read; without it, the nearest `handlers/data` upward of here.
const DIRECTORY: &str = "TASKER_EXAMPLE_DATA";

/// The context.
#[derive(Debug, Clone, Deserialize)]
pub struct Input {
    csv_file_path: PathBuf,
    #[serde(default)]
    analysis_mode: Mode,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// What is in stock.
    #[default]
    Inventory,
}

/// A row, as far as it matters.
#[derive(Debug, Deserialize)]
struct Product {
    title: String,
    category: String,
    price: Money,
    #[serde(deserialize_with = "finite")]
    rating: f64,
    stock: i64,
}

/// `NaN` and `inf` are numbers to Rust, and none to JSON.
fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if number.is_finite() { Ok(number) } else { Err(de::Error::custom(format!("{number} is no rating"))) }
}

/// What one batch comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    processed_count: u64,
    total_inventory_value: Money,
    category_counts: BTreeMap<String, u64>,
    max_price: Money,
    max_price_product: Option<String>,
    average_rating: f64,
    batch_id: String,
    start_row: u64,
    end_row: u64,
}

/// What all rows come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Total {
    total_processed: u64,
    total_inventory_value: Money,
    category_counts: BTreeMap<String, u64>,
    max_price: Money,
    max_price_product: Option<String>,
    overall_average_rating: f64,
    worker_count: usize,
}

/// Counts the rows, so that every one of them is known to be whole.
///
/// # Errors
///
/// Permanent `FILE_NOT_FOUND`, `PATH_NOT_ALLOWED` and `MALFORMED_ROW`, which name file and line.
#[step_handler]
#[batch_analyzer(worker = process_csv_batch)]
pub async fn analyze_csv(input: Input) -> Result<BatchPlan, StepError> {
    let mut rows = 0;
    read(&input.csv_file_path, |_| {
        rows += 1;
        Ok(())
    })?;
    let plan = if rows < BATCH_SIZE {
        BatchPlan::none("dataset_too_small")
    } else {
        BatchPlan::of_size(rows, BATCH_SIZE).max_batches(MOST_BATCHES)
    };
    Ok(plan.with_data(serde_json::json!({"rows": rows, "analysis_mode": input.analysis_mode})))
}

/// Sums up the rows of one batch, the first row of the file being 0.
///
/// # Errors
///
/// As [`analyze_csv`], and permanent `OVERFLOW`.
#[step_handler]
#[batch_worker]
pub async fn process_csv_batch(rows: Cursor<u64>, input: Input) -> Result<Part, StepError> {
    sum_up(&input.csv_file_path, rows.range(), rows.batch_id())
}

/// Sums up the batches, or the whole file where it was too small for any.
///
/// # Errors
///
/// As [`process_csv_batch`].
#[step_handler]
pub async fn aggregate_csv_results(
    #[depends_on(process_csv_batch)] parts: Vec<Part>,
    input: Input,
) -> Result<Total, StepError> {
    let worker_count = parts.len();
    let parts = match worker_count {
        0 => vec![sum_up(&input.csv_file_path, 0..BATCH_SIZE, "all")?],
        _ => parts,
    };
    total(&parts, worker_count).ok_or_else(overflow)
}

fn total(parts: &[Part], worker_count: usize) -> Option<Total> {
    let mut total = Total {
        total_processed: 0,
        total_inventory_value: Money::ZERO,
        category_counts: BTreeMap::new(),
        max_price: Money::ZERO,
        max_price_product: None,
        overall_average_rating: 0.0,
        worker_count,
    };
    let mut ratings = 0.0;
    for part in parts {
        total.total_processed += part.processed_count;
        total.total_inventory_value = total.total_inventory_value.plus(part.total_inventory_value)?;
        ratings += part.average_rating * part.processed_count as f64;
        for (category, count) in &part.category_counts {
            *total.category_counts.entry(category.clone()).or_default() += count;
        }
        if total.max_price_product.is_none() || part.max_price > total.max_price {
            total.max_price = part.max_price;
            total.max_price_product.clone_from(&part.max_price_product);
        }
    }
    total.overall_average_rating = average(ratings, total.total_processed);
    Some(total)
}

/// Four decimals of an average; 0 of nothing.
fn average(sum: f64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { (sum / count as f64 * 1e4).round() / 1e4 }
}

fn sum_up(path: &Path, rows: std::ops::Range<u64>, batch_id: &str) -> Result<Part, StepError> {
    let mut part = Part {
        processed_count: 0,
        total_inventory_value: Money::ZERO,
        category_counts: BTreeMap::new(),
        max_price: Money::ZERO,
        max_price_product: None,
        average_rating: 0.0,
        batch_id: batch_id.to_owned(),
        start_row: rows.start,
        end_row: rows.start,
    };
    let (mut row, mut ratings) = (0, 0.0);
    read(path, |product| {
        row += 1;
        if !rows.contains(&(row - 1)) {
            return Ok(());
        }
        let value = product.price.times(product.stock).ok_or_else(overflow)?;
        part.total_inventory_value = part.total_inventory_value.plus(value).ok_or_else(overflow)?;
        part.processed_count += 1;
        part.end_row = row;
        ratings += product.rating;
        if part.max_price_product.is_none() || product.price > part.max_price {
            part.max_price = product.price;
            part.max_price_product = Some(product.title);
        }
        *part.category_counts.entry(product.category).or_default() += 1;
        Ok(())
    })?;
    // Not rounded: the whole is averaged from it.
    part.average_rating = if part.processed_count == 0 { 0.0 } else { ratings / part.processed_count as f64 };
    Ok(part)
}

/// Reads the file row by row.
fn read(path: &Path, mut row: impl FnMut(Product) -> Result<(), StepError>) -> Result<(), StepError> {
    let file = File::open(allowed(path)?).map_err(|error| missing(path, &error))?;
    let mut reader = csv::Reader::from_reader(file);
    for product in reader.deserialize() {
        row(product.map_err(|error| malformed(path, &error))?)?;
    }
    Ok(())
}

fn missing(path: &Path, error: &std::io::Error) -> StepError {
    StepError::permanent("FILE_NOT_FOUND", format!("cannot read {}: {error}", path.display()))
}

fn malformed(path: &Path, error: &csv::Error) -> StepError {
    let line = error.position().map_or(1, csv::Position::line);
    // The library repeats the place in its own way.
    let reason = match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        _ => error.to_string(),
    };
    StepError::permanent("MALFORMED_ROW", format!("{}, line {line}: {reason}", path.display()))
}

/// The file, if it lies in the directory that may be read.
fn allowed(path: &Path) -> Result<PathBuf, StepError> {
    let directory = directory().and_then(|directory| directory.canonicalize());
    let directory = directory.map_err(|error| missing(Path::new("handlers/data"), &error))?;
    // From there, or from here.
    let file = directory.join(path).canonicalize().or_else(|error| path.canonicalize().map_err(|_| error));
    let file = file.map_err(|error| missing(path, &error))?;
    if file.starts_with(&directory) {
        return Ok(file);
    }
    let message = format!("{} is outside the directory that may be read", path.display());
    Err(StepError::permanent("PATH_NOT_ALLOWED", message))
}

fn directory() -> std::io::Result<PathBuf> {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return Ok(directory.into());
    }
    let here = std::env::current_dir()?;
    let found = here.ancestors().map(|above| above.join("handlers/data")).find(|data| data.is_dir());
    found.ok_or_else(|| std::io::Error::other(format!("there is no such directory; set {DIRECTORY}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn input(path: &str) -> Input {
        Input { csv_file_path: path.into(), analysis_mode: Mode::Inventory }
    }

    #[tokio::test]
    async fn only_whole_files_of_the_directory_are_read() {
        for (path, code, says) in [
            ("missing.csv", "FILE_NOT_FOUND", "cannot read missing.csv"),
            ("../Cargo.toml", "PATH_NOT_ALLOWED", "../Cargo.toml is outside"),
            ("/etc/hostname", "PATH_NOT_ALLOWED", "/etc/hostname is outside"),
            ("malformed.csv", "MALFORMED_ROW", "malformed.csv, line 4: "),
            ("unrated.csv", "MALFORMED_ROW", "unrated.csv, line 3: NaN is no rating"),
        ] {
            let error = analyze_csv(input(path)).await.unwrap_err();
            assert_eq!((error.code(), error.is_retryable()), (code, false), "{error}");
            assert!(error.message().contains(says), "{error}");
        }
    }

    #[tokio::test]
    async fn less_than_a_batch_is_summed_up_at_once() {
        let plan = analyze_csv(input("data/few.csv")).await.unwrap();
        assert_eq!(plan.reason(), Some("dataset_too_small"));
        let total = aggregate_csv_results(Vec::new(), input("few.csv")).await.unwrap();
        assert_eq!((total.total_processed, total.worker_count), (2, 0));
        // 10 × 19.99 + 3 × 0.05
        assert_eq!(total.total_inventory_value.to_string(), "200.05");
        assert_eq!(total.max_price_product.as_deref(), Some("Lamp, tall"));
        assert!((total.overall_average_rating - 4.25).abs() < 1e-9);
    }
}
