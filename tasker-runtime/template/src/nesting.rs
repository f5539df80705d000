//! How deep decisions nest.

use crate::graph::Graph;
use crate::step::{Step, StepKind};
use crate::template::Template;

/// Decisions on one path, each below the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionChain {
    /// The number of the first.
    pub first: u32,
    /// The number of the last; the first one itself where there is only one.
    pub last: u32,
    /// How many there are.
    pub length: u32,
}

impl Template {
    /// The longest chain of decisions, each below the one before; `None` where no step is a decision.
    ///
    /// Everything that depends on a decision, directly or not, is below it, also what comes after a
    /// convergence.
    ///
    /// ```
    /// use tasker_template::{Step, StepKind, Template};
    ///
    /// let decision = |name: &str| Step::new(name).kind(StepKind::Decision);
    /// let route = Template::builder("route")
    ///     .step(decision("size"))
    ///     .step(decision("colour").after(["size"]))
    ///     .step(Step::new("paint").after(["colour"]))
    ///     .build()?;
    /// let chain = route.decision_chain().ok_or("there is one")?;
    /// assert_eq!((chain.first, chain.last, chain.length), (0, 1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn decision_chain(&self) -> Option<DecisionChain> {
        longest(self.steps(), self.graph())
    }
}

/// The longest chain among `steps`; of several that are as long, one that ends first.
pub(crate) fn longest(steps: &[Step], graph: &Graph) -> Option<DecisionChain> {
    // The longest chain that ends at each step or above it.
    let mut chains: Vec<Option<DecisionChain>> = vec![None; steps.len()];
    let length = |chain: &Option<DecisionChain>| chain.map_or(0, |chain| chain.length);
    let mut best = None;
    for &step in graph.order() {
        let above =
            graph.dependencies(step).iter().map(|&to| chains[to as usize]).max_by_key(length).flatten();
        let chain = match steps[step as usize].kind {
            StepKind::Decision => Some(DecisionChain {
                first: above.map_or(step, |above| above.first),
                last: step,
                length: length(&above) + 1,
            }),
            _ => above,
        };
        chains[step as usize] = chain;
        if length(&chain) > length(&best) {
            best = chain;
        }
    }
    best
}
