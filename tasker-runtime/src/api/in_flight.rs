//! What tasks that are not over need of a program, known before it is deployed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
};

use serde::Serialize;
use uuid::Uuid;

use super::{Tasker, builder};
use crate::{
    model::{History, Progress, StepIndex, TaskNo, Timestamp},
    orchestration::{
        compiled::CompiledTemplate,
        in_flight::{self, OpenTask, OpenTemplate},
        journal,
        plans::TemplateError,
        recover,
        templates::digest,
    },
    store::Result,
    template::Template,
};

/// The tasks that are not over of one content of a template.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct InFlight {
    /// The namespace of the template; empty where it is not kept any more, as the next three.
    pub namespace: String,
    /// Its name.
    pub template: String,
    /// Its version.
    pub version: String,
    /// The digest of its content, SHA-256 in hexadecimal digits.
    pub digest: String,
    /// How many tasks.
    pub tasks: u64,
    /// When the oldest of them was submitted.
    pub oldest: Timestamp,
}

impl InFlight {
    fn new(open: OpenTemplate) -> Self {
        let OpenTemplate { number: _, namespace, name, version, digest, tasks, oldest } = open;
        Self { namespace, template: name, version, digest, tasks, oldest }
    }

    /// Whether the tasks started with exactly this content.
    #[must_use]
    pub fn is_of(&self, template: &Template) -> bool {
        self.digest == digest(&template.to_pinned())
    }
}

/// What would become of the tasks that are not over if only this program ran them.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Examination {
    /// How many tasks were looked at.
    pub tasks: u64,
    /// What would keep some of them from going on; empty when all can.
    pub problems: Vec<InFlightProblem>,
}

/// Why some tasks of a template would hang or fail.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct InFlightProblem {
    /// The namespace of their template; empty where it is not kept any more, as the next three.
    pub namespace: String,
    /// Its name.
    pub template: String,
    /// Its version.
    pub version: String,
    /// The digest of its content.
    pub digest: String,
    /// What is wrong, in a word.
    pub code: ProblemCode,
    /// The step that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What is wrong, in words.
    pub detail: String,
    /// How many tasks have it.
    pub tasks: u64,
    /// Some of them, the oldest.
    pub examples: Vec<Uuid>,
}

/// What is wrong with a task that is not over, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum ProblemCode {
    /// Its template is not kept any more, or cannot be read.
    TemplateGone,
    /// The handlers of this program do not fit its template.
    Wiring,
    /// What is recorded of it cannot be read or followed.
    JournalUnreadable,
    /// A step that it may still come to, or a compensation, has no handler here.
    HandlerMissing,
}

/// So many tasks are named for each problem.
const EXAMPLES: usize = 5;
/// So many tasks are found at once.
const FOUND: i64 = 20_000;
/// The journals of so many tasks are read at once.
const JOURNALS: usize = 100;

impl Tasker {
    /// How many tasks are not over, by template, version and content; by name, and the oldest content first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn in_flight(&self) -> Result<Vec<InFlight>> {
        let open = in_flight::templates(&mut self.inner.store.reader().await?).await?;
        Ok(open.into_iter().map(InFlight::new).collect())
    }

    /// Looks at every task that is not over as if only this program, with its handlers and its state, ran it from now
    /// on, and says which of them would hang or fail. Nothing is written, and nothing is called.
    ///
    /// With `partial`, handlers that another worker has which lives now are none of this program's.
    ///
    /// ```
    /// # use tasker_runtime::{Tasker, api::Submission, prelude::*};
    /// # #[step_handler]
    /// # async fn greet(name: String) -> String {
    /// #     format!("hello {name}")
    /// # }
    /// # workflow!(greeting = [greet]);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # std::env::set_current_dir(std::env::temp_dir())?;
    /// let tasker = Tasker::builder().database("sqlite::memory:").connect().await?;
    /// tasker.submit(Submission::to("greeting").context("Ada")?).await?;
    /// let examined = tasker.examine(false).await?;
    /// assert_eq!((examined.tasks, examined.problems.len()), (1, 0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn examine(&self, partial: bool) -> Result<Examination> {
        let mut connection = self.inner.store.reader().await?;
        let templates = in_flight::templates(&mut connection).await?;
        let workers = recover::live(&mut connection).await?;
        drop(connection);
        let elsewhere = workers.into_iter().flat_map(|worker| worker.handlers).collect();
        let mut examiner = Examiner {
            templates: templates.into_iter().map(|open| (open.number, open)).collect(),
            plans: HashMap::new(),
            elsewhere,
            partial,
            found: BTreeMap::new(),
        };
        let (mut tasks, mut after) = (0, TaskNo(0));
        loop {
            let found = in_flight::tasks(&mut self.inner.store.reader().await?, after, FOUND).await?;
            let Some(last) = found.last() else { break };
            after = last.task;
            tasks += found.len() as u64;
            for part in found.chunks(JOURNALS) {
                self.examine_some(&mut examiner, part).await?;
            }
        }
        Ok(Examination { tasks, problems: examiner.found.into_values().collect() })
    }

    async fn examine_some(&self, examiner: &mut Examiner, tasks: &[OpenTask]) -> Result<()> {
        for task in tasks {
            if let Entry::Vacant(vacant) = examiner.plans.entry(task.template) {
                vacant.insert(self.plan_for(task.template).await?);
            }
        }
        let numbers: Vec<TaskNo> = tasks.iter().map(|task| task.task).collect();
        let mut histories = journal::read_each(&mut self.inner.store.reader().await?, &numbers).await?;
        for task in tasks {
            let history = histories.remove(&task.task).unwrap_or_else(|| Ok(History::default()));
            examiner.examine(*task, history);
        }
        Ok(())
    }

    /// A template that tasks started with, and what this program has against it.
    async fn plan_for(&self, number: i64) -> Result<Plan> {
        let plan = match self.inner.plans.get(number).await {
            Ok(plan) => plan,
            Err(TemplateError::Store(error)) => return Err(error),
            Err(problem) => return Ok(Err(problem.to_string())),
        };
        // Which handlers are missing is a matter of each task.
        let fits = builder::check(&self.registry(), [&*plan.template], &self.inner.states, true);
        Ok(Ok((plan, fits.err().map(|problem| problem.to_string()))))
    }
}

/// A compiled template and what does not fit it, or why there is none.
type Plan = std::result::Result<(Arc<CompiledTemplate>, Option<String>), String>;

struct Examiner {
    templates: HashMap<i64, OpenTemplate>,
    plans: HashMap<i64, Plan>,
    /// The handlers that live workers have.
    elsewhere: BTreeSet<String>,
    partial: bool,
    found: BTreeMap<(i64, ProblemCode, Option<StepIndex>), InFlightProblem>,
}

impl Examiner {
    fn examine(&mut self, task: OpenTask, history: Result<History>) {
        let (plan, misfit) = match self.plans.get(&task.template) {
            Some(Ok((plan, misfit))) => (plan.clone(), misfit.clone()),
            Some(Err(problem)) => {
                let problem = problem.clone();
                return self.note(task, ProblemCode::TemplateGone, None, || (None, problem));
            }
            None => return,
        };
        if let Some(problem) = misfit {
            self.note(task, ProblemCode::Wiring, None, || (None, problem));
        }
        let history = match history {
            Ok(history) => history,
            Err(problem) => {
                let detail = problem.to_string();
                return self.note(task, ProblemCode::JournalUnreadable, None, || (None, detail));
            }
        };
        if let Some((step, problem)) = unfollowable(&history, &plan) {
            return self.note(task, ProblemCode::JournalUnreadable, Some(step), || (None, problem));
        }
        let progress = history.replay(plan.rules().clone());
        for step in without_handler(&progress, &plan) {
            let template_step = &plan.template.steps()[step.step() as usize];
            let callable = &template_step.handler.callable;
            let full = format!("{}.{callable}", plan.template.namespace());
            let lives = self.elsewhere.contains(callable.as_str()) || self.elsewhere.contains(&full);
            if lives && self.partial {
                continue;
            }
            let name = plan.rules().name(step).to_string();
            let others =
                if lives { ", and a worker that runs now has" } else { ", nor has a worker that runs now" };
            let detail = format!("`{name}` calls `{callable}`, which this program does not have{others}");
            self.note(task, ProblemCode::HandlerMissing, Some(step), || (Some(name), detail));
        }
    }

    /// Counts a task among those that have a problem.
    fn note(
        &mut self,
        task: OpenTask,
        code: ProblemCode,
        step: Option<StepIndex>,
        what: impl FnOnce() -> (Option<String>, String),
    ) {
        let templates = &self.templates;
        let problem = self.found.entry((task.template, code, step)).or_insert_with(|| {
            let open = templates.get(&task.template);
            let text = |of: fn(&OpenTemplate) -> &String| open.map(of).cloned().unwrap_or_default();
            let (step, detail) = what();
            InFlightProblem {
                namespace: text(|open| &open.namespace),
                template: text(|open| &open.name),
                version: text(|open| &open.version),
                digest: text(|open| &open.digest),
                code,
                step,
                detail,
                tasks: 0,
                examples: Vec::new(),
            }
        });
        problem.tasks += 1;
        if problem.examples.len() < EXAMPLES {
            problem.examples.push(task.uuid);
        }
    }
}

/// What is recorded and cannot be followed: a step that the template does not have, or a result that means nothing.
fn unfollowable(history: &History, plan: &CompiledTemplate) -> Option<(StepIndex, String)> {
    let rules = plan.rules();
    if let Some(step) = history.unknown_step(rules) {
        return Some((
            step,
            format!("the journal has step number {}, which the template does not have", step.code()),
        ));
    }
    history.entries.iter().filter(|entry| entry.kind != journal::Kind::Skipped).find_map(|entry| {
        let problem = rules.effect(entry.step, &entry.result).err()?;
        Some((entry.step, problem.to_string()))
    })
}

/// The steps of the template that a task may still come to, or the compensations that are left, whose handlers this
/// program does not have. Of a batch worker its step stands for all of its batches.
fn without_handler(progress: &Progress, plan: &CompiledTemplate) -> Vec<StepIndex> {
    let open = |state: crate::model::StepState| !state.is_settled();
    if progress.rolling_back() {
        let left = progress.compensations().filter(|(_, slot)| open(slot.state()));
        let missing = left.filter(|(no, _)| plan.handler(*no).is_none());
        return missing.map(|(no, _)| no).collect();
    }
    let steps = progress.slots().filter(|(no, slot)| no.index().is_none() && open(slot.state()));
    let missing = steps.filter(|(no, _)| {
        plan.template.steps()[no.step() as usize].kind.has_handler() && plan.handler(*no).is_none()
    });
    missing.map(|(no, _)| no).collect()
}
