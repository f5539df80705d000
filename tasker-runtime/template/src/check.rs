//! What must hold between the steps: names, edges, kinds.

use std::collections::HashMap;

use crate::graph::{Graph, number};
use crate::nesting;
use crate::read::Reader;
use crate::report::Code;
use crate::step::{Step, StepKind};
use crate::tree::{NodeId, shown};
use crate::wait::{OnTimeout, SignalConfig};

/// How many steps a path may have.
const LONGEST_PATH: u32 = 1_000;

/// Where the parts of a step stand.
#[derive(Debug)]
pub(crate) struct Places {
    /// The name; `None` where it was a mistake and the step cannot be named.
    pub(crate) name: Option<NodeId>,
    pub(crate) step: NodeId,
    pub(crate) kind: NodeId,
    /// In the order of the dependencies.
    pub(crate) depends_on: Vec<NodeId>,
}

/// Checks the steps against each other; the graph, where there is one.
pub(crate) fn steps(reader: &mut Reader<'_>, steps: &[Step], places: &[Places]) -> Option<Graph> {
    let names = names(reader, steps, places);
    let edges = edges(reader, steps, places, &names);
    match Graph::new(&edges.lists) {
        Ok(graph) => {
            path(reader, &graph, places);
            decisions(reader, steps, places, &graph);
            kinds(reader, steps, places, &graph, &edges);
            Some(graph)
        }
        Err(cycles) => {
            for cycle in cycles {
                report_cycle(reader, steps, places, &cycle);
            }
            None
        }
    }
}

/// The number of each name.
fn names<'s>(reader: &mut Reader<'_>, steps: &'s [Step], places: &[Places]) -> HashMap<&'s str, u32> {
    let mut names = HashMap::with_capacity(steps.len());
    for (index, (step, place)) in steps.iter().zip(places).enumerate() {
        let Some(at) = place.name else { continue };
        if names.contains_key(&*step.name) {
            let message = format!("there are two steps called `{}`", step.name);
            reader.mistake(at, Code::DuplicateStep, message, Some("rename one of the two".to_owned()));
        } else {
            names.insert(&*step.name, number(index));
        }
    }
    for (step, place) in steps.iter().zip(places) {
        let worker = batch_of(&step.name).and_then(|worker| names.get(worker));
        let worker = worker.map(|&worker| &steps[worker as usize]);
        let (Some(at), Some(worker)) = (place.name, worker) else { continue };
        if worker.kind == StepKind::BatchWorker {
            let message = format!("step `{}` is called as a batch of `{}` is", step.name, worker.name);
            let help = "rename it: batches are called as their worker, with `_001` and so on behind it";
            reader.mistake(at, Code::DuplicateStep, message, Some(help.to_owned()));
        }
    }
    names
}

/// The worker that would have a batch of this name.
fn batch_of(name: &str) -> Option<&str> {
    let (worker, batch) = name.rsplit_once('_')?;
    let digits = batch.bytes().all(|byte| byte.is_ascii_digit());
    let written = batch.len() == 3 || batch.len() > 3 && !batch.starts_with('0');
    (digits && written).then_some(worker)
}

/// A step in a sentence.
fn label(step: &Step) -> String {
    let noun = step.kind.noun();
    if step.name.is_empty() {
        format!("a {noun} without a name")
    } else {
        format!("{noun} `{}`", shown(&step.name))
    }
}

/// The edges that can be followed, and what was probably meant by those that cannot.
struct Edges {
    lists: Vec<Vec<u32>>,
    /// For each step, whether one of its dependencies is a mistake.
    broken: Vec<bool>,
    /// For each step, whether a mistaken dependency probably means it.
    meant: Vec<bool>,
}

fn edges(reader: &mut Reader<'_>, steps: &[Step], places: &[Places], names: &HashMap<&str, u32>) -> Edges {
    let mut edges = Edges {
        lists: vec![Vec::new(); steps.len()],
        broken: vec![false; steps.len()],
        meant: vec![false; steps.len()],
    };
    // In the order of the file, so that of two names that are as near the first is suggested.
    let known: Vec<&str> = steps.iter().map(|step| &*step.name).collect();
    // The last step that listed each one, to find what a step lists twice without a set for each.
    let mut listed_by = vec![u32::MAX; steps.len()];
    for (index, (step, place)) in steps.iter().zip(places).enumerate() {
        let own = number(index);
        for (name, &at) in step.depends_on.iter().zip(&place.depends_on) {
            let Some(&to) = names.get(name.as_str()) else {
                edges.broken[index] = true;
                let meant = reader.nearest(name, known.iter().copied().filter(|&known| known != &*step.name));
                if let Some(&to) = meant.and_then(|name| names.get(name)) {
                    edges.meant[to as usize] = true;
                }
                let message = format!("{} depends on `{}`, which is no step", label(step), shown(name));
                let help = meant.map(|name| format!("did you mean `{name}`?"));
                reader.mistake(at, Code::UnknownDependency, message, help);
                continue;
            };
            if to == own {
                edges.broken[index] = true;
                let message = format!("{} depends on itself", label(step));
                reader.mistake(at, Code::SelfDependency, message, Some("remove it".to_owned()));
            } else if std::mem::replace(&mut listed_by[to as usize], own) == own {
                let message = format!("{} lists `{}` twice", label(step), shown(name));
                reader.mistake(at, Code::DuplicateDependency, message, Some("remove one".to_owned()));
            } else {
                edges.lists[index].push(to);
            }
        }
    }
    edges
}

fn report_cycle(reader: &mut Reader<'_>, steps: &[Step], places: &[Places], cycle: &[u32]) {
    let Some(&first) = cycle.first() else { return };
    let place = &places[first as usize];
    let names: Vec<&str> = cycle.iter().chain([&first]).map(|&step| &*steps[step as usize].name).collect();
    let next = cycle.get(1).unwrap_or(&first);
    let listed =
        steps[first as usize].depends_on.iter().position(|name| **name == *steps[*next as usize].name);
    let at = listed.map_or(place.step, |listed| place.depends_on[listed]);
    let message = format!("these steps wait for each other for ever: {}", names.join(" → "));
    let help = "each depends on the next: remove one of these dependencies, for instance this one".to_owned();
    reader.mistake(at, Code::Cycle, message, Some(help));
}

fn path(reader: &mut Reader<'_>, graph: &Graph, places: &[Places]) {
    if graph.depth() <= LONGEST_PATH {
        return;
    }
    // The first step that is too far from the start.
    let first = graph.order().iter().find(|&&step| graph.level(step) >= LONGEST_PATH);
    let Some(place) = first.and_then(|&step| places.get(step as usize)) else { return };
    let message = format!("a path may have {LONGEST_PATH} steps, and the longest one has {}", graph.depth());
    let help = Some("let steps run beside each other, or split the workflow".to_owned());
    reader.mistake(place.name.unwrap_or(place.step), Code::TooLongPath, message, help);
}

fn decisions(reader: &mut Reader<'_>, steps: &[Step], places: &[Places], graph: &Graph) {
    let most = reader.options.max_decision_depth.unwrap_or(u32::MAX);
    let Some(chain) = nesting::longest(steps, graph).filter(|chain| chain.length > most) else { return };
    let [first, last] = [chain.first, chain.last].map(|step| shown(&steps[step as usize].name));
    let place = &places[chain.last as usize];
    let message = format!(
        "{} decisions are nested, from `{first}` to `{last}`, and at most {most} may be",
        chain.length
    );
    let help = Some("split the workflow, or raise `limits.max_decision_depth`".to_owned());
    reader.mistake(place.name.unwrap_or(place.step), Code::TooManyDecisions, message, help);
}

fn kinds(reader: &mut Reader<'_>, steps: &[Step], places: &[Places], graph: &Graph, edges: &Edges) {
    let deferred = deferred(steps, graph);
    for (index, (step, place)) in steps.iter().zip(places).enumerate() {
        let own = number(index);
        let count = |of, near: &[u32]| near.iter().filter(|&&step| steps[step as usize].kind == of).count();
        // A step with a dangling dependency may mean the one that is missing, and one that such a
        // dependency probably means is not missing it: each mistake is said once.
        let problem = match step.kind {
            StepKind::Standard | StepKind::Timer | StepKind::Signal | StepKind::Workflow => None,
            StepKind::Decision => {
                (graph.dependents(own).is_empty() && !edges.meant[index]).then_some(UNDECIDED)
            }
            StepKind::DeferredConvergence => {
                (!deferred[index] && !edges.broken[index]).then_some(UNCONVERGED)
            }
            StepKind::BatchWorker => match count(StepKind::Batchable, graph.dependencies(own)) {
                0 if !edges.broken[index] => Some(WITHOUT_ANALYZER),
                0 | 1 => None,
                _ => Some(SEVERAL_ANALYZERS),
            },
            StepKind::Batchable => match count(StepKind::BatchWorker, graph.dependents(own)) {
                0 if !edges.meant[index] => Some(WITHOUT_WORKER),
                0 | 1 => None,
                _ => Some(SEVERAL_WORKERS),
            },
        };
        if let Some(Problem { code, message, help }) = problem {
            let message = format!("{} {message}", label(step));
            reader.mistake(place.kind, code, message, Some(help.to_owned()));
        }
    }
}

/// For each step, whether anything above it may be left out or run many times.
fn deferred(steps: &[Step], graph: &Graph) -> Vec<bool> {
    let mut deferred = vec![false; steps.len()];
    for &step in graph.order() {
        deferred[step as usize] = graph.dependencies(step).iter().any(|&above| {
            let kind = steps[above as usize].kind;
            let may_be_skipped = |signal: &SignalConfig| signal.on_timeout == OnTimeout::Skip;
            deferred[above as usize]
                || matches!(kind, StepKind::Decision | StepKind::BatchWorker)
                || steps[above as usize].signal.as_ref().is_some_and(may_be_skipped)
        });
    }
    deferred
}

/// What can be wrong with the place of a step in the graph.
struct Problem {
    code: Code,
    message: &'static str,
    help: &'static str,
}

const UNDECIDED: Problem = Problem {
    code: Code::DecisionWithoutDependents,
    message: "has nothing to decide: no step depends on it",
    help: "let the steps it chooses from depend on it, or make it `type: standard`",
};
const UNCONVERGED: Problem = Problem {
    code: Code::ConvergenceOverNothing,
    message: "has nothing to converge: no decision, no batch worker and no signal that may be skipped stands above it",
    help: "let it depend on steps below a decision, or make it `type: standard`",
};
const WITHOUT_ANALYZER: Problem = Problem {
    code: Code::WorkerWithoutAnalyzer,
    message: "has no analyzer",
    help: "let it depend on a step of type `batchable`",
};
const SEVERAL_ANALYZERS: Problem = Problem {
    code: Code::WorkerWithoutAnalyzer,
    message: "has several analyzers",
    help: "let it depend on one step of type `batchable` only",
};
const WITHOUT_WORKER: Problem = Problem {
    code: Code::AnalyzerWithoutWorker,
    message: "has no worker",
    help: "let a step of type `batch_worker` depend on it",
};
const SEVERAL_WORKERS: Problem = Problem {
    code: Code::AnalyzerWithoutWorker,
    message: "has several workers",
    help: "let one step of type `batch_worker` depend on it only",
};
