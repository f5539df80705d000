//! What was measured, on what, and how it is shown.

use serde::Serialize;

use super::machine::{Machine, Versions};
use crate::{
    cli::{Done, Failure, Form, output},
    dispatch::{driver, settings},
    store::{Options, Store, sql},
};

/// One thing that was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measure {
    part: &'static str,
    what: String,
    value: f64,
    unit: &'static str,
}

/// A setting and its value.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Setting {
    name: String,
    value: String,
}

/// How the engine works while it is measured: its defaults.
#[derive(Clone, Copy, Debug, Serialize)]
struct EngineSettings {
    concurrency: usize,
    held_tasks: usize,
    tasks_per_claim: usize,
    messages_per_record: usize,
    recorders: usize,
    pool_size: u32,
}

impl EngineSettings {
    fn defaults() -> Self {
        let settings = settings::Settings::default();
        Self {
            concurrency: settings.concurrency,
            held_tasks: settings.window,
            tasks_per_claim: settings.claim,
            messages_per_record: driver::BATCH,
            recorders: settings.holds,
            pool_size: Options::default().pool_size,
        }
    }
}

/// Everything one run found.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    machine: Machine,
    versions: Versions,
    database: Vec<Setting>,
    engine: EngineSettings,
    sizes: super::Sizes,
    measures: Vec<Measure>,
    #[serde(skip)]
    part: &'static str,
}

impl Findings {
    /// Nothing measured yet, on the database of `store`.
    pub(super) async fn new(store: &Store, sizes: super::Sizes) -> Result<Self, Failure> {
        let rows = store.writer().await?.fetch(&sql::BENCH_SETTINGS, &[]).await?;
        let setting = |row: &crate::store::Row| {
            Ok(Setting { name: row.text(0)?.to_owned(), value: row.text(1)?.to_owned() })
        };
        Ok(Self {
            machine: Machine::here(),
            versions: Versions::of(store).await?,
            database: rows.iter().map(setting).collect::<crate::store::Result<_>>()?,
            engine: EngineSettings::defaults(),
            sizes,
            measures: Vec::new(),
            part: "",
        })
    }

    /// What is added from now on belongs to this part.
    pub(super) fn begin(&mut self, part: &'static str) {
        self.part = part;
        output::say!("{}", output::dim(&format!("measuring: {part}")));
    }

    pub(super) fn add(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.measures.push(Measure { part: self.part, what: what.into(), value, unit });
    }

    /// Adds what can be measured on some systems only.
    pub(super) fn add_known(&mut self, what: impl Into<String>, value: Option<f64>, unit: &'static str) {
        if let Some(value) = value {
            self.add(what, value, unit);
        }
    }

    pub(super) fn show(&self, form: Form) -> Done {
        if form != Form::Table {
            return output::json(self, form);
        }
        output::print(&self.head())?;
        output::list(&self.measures, form, &["part", "measure", "value", "unit"], |measure| {
            let digits = match measure.value.abs() {
                1000.0.. => 0,
                10.0.. => 1,
                _ => 3,
            };
            let value = format!("{:.digits$}", measure.value);
            vec![measure.part.to_owned(), measure.what.clone(), value, measure.unit.to_owned()]
        })
    }

    /// Machine, versions and settings, a line each.
    fn head(&self) -> String {
        let Self { machine, versions, engine, .. } = self;
        let settings: Vec<String> =
            self.database.iter().map(|setting| format!("{} {}", setting.name, setting.value)).collect();
        let load = machine.load.map_or_else(String::new, |load| format!(", load at the start {load}"));
        format!(
            "{machine}{load}\n{versions}\n{}\n\
             {} attempts at once, {} tasks held, {} a claim, {} messages a record, {} recorders, pool of {}\n",
            settings.join(", "),
            engine.concurrency,
            engine.held_tasks,
            engine.tasks_per_claim,
            engine.messages_per_record,
            engine.recorders,
            engine.pool_size,
        )
    }
}
