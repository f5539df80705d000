//! Which step waits for which, by number.

use std::collections::VecDeque;

/// The edges of a template, both ways, in flat arrays: memory grows with steps and edges only.
///
/// Steps are numbered from 0 in the order of the template.
///
/// ```
/// use tasker_template::Graph;
///
/// let diamond = Graph::new(&[vec![], vec![0], vec![0], vec![1, 2]]).expect("it has no circle");
/// assert_eq!(diamond.dependents(0), [1, 2]);
/// assert_eq!((diamond.depth(), diamond.leaves()), (3, vec![3]));
/// assert!(Graph::new(&[vec![1], vec![0]]).is_err());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Graph {
    dependencies: Edges,
    dependents: Edges,
    order: Vec<u32>,
    /// The length of the longest path to each step, counted in edges.
    levels: Vec<u32>,
}

/// For each step a run of neighbours in one array.
#[derive(Debug, Clone, Default)]
struct Edges {
    /// Where the run of each step starts, and one more: where the last one ends.
    starts: Vec<u32>,
    targets: Vec<u32>,
}

impl Edges {
    fn of(&self, step: u32) -> &[u32] {
        let step = step as usize;
        match (self.starts.get(step), self.starts.get(step + 1)) {
            (Some(&from), Some(&to)) => &self.targets[from as usize..to as usize],
            _ => &[],
        }
    }

    fn from_lists(lists: &[Vec<u32>]) -> Self {
        let mut edges = Self { starts: vec![0], targets: Vec::new() };
        for list in lists {
            edges.targets.extend_from_slice(list);
            edges.starts.push(number(edges.targets.len()));
        }
        edges
    }
}

impl Graph {
    /// The graph in which step `n` depends on each of `dependencies[n]`. Numbers past the end are left
    /// out.
    ///
    /// # Errors
    /// The cycles, where there are any: for each group of steps that wait for each other its shortest
    /// cycle through its first step, every step depending on the next and the last on the first.
    pub fn new(dependencies: &[Vec<u32>]) -> Result<Self, Vec<Vec<u32>>> {
        let count = number(dependencies.len());
        let known: Vec<Vec<u32>> =
            dependencies.iter().map(|list| list.iter().copied().filter(|&to| to < count).collect()).collect();
        let mut dependents = vec![Vec::new(); known.len()];
        for (step, list) in known.iter().enumerate() {
            for &to in list {
                dependents[to as usize].push(number(step));
            }
        }
        let mut graph = Self {
            dependencies: Edges::from_lists(&known),
            dependents: Edges::from_lists(&dependents),
            order: Vec::with_capacity(known.len()),
            levels: vec![0; known.len()],
        };
        graph.sort();
        if graph.order.len() == known.len() { Ok(graph) } else { Err(crate::cycles::find(&known)) }
    }

    /// Fills `order` and `levels`; steps on a cycle, and what waits for them, stay out of the order.
    fn sort(&mut self) {
        let count = number(self.levels.len());
        let mut waiting: Vec<usize> = (0..count).map(|step| self.dependencies(step).len()).collect();
        let mut ready: VecDeque<u32> = (0..count).filter(|&step| waiting[step as usize] == 0).collect();
        while let Some(step) = ready.pop_front() {
            self.order.push(step);
            for &next in self.dependents.of(step) {
                let level = self.levels[step as usize] + 1;
                self.levels[next as usize] = self.levels[next as usize].max(level);
                waiting[next as usize] -= 1;
                if waiting[next as usize] == 0 {
                    ready.push_back(next);
                }
            }
        }
    }

    /// The steps that `step` waits for directly, in the order they are written; empty for a number
    /// past the end.
    #[must_use]
    pub fn dependencies(&self, step: u32) -> &[u32] {
        self.dependencies.of(step)
    }

    /// The steps that wait directly for `step`, ascending; empty for a number past the end.
    #[must_use]
    pub fn dependents(&self, step: u32) -> &[u32] {
        self.dependents.of(step)
    }

    /// Every step after all that it depends on.
    #[must_use]
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// The steps that nothing depends on, ascending: their results are the result of a task.
    #[must_use]
    pub fn leaves(&self) -> Vec<u32> {
        (0..number(self.levels.len())).filter(|&step| self.dependents(step).is_empty()).collect()
    }

    /// The number of steps on the longest path, 0 for a graph without steps.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.levels.iter().max().map_or(0, |level| level + 1)
    }

    /// The number of edges on the longest path to `step`; 0 for a step without dependencies.
    #[must_use]
    pub fn level(&self, step: u32) -> u32 {
        self.levels.get(step as usize).copied().unwrap_or(0)
    }

    /// Whether `step` depends on `candidate`, directly or not. A step is no ancestor of itself.
    ///
    /// Takes time in the edges between the two at most.
    #[must_use]
    pub fn is_ancestor(&self, step: u32, candidate: u32) -> bool {
        if self.dependencies(step).contains(&candidate) {
            return true;
        }
        self.climb(step, self.level(candidate), |found| found == candidate)
    }

    /// Every step that `step` depends on, directly or not, ascending.
    #[must_use]
    pub fn ancestors(&self, step: u32) -> Vec<u32> {
        let mut found = Vec::new();
        self.climb(step, 0, |ancestor| {
            found.push(ancestor);
            false
        });
        found.sort_unstable();
        found
    }

    /// Visits the ancestors of `step` at `floor` or above it, each once, until `stop` says so; tells
    /// whether it did.
    fn climb(&self, step: u32, floor: u32, mut stop: impl FnMut(u32) -> bool) -> bool {
        let mut seen = vec![false; self.levels.len()];
        let mut open = vec![step];
        while let Some(at) = open.pop() {
            for &next in self.dependencies(at) {
                if self.level(next) < floor || std::mem::replace(&mut seen[next as usize], true) {
                    continue;
                }
                if stop(next) {
                    return true;
                }
                open.push(next);
            }
        }
        false
    }
}

/// A count or an index as a step number. Templates end at 10,000 steps, edges at a few millions.
pub(crate) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
